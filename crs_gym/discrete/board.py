"""What is known of N dialogues, and what a policy can do in them, as numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crs_gym.catalog import NO_ITEM, Catalog
from crs_gym.discrete.belief import Belief
from crs_gym.discrete.candidates import Candidates
from crs_gym.discrete.dialogue_encoder import DialogueEncoder, Read, fields_of
from crs_gym.discrete.encoding import Encoder
from crs_gym.discrete.heard import Heard
from crs_gym.discrete.settings import DiscreteConfig
from crs_gym.discrete.source import Source
from crs_gym.discrete.wording import TemplateTurns
from crs_gym.numeric import FloatArray, IntArray
from crs_gym.questions import NO_QUESTION
from crs_gym.turns import AgentTurns


class Board:
    """Belief, candidates and encoding of `num_dialogues` dialogues, kept up to date by those who hear what is said.

    Args:
        catalog: What can be recommended.
        source: Scores films.
        num_dialogues: N.
        k: How many films a turn may show.
        max_turns: The turn limit.
        config: The view's settings.
        read: What was said in a row, for encodings of words.
    """

    def __init__(
        self,
        catalog: Catalog,
        source: Source,
        num_dialogues: int,
        *,
        k: int,
        max_turns: int,
        config: DiscreteConfig,
        read: Read,
    ) -> None:
        self._catalog = catalog
        self._k = k
        self._config = config
        self.belief = Belief(catalog, num_dialogues)
        self._candidates = Candidates(catalog, source, num_dialogues, config.n_candidates)
        more = fields_of(config.encode)
        self._encoder = Encoder(catalog, num_dialogues, config.n_candidates, k, max_turns, more=more)
        self._words = DialogueEncoder(read) if more else None
        self._turn = np.zeros(num_dialogues, np.int64)
        self._stale = np.zeros(num_dialogues, bool)

    @property
    def encoder(self) -> Encoder:
        """Says what every number stands for."""
        return self._encoder

    def begin(self, rows: IntArray, heard: Heard) -> None:
        """A dialogue is gone on with in each of `rows`, of which `heard` is known."""
        self.belief.begin(rows, heard)
        self._turn[rows] = 0
        self._stale[rows] = True

    def follow(self, rows: IntArray, turns: AgentTurns, heard: Heard) -> None:
        """A turn was taken in each of `rows`, and `heard` was answered."""
        self.belief.follow(rows, turns, heard)
        self._turn[rows] += 1
        self._stale[rows] = True

    def observations(self) -> dict[str, FloatArray]:
        """The observations, each entry with a leading dimension N."""
        self._look()
        return {name: values.copy() for name, values in self._encoder.arrays.items()}

    def observation(self, row: int) -> dict[str, FloatArray]:
        """The observation of the dialogue in `row`."""
        self._look()
        return {name: values[row].copy() for name, values in self._encoder.arrays.items()}

    def masks(self) -> NDArray[np.bool_]:
        """`(N, C + F)` bool, which actions make sense."""
        self._look()
        return self._encoder.masks.copy()

    def candidates(self, row: int) -> tuple[int, ...]:
        """The items that the actions of `row` recommend, best first."""
        self._look()
        return tuple([item for item in self._candidates.items[row].tolist() if item != NO_ITEM])

    def turns(self, actions: IntArray) -> TemplateTurns:
        """`(N,)` actions as turns; what the mask forbids falls back, see `DiscreteEnv`."""
        self._look()
        items, c, k = self._candidates.items, self._config.n_candidates, self._k
        asks = actions >= c
        rows = np.arange(len(actions), dtype=np.int64)
        masks = self._encoder.masks
        allowed = masks.reshape(-1).take(actions + rows * masks.shape[1])  # flat: see `crs_gym.discrete.encoding`
        first = np.where(asks | ~allowed, 0, actions)
        place = np.arange(c, dtype=np.int64)
        order = np.where(place <= first[:, None], place - 1, place)  # candidate `first`, then the others
        order[:, 0] = first
        ranking = items.reshape(-1).take(order + rows[:, None] * c)
        slate = np.full((len(actions), k), NO_ITEM, np.int64)
        slate[:, : min(k, c)] = ranking[:, :k]
        if not self._config.show_while_asking:
            slate[asks] = NO_ITEM
        return TemplateTurns.worded(self._catalog, slate, ranking, np.where(asks, actions - c, NO_QUESTION))

    def _look(self) -> None:
        """Find candidates, and encode, where something was said since the last time: all rows at once."""
        rows = np.flatnonzero(self._stale)
        if len(rows):
            self._candidates.find(rows, self.belief)
            self._encoder.encode(rows, self.belief, self._candidates, self._turn)
            if self._words is not None:
                self._words.encode(rows, self._encoder.arrays)
            self._stale[rows] = False
