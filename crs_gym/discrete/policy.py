"""A policy over the Discrete view as an agent: it plays under every id, in rollouts, evaluations and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crs_gym.agent import Observation
from crs_gym.discrete.board import Board
from crs_gym.discrete.heard import Listener
from crs_gym.discrete.settings import DiscreteConfig
from crs_gym.discrete.source import load_source
from crs_gym.discrete.view import whole_numbers
from crs_gym.numeric import FloatArray
from crs_gym.task import Message
from crs_gym.turns import AgentTurn, AgentTurns
from crs_gym.worlds.world import World

Choose = Callable[[dict[str, FloatArray], NDArray[np.bool_]], Any]
"""From `n` observations and masks `(n, C + F)`, both batched, to `n` actions."""


class DiscreteAgent:
    """Sees dialogues as the Discrete view shows them, and takes the turns that a policy chooses.

    It holds nothing between turns: it reads the words of the whole dialogue again, as every agent must. A user who
    tells in columns what it says (see docs/discrete.md) is read here, too.

    Args:
        world: What the source of candidates learns from.
        choose: The policy; of a model of sb3-contrib `lambda o, m: model.predict(o, action_masks=m)[0]`.
        settings: Those of `DiscreteConfig` with which the policy was trained.
    """

    def __init__(self, world: World, choose: Choose, **settings: Any) -> None:
        self._config = DiscreteConfig(**settings)
        self._catalog = world.catalog
        self._choose = choose
        self._source, reader = load_source(self._config.candidates, world, _nothing)
        self._listener = Listener(reader, world.catalog.names)

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        """One turn for each observation, in order."""
        turns: list[AgentTurn] = []
        for observation in observations:
            if (observation.k, observation.max_turns) != (observations[0].k, observations[0].max_turns):
                raise ValueError("k, max_turns: the observations of a batch must have the same ones")
        if observations:
            board = self.read(observations)
            actions = self._choose(board.observations(), board.masks())
            chosen = board.turns(whole_numbers(actions, (len(observations),), board.masks().shape[1]))
            turns = [chosen.turn(i) for i in range(len(observations))]
        return turns

    def read(self, observations: Sequence[Observation]) -> Board:
        """What the dialogues say, from their words."""
        n, k = len(observations), observations[0].k
        source = self._source.fresh(lambda row: observations[row])
        board = Board(
            self._catalog,
            source,
            n,
            k=k,
            max_turns=observations[0].max_turns,
            config=self._config,
            read=lambda row: observations[row].messages,
        )
        starts = [len(observation.messages) - 2 * observation.turn for observation in observations]
        context = [observation.messages[:start] for observation, start in zip(observations, starts, strict=True)]
        board.begin(np.arange(n, dtype=np.int64), self._listener.dialogues(context))
        for turn in range(max(observation.turn for observation in observations)):
            rows = [row for row, observation in enumerate(observations) if observation.turn > turn]
            own = [observations[row].messages[starts[row] + 2 * turn] for row in rows]
            answers = [observations[row].messages[starts[row] + 2 * turn + 1] for row in rows]
            heard = self._listener.messages(
                [(answer.text, answer.items) for answer in answers], [message.items for message in own]
            )
            board.follow(np.array(rows, np.int64), self._turns(own, k), heard)
        return board

    def _turns(self, messages: Sequence[Message], k: int) -> AgentTurns:
        turns = [AgentTurn(message.text, message.items) for message in messages]
        return AgentTurns.of(turns, k, len(self._catalog))


def _nothing(row: int) -> Observation:
    raise AssertionError(f"row {row}: a source without dialogues observes none")
