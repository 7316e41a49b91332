"""The schema of a trace: all that is kept of one episode, enough to recompute every figure from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from crs_gym.task import Message, Task
from crs_gym.transcript import with_shown_items
from crs_gym.turns import AgentTurn, Outcome, UserTurn

SCHEMA_VERSION: Final = 1


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Under which rules and against whom an episode was played."""

    world: str
    world_fingerprint: str
    split: str
    kind: str
    simulator: str
    simulator_revision: str
    k: int
    max_turns: int
    depth: int
    reward: dict[str, float]


class TurnTrace(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of each side. `user`, `reward` and `reward_terms` are `None` where the simulator failed."""

    agent: AgentTurn
    user: UserTurn | None
    reward: float | None
    reward_terms: dict[str, float] | None


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """One episode.

    Attributes:
        version: The version of crs-gym that wrote it.
        setting: The rules, and the user.
        agent: The agent's name, as results show it.
        task_id: The task; `World.task` finds it again.
        seed: With `episode`, keys the noise of user and agent.
        episode: The number of the episode under that seed (the trial, in an evaluation).
        opening: The user's first words, where the task's context held none.
        turns: At least one, unless the opening failed.
        outcome: How it ended.
        success: A target was shown before the user ended the dialogue; `None` when errored.
        accepted: The user accepted an item; `None` when errored.
        hit_rank: The rank, from 1, at which a target was first shown; `None` when none was.
        targets: The task's targets, for reading; figures are recomputed from the task itself.
        error: What the simulator said when it failed.
    """

    schema: int = SCHEMA_VERSION
    version: str
    setting: Setting
    agent: str
    task_id: str
    seed: int
    episode: int
    opening: UserTurn | None
    turns: tuple[TurnTrace, ...]
    outcome: Outcome
    success: bool | None
    accepted: bool | None
    hit_rank: int | None
    targets: tuple[int, ...]
    error: str | None = None

    def messages(self, task: Task, names: Sequence[str]) -> tuple[Message, ...]:
        """The whole dialogue as both sides read it.

        Args:
            task: The task of `task_id`.
            names: The catalogue's display names.
        """
        messages = list(task.context)
        if self.opening is not None:
            messages.append(Message("user", self.opening.utterance, self.opening.items))
        for turn in self.turns:
            words = with_shown_items(turn.agent.utterance, turn.agent.items, names)
            messages.append(Message("recommender", words, turn.agent.items))
            if turn.user is not None:
                messages.append(Message("user", turn.user.utterance, turn.user.items))
        return tuple(messages)

    @property
    def total_return(self) -> float | None:
        """The undiscounted sum of rewards; `None` when errored."""
        rewards = [turn.reward for turn in self.turns]
        return None if self.outcome == "errored" else float(sum(r for r in rewards if r is not None))
