"""What a turn is worth: named terms, each in [0, 1], mixed by weights.

A term is a plain function from the facts of a batch of turns to one number a turn. `REWARD_TERMS` holds them by name;
`reward={"recommend": 1.0, …}` picks and weighs them. The fine-grained format + recommend + preference reward follows
SMTPO (arXiv 2604.03671); the formulas and weights are our choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crs_gym.catalog import Catalog, FloatArray, IntArray, as_float32, row_sum
from crs_gym.errors import UnknownNameError

_LONGEST_SLATE: Final = 1024
DISCOUNT: Final[FloatArray] = (1.0 / np.log2(np.arange(2, _LONGEST_SLATE + 2))).astype(np.float32)
"""The weight of rank 1, 2, …: `1 / log2(rank + 1)` (Järvelin and Kekäläinen 2002, as in nDCG)."""
_TINY: Final = np.float32(1e-6)
_IDEAL_GAIN: Final[FloatArray] = np.concatenate([[1.0], np.cumsum(DISCOUNT)]).astype(np.float32)
"""The sum of the first so many discounts; 1 for none, so that it can be divided by."""


@dataclass(slots=True, eq=False)
class TurnFacts:
    """What the reward terms may know of `n` turns.

    Attributes:
        catalog: The catalogue.
        items: `(n, k)` int64, shown items, `NO_ITEM` in empty places.
        n_shown: `(n,)` int, how many items are shown; they stand in the first places.
        new: `(n, k)` bool, the place holds an item that was neither shown nor named before.
        hits: `(n, k)` bool, the place holds a target that is shown for the first time.
        n_targets: `(n,)` int, how many targets the tasks have.
        understood: `(n,)` bool, the turn can be read and is complete.
        rows: `(n,)` int, the places of the turns' dialogues in `target_centroids`.
        target_centroids: `(num_dialogues, n_facets + 1)` float32, the mean of each task's targets' unit vectors.
        popular_similarity: `(n,)` float32, the mean similarity of popular items to the targets.
        signals: The user's implicit feedback by name, `(n,)` float32 each; `nan` where there is none.
    """

    catalog: Catalog
    items: IntArray
    n_shown: NDArray[np.int64]
    new: NDArray[np.bool_]
    hits: NDArray[np.bool_]
    n_targets: NDArray[np.int64]
    understood: NDArray[np.bool_]
    rows: IntArray
    target_centroids: FloatArray
    popular_similarity: FloatArray
    signals: Mapping[str, FloatArray]

    def __len__(self) -> int:
        return len(self.items)

    def similarity(self) -> FloatArray:
        """`(n, k)` float32 in [0, 1], each shown item's mean similarity to the targets; 0 in empty places."""
        facets = self.catalog.slate_facets[self.items]  # (n, k, widest)
        shared = self.target_centroids[self.rows[:, None, None], facets]
        return as_float32(row_sum(shared * self.catalog.slate_values[self.items]))


RewardTerm = Callable[[TurnFacts], FloatArray]


def format_term(facts: TurnFacts) -> FloatArray:
    """1 if the turn can be read and is complete, else 0."""
    return facts.understood.astype(np.float32)


def recommend_term(facts: TurnFacts) -> FloatArray:
    """Discounted gain of the targets shown for the first time, by rank, over the best gain of such a slate."""
    if not np.count_nonzero(facts.hits):
        return np.zeros(len(facts), np.float32)
    k = facts.items.shape[1]
    gain = row_sum(facts.hits * DISCOUNT[:k])
    return as_float32(gain / _IDEAL_GAIN[np.minimum(facts.n_targets, k)])


def preference_term(facts: TurnFacts) -> FloatArray:
    """How far the slate shares the targets' attributes, above what popular items would: partial credit.

    The rank-discounted mean similarity of the shown items (repeated ones count 0), less the mean similarity of popular
    items, scaled so that 1 is a slate that shares everything. The mean is taken before the difference is cut
    at 0: a slate of random items cannot earn by a few lucky places.
    """
    weights = DISCOUNT[: facts.items.shape[1]]
    mean = row_sum(facts.similarity() * (facts.new * weights)) / _IDEAL_GAIN[facts.n_shown]
    floor = facts.popular_similarity
    return as_float32(np.minimum(np.maximum((mean - floor) / np.maximum(1.0 - floor, _TINY), 0.0), 1.0))


def novelty_term(facts: TurnFacts) -> FloatArray:
    """The share of shown items that were neither shown nor named before; 0 for an empty slate."""
    return as_float32(row_sum(facts.new) / np.maximum(facts.n_shown, 1))


def turn_cost_term(facts: TurnFacts) -> FloatArray:
    """1 on every turn: the price of the user's time, with a negative weight."""
    return np.ones(len(facts), np.float32)


REWARD_TERMS: Final[dict[str, RewardTerm]] = {
    "format": format_term,
    "recommend": recommend_term,
    "preference": preference_term,
    "novelty": novelty_term,
    "turn_cost": turn_cost_term,
}
"""All terms by name. Add your own before the environment is made."""


class RewardMix:
    """A weighted sum of reward terms.

    Args:
        weights: From term to weight, any finite number.

    Raises:
        UnknownNameError: A term is not in `REWARD_TERMS`.
        ValueError: A weight is not a finite number.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        for name, weight in weights.items():
            if name not in REWARD_TERMS:
                raise UnknownNameError("reward term", name, REWARD_TERMS)
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not np.isfinite(weight):
                raise ValueError(f"reward[{name!r}]={weight!r}: a weight must be a finite number")
        self.weights = dict(weights)
        self._terms = [(name, REWARD_TERMS[name], np.float32(weight)) for name, weight in weights.items()]

    def __call__(self, facts: TurnFacts) -> tuple[FloatArray, dict[str, FloatArray]]:
        """`(n,)` rewards, and each term before its weight by name, `(n,)` in [0, 1]."""
        terms = {name: term(facts) for name, term, _ in self._terms}
        total = np.zeros(len(facts), np.float32)
        for name, _, weight in self._terms:
            total += terms[name] * weight
        return total, terms
