"""Keyed Gumbel noise: the noise of one token is a function of (key, step, token), computed where it is needed.

Adding Gumbel noise to logits and taking the largest draws from their softmax. Since a token's noise depends on nothing
but its key, its step and its number, a row's text does not depend on the rows beside it, and two models that agree on
most logits write mostly the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crs_gym.numeric import DoubleArray, IntArray

UIntArray = NDArray[np.uint64]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_LOW: Final = 2**64 - 1


def stream_keys(keys: Sequence[int]) -> UIntArray:
    """`(n,)` uint64 from 128-bit keys."""
    return _mixed(np.array([(key ^ (key >> 64)) & _LOW for key in keys], np.uint64))


def gumbel(streams: UIntArray, step: int, tokens: IntArray) -> DoubleArray:
    """Standard Gumbel noise, one draw a place.

    Args:
        streams: Any shape, uint64, from `stream_keys`.
        step: Which token of the text is drawn.
        tokens: Numbers of tokens, of a shape that goes with `streams`.

    Returns:
        float64, of their common shape.
    """
    with np.errstate(over="ignore"):
        at_step = _mixed(streams + _GOLDEN * np.uint64(step + 1))
        bits = _mixed(at_step + _GOLDEN * (tokens.astype(np.uint64) + np.uint64(1)))
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return np.asarray(-np.log(-np.log(uniform)))


def _mixed(x: UIntArray) -> UIntArray:
    """The finalizer of SplitMix64 (Steele, Lea and Flood 2014): neighbours in, unrelated numbers out."""
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))
