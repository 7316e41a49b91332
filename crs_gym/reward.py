"""What a turn is worth: named terms, each in [0, 1], mixed by weights.

A term is a plain function from the facts of a batch of turns to one number a turn. `REWARD_TERMS` holds them by name;
`reward={"recommend": 1.0, …}` picks and weighs them. The fine-grained format + recommend + preference reward follows
SMTPO (arXiv 2604.03671); the formulas and weights are our choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crs_gym.catalog import Catalog
from crs_gym.errors import UnknownNameError
from crs_gym.numeric import FloatArray, IntArray, between_0_and_1, cells, column, row_count, row_sum

LONGEST_SLATE: Final = 1024
"""The highest `k`."""
DISCOUNT: Final[FloatArray] = (1.0 / np.log2(np.arange(2, LONGEST_SLATE + 2))).astype(np.float32)
"""The weight of rank 1, 2, …: `1 / log2(rank + 1)` (Järvelin and Kekäläinen 2002, as in nDCG)."""
BEST_GAIN: Final[FloatArray] = np.concatenate([[1.0], np.cumsum(DISCOUNT)]).astype(np.float32)
"""The sum of the first so many discounts; 1 for none, so that it can be divided by."""


@dataclass(slots=True, eq=False)
class TurnFacts:
    """What the reward terms may know of a turn, or of `n` turns at once.

    A batch has a leading dimension `n`; a single turn has none, and its `()` facts are plain numbers. Terms that work
    along the last axis serve both.

    Attributes:
        catalog: The catalogue.
        items: `(n, k)` int64, shown items, `NO_ITEM` behind them.
        n_shown: `(n,)` int64, how many items are shown.
        new: `(n, k)` bool, the place holds an item that was neither shown nor named before.
        hits: `(n, k)` bool, the place holds a target that is shown for the first time.
        best_gain: `(n,)` float32, the highest discounted gain that a slate could have, given the number of targets.
        understood: `(n,)` bool, the turn can be read and is complete.
        well_formed: `(n,)` bool, it is understood, and nothing in it had to be repaired or replaced.
        rows: `(n,)` int64, the places of the turns' dialogues in `target_centroids`.
        target_centroids: `(num_dialogues, n_facets + 1)` float32, the mean of each task's targets' unit vectors.
        popular_similarity: `(n,)` float32, the mean similarity of popular items to the targets, below 1.
        closest: `(n,)` float32, the highest `closeness` of the dialogue's earlier slates; 0 on its first turn.
        signals: The user's implicit feedback by name, `(n,)` float32 each.
    """

    catalog: Catalog
    items: IntArray
    n_shown: Any
    new: NDArray[np.bool_]
    hits: NDArray[np.bool_]
    best_gain: Any
    understood: Any
    well_formed: Any
    rows: Any
    target_centroids: FloatArray
    popular_similarity: Any
    closest: Any
    signals: Mapping[str, Any]
    _closeness: Any = None

    def similarity(self) -> FloatArray:
        """`(n, k)` float32 in [0, 1], each shown item's mean similarity to the targets; 0 in empty places."""
        shared = cells(self.target_centroids, self.rows, self.catalog.slate_facets.take(self.items, axis=0))
        similarity: FloatArray = row_sum(shared * self.catalog.slate_values.take(self.items, axis=0))  # (n, k, widest)
        return similarity

    def closeness(self) -> Any:
        """`(n,)` in [0, 1], how far the slate shares the targets' attributes, above what popular items would.

        The rank-discounted mean similarity of the shown items (repeated ones count 0), less the mean similarity of
        popular items, scaled so that 1 is a slate that shares everything. The mean is taken before the difference is
        cut at 0: a slate of random items cannot earn by a few lucky places.
        """
        if self._closeness is None and not np.count_nonzero(self.new):
            self._closeness = self.popular_similarity * 0.0
        if self._closeness is None:
            weights = DISCOUNT[: self.items.shape[-1]]
            mean = row_sum(self.similarity() * (self.new * weights)) / BEST_GAIN[self.n_shown]
            floor = self.popular_similarity
            self._closeness = between_0_and_1((mean - floor) / (1.0 - floor))
        return self._closeness


RewardTerm = Callable[[TurnFacts], Any]
"""From facts to `(n,)` numbers in [0, 1]; from the facts of a single turn to one number."""


def format_term(facts: TurnFacts) -> Any:
    """1 if the turn can be read, is complete, and nothing in it had to be repaired, else 0."""
    return facts.well_formed * 1.0


def recommend_term(facts: TurnFacts) -> Any:
    """Discounted gain of the targets shown for the first time, by rank, over the best gain of such a slate."""
    if not np.count_nonzero(facts.hits):
        return facts.best_gain * 0.0
    return row_sum(facts.hits * DISCOUNT[: facts.items.shape[-1]]) / facts.best_gain


def preference_term(facts: TurnFacts) -> Any:
    """By how much the slate comes closer to the targets' attributes than any before it: partial credit.

    Labels miss many good items, so a slate that shares the targets' attributes is worth something (`closeness`). Only
    progress is paid, so a dialogue's terms add up to its best slate at most: paid in full on every turn, showing
    the targets' neighbours for as long as the user bears it would be worth more than showing the targets.
    """
    return between_0_and_1(facts.closeness() - facts.closest)


def novelty_term(facts: TurnFacts) -> Any:
    """The share of shown items that were neither shown nor named before; 0 for an empty slate."""
    return row_count(facts.new) / (facts.n_shown + (facts.n_shown == 0))


def turn_cost_term(facts: TurnFacts) -> Any:
    """1 on every turn: the price of the user's time, with a negative weight."""
    return facts.understood * 0.0 + 1.0


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
        self._terms = [(name, REWARD_TERMS[name], float(weight)) for name, weight in weights.items()]

    def __call__(self, facts: TurnFacts) -> tuple[FloatArray, dict[str, Sequence[float] | FloatArray]]:
        """`(n,)` rewards, and each term before its weight by name, `(n,)` in [0, 1]; of a single turn with n = 1."""
        total: Any = facts.understood * 0.0  # as many as there are turns, even without terms
        terms = {}
        one = facts.items.ndim == 1
        for name, term, weight in self._terms:
            value = term(facts)
            total = total + value * weight
            terms[name] = [value] if one else value
        return column(total), terms
