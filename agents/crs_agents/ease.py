"""`ease`: the linear item-item model EASE^R over the films of a dialogue, with a weight for recency and popularity.

Source: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data" (WWW 2019), equation 8. Departures from the paper,
all chosen on held-out train dialogues (see docs/agents/collaborative.md): films named earlier weigh less, and a small
multiple of popularity is added, which decides where the dialogue has named nothing or little.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from crs_agents.feedback import FeedbackReader
from crs_agents.history import history_matrix, session_matrix, wanted_items
from crs_agents.ranking import RankingAgent
from crs_gym.agent import AgentEntry, Histories, Observation, Opinion
from crs_gym.numeric import FloatArray, IntArray
from crs_gym.simulator import parse_options
from crs_gym.worlds.world import Sessions, World

LOG_FLOOR: Final = 2.0
"""Added to a score before its logarithm, in units of the mean item's share of train dialogues: what an item that EASE
knows nothing of gets. As in the belief of `ask-then-recommend`."""
BLOCK: Final = 2**16
"""About how many scores are worked on at once: few enough to stay in a core's cache from one pass to the next."""


@dataclass(frozen=True)
class EaseConfig:
    """The settings of `ease`, as in `ease:l2=500,decay=1,prior=0` (the plain model)."""

    l2: float = 200.0
    """The ridge penalty, in train dialogues: the paper's lambda."""
    decay: float = 0.8
    """The weight of a named film relative to the one named after it."""
    prior: float = 0.1
    """The weight of an item's share of train dialogues (its popularity) in its score."""

    def __post_init__(self) -> None:
        """Refuse settings under which the model is not defined."""
        if not self.l2 > 0:
            raise ValueError(f"ease: l2={self.l2!r} must be above 0, or the closed form divides by zero")
        if not 0 < self.decay <= 1:
            raise ValueError(f"ease: decay={self.decay!r} must be above 0 and at most 1")
        if not self.prior >= 0:
            raise ValueError(f"ease: prior={self.prior!r} must be at least 0")


@dataclass(frozen=True, eq=False)
class EaseModel:
    """The fitted weights.

    Attributes:
        rows: `(n_items,)` int64, each item's row in `weights`; the last row, all 0, for items never seen in train.
        weights: `(n_seen + 1, n_items)` float32; row `rows[i]` is what a mention of item `i` adds to all scores.
    """

    rows: IntArray
    weights: FloatArray


_MODELS: Final[weakref.WeakValueDictionary[tuple[str, float], EaseModel]] = weakref.WeakValueDictionary()
"""Models in use, by world fingerprint and penalty: agents over one world share the some 170 MB of ReDial's weights."""


def fit_ease(sessions: Sessions, n_items: int, l2: float) -> EaseModel:
    """Fit EASE^R in closed form.

    With `P = (X'X + l2 I)^-1`, the weights are `B_ij = -P_ij / P_jj` and `B_jj = 0` (equation 8), where `X` is the
    binary dialogue-item matrix. Items that occur in no dialogue have weights of 0 and are left out of the inverse.

    Args:
        sessions: The train dialogues.
        n_items: How many items there are.
        l2: The ridge penalty, above 0.
    """
    from scipy.linalg.lapack import dpotrf, dpotri

    seen = np.unique(sessions.items)
    rows = np.full(n_items, len(seen), np.int64)
    rows[seen] = np.arange(len(seen), dtype=np.int64)
    weights = np.zeros((len(seen) + 1, n_items), np.float32)
    if not len(seen):
        return EaseModel(rows, weights)
    x = session_matrix(sessions, n_items)[:, seen].astype(np.float64)
    gram = (x.T @ x).toarray(order="F")
    gram[np.diag_indices_from(gram)] += l2
    # Cholesky: a third of the work of a general inverse, in place. Only the lower triangle is written.
    factor, failed = dpotrf(gram, lower=True, overwrite_a=True)
    inverse, failed_inverse = dpotri(factor, lower=True, overwrite_c=True)
    if failed or failed_inverse:
        raise ValueError(f"ease: the matrix of co-mentions cannot be inverted with l2={l2}; a larger l2 will do")
    diagonal = inverse.diagonal().copy()
    p = np.tril(inverse).astype(np.float32)
    p += np.tril(p, -1).T
    p /= -diagonal.astype(np.float32)
    p[np.diag_indices_from(p)] = 0.0
    weights[:-1, seen] = p
    return EaseModel(rows, weights)


