"""How fast the environment steps, as a ratio to gymnasium's CartPole on the same core in the same run.

Machines are noisy and differ; a ratio taken in alternating rounds is what can be compared.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Final

import gymnasium as gym
import numpy as np

from crs_gym.bench.memory import peak_resident_mb
from crs_gym.catalog import Catalog
from crs_gym.env import ConversationEnv
from crs_gym.questions import QUESTIONS
from crs_gym.randomness import derived_key, generator
from crs_gym.vector import ConversationVectorEnv

WIDTH: Final = 256
"""How many dialogues, and CartPoles, the vectors hold."""
ROUNDS: Final = 9
"""How many rounds alternate; the median of their ratios counts."""
ROUND_SECONDS: Final = 0.4
"""About how long one side steps in one round."""
ASKING_SHARE: Final = 0.25
"""The share of the benchmark agent's turns that ask; the others recommend."""


@dataclass(frozen=True)
class SpeedFigure:
    """One comparison.

    Attributes:
        name: What was stepped.
        turns_per_second: Dialogue turns a second (median round).
        cartpole_per_second: CartPole steps a second in the same rounds.
        ratio: The median of the rounds' ratios.
        wanted: The ratio that is to be reached; `None` where none is set.
    """

    name: str
    turns_per_second: float
    cartpole_per_second: float
    ratio: float
    wanted: float | None


def measure_speed(world: str = "sample", rounds: int = ROUNDS) -> Iterator[SpeedFigure]:
    """Step single and vector envs of both views against CartPole, with the `agenda` user.

    Args:
        world: The world that the seekers come from.
        rounds: How many rounds alternate.
    """
    for text in (True, False):
        view = "text view" if text else "structured view"
        yield _compare(f"{view}, single", _single(world, text), _single_cartpole(), 0.05 if text else None, rounds)
        yield _compare(
            f"{view}, vector of {WIDTH}", _vector(world, text), vector_cartpole(), 0.15 if text else None, rounds
        )


def measure_flatness(
    episodes: Sequence[int] = (100, 1_000, 10_000, 100_000), world: str = "sample"
) -> Iterator[tuple[int, float, float]]:
    """The cost of a turn as episodes add up: `(episodes so far, microseconds a turn lately, resident MB)`."""
    env = ConversationVectorEnv(WIDTH, world, text=True)
    actions = cycle(_text_actions(env.catalog, WIDTH, 8))
    env.reset(seed=0)
    ended = turns = 0
    start = time.perf_counter()
    for wanted in episodes:
        while ended < wanted:
            _, _, terminated, truncated, _ = env.step(next(actions))
            ended += int((terminated | truncated).sum())
            turns += WIDTH
        spent = time.perf_counter() - start
        yield ended, 1e6 * spent / turns, peak_resident_mb()
        turns, start = 0, time.perf_counter()


Steps = Callable[[float], float]
"""Steps for about so many seconds; returns the steps taken a second."""


def _compare(name: str, ours: Steps, theirs: Steps, wanted: float | None, rounds: int) -> SpeedFigure:
    for warm_up in (ours, theirs):
        warm_up(ROUND_SECONDS / 4)
    gc.collect()
    pairs = [(theirs(ROUND_SECONDS), ours(ROUND_SECONDS)) for _ in range(rounds)]
    return SpeedFigure(
        name=name,
        turns_per_second=statistics.median(our for _, our in pairs),
        cartpole_per_second=statistics.median(their for their, _ in pairs),
        ratio=statistics.median(our / their for their, our in pairs),
        wanted=wanted,
    )


def timed_steps(step: Callable[[], int]) -> Steps:
    """Calls `step`, which says how many steps it took, until the time is over."""

    def run(seconds: float) -> float:
        steps, start = 0, time.perf_counter()
        while True:
            for _ in range(16):
                steps += step()
            spent = time.perf_counter() - start
            if spent >= seconds:
                return steps / spent

    return run


def _single_cartpole() -> Steps:
    env = gym.make("CartPole-v1").unwrapped
    env.reset(seed=0)

    def step() -> int:
        _, _, terminated, truncated, _ = env.step(0)
        if terminated or truncated:
            env.reset()
        return 1

    return timed_steps(step)


def vector_cartpole() -> Steps:
    """CartPole-v1 in gymnasium's own `SyncVectorEnv`."""
    env = gym.make_vec("CartPole-v1", num_envs=WIDTH, vectorization_mode="sync")
    env.reset(seed=0)
    actions = np.zeros(WIDTH, np.int64)

    def step() -> int:
        env.step(actions)
        return WIDTH

    return timed_steps(step)


def _single(world: str, text: bool) -> Steps:
    env = ConversationEnv(world, text=text)
    actions: Iterator[Any]
    if text:
        actions = cycle([texts[0] for texts in _text_actions(env.catalog, 1, 512)])
    else:
        batches = _structured_actions(env.catalog, env.config.k, 1, 512)
        actions = cycle([{name: values[0] for name, values in batch.items()} for batch in batches])
    env.reset(seed=0)

    def step() -> int:
        _, _, terminated, truncated, _ = env.step(next(actions))
        if terminated or truncated:
            env.reset()
        return 1

    return timed_steps(step)


def _vector(world: str, text: bool) -> Steps:
    env = ConversationVectorEnv(WIDTH, world, text=text)
    batches: Sequence[Any] = (
        _text_actions(env.catalog, WIDTH, 16) if text else _structured_actions(env.catalog, env.config.k, WIDTH, 16)
    )
    actions = cycle(batches)
    env.reset(seed=0)

    def step() -> int:
        env.step(next(actions))
        return WIDTH

    return timed_steps(step)


def _text_actions(catalog: Catalog, n: int, count: int) -> list[tuple[str, ...]]:
    """`count` batched actions of an agent that asks now and then, and else names three films in a sentence."""
    rng = generator(derived_key("bench", "text"))
    questions = list(QUESTIONS.values())
    texts = []
    for _ in range(n * count):
        a, b, c = (catalog.names[item] for item in rng.choice(len(catalog), 3, replace=False))
        asks = rng.random() < ASKING_SHARE
        texts.append(questions[int(rng.integers(len(questions)))] if asks else f"You might like {a}, {b} or {c}.")
    return [tuple(texts[i * n : (i + 1) * n]) for i in range(count)]


def _structured_actions(catalog: Catalog, k: int, n: int, count: int) -> list[dict[str, Any]]:
    """`count` batched actions of an agent that asks now and then, and else shows `k` films."""
    rng = generator(derived_key("bench", "structured"))
    questions = list(QUESTIONS.values())
    actions = []
    for _ in range(count):
        asks = rng.random(n) < ASKING_SHARE
        items = np.stack([rng.choice(len(catalog), k, replace=False) for _ in range(n)])
        items[asks] = len(catalog)
        utterances = tuple(questions[int(rng.integers(4))] if ask else "Have a look at these." for ask in asks)
        actions.append({"utterance": utterances, "items": items})
    return actions
