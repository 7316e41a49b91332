"""Scores for the seekers of the train split as they were for a new one, and targets that were not recalled.

A model of the train dialogues knows what comes next in each of them: its candidates hold the target more often, and
further in front, than they will for anybody new. A policy that learns from such candidates trusts their order too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from crs_agents.ease import EaseConfig, popularity_share
from crs_agents.feedback import FeedbackReader
from crs_agents.history import wanted_items
from crs_agents.ranking import Scorer
from crs_agents.retriever import load_out_of_fold
from crs_agents.retriever.leave_one_out import LeaveOneOut
from crs_agents.retriever.train_dialogues import TrainDialogues
from crs_agents.smtpo.candidates import scorer_of
from crs_gym.agent import Observation, OracleObservation
from crs_gym.numeric import FloatArray
from crs_gym.randomness import derived_key, generator
from crs_gym.worlds.world import World


def held_out_scorer(source: str, world: World) -> Scorer:
    """As `candidates.scorer_of`, for train seekers: `ease` scores each without its own dialogue, and so does
    `dual-view` where its networks left dialogues out (`crs-gym train retriever --folds`).

    Other sources score as they always do.

    Raises:
        UnknownNameError, ValueError, WeightsError: See `candidates.scorer_of`.
    """
    name, _, folder = source.partition(":")
    if len(world.dialogues("train")):
        if source == "ease":
            return HeldOutEase(world)
        if name == "dual-view" and folder:
            return load_out_of_fold(folder, world)
    return scorer_of(source, world)


class HeldOutEase:
    """EASE^R without the dialogue that an observation goes on from; as it is for all other observations.

    Args:
        world: With recorded train dialogues.
    """

    def __init__(self, world: World) -> None:
        config = EaseConfig()
        self._reader = FeedbackReader(world.catalog)
        self._model = LeaveOneOut(world, config)
        self._usual = scorer_of("ease", world)
        self._prior = np.float32(config.prior) * popularity_share(world)
        self._dialogues = TrainDialogues(world)

    def __call__(self, observations: Sequence[Observation]) -> FloatArray:
        """`(n, n_items)` float32 scores."""
        rows: list[FloatArray] = []
        for observation in observations:
            dialogue = self._dialogues.of(observation)
            if dialogue is None:
                rows.append(self._usual([observation])[0])
            else:
                rows.append(self._model.scores(wanted_items(observation, self._reader), dialogue) + self._prior)
        return np.stack(rows)


class Inserted:
    """Scores under which some targets that are not recalled stand among the candidates after all, on turn 0.

    Such a target gets the place of recall that targets have which are recalled by themselves, so that the fit of a
    candidate tells as much as it does without.

    Args:
        score: The scores as they are.
        n: How many candidates there are.
        share: Of the dialogues whose targets are not recalled.
        seed: Keys who is chosen, and the places.
    """

    PLACES: Final = 2.0
    """A target is recalled at place `p` (from 0) about `1 / (p + PLACES)` as often (see docs/agents/smtpo.md)."""

    def __init__(self, score: Scorer, n: int, share: float, seed: int) -> None:
        self._score = score
        self._n = n
        self._share = share
        self._seed = seed
        odds = 1.0 / (np.arange(n) + self.PLACES)
        self._odds = odds / odds.sum()

    def __call__(self, observations: Sequence[Observation]) -> FloatArray:
        """`(n, n_items)` float32 scores."""
        scores = self._score(observations)
        for row, observation in zip(scores, observations, strict=True):
            if isinstance(observation, OracleObservation) and observation.turn == 0:
                self._insert(row, observation)
        return scores

    def _insert(self, scores: FloatArray, observation: OracleObservation) -> None:
        new = np.ones(len(scores), bool)
        new[list(observation.named_items())] = False
        targets = [item for item in observation.targets if new[item]]
        front = np.flatnonzero(new)
        front = front[np.argsort(-scores[front], kind="stable")[: self._n]]
        rng = generator(derived_key("smtpo insert", self._seed, observation.dialogue, *observation.targets))
        if rng.random() >= self._share or not targets or len(front) < self._n or set(targets) & set(front.tolist()):
            return
        place = int(rng.choice(self._n, p=self._odds))
        target = targets[int(rng.integers(len(targets)))]
        scores[target] = np.nextafter(scores[front[place]], np.float32(np.inf))
