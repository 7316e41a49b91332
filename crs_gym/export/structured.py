"""Dialogues as the text observations and actions of `CRS-*-v0`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
from gymnasium import spaces

from crs_gym.env import MAX_DIALOGUE
from crs_gym.export.steps import Steps
from crs_gym.trace import Setting, Trace
from crs_gym.transcript import render_message
from crs_gym.turns import MAX_UTTERANCE, AgentTurn, AgentTurns
from crs_gym.views import StructuredView
from crs_gym.worlds.world import World


class StructuredEpisodes:
    """Episodes as `ConversationEnv` shows them: any agent's, with its words.

    Every episode can be shown so. A turn is exact unless its agent wrote something that could not be read, or that it
    repaired: such a turn earned less than the same words and films would as an action.

    Args:
        world: Where the episodes were played.
        setting: The rules.
    """

    suffix: Final = ""

    def __init__(self, world: World, setting: Setting) -> None:
        self.settings: dict[str, Any] = {"text": False}
        self._world = world
        self._setting = setting

    def steps(self, traces: Sequence[Trace]) -> Iterator[Steps]:
        """The episodes, in order; see `EpisodeView`."""
        return map(self._steps, traces)

    def spaces(self, episodes: Sequence[Steps]) -> tuple[spaces.Dict, spaces.Dict]:
        """The spaces; their texts are made of the characters that stand in `episodes`.

        Minari keeps the characters of a `Text` space, and `crs_gym.spaces.Utterance` has them all. A `Text` of those
        that occur is read back as it was, without crs-gym, and holds every text of the dataset.
        """
        max_turns = self._setting.max_turns
        items = StructuredView(self._world.catalog, self._setting.k).action_space()["items"]
        return (
            spaces.Dict(
                {
                    "dialogue": text_space(MAX_DIALOGUE, (steps.observations["dialogue"] for steps in episodes)),
                    "turn": spaces.Discrete(max_turns + 1),
                }
            ),
            spaces.Dict(
                {
                    "utterance": text_space(MAX_UTTERANCE, (steps.actions["utterance"] for steps in episodes)),
                    "items": items,
                }
            ),
        )

    def _steps(self, trace: Trace) -> Steps:
        catalog, k, n_turns = self._world.catalog, self._setting.k, len(trace.turns)
        messages = trace.messages(self._world.task(trace.task_id), catalog.names)
        lines = [render_message(message.role, message.text) for message in messages]
        start = len(lines) - 2 * n_turns
        said = [turn.agent for turn in trace.turns]
        items = np.full((n_turns, k), len(catalog), np.int64)
        for row, turn in zip(items, said, strict=True):
            row[: len(turn.items[:k])] = turn.items[:k]
        again = AgentTurns.of([AgentTurn(turn.utterance, turn.items) for turn in said], k, len(catalog))
        return Steps(
            trace,
            {
                "dialogue": ["\n".join(lines[: start + 2 * t])[-MAX_DIALOGUE:] for t in range(n_turns + 1)],
                "turn": np.arange(n_turns + 1),
            },
            {"utterance": [turn.utterance for turn in said], "items": items},
            np.array([_same(turn, again.turn(t)) for t, turn in enumerate(said)], bool),
        )


def _same(turn: AgentTurn, again: AgentTurn) -> bool:
    return (turn.utterance, turn.understood, turn.well_formed) == (again.utterance, again.understood, again.well_formed)


def text_space(longest: int, texts: Iterable[Sequence[str]]) -> spaces.Text:
    """A space of texts of the characters that occur in columns of them, and so of all these texts."""
    characters = set(chain.from_iterable(chain.from_iterable(texts))) or {" "}
    return spaces.Text(longest, min_length=0, charset="".join(sorted(characters)))
