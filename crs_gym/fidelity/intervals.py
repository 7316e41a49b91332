"""Figures over dialogues with their bootstrap intervals: means, ratios of sums, the area under a ROC curve, and any
other statistic of dialogues that are drawn with replacement.

A statistic is written for `(rows, n_groups)` counts, each row of which says how often each dialogue is in one sample.
Whole dialogues are drawn, as in `crs_gym.statistics`: what one person says is not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crs_gym.fidelity.findings import Estimate
from crs_gym.randomness import derived_key, generator
from crs_gym.statistics import CONFIDENCE, RESAMPLES

Array = NDArray[np.float64]
Groups = NDArray[np.intp]
Statistic = Callable[[Array], Array]
"""From `(rows, n_groups)` counts to `(rows,)` values; NaN where a sample has none."""

_CHUNK: Final = 500
"""Samples at a time: 500 x 1,342 counts are 5 MB."""
_PLACES: Final = 6
"""Decimals of a figure: more than any interval is narrow, and the same on every processor."""


def bootstrap(statistic: Statistic, n_groups: int, n: int, of: str, resamples: int = RESAMPLES) -> Estimate:
    """A statistic with its percentile interval.

    Args:
        statistic: See `Statistic`.
        n_groups: How many groups are drawn from.
        n: Over how many observations the figure is.
        of: What an observation is, in the plural.
        resamples: How many samples are drawn; always the same ones.
    """
    if not n_groups or not n:
        return Estimate(None, None, None, n, of)
    with np.errstate(invalid="ignore", divide="ignore"):  # a sample without any value has no figure
        value = float(statistic(np.ones((1, n_groups)))[0])
        if np.isnan(value):
            return Estimate(None, None, None, n, of)
        samples = np.empty(resamples)
        for start in range(0, resamples, _CHUNK):
            drawn = _draws(n_groups, resamples)[start : start + _CHUNK]
            samples[start : start + len(drawn)] = statistic(drawn.astype(np.float64))
    present = samples[~np.isnan(samples)]
    low, high = np.quantile(present, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(rounded(value), rounded(low), rounded(high), n, of)


@lru_cache(maxsize=4)
def _draws(n_groups: int, resamples: int) -> NDArray[np.uint8]:
    """`(resamples, n_groups)` how often each group is in each sample: the same for all figures over as many groups."""
    rng = generator(derived_key("fidelity bootstrap"))
    return rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=resamples).astype(np.uint8)


def rounded(value: float) -> float:
    """`value` as reports hold it; -0.0 becomes 0.0."""
    return round(float(value), _PLACES) + 0.0


def group_sums(values: Array, groups: Groups, n_groups: int) -> Array:
    """`(n_groups,)` or `(n_groups, m)` sums of `(n,)` or `(n, m)` values over each group."""
    sums = np.zeros((n_groups, *values.shape[1:]))
    np.add.at(sums, groups, values)
    return sums


def ratio(
    numerators: Sequence[float] | Array, denominators: Sequence[float] | Array, groups: Groups, of: str, n: int
) -> Estimate:
    """The sum of the numerators over the sum of the denominators, `(n,)` each; groups are drawn."""
    n_groups = int(groups.max(initial=-1)) + 1
    above = group_sums(np.asarray(numerators, np.float64), groups, n_groups)
    below = group_sums(np.asarray(denominators, np.float64), groups, n_groups)
    return bootstrap(lambda drawn: np.asarray((drawn @ above) / (drawn @ below)), n_groups, n, of)


def mean(values: Sequence[float] | Array, groups: Groups, of: str) -> Estimate:
    """The mean of `(n,)` values; groups are drawn."""
    return ratio(values, np.ones(len(values)), groups, of, len(values))


def auc(positives: Array, negatives: Array, positive_groups: Groups, negative_groups: Groups, of: str) -> Estimate:
    """The area under the ROC curve: how often a positive has the higher score than a negative; ties count half.

    Args:
        positives: `(p,)` scores.
        negatives: `(q,)` scores.
        positive_groups: `(p,)` the dialogue of each.
        negative_groups: `(q,)` the dialogue of each, of the same numbering.
        of: What is scored, in the plural.
    """
    from scipy.sparse import csr_array

    n = len(positives) + len(negatives)
    if not len(positives) or not len(negatives):
        return Estimate(None, None, None, n, of)
    used, numbers = np.unique(np.concatenate([positive_groups, negative_groups]), return_inverse=True)
    of_positive, of_negative = numbers[: len(positives)], numbers[len(positives) :]
    differences = positives[:, None] - negatives[None, :]
    wins = (differences > 0) + 0.5 * (differences == 0)  # (p, q)
    shape = (len(used), len(positives)), (len(used), len(negatives))
    rows = csr_array((np.ones(len(positives)), (of_positive, np.arange(len(positives)))), shape=shape[0])
    columns = csr_array((np.ones(len(negatives)), (of_negative, np.arange(len(negatives)))), shape=shape[1])
    between = np.asarray(columns @ (rows @ wins).T).T  # (groups, groups): the wins of one over the other
    p, q = np.bincount(of_positive, minlength=len(used)), np.bincount(of_negative, minlength=len(used))

    def statistic(drawn: Array) -> Array:
        return np.asarray(((drawn @ between) * drawn).sum(axis=1) / ((drawn @ p) * (drawn @ q)))

    return bootstrap(statistic, len(used), n, of)
