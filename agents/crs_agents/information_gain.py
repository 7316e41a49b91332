"""How much the answer to a question is expected to tell about the item that is wanted."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from crs_gym.catalog import FACET_KINDS, Catalog
from crs_gym.numeric import FloatArray, IntArray

_KINDS: Final = len(FACET_KINDS)


class InformationGain:
    """The expected gain of a question about each kind of facet.

    The answer is taken to be one of the wanted item's facets of that kind, each as likely as the others, or "none"
    where it has none. The gain is the mutual information of item and answer, `H(answer) - sum_i p_i H(answer | i)`:
    how far the entropy of the belief is expected to fall.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._facets = catalog.facet_table  # (n_items, widest)
        self._kinds = np.append(catalog.facet_kinds, _KINDS).astype(np.intp)  # the padding is of no kind
        kinds = self._kinds[self._facets]
        counts = np.stack([(kinds == kind).sum(axis=1) for kind in range(_KINDS)], axis=1)  # (n_items, kinds)
        widened = np.column_stack([np.maximum(counts, 1), np.full(len(catalog), np.inf)])
        self._chances = 1.0 / np.take_along_axis(widened, kinds, axis=1)  # (n_items, widest), 0 on padding
        self._doubt = np.log2(np.maximum(counts, 1))  # (n_items, kinds): H(answer | item), in bits
        self._without = (counts == 0).astype(np.float64)  # (n_items, kinds)

    def __call__(self, items: IntArray, scores: FloatArray) -> NDArray[np.float64]:
        """The gains in bits.

        Args:
            items: `(m,)` the candidates, at least one.
            scores: `(m,)` the log of each candidate's probability, up to a constant.

        Returns:
            `(4,)` one gain for each of `FACET_KINDS`, at least 0.
        """
        belief = np.exp(scores - scores.max(), dtype=np.float64)
        belief /= belief.sum()
        shares = self._chances[items] * belief[:, None]  # p_i times the chance of each answer
        answers = np.bincount(self._facets[items].ravel(), shares.ravel()).astype(np.float64)
        said = np.flatnonzero(answers)
        named = np.bincount(self._kinds[said], _surprise(answers[said]), minlength=_KINDS)[:_KINDS]
        entropy = named + _surprise(belief @ self._without[items])
        gains: NDArray[np.float64] = np.maximum(entropy - belief @ self._doubt[items], 0.0)
        return gains


def _surprise(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """`-p log2 p`, 0 for `p = 0`."""
    surprise: NDArray[np.float64] = -p * np.log2(np.maximum(p, np.finfo(np.float64).tiny))
    return surprise
