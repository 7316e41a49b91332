"""How fast the Discrete view steps: its vector against gymnasium's CartPole, and the adapter against the vector.

As in `crs_gym.bench.speed`, a ratio taken in alternating rounds of one run is what can be compared.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from crs_gym.bench.speed import ASKING_SHARE, ROUND_SECONDS, ROUNDS, WIDTH, Steps, timed_steps, vector_cartpole
from crs_gym.catalog import FACET_KINDS
from crs_gym.discrete.vector import DiscreteVectorEnv
from crs_gym.randomness import derived_key, generator

WANTED: Final = 0.5
"""The ratio to CartPole that is to be reached."""
WANTED_OF_ADAPTER: Final = 0.8
"""The share of the vector's speed that the adapter for stable-baselines3 is to keep."""


@dataclass(frozen=True)
class DiscreteFigure:
    """One comparison.

    Attributes:
        name: What was stepped.
        steps_per_second: Its steps a second (median round).
        other: What it was held against.
        other_per_second: That one's steps a second in the same rounds.
        ratio: The median of the rounds' ratios.
        wanted: The ratio that is to be reached.
    """

    name: str
    steps_per_second: float
    other: str
    other_per_second: float
    ratio: float
    wanted: float


def measure_discrete(world: str = "sample", rounds: int = ROUNDS) -> Iterator[DiscreteFigure]:
    """Step 256 dialogues with the `agenda` user, by random actions of which a quarter ask.

    A step in which an env only resets counts as a step, for CartPole as for us.

    Args:
        world: The world that the seekers come from.
        rounds: How many rounds alternate.

    Raises:
        ImportError: stable-baselines3 is not installed; raised when the adapter's turn comes.
    """
    vector = f"Discrete view, vector of {WIDTH}"
    yield _compare(vector, _vector(world), "CartPole-v1, sync", vector_cartpole(), WANTED, rounds)
    same_step = _vector(world, AutoresetMode.SAME_STEP)
    yield _compare(
        "VecEnv for stable-baselines3", _adapter(world), f"{vector}, same_step", same_step, WANTED_OF_ADAPTER, rounds
    )


def _compare(name: str, ours: Steps, other: str, theirs: Steps, wanted: float, rounds: int) -> DiscreteFigure:
    for warm_up in (ours, theirs):
        warm_up(ROUND_SECONDS / 4)
    gc.collect()
    pairs = [(theirs(ROUND_SECONDS), ours(ROUND_SECONDS)) for _ in range(rounds)]
    return DiscreteFigure(
        name=name,
        steps_per_second=statistics.median(our for _, our in pairs),
        other=other,
        other_per_second=statistics.median(their for their, _ in pairs),
        ratio=statistics.median(our / their for their, our in pairs),
        wanted=wanted,
    )


def _vector(world: str, mode: AutoresetMode = AutoresetMode.NEXT_STEP) -> Steps:
    envs = DiscreteVectorEnv(WIDTH, world, autoreset_mode=mode, simulator="agenda")
    envs.reset(seed=0)
    return _stepped(envs.step, envs.view.config.n_candidates)


def _adapter(world: str) -> Steps:
    from crs_gym.sb3 import DiscreteVecEnv

    envs = DiscreteVectorEnv(WIDTH, world, autoreset_mode=AutoresetMode.SAME_STEP, simulator="agenda")
    adapter = DiscreteVecEnv(envs, seed=0)
    adapter.reset()
    return _stepped(adapter.step, envs.view.config.n_candidates)


def _stepped(step: Callable[[NDArray[np.int64]], Any], n_candidates: int) -> Steps:
    """Steps with actions that are drawn beforehand."""
    rng = generator(derived_key("bench", "discrete"))
    shape = (64, WIDTH)
    asks = n_candidates + rng.integers(0, len(FACET_KINDS), shape)
    actions = np.where(rng.random(shape) < ASKING_SHARE, asks, rng.integers(0, n_candidates, shape))
    place = 0

    def one() -> int:
        nonlocal place
        step(actions[place % len(actions)])
        place += 1
        return WIDTH

    return timed_steps(one)
