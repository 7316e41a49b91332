"""The seekers of `Sample`: drawn in columns, each from (version, split, number) alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crs_gym.catalog import FACET_KINDS, NO_ITEM, Catalog
from crs_gym.numeric import FloatArray, IntArray, as_float32, row_sum
from crs_gym.randomness import derived_keys, fill_uniforms
from crs_gym.task import Message, Profile, Split, Task, Taste
from crs_gym.turns import Told
from crs_gym.worlds.batch import OnDemand, Profiles, TaskColumns, TasteColumns

TASTE_VERSION: Final = 1
"""Raise it whenever the same number may give another seeker."""

TARGETS: Final = 1
"""How many targets a seeker has: the films that it would like best among those that it has not seen. With one, there is
room between popularity (a third of seekers helped), a good asker (three quarters) and the oracle (all)."""
GOOD_WORD: Final = 1.5
"""A seeker has a good word for films from so many standard deviations above its mean utility on (some 60 films)."""
SEEN_DRAWS: Final = 60
"""How many draws, by popularity, decide which films a seeker has seen."""

# The latent taste: how many facets of each kind a seeker likes and dislikes, and the size of each part of utility. The
# figures are our choice: enough structure to find out by asking, enough of the seeker's own that facets are not all.
_LIKED: Final = {"genre": 3, "director": 4, "star": 6, "decade": 2}
_DISLIKED: Final = {"genre": 2, "director": 0, "star": 0, "decade": 1}
_LIKED_WEIGHT: Final = 1.0
_DISLIKED_WEIGHT: Final = -0.8
_DRAWN_KINDS: Final = np.array(
    [kind for wanted in (_LIKED, _DISLIKED) for kind, name in enumerate(FACET_KINDS) for _ in range(wanted[name])],
    np.int64,
)
_DRAWN_WEIGHTS: Final = np.array(
    [_LIKED_WEIGHT] * sum(_LIKED.values()) + [_DISLIKED_WEIGHT] * sum(_DISLIKED.values()), np.float32
)
"""The kind and the weight of each facet that is drawn for a seeker."""
_EARLIER, _LATER = (
    np.array(places, np.int64)
    for places in zip(
        *[(i, j) for j, kind in enumerate(_DRAWN_KINDS) for i in range(j) if _DRAWN_KINDS[i] == kind], strict=True
    )
)
"""The pairs of draws that may give the same facet."""
_OWN_PART: Final = 0.40
_POPULAR_PART: Final = 0.15

_FAVOURITES: Final = 2
"""How many films a seeker speaks of in its first words."""

_MIDDLING: Final = 0.5
"""Of what it has seen, a seeker likes films so many standard deviations above its mean utility, and dislikes those so
many below; to what lies between it is indifferent, and may well watch it again."""

_STRETCHES: Final = 2**13
"""Into how many stretches of [0, 1) a table of odds is divided: a power of two, so that no draw is rounded."""

_CONTEXTS: Final = (
    "Hi! I'm looking for a film. I loved {}.",
    "Hello, can you recommend something? I'm a fan of {}.",
    "Hey, what should I watch? I enjoyed {}.",
)


class InventedSeekers:
    """Draws seekers.

    Args:
        catalog: The films that they talk about.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        n = len(catalog)
        # How often a facet is drawn follows how many films have it, as people's favourites do.
        counts = np.bincount(catalog.facet_ids, minlength=catalog.n_facets).astype(np.float64)
        by_kind = [np.flatnonzero(catalog.facet_kinds == kind) for kind in range(len(FACET_KINDS))]
        self._facets = np.concatenate(by_kind).astype(np.int64)
        self._facet_odds = _Odds([counts[of_kind] for of_kind in by_kind])
        odds = catalog.popularity.astype(np.float64)
        self._film_odds = _Odds([odds])
        log_odds = np.log(odds)
        self._popular_part = (_POPULAR_PART * (log_odds - log_odds.mean()) / log_odds.std()).astype(np.float32)
        # Dense facet × item values: a seeker's utilities are the sum of the few rows that it cares about.
        self._values = np.zeros((catalog.n_facets + 1, n), np.float32)
        self._values[catalog.facet_table, np.arange(n)[:, None]] = catalog.facet_values

    def draw(self, split: Split, numbers: Sequence[int]) -> TaskColumns:
        """The seekers of some numbers; each is what it is alone."""
        n, count = len(self._catalog), len(numbers)
        draws = np.empty((count, n + len(_DRAWN_KINDS) + SEEN_DRAWS + 1), np.float32)
        fill_uniforms(draws, derived_keys(("sample", TASTE_VERSION, split), numbers))
        facets, cares = self._cares(draws[:, n : n + len(_DRAWN_KINDS)])
        weights = np.where(cares, _DRAWN_WEIGHTS, np.float32(0))
        utility = draws[:, :n] - np.float32(0.5)
        utility *= np.float32(_OWN_PART * np.sqrt(12.0))  # standard deviation _OWN_PART
        utility += self._popular_part
        ends = np.cumsum(cares.sum(axis=1)).tolist()
        cared_for, cared_weights = facets[cares], weights[cares]
        wanted = np.empty((len(_DRAWN_KINDS), n), np.float32)
        for i, (start, end) in enumerate(pairwise([0, *ends])):
            values = self._values.take(cared_for[start:end], axis=0, out=wanted[: end - start], mode="clip")
            utility[i] += cared_weights[start:end] @ values
        seen = self._film_odds.outcomes(draws[:, -1 - SEEN_DRAWS : -1])
        at = np.arange(count)
        top, bars = _best_unseen(utility, seen)
        means = row_sum(utility)[:, None] / n
        spreads = np.sqrt(row_sum(utility * utility)[:, None] / n - means * means)
        like_bars = np.minimum(means[:, 0] + GOOD_WORD * spreads[:, 0], bars)
        # What was seen, best first. One film may stand there twice, next to itself.
        seen, seen_utility = _best_first(utility, seen)
        middling = _MIDDLING * spreads
        n_liked = np.count_nonzero(seen_utility > means + middling, axis=1).clip(_FAVOURITES)
        n_not_disliked = np.count_nonzero(seen_utility >= means - middling, axis=1).clip(_FAVOURITES)
        place = np.arange(SEEN_DRAWS)
        liked, disliked = place < n_liked[:, None], place >= n_not_disliked[:, None]
        another = liked & (seen != seen[:, :1])
        favourites = np.stack([seen[:, 0], np.where(another.any(axis=1), seen[at, another.argmax(axis=1)], NO_ITEM)], 1)

        def taste(i: int) -> Taste:
            own = slice(ends[i - 1] if i else 0, ends[i])
            return Taste(cared_for[own], cared_weights[own], utility[i], bars.item(i), like_bars.item(i))

        def profile(i: int) -> Profile:
            films = seen[i].tolist()
            likes, dislikes = films[: n_liked[i]], films[n_not_disliked[i] :]
            return Profile(tuple(dict.fromkeys(likes)), tuple(dict.fromkeys(dislikes)), taste(i))

        def task(i: int) -> Task:
            opening = self._opening([item for item in favourites[i].tolist() if item != NO_ITEM], draws.item(i, -1))
            return Task(task_ids[i], split, (opening,), profiles[i], targets[i])

        profiles = Profiles(
            OnDemand(count, profile),
            np.where(liked, seen, NO_ITEM),
            np.where(disliked, seen, NO_ITEM),
            TasteColumns(facets, weights, utility, bars, like_bars),
        )
        task_ids = [f"sample/{split}/{number}" for number in numbers]
        targets = list(map(tuple, top.tolist()))
        speaks_for = (favourites != NO_ITEM).astype(np.int8)
        nothing = np.empty((count, 0), np.int64)
        told = Told(favourites, speaks_for, nothing, nothing.astype(np.int8))
        return TaskColumns(OnDemand(count, task), task_ids, targets, top, favourites, profiles, silent=(), told=told)

    def _cares(self, draws: FloatArray) -> tuple[IntArray, NDArray[np.bool_]]:
        """`(n, drawn)` int64, the facets that seekers care about, best liked first, and bool, where one stands.

        A facet drawn twice keeps the weight of its first draw; the number of facets stands in the place of the second.
        """
        facets = self._facets[self._facet_odds.outcomes(draws, _DRAWN_KINDS)]
        row, pair = np.nonzero(facets[:, _EARLIER] == facets[:, _LATER])
        cares = np.ones(draws.shape, bool)
        cares[row, _LATER[pair]] = False
        facets[~cares] = self._catalog.n_facets
        return facets, cares

    def _opening(self, favourites: Sequence[int], draw: float) -> Message:
        names = self._catalog.names
        text = _CONTEXTS[int(draw * len(_CONTEXTS))].format(" and ".join([names[item] for item in favourites]))
        return Message("user", text, tuple(favourites))


