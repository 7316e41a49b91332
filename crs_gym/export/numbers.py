"""Dialogues as the observations and actions of the Discrete view."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from gymnasium import spaces

from crs_gym.agent import Observation
from crs_gym.catalog import FACET_KINDS
from crs_gym.discrete.board import Board
from crs_gym.discrete.policy import DiscreteAgent
from crs_gym.discrete.settings import DiscreteConfig
from crs_gym.export.steps import Steps
from crs_gym.questions import NO_QUESTION, asked_facet
from crs_gym.randomness import derived_key, episode_key
from crs_gym.trace import Setting, Trace
from crs_gym.turns import AgentTurn
from crs_gym.worlds.world import World

AT_ONCE: Final = 64
"""Episodes that are read side by side: some 400 rows of scores over the whole catalogue, 11 MB for ReDial's films."""
NO_ACTION: Final = -1
"""Stands for a turn that no action of the view comes near."""


class DiscreteEpisodes:
    """Episodes as `DiscreteAgent` sees them: it reads the words of the dialogue.

    A turn that asks about a kind of facet is the action that asks about it; any other is the action that recommends the
    first film shown that is a candidate. It is exact where that action shows the same films in the same order and asks
    the same, in whatever words; a policy over the Discrete view takes no other turns.

    Args:
        world: Where the episodes were played.
        setting: The rules.
        config: The view's settings: those of the policy that played.
    """

    suffix: Final = "-Discrete"

    def __init__(self, world: World, setting: Setting, config: DiscreteConfig) -> None:
        self.settings: dict[str, Any] = asdict(config)
        self._world = world
        self._setting = setting
        self._n_candidates = config.n_candidates
        self._agent = DiscreteAgent(world, _never, **self.settings)
        self._observation_space: spaces.Dict | None = None

    def steps(self, traces: Sequence[Trace]) -> Iterator[Steps]:
        """The episodes, in order; see `EpisodeView`."""
        for start in range(0, len(traces), AT_ONCE):
            yield from self._together(traces[start : start + AT_ONCE])

    def spaces(self, episodes: Sequence[Steps]) -> tuple[spaces.Dict, spaces.Discrete]:
        """The spaces of `DiscreteEnv`."""
        if self._observation_space is None:
            self._read(episodes[0].trace)
        assert self._observation_space is not None
        return self._observation_space, spaces.Discrete(self._n_candidates + len(FACET_KINDS))

    # ---------------------------------------------------------------- inside

    def _together(self, traces: Sequence[Trace]) -> Iterator[Steps]:
        board = self._read(*traces)
        starts = np.cumsum([0, *(len(trace.turns) + 1 for trace in traces)])
        actions = np.zeros(int(starts[-1]), np.int64)  # of the rows at the end of an episode, any
        for trace, start in zip(traces, starts.tolist(), strict=False):
            for t, turn in enumerate(trace.turns):
                actions[start + t] = self._action(turn.agent, board.candidates(start + t))
        played = board.turns(np.maximum(actions, 0))
        asked = played.asked()
        observations = board.observations()
        for trace, start in zip(traces, starts.tolist(), strict=False):
            n_turns = len(trace.turns)
            own = actions[start : start + n_turns]
            exact = [
                own[t] != NO_ACTION
                and turn.agent.understood
                and turn.agent.well_formed
                and turn.agent.items[: self._setting.k] == played.shown(start + t)
                and asked_facet(turn.agent.utterance) == asked[start + t]
                for t, turn in enumerate(trace.turns)
            ]
            rows = slice(start, start + n_turns + 1)
            yield Steps(
                trace,
                {name: values[rows] for name, values in observations.items()},
                own,
                np.array(exact, bool),
                bool((own != NO_ACTION).all()),
            )

    def _action(self, turn: AgentTurn, candidates: Sequence[int]) -> int:
        asked = asked_facet(turn.utterance)
        if asked != NO_QUESTION:
            return self._n_candidates + asked
        if not candidates:
            return NO_ACTION if turn.items else 0  # whatever is chosen, the view says that nothing is left
        return next((candidates.index(item) for item in turn.items if item in candidates), NO_ACTION)

    def _read(self, *traces: Trace) -> Board:
        """What was known before each turn of each episode, and at its end, row by row."""
        board = self._agent.read([observation for trace in traces for observation in self._observations(trace)])
        self._observation_space = board.encoder.space()
        return board

    def _observations(self, trace: Trace) -> Iterator[Observation]:
        setting, n_turns = self._setting, len(trace.turns)
        messages = trace.messages(self._world.task(trace.task_id), self._world.catalog.names)
        start = len(messages) - 2 * n_turns
        key = episode_key(trace.seed, trace.episode, trace.task_id)
        for turn in range(n_turns + 1):
            yield Observation(
                messages=messages[: start + 2 * turn],
                turn=turn,
                max_turns=setting.max_turns,
                k=setting.k,
                depth=max(setting.depth, self._n_candidates),
                key=derived_key(key, "agent", turn),
            )


def _never(observations: object, masks: object) -> Any:
    raise AssertionError("dialogues that were played are read, not played on")
