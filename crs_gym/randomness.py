"""Randomness that belongs to the episode.

Every draw is keyed by (seed, episode, task, turn, purpose). Nothing is taken from a global generator or depends on the
order in a batch, so two agents meet the same user with the same noise, and a batch of 64 gives the same dialogues
as 64 single envs. Philox is a counter-based generator: (turn, purpose) is a place in its stream.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from crs_gym.numeric import FloatArray

_LOW: Final = 2**64 - 1
_JOINT: Final = "\x1f"
"""Stands between the parts of a path: no name holds it."""


class _Stream(threading.local):
    """A generator for each thread, of which nothing is kept from one use to the next."""

    def __init__(self) -> None:
        self.generator = np.random.Generator(np.random.Philox(key=0))
        nothing = (0, 0, 0, 0)  # plain numbers: numpy reads them in a third of the time of an array's
        self._key: dict[str, tuple[int, ...]] = {"counter": nothing, "key": nothing[:2]}
        self._state = {
            "bit_generator": "Philox",
            "state": self._key,
            "buffer": nothing,
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }

    def turn_to(self, key: int) -> None:
        """Go to the beginning of the stream of `key`."""
        self._key["key"] = key & _LOW, key >> 64
        self.generator.bit_generator.state = self._state


_STREAM: Final = _Stream()


def episode_key(seed: int, episode: int, task_id: str) -> int:
    """The 128-bit key of one episode's noise: the `episode`-th of `seed`, on the task `task_id`."""
    return _key_of(f"{seed}{_JOINT}{episode}{_JOINT}{task_id}")


def derived_key(*parts: int | str) -> int:
    """A 128-bit key from a path of numbers and names; different paths give unrelated keys."""
    return _key_of(_JOINT.join(map(str, parts)))


def derived_keys(parts: Sequence[int | str], last: Iterable[int | str]) -> list[int]:
    """`derived_key(*parts, one)` for each `one` of `last`."""
    path = "".join([f"{part}{_JOINT}" for part in parts])
    return [_key_of(f"{path}{one}") for one in last]


def _key_of(path: str) -> int:
    return int.from_bytes(hashlib.blake2b(path.encode(), digest_size=16).digest(), "little")


def generator(key: int, *purpose: int | str) -> np.random.Generator:
    """A generator of its own for one purpose within what `key` stands for."""
    return np.random.Generator(np.random.Philox(key=derived_key(key, *purpose) if purpose else key))


def fill_uniforms(out: FloatArray, keys: Sequence[int]) -> None:
    """Fill each row of an array `(n, …)` with uniform draws in [0, 1): what `generator(key)` gives first.

    An episode begins with two of these rows; making a generator costs ten times as much as turning one to another key.
    """
    turn_to, random = _STREAM.turn_to, _STREAM.generator.random
    for row, key in zip(out, keys, strict=True):
        turn_to(key)
        random(out=row, dtype=np.float32)


def index_below(n: int, seed: int, episode: int) -> int:
    """Which of `n` tasks the `episode`-th episode of `seed` gets, uniformly."""
    return derived_key("task", seed, episode) % n
