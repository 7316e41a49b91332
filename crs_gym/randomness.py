"""Randomness that belongs to the episode.

Every draw is keyed by (seed, episode, task, turn, purpose). Nothing is taken from a global generator or depends on the
order in a batch, so two agents meet the same user with the same noise, and a batch of 64 gives the same dialogues
as 64 single envs. Philox is a counter-based generator: (turn, purpose) is a place in its stream.
"""

from __future__ import annotations

import hashlib
import threading
from typing import Final

import numpy as np

from crs_gym.numeric import FloatArray

_LOW: Final = 2**64 - 1


class _Stream(threading.local):
    """A generator for each thread, of which nothing is kept from one use to the next."""

    def __init__(self) -> None:
        self.generator = np.random.Generator(np.random.Philox(key=0))
        self.key = np.zeros(2, np.uint64)
        self.state = {  # at the beginning of the stream of `key`
            "bit_generator": "Philox",
            "state": {"counter": np.zeros(4, np.uint64), "key": self.key},
            "buffer": np.zeros(4, np.uint64),
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }


_STREAM: Final = _Stream()


def episode_key(seed: int, episode: int, task_id: str) -> int:
    """The 128-bit key of one episode's noise: the `episode`-th of `seed`, on the task `task_id`."""
    return derived_key(seed, episode, task_id)


def derived_key(*parts: int | str) -> int:
    """A 128-bit key from a path of numbers and names; different paths give unrelated keys."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


def generator(key: int, *purpose: int | str) -> np.random.Generator:
    """A generator of its own for one purpose within what `key` stands for."""
    return np.random.Generator(np.random.Philox(key=derived_key(key, *purpose) if purpose else key))


def fill_uniforms(out: FloatArray, key: int) -> None:
    """Fill a contiguous array with uniform draws in [0, 1): what `generator(key)` gives first, without making one.

    An episode begins with two of these; making a generator costs six times as much as turning one to another key.
    """
    stream = _STREAM.generator
    _STREAM.key[:] = key & _LOW, key >> 64
    stream.bit_generator.state = _STREAM.state
    stream.random(out=out, dtype=np.float32)


def index_below(n: int, seed: int, episode: int) -> int:
    """Which of `n` tasks the `episode`-th episode of `seed` gets, uniformly."""
    return derived_key("task", seed, episode) % n
