"""A small classifier of intents: TF-IDF of words and pairs of words, and one logistic regression a label.

Made on this machine from a corpus that is for research only; neither the corpus nor what is learned from it is part of
the package. An utterance may have several labels.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

RIDGE: Final = 0.05
"""The penalty on the squared weights (chosen by cross-validation over dialogues: 0.02 to 0.1 are alike)."""
RAREST: Final = 2
"""Utterances that a word must be in to count."""
_ITERATIONS: Final = 100
_TOKEN: Final = re.compile(r"\w+(?:['’]\w+)?|[?!]")

Labels = NDArray[np.bool_]


def tokens_of(text: str) -> list[str]:
    """Words, question and exclamation marks, and pairs of neighbours, with the utterance's two ends."""
    words = ["<", *_TOKEN.findall(text.casefold()), ">"]
    return [*words[1:-1], *(f"{a} {b}" for a, b in pairwise(words))]


class IntentClassifier:
    """Fitted on labelled utterances.

    Args:
        texts: `n` utterances.
        labels: `(n, n_labels)` bool.
    """

    def __init__(self, texts: Sequence[str], labels: Labels) -> None:
        counts = Counter(token for text in texts for token in set(tokens_of(text)))
        kept = sorted(token for token, n in counts.items() if n >= RAREST)
        self._columns = {token: column for column, token in enumerate(kept)}
        self._idf = np.log((1 + len(texts)) / (1 + np.array([counts[token] for token in kept], np.float64))) + 1
        self._weights = _fit(self._features(texts), labels)

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """`(n, n_labels)` the probability of each label."""
        from scipy.special import expit

        return np.asarray(expit(np.asarray(self._features(texts) @ self._weights)), np.float64)

    def labels(self, texts: Sequence[str]) -> Labels:
        """`(n, n_labels)` bool: the labels that are more probable than not; the most probable one where none is."""
        if not texts:
            return np.zeros((0, self._weights.shape[1]), np.bool_)
        probabilities = self.probabilities(texts)
        chosen = probabilities >= 0.5
        chosen[np.arange(len(texts)), probabilities.argmax(axis=1)] = True
        return chosen

    def _features(self, texts: Sequence[str]) -> csr_array[np.float64]:
        """`(n, n_tokens + 1)` unit vectors of log-counts times idf, and a constant."""
        from scipy.sparse import csr_array

        data, columns, offsets = list[float](), list[int](), [0]
        for text in texts:
            counts = Counter(self._columns[token] for token in tokens_of(text) if token in self._columns)
            values = np.array([(1 + np.log(n)) * self._idf[column] for column, n in counts.items()])
            norm = np.sqrt((values**2).sum()) or 1.0
            data += [*(values / norm).tolist(), 1.0]
            columns += [*counts, len(self._columns)]
            offsets.append(len(data))
        return csr_array(
            (np.array(data), np.array(columns, np.int64), np.array(offsets, np.int64)),
            shape=(len(texts), len(self._columns) + 1),
        )


def _fit(x: csr_array[np.float64], labels: Labels) -> NDArray[np.float64]:
    """`(n_features, n_labels)` weights of least penalised log-loss, each label by itself; the constant is free."""
    from scipy.optimize import minimize
    from scipy.special import expit

    transposed: Any = x.T.tocsr()
    penalty = np.full(x.shape[1], RIDGE)
    penalty[-1] = 0.0

    def loss(weights: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = np.asarray(x @ weights)
        value = (np.logaddexp(0.0, scores) - y * scores).sum() + 0.5 * (penalty * weights**2).sum()
        return float(value), transposed @ (expit(scores) - y) + penalty * weights

    found = [
        minimize(loss, np.zeros(x.shape[1]), args=(y,), jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS}).x
        for y in labels.T.astype(np.float64)
    ]
    return np.asarray(found, np.float64).T
