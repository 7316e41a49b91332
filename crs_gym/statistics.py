"""What a figure is worth: bootstrap intervals, the interquartile mean, paired differences and their significance.

Tables are `(n_episodes, n_columns)` float64, NaN where an episode has no value. Episodes belong to groups (a group is a
task with all of its trials), and whole groups are drawn: the trials of one task share a seeker, so drawing them
apart would count one seeker several times and make intervals too narrow. All columns and all agents are drawn with the
same counts, so what stands side by side is paired. Generators are seeded (Philox): the same table gives the same
bounds.

The bootstrap is the percentile bootstrap (Efron and Tibshirani, 1993, chapter 13), stratified where strata are given,
as recommended for evaluating agents by Agarwal et al. (NeurIPS 2021). It knows nothing beyond the sample: a metric that
never varies in it has an interval of width 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crs_gym.randomness import derived_key, generator

Table = NDArray[np.float64]
Groups = NDArray[np.intp]

RESAMPLES: Final = 10_000
"""Enough that a bound moves by less than a hundredth of the interval's width from seed to seed."""
CONFIDENCE: Final = 0.95
_CHUNK: Final = 1_000
"""Resamples at a time: 1,000 x 1,238 counts are 10 MB."""
_COLUMNS: Final = 512
"""Columns at a time: 10,000 means of each are 41 MB, and an ordinary table has fewer, so that it is drawn for once."""
_TIE: Final = 1e-9
"""Sums that differ by less, relative to the sum of absolute values, are the same sum in another order of addition."""


@dataclass(frozen=True)
class Intervals:
    """Estimates with their bounds, each `(n_columns,)`; NaN where a column has no value.

    Attributes:
        estimate: Of the table itself.
        low: The lower bound.
        high: The upper bound.
        n: How many episodes have a value.
    """

    estimate: Table
    low: Table
    high: Table
    n: NDArray[np.intp]


def group_numbers(labels: Sequence[str]) -> Groups:
    """`(n,)` the number of each label among the sorted distinct labels."""
    return np.unique(np.asarray(labels, dtype=object), return_inverse=True)[1].reshape(len(labels)).astype(np.intp)


def bootstrap_means(
    table: Table, groups: Groups, *, resamples: int = RESAMPLES, seed: int = 0, strata: Groups | None = None
) -> Intervals:
    """Column means with percentile intervals.

    Args:
        table: `(n_episodes, n_columns)`.
        groups: `(n_episodes,)` group numbers from 0; see `group_numbers`.
        resamples: How many samples are drawn.
        seed: Keys the draws.
        strata: `(n_groups,)` stratum numbers; every sample holds as many groups of each stratum as the table does.
    """
    blocks = [
        _mean_intervals(table[:, start : start + _COLUMNS], groups, resamples, seed, strata)
        for start in range(0, max(table.shape[1], 1), _COLUMNS)
    ]
    if len(blocks) == 1:
        return blocks[0]
    return Intervals(
        estimate=np.concatenate([block.estimate for block in blocks]),
        low=np.concatenate([block.low for block in blocks]),
        high=np.concatenate([block.high for block in blocks]),
        n=np.concatenate([block.n for block in blocks]),
    )


def _mean_intervals(table: Table, groups: Groups, resamples: int, seed: int, strata: Groups | None) -> Intervals:
    """`bootstrap_means` of a few columns. Every call has the same draws, so all columns are drawn together."""
    if not table.size:
        nothing = np.full(table.shape[1], np.nan)
        return Intervals(nothing, nothing, nothing, np.zeros(table.shape[1], np.intp))
    sums, counts = _group_sums(table, groups)
    masks, which = np.unique(counts, axis=1, return_inverse=True)
    means = np.empty((resamples, table.shape[1]))
    for start, drawn in _draws(len(sums), resamples, seed, strata):
        rows = slice(start, start + len(drawn))
        with np.errstate(invalid="ignore"):  # a sample without any value of a column has no mean
            means[rows] = (drawn @ sums) / (drawn @ masks)[:, which.ravel()]
    with np.errstate(invalid="ignore"):
        estimate = sums.sum(axis=0) / counts.sum(axis=0)
    low, high = _bounds(means)
    return Intervals(estimate, low, high, counts.sum(axis=0).astype(np.intp))


def interquartile_mean(values: Table, weights: Table | None = None) -> float:
    """The mean of the middle half of the values, the outer ones of which count in part; NaN for no values.

    Args:
        values: `(n,)`, without NaN.
        weights: `(n,)` how often each value is there; once each when left out.
    """
    order = np.argsort(values, kind="stable")
    weights = np.ones(len(values)) if weights is None else weights
    return float(_middle_means(values[order], weights[order][None, :])[0])


