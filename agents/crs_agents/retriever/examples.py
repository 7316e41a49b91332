"""What the network learns from: dialogues up to a recommendation, and the new films that it brings up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crs_agents.retriever.contexts import ContextReader, Contexts
from crs_agents.retriever.leave_one_out import LeaveOneOut
from crs_agents.retriever.signals import EASE, Signals, log_signal
from crs_gym.agent import NamedAgent, Observation, OracleObservation, load_agent
from crs_gym.config import EnvConfig
from crs_gym.engine import Episode
from crs_gym.errors import WorldError
from crs_gym.rollout import play
from crs_gym.task import Dialogue, Split
from crs_gym.turns import AgentTurn
from crs_gym.worlds.world import World

TEACHER = "ask-then-recommend"
"""Plays where a world has no recorded dialogues: it asks and shows, so that users say what recorded seekers say."""

Moment = tuple[Observation, tuple[int, ...], int]
"""What is known at a moment, the films that come next, and the number of the dialogue in its split (-1 for none)."""


@dataclass(frozen=True, eq=False)
class Examples:
    """`n` moments of dialogues.

    Attributes:
        contexts: The dialogues so far.
        named: `n` tuples of items that were named so far: they are no targets, and left out of the softmax.
        targets: `n` tuples of items, at least one each.
        groups: `(n,)` the number of each moment's dialogue.
        ease: `(n, n_items)` EASE's signal without the dialogue itself; `None` where it is computed when it is needed.
    """

    contexts: Contexts
    named: list[tuple[int, ...]]
    targets: list[tuple[int, ...]]
    groups: NDArray[np.int64]
    ease: NDArray[np.float16] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def without_fold(self, fold: int, folds: int) -> Examples:
        """The examples but for those of the dialogues whose number leaves `fold` when it is divided by `folds`."""
        kept = np.flatnonzero(self.groups % folds != fold)
        return Examples(
            contexts=self.contexts.rows(kept),
            named=[self.named[row] for row in kept],
            targets=[self.targets[row] for row in kept],
            groups=self.groups[kept],
            ease=None if self.ease is None else self.ease[kept],
        )


def make_examples(world: World, split: Split, reader: ContextReader, played: int) -> Examples | None:
    """The examples of a split; `None` where the split is not on this machine, or empty.

    Args:
        world: Recorded, or one that invents its seekers.
        split: `train`, or `valid` to measure on.
        reader: Over the world's catalogue.
        played: How many dialogues are played where none are recorded.
    """
    try:
        dialogues = world.dialogues(split)
        moments = list(recorded_moments(dialogues) if len(dialogues) else _played_moments(world, split, played))
    except WorldError:
        return None
    if not moments:
        return None
    observations = [observation for observation, _, _ in moments]
    return Examples(
        contexts=reader(observations),
        named=[observation.named_items() for observation in observations],
        targets=[targets for _, targets, _ in moments],
        groups=np.array([number for _, _, number in moments], np.int64),
    )


def recorded_moments(dialogues: Sequence[Dialogue]) -> Iterator[Moment]:
    """Each message of a recommender that brings up films for the first time; the moments of the next-item tasks."""
    for number, dialogue in enumerate(dialogues):
        known: set[int] = set()
        for place, message in enumerate(dialogue.messages):
            new = tuple([item for item in message.items if item not in known])
            if new and message.role == "recommender":
                yield Observation(dialogue.messages[:place], 0, 1, 10, 50, 0), new, number
            known.update(message.items)


def without_own_dialogue(world: World, examples: Examples, signals: Signals) -> Examples:
    """The examples of recorded train dialogues, each with EASE's signal as it were without that dialogue."""
    n_items = len(world.catalog)
    ease = np.zeros((len(examples), n_items), np.float16)
    model = LeaveOneOut(world, EASE)
    for row, (history, dialogue) in enumerate(zip(examples.contexts.wanted, examples.groups.tolist(), strict=True)):
        if history:
            ease[row] = log_signal(model.scores(history, dialogue), signals.floor)
    return Examples(examples.contexts, examples.named, examples.targets, examples.groups, ease)


def _played_moments(world: World, split: Split, played: int) -> Iterator[Moment]:
    """Every turn of dialogues between `TEACHER` and the world's usual user, whose targets are the seeker's own."""
    tasks = world.tasks(split)
    # Train sessions are made of the first train seekers; who is played has to be unknown to EASE.
    first = len(world.sessions()) if split == "train" else 0
    chosen = [tasks[first + number] for number in range(min(played, len(tasks) - first))]
    watching = _Watching(load_agent(TEACHER, world))
    config = EnvConfig.of(world=world, split=split)
    episodes = (Episode(task, 0, number) for number, task in enumerate(chosen))
    for _ in play(config, NamedAgent(TEACHER, watching, target_aware=True), episodes):
        pass
    for observation in watching.seen:
        left = tuple([item for item in observation.targets if item not in observation.named_items()])
        if left:
            yield observation, left, -1


class _Watching:
    """Lets another agent act, and keeps what it saw, with the targets."""

    def __init__(self, agent: NamedAgent) -> None:
        self._agent = agent.agent
        self.seen: list[OracleObservation] = []

    def act(self, observations: Sequence[Observation]) -> Sequence[AgentTurn | str]:
        self.seen += [observation for observation in observations if isinstance(observation, OracleObservation)]
        return self._agent.act(observations)
