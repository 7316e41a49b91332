"""The Discrete view of a game: from an action's number to a turn, and from what was said to an observation."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crs_gym.agent import Observation
from crs_gym.catalog import FACET_KINDS
from crs_gym.discrete.board import Board
from crs_gym.discrete.encoding import Field
from crs_gym.discrete.heard import Heard, Listener
from crs_gym.discrete.settings import DiscreteConfig
from crs_gym.discrete.source import load_source
from crs_gym.discrete.wording import TemplateTurns
from crs_gym.game import Game
from crs_gym.numeric import FloatArray, IntArray
from crs_gym.randomness import derived_key


class DiscreteView:
    """What a policy sees of a game, and how it acts, as numbers; a `crs_gym.views.View` with a memory.

    Whoever steps the game tells it of each beginning (`begin`) and each turn (`follow`); it then knows what any agent
    could know that reads the dialogues, and nothing of targets, rewards or profiles.

    Args:
        game: The game.
        config: The view's settings.
    """

    def __init__(self, game: Game, config: DiscreteConfig) -> None:
        self.config = config
        self._game = game
        self._engine = engine = game.engine
        catalog, n = game.world.catalog, engine.num_dialogues
        source, reader = load_source(config.candidates, game.world, self._observation)
        self._listener = Listener(reader, catalog.names)
        self._board = Board(
            catalog, source, n, k=engine.k, max_turns=engine.max_turns, config=config, read=engine.messages
        )
        self._n_actions = config.n_candidates + len(FACET_KINDS)

    # ---------------------------------------------------------------- what is seen

    @property
    def fields(self) -> tuple[Field, ...]:
        """What every number of an observation stands for."""
        return self._board.encoder.fields

    def observation_space(self) -> spaces.Dict:
        """The space of one observation; see `crs_gym.discrete.encoding`."""
        return self._board.encoder.space()

    def begin(self, rows: IntArray) -> None:
        """An episode was begun in each of `rows`."""
        told = self._engine.context_told(rows)
        if told is None:
            heard = self._listener.dialogues([self._engine.messages(row) for row in rows.tolist()])
        else:
            heard = Heard.of_told(told)
        self._board.begin(rows, heard)

    def follow(self, rows: IntArray) -> None:
        """The engine has stepped in `rows`, all at once."""
        record = self._engine.log(int(rows[0]))[-1]
        self._board.follow(rows, record.agents, self._listener.answers(record.users, record.agents))

    def observations(self) -> dict[str, FloatArray]:
        """The observations of all dialogues, each entry with a leading dimension N."""
        return self._board.observations()

    def observation(self, row: int) -> dict[str, FloatArray]:
        """The observation of the dialogue in `row`."""
        return self._board.observation(row)

    def masks(self) -> NDArray[np.bool_]:
        """`(N, C + F)` bool, which actions make sense."""
        return self._board.masks()

    def candidates(self, row: int) -> tuple[int, ...]:
        """The items that the actions of `row` recommend, best first."""
        return self._board.candidates(row)

    # ---------------------------------------------------------------- what is done

    def action_space(self) -> spaces.Discrete:
        """The space of one action: `c` recommends candidate c first, `C + f` asks about facet f of `FACET_KINDS`."""
        return spaces.Discrete(self._n_actions)

    def read(self, action: Any) -> TemplateTurns:
        """One action as a batch of one turn.

        Raises:
            ValueError: The action is no whole number, or out of range.
        """
        return self._board.turns(whole_numbers(action, (), self._n_actions).reshape(1))

    def read_batch(self, actions: Any, n: int) -> TemplateTurns:
        """`n` actions as turns; see `read`."""
        return self._board.turns(whole_numbers(actions, (n,), self._n_actions))

    # ---------------------------------------------------------------- inside

    def _observation(self, row: int) -> Observation:
        """What an agent sees of the dialogue in `row`, whose candidates come from its ranking."""
        config, turn = self._game.config, int(self._engine.turn[row])
        return Observation(
            messages=self._engine.messages(row),
            turn=turn,
            max_turns=config.max_turns,
            k=config.k,
            depth=max(config.depth, self.config.n_candidates),
            key=derived_key(self._engine.episode(row).key, "agent", turn),
        )


def whole_numbers(action: Any, shape: tuple[int, ...], n_actions: int) -> IntArray:
    """Actions as int64 of a shape.

    Raises:
        ValueError: They have another shape, are no whole numbers, or are not among the `n_actions`.
    """
    try:
        numbers = np.asarray(action)
    except ValueError as error:  # ragged
        raise ValueError(f"action is no array of shape {shape}: {error}") from error
    if numbers.dtype.kind not in "iu":
        raise ValueError(f"action holds {numbers.dtype} ({action!r}); it must hold whole numbers")
    if numbers.shape != shape:
        raise ValueError(f"action has shape {numbers.shape}; it must have {shape}")
    wrong = (numbers < 0) | (numbers >= n_actions)
    if np.count_nonzero(wrong):
        raise ValueError(f"action holds {numbers[wrong].flat[0]}; actions are numbers from 0 to {n_actions - 1}")
    return numbers.astype(np.int64)