def bootstrap_interquartile_mean(
    values: Table, groups: Groups, *, resamples: int = RESAMPLES, seed: int = 0, strata: Groups | None = None
) -> Intervals:
    """The interquartile mean of `(n_episodes,)` values with its percentile interval, drawn as in `bootstrap_means`."""
    present = ~np.isnan(values)
    kept, of = values[present], groups[present]
    order = np.argsort(kept, kind="stable")
    kept, of = kept[order], of[order]
    means = np.empty((resamples, 1))
    for start, drawn in _draws(int(groups.max(initial=-1)) + 1, resamples, seed, strata):
        means[start : start + len(drawn), 0] = _middle_means(kept, drawn[:, of])
    low, high = _bounds(means)
    return Intervals(np.array([interquartile_mean(kept)]), low, high, np.array([len(kept)], np.intp))


def sign_flip_p_values(differences: Table, groups: Groups, *, resamples: int = RESAMPLES, seed: int = 0) -> Table:
    """Two-sided p-values, `(n_columns,)`, of paired differences having mean 0; NaN where a column has no value.

    A sign-flip permutation test: were the two agents alike, each group's difference would as well have had the other
    sign. p is the share of sign patterns, the one observed included, whose absolute sum is at least the one observed.
    """
    sums, counts = _group_sums(differences, groups)
    observed = np.abs(sums.sum(axis=0)) - _TIE * np.abs(sums).sum(axis=0)
    at_least = np.ones(differences.shape[1])
    rng = generator(derived_key("sign flips", seed))
    for start in range(0, resamples, _CHUNK):
        rows = min(_CHUNK, resamples - start)
        signs = rng.integers(0, 2, size=(rows, len(sums)), dtype=np.int8).astype(np.float64) * 2 - 1
        at_least += (np.abs(signs @ sums) >= observed).sum(axis=0)
    return np.where(counts.sum(axis=0) > 0, at_least / (resamples + 1), np.nan)


def holm(p_values: Table) -> Table:
    """p-values corrected for their number by Holm's step-down method (Scandinavian Journal of Statistics, 1979).

    Args:
        p_values: `(n,)`; NaN stands for a comparison that was not made and is not counted.
    """
    adjusted = np.full(p_values.shape, np.nan)
    order = [i for i in np.argsort(p_values, kind="stable") if not np.isnan(p_values[i])]
    largest = 0.0
    for place, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - place) * float(p_values[i])))
        adjusted[i] = largest
    return adjusted


def _group_sums(table: Table, groups: Groups) -> tuple[Table, Table]:
    """`(n_groups, n_columns)` sums, and numbers of values, over each group's episodes."""
    shape = (int(groups.max(initial=-1)) + 1, table.shape[1])
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, groups, np.nan_to_num(table))
    np.add.at(counts, groups, ~np.isnan(table))
    return sums, counts


def _draws(n: int, resamples: int, seed: int, strata: Groups | None) -> Iterator[tuple[int, Table]]:
    """Chunks `(first resample, counts)`: counts `(rows, n)` say how often each group is in each sample."""
    rng = generator(derived_key("bootstrap", seed))
    members = [np.arange(n)] if strata is None else [np.flatnonzero(strata == s) for s in np.unique(strata)]
    for start in range(0, resamples, _CHUNK):
        rows = min(_CHUNK, resamples - start)
        counts = np.zeros((rows, n))
        for group in members:
            if size := len(group):
                places = rng.integers(0, size, size=(rows, size)) + np.arange(rows)[:, None] * size
                counts[:, group] = np.bincount(places.ravel(), minlength=rows * size).reshape(rows, size)
        yield start, counts


def _middle_means(ordered: Table, weights: Table) -> Table:
    """`(rows,)` interquartile means of ascending `(n,)` values with `(rows, n)` weights."""
    after = np.cumsum(weights, axis=1)
    total = after[:, -1:] if after.shape[1] else np.zeros((len(after), 1))
    middle = np.clip(after, total / 4, total * 3 / 4)
    inside = np.diff(middle, axis=1, prepend=total / 4)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((inside @ ordered) / (total[:, 0] / 2), np.float64)


def _bounds(samples: Table) -> tuple[Table, Table]:
    """The `CONFIDENCE` percentile bounds of each column of `(resamples, n_columns)`, NaN entries left out."""
    ordered = np.sort(samples, axis=0)  # NaN last
    present = (~np.isnan(ordered)).sum(axis=0)
    columns = np.arange(ordered.shape[1])
    out = []
    for quantile in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2):
        place = np.maximum(present - 1, 0) * quantile
        below = np.floor(place).astype(np.intp)
        above = np.minimum(below + 1, np.maximum(present - 1, 0))
        part = place - below
        start, end = ordered[below, columns], ordered[above, columns]
        out.append(start + (end - start) * part)  # exact where both are the same, unlike a weighted sum
    return out[0], out[1]