def _best_unseen(utility: FloatArray, seen: IntArray) -> tuple[IntArray, FloatArray]:
    """`(n, TARGETS)` the films that seekers like best among the unseen, and `(n,)` the bars that only these reach."""
    at = np.arange(len(utility))
    unseen = utility.copy()
    unseen[at[:, None], seen] = -np.inf
    top = np.empty((len(utility), TARGETS + 1), np.int64)
    top_utility = np.empty(top.shape, np.float32)
    for place in range(TARGETS + 1):  # for so few, cheaper than sorting
        top[:, place] = unseen.argmax(axis=1)
        top_utility[:, place] = unseen[at, top[:, place]]
        unseen[at, top[:, place]] = -np.inf
    # The bars lie half-way between two films, so that no rounding can move a film across.
    return top[:, :TARGETS], as_float32((top_utility[:, TARGETS - 1] + top_utility[:, TARGETS]) / 2)


def _best_first(utility: FloatArray, seen: IntArray) -> tuple[IntArray, FloatArray]:
    """`(n, SEEN_DRAWS)` the films that were seen, best first, ties by number, and their utilities.

    An integer whose upper half are the bits of a utility, and whose lower half is the film, is sorted faster than both:
    the bits of a float32 are in the order of the numbers once those below the sign of negative ones are turned.
    """
    at = np.arange(len(utility))[:, None]
    bits = (-utility[at, seen]).view(np.int32)
    keys = (bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).astype(np.int64) << 32 | seen
    keys.sort(axis=1)
    seen = keys & 0xFFFFFFFF
    return seen, utility[at, seen]