def ease_model(world: World, l2: float) -> EaseModel:
    """The model of a world, fitted once as long as an agent holds it."""
    key = (world.fingerprint, l2)
    model = _MODELS.get(key)
    if model is None:
        model = _MODELS[key] = fit_ease(world.sessions(), len(world.catalog), l2)
    return model


class EaseScorer:
    """Scores items by what the dialogue's films add to them, plus the popularity prior."""

    def __init__(self, world: World, config: EaseConfig) -> None:
        self._model = ease_model(world, config.l2)
        self._decay = config.decay
        self._reader = FeedbackReader(world.catalog)
        share = popularity_share(world)
        self._prior = np.float32(config.prior) * share
        self._floor = np.float32(LOG_FLOOR * max(float(share.mean()), 1e-9))

    def __call__(self, observations: Sequence[Observation]) -> FloatArray:
        """`(n, n_items)` float32 scores."""
        return self.of_histories([wanted_items(observation, self._reader) for observation in observations])

    def of_histories(self, histories: Sequence[tuple[int, ...]]) -> FloatArray:
        """`(n, n_items)` float32 scores for histories, the most recently named item first in each."""
        mentions = history_matrix(histories, len(self._model.rows), self._decay)
        items, offsets = mentions.indices.astype(np.int64), mentions.indptr.astype(np.int64)
        scores = self._of_mentions(mentions.data, items, offsets)
        scores += self._prior
        return scores

    def log_scores(self, histories: Histories) -> FloatArray:
        """`(n, n_items)` float32, the logarithms of the scores, above a floor; see `crs_gym.agent.CandidateSource`."""
        starts, lengths = histories.offsets[:-1], np.diff(histories.offsets)
        ages = np.arange(len(histories.items), dtype=np.int64) - np.repeat(starts, lengths)
        powers = np.float32(self._decay) ** np.arange(lengths.max(initial=0), dtype=np.float32)
        scores = self._of_mentions(powers[ages], histories.items, histories.offsets)
        block = max(BLOCK // scores.shape[1], 1)
        for start in range(0, len(scores), block):
            own = scores[start : start + block]
            own += self._prior
            np.maximum(own, np.float32(0), out=own)
            own += self._floor
            np.log(own, out=own)
        return scores

    def said(self, text: str, items: tuple[int, ...]) -> Opinion:
        """What a message says; see `crs_agents.feedback`."""
        return self._reader.said(text, items)

    def _of_mentions(self, weights: FloatArray, items: IntArray, offsets: IntArray) -> FloatArray:
        """`(n, n_items)` float32, what `n` weighted lists of items (CSR) add to all scores."""
        from scipy.sparse import csr_array

        model = self._model
        n = len(offsets) - 1
        # A sparse product sums each row by itself, in order: a dialogue's scores do not depend on its batch.
        if n > 1:
            product: FloatArray = (
                csr_array((weights, model.rows[items], offsets), (n, len(model.weights))) @ model.weights
            )
            return product
        scores = np.zeros((1, model.weights.shape[1]), np.float32)  # for one, what stands around it would cost more
        for row, weight in zip(model.rows[items].tolist(), weights, strict=True):
            scores += model.weights[row] * weight
        return scores


def popularity_share(world: World) -> FloatArray:
    """`(n_items,)` float32, about the share of train dialogues that name each item, from `catalog.popularity`."""
    popularity = world.catalog.popularity
    sessions = world.sessions()
    mean_length = len(sessions.items) / max(len(sessions), 1)
    return popularity * np.float32(mean_length / max(float(popularity.sum(dtype=np.float64)), 1e-9))


def parse_config(options: str) -> EaseConfig:
    """`"l2=500,prior=0"` as settings.

    Raises:
        ValueError: An unknown name or an unusable value.
    """
    values = parse_options(options)
    known = [field.name for field in fields(EaseConfig)]
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"ease: no setting is named {name!r}; known: {', '.join(known)}")
        if isinstance(value, str | bool):
            raise ValueError(f"ease: {name}={value!r} must be a number")
    return EaseConfig(**{name: float(value) for name, value in values.items()})


def build(world: World, options: str = "") -> RankingAgent:
    """The agent for a world; `options` as in `ease:l2=500,decay=1,prior=0`.

    Raises:
        ValueError: `options` names an unknown setting, or an unusable value.
    """
    scorer = EaseScorer(world, parse_config(options))
    return RankingAgent(world.catalog, scorer, candidates=scorer)


EASE = AgentEntry(build, "EASE^R: a linear item-item model over the films of the dialogue")
