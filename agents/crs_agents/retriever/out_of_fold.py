"""Train dialogues scored as new ones: each by the networks that have not learned from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from crs_agents.feedback import FeedbackReader
from crs_agents.history import wanted_items
from crs_agents.retriever.leave_one_out import LeaveOneOut
from crs_agents.retriever.retriever import Retriever
from crs_agents.retriever.saved import SavedRetriever
from crs_agents.retriever.signals import EASE, log_signal
from crs_agents.retriever.train_dialogues import TrainDialogues
from crs_gym.agent import Observation
from crs_gym.numeric import FloatArray
from crs_gym.worlds.world import World


class OutOfFold:
    """Scores items for dialogues; those of the train split by the networks that left them out.

    EASE's signal is without the dialogue itself, as in training. Who is of no train dialogue is scored by all networks.

    Args:
        saved: Trained with folds: network `i` has left out the dialogues of fold `i % folds`.
        world: That of the training.
        folds: How many there are.
    """

    def __init__(self, saved: SavedRetriever, world: World, folds: int) -> None:
        self._folds = folds
        self._all = Retriever(saved, world)
        self._without = [self._all.with_networks(saved.networks[fold::folds]) for fold in range(folds)]
        self._dialogues = TrainDialogues(world)
        self._reader = FeedbackReader(world.catalog)
        self._ease = LeaveOneOut(world, EASE)

    def __call__(self, observations: Sequence[Observation]) -> FloatArray:
        """`(n, n_items)` float32, as `Retriever.scores`."""
        rows: defaultdict[int | None, list[int]] = defaultdict(list)
        numbers = [self._dialogues.of(observation) for observation in observations]
        for row, number in enumerate(numbers):
            rows[None if number is None else number % self._folds].append(row)
        scores = np.empty((len(observations), len(self._all.catalog)), np.float32)
        for fold, own in rows.items():
            asked = [observations[row] for row in own]
            if fold is None:
                scores[own] = self._all.scores(asked)
            else:
                ease = np.stack([self._signal(observations[row], numbers[row]) for row in own])
                scores[own] = self._without[fold].scores(asked, ease)
        return scores

    def _signal(self, observation: Observation, dialogue: int | None) -> FloatArray:
        """`(n_items,)` EASE's signal without a dialogue."""
        assert dialogue is not None
        history = wanted_items(observation, self._reader)
        return log_signal(self._ease.scores(history, dialogue), self._all.ease_floor)