class _Odds:
    """Outcomes from uniform draws, as likely as their counts; of one wheel, or of several that stand side by side.

    An outcome begins where the shares of those before it end. A table says with which one a stretch of [0, 1) begins,
    so nothing is searched.

    Args:
        wheels: Of each wheel the counts of its outcomes. Outcomes are numbered through all wheels.
    """

    def __init__(self, wheels: Sequence[NDArray[np.float64]]) -> None:
        first, ends = [], []
        n = 0
        for counts in wheels:
            total = np.cumsum(counts / counts.sum())
            starts = np.array([0.0, *total[:-1].tolist()])
            first.append(np.searchsorted(starts, np.arange(_STRETCHES + 1) / _STRETCHES, side="right") - 1 + n)
            ends.append(np.append(starts[1:], np.inf))
            n += len(counts)
        self._most = max(int(np.diff(of_wheel).max()) for of_wheel in first)  # outcomes that begin within one stretch
        self._first = np.concatenate([of_wheel[:-1] for of_wheel in first]).astype(np.int64)
        self._ends = np.concatenate(ends)

    def outcomes(self, draws: FloatArray, wheels: IntArray | int = 0) -> IntArray:
        """The outcome of each draw, on the wheel of that number."""
        found = self._first[(draws * np.float32(_STRETCHES)).astype(np.int64) + np.multiply(wheels, _STRETCHES)]
        for _ in range(self._most):
            found += draws >= self._ends[found]
        return found
