"""A vector of dialogues with the `sft` user against single envs one after the other, and the memory of many of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import gymnasium as gym
import numpy as np

from crs_gym.bench.language import (
    RECORDED,
    Comparison,
    Load,
    Memory,
    Rates,
    compared,
    in_rounds,
    local_model,
    own_adapter,
    sft_with,
    timed,
)
from crs_gym.bench.language_dialogues import WORDS, slate_of
from crs_gym.simulator import SimulatorEntry
from crs_gym.worlds.files.store import is_at_hand

VECTOR_WANTED: Final = 10.0

SINGLE_STEPS: Final = 4
"""How many turns of single envs stand, in each round, for the loop over all of them. A loop steps one after the other,
so its turns a second are those of one env; what is left of the loop would only repeat this."""

_MEMORY: Final = """
from pathlib import Path
from crs_gym.bench.language_envs import single_env, step, user_of
from crs_gym.bench.memory import peak_resident_mb
adapter = {adapter!r}
envs = [single_env(user_of({model!r}, Path(adapter) if adapter else None), seed) for seed in range({envs})]
step(envs[0], 0, {slate})
begun = peak_resident_mb()
for env in envs[1:]:
    step(env, 0, {slate})
print(begun, peak_resident_mb())
"""


def measure_envs(model: str, adapter: Path | None, load: Load) -> Comparison:
    """Turns a second of `gym.make_vec(…, num_envs=rows)` against a loop over `rows` single envs."""
    user = user_of(model, adapter)
    vector = _vector_turns(gym.make_vec(env_id(), num_envs=load.rows, simulator=user), load)
    singles = _single_turns([single_env(user, seed) for seed in range(min(load.rows, SINGLE_STEPS))], load)
    sides = {"vector": lambda: next(vector), "singles": lambda: next(singles)}
    in_rounds(sides, 1)  # the first step pays for what is looked up once
    done = in_rounds(sides, load.rounds)
    steps = load.rounds * SINGLE_STEPS
    name = f"make_vec({env_id()!r}, {load.rows}) against a loop of single envs (rate over {steps} single steps)"
    return compared(name, "turns/s", done, ("vector", "singles"), "turns", VECTOR_WANTED)


def measure_memory(model: str, adapter: Path | None, load: Load) -> Memory:
    """The peak memory of `rows` single envs and of one, each in a fresh process."""
    weights = sum(weight.numel() * weight.element_size() for weight in _weights(model, adapter))
    one, _ = _peaks(model, adapter, 1, load.slate)
    begun, played = _peaks(model, adapter, load.rows, load.slate)
    return Memory(load.rows, one, begun, played, weights / 2**20)


def env_id() -> str:
    """The id that is measured."""
    return "CRS-Redial-v0" if is_at_hand(RECORDED) else "CRS-Sample-v0"


def user_of(model: str, adapter: Path | None) -> str | SimulatorEntry:
    """The `sft` user as an env takes it. What it plays with by default goes by its name alone."""
    if adapter is not None and adapter == own_adapter(model):
        return "sft"
    return sft_with(local_model(model, adapter), adapter)


def single_env(user: str | SimulatorEntry, seed: int) -> gym.Env[Any, Any]:
    """A single env, in which an episode was begun."""
    env: gym.Env[Any, Any] = gym.make(env_id(), simulator=user)
    env.reset(seed=seed)
    return env


def step(env: gym.Env[Any, Any], turn: int, slate: int) -> bool:
    """One turn; whether the episode is over."""
    face: Any = env.unwrapped
    action = {"utterance": WORDS, "items": _places(face.engine.episode(0).key, turn, face, slate)}
    *_, terminated, truncated, _ = env.step(action)
    return bool(terminated or truncated)


def _places(key: int, turn: int, face: Any, slate: int) -> Any:
    """`(k,)` the slate, empty places behind."""
    n_items = len(face.catalog)
    places = np.full(face.config.k, n_items)
    places[:slate] = slate_of(key, turn, n_items, slate)
    return places


def _vector_turns(envs: Any, load: Load) -> Iterator[Rates]:
    """Each time one step of the vector; rows that only begin an episode in it count for nothing."""
    envs.reset(seed=0)
    over = np.zeros(load.rows, bool)
    for turn in count():
        keys = [envs.engine.episode(row).key for row in range(load.rows)]
        items = np.stack([_places(key, turn, envs, load.slate) for key in keys])
        seconds, (_, _, terminated, truncated, _) = timed(
            partial(envs.step, {"utterance": (WORDS,) * load.rows, "items": items})
        )
        yield {"turns": float(np.count_nonzero(~over)) / seconds}
        over = terminated | truncated


def _single_turns(envs: list[gym.Env[Any, Any]], load: Load) -> Iterator[Rates]:
    """Each time `SINGLE_STEPS` steps, one env after the other."""
    ended = [False] * len(envs)

    def steps(turn: int) -> None:
        for i in range(SINGLE_STEPS):
            place = i % len(envs)
            if ended[place]:
                envs[place].reset()
            ended[place] = step(envs[place], turn, load.slate)

    for turn in count():
        seconds, _ = timed(partial(steps, turn))
        yield {"turns": SINGLE_STEPS / seconds}


def _weights(model: str, adapter: Path | None) -> list[Any]:
    network: Any = local_model(model, adapter)._model
    return list(network.parameters())


def _peaks(model: str, adapter: Path | None, envs: int, slate: int) -> tuple[float, float]:
    """MB of a fresh interpreter: with one turn played, and with one in each env."""
    program = _MEMORY.format(model=model, adapter=str(adapter) if adapter else "", envs=envs, slate=slate)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    begun, played = done.stdout.split()[-2:]
    return float(begun), float(played)
