"""What the user does on a turn, for all dialogues of a batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from crs_gym.catalog import FACET_KINDS, NO_ITEM, Catalog
from crs_gym.episodes import Seekers
from crs_gym.numeric import IntArray, at_place, column, listed, pick, plain
from crs_gym.questions import NO_QUESTION
from crs_gym.randomness import fill_uniforms
from crs_gym.simulator import Seeker
from crs_gym.turns import AgentTurns, Decision, UserTurns
from crs_gym.worlds.batch import Profiles
from crs_simulators.agenda.taste import NO_FACET, Tastes
from crs_simulators.agenda.wording import Opening, Reaction, Words

# The purposes of the draws of a turn; row 0 of the noise belongs to the opening.
_WRONG, _WHICH, _VOLUNTEER, _WORDS, _WORDS_TOO = range(5)
_PURPOSES: Final = 5

VOLUNTEERED: Final = 0.5
"""How often a user who likes nothing on the slate says unasked what it would like instead (our choice)."""

_POOR, _GOOD, _PERFECT = range(3)
"""The verdicts on a slate: how many of a seeker's two bars its best item reaches."""
_WRONG_VERDICT: Final = np.array([_PERFECT, _PERFECT, _POOR])
"""What noise makes of a verdict: what should be accepted is passed over, and anything else is accepted."""

_REACTION: Final = np.full((2, 3, 4), Reaction.CONFUSED, np.int8)
"""The reaction by `understood`, verdict, and what the seeker knows of the item that it speaks of."""
_REACTION[1, _POOR] = [Reaction.DISLIKE, Reaction.SEEN_LIKED, Reaction.SEEN_DISLIKED, Reaction.NONE]
_REACTION[1, _GOOD] = Reaction.LIKE
_REACTION[1, _PERFECT] = Reaction.ACCEPT

_MAY_VOLUNTEER: Final = np.zeros((3, len(FACET_KINDS) + 1), bool)
"""Whether the seeker may speak unasked, by verdict and by the kind that it was asked about (-1: none)."""
_MAY_VOLUNTEER[_POOR, NO_QUESTION] = True

_DECISION: Final = np.array([Decision.CONTINUE, Decision.ACCEPT, Decision.LEAVE], np.int8)
"""By `accepts + 2 * leaves`; who accepts does not leave."""

REVISION: Final = "agenda-1"
"""Raise it whenever the same inputs may get another answer."""


class AgendaSimulator:
    """The rule-driven user; see the package.

    On each turn, in this order: it does not understand a malformed turn; it accepts the best item that it has not seen
    and that pleases it enough; else it reacts to one shown item, says what it was asked, and, if nothing pleased, may
    volunteer what it would like. A turn that brings it nothing costs patience, and without patience it leaves.

    Args:
        catalog: What the seekers talk about.
        num_dialogues: How many dialogues are played side by side.
        max_turns: The turn limit.
        noise: The probability that a turn's verdict is wrong: the seeker passes over what it should accept, or accepts
            what it should not.
        patience: How many turns that bring nothing it bears; each seeker has one more, or one less, or just so many.

    Raises:
        ValueError: `noise` is no probability, or `patience` is below 1.
    """

    def __init__(
        self, catalog: Catalog, *, num_dialogues: int, max_turns: int, noise: float = 0.0, patience: int = 3
    ) -> None:
        if isinstance(noise, bool) or not isinstance(noise, int | float) or not 0.0 <= noise <= 1.0:
            raise ValueError(f"noise={noise!r}: must be a probability, from 0 to 1")
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
            raise ValueError(f"patience={patience!r}: must be a whole number of at least 1")
        self._catalog = catalog
        self._tastes = Tastes(catalog, num_dialogues)
        self._noise_level = noise
        self._mean_patience = patience
        self._noise = np.zeros((num_dialogues, max_turns + 1, _PURPOSES), np.float32)
        self._turn = np.zeros(num_dialogues, np.int64)
        self._patience = np.zeros(num_dialogues, np.int64)
        self._told = np.zeros((num_dialogues, len(FACET_KINDS) + 1), np.int64)  # the last kind: no question
        self._favourite = np.full(num_dialogues, NO_ITEM, np.int64)

    @property
    def revision(self) -> str:
        """The revision of the rules, with the options."""
        return f"{REVISION}+noise={self._noise_level}+patience={self._mean_patience}"

    def reset(self, rows: IntArray, seekers: Sequence[Seeker]) -> None:
        """Put a new seeker into each of `rows`."""
        seekers = Seekers.of(seekers)
        profiles = Profiles.of(seekers.profiles, self._catalog.n_facets)
        self._tastes.seat(rows, profiles)
        noise = np.empty((len(rows), *self._noise.shape[1:]), np.float32)
        fill_uniforms(noise, seekers.keys)
        # One seeker on plain numbers, many in columns: see `crs_gym.numeric`.
        row, draw, likes = plain(rows, noise[:, 0, _WRONG], profiles.likes)
        self._noise[row] = noise
        self._favourite[row] = likes.T[0] if len(likes.T) else NO_ITEM
        self._turn[row] = 0
        self._told[row] = 0
        self._patience[row] = self._mean_patience - 1 + (draw * 3).astype(np.int64)

    def open(self, rows: IntArray) -> UserTurns:
        """A greeting, with a film that the seeker likes where it knows one."""
        items = self._favourite[rows]
        draws = self._noise[rows, 0, _WORDS].tolist()
        words = [Opening(self._catalog, item, draw) for item, draw in zip(items.tolist(), draws, strict=True)]
        return UserTurns(
            decision=np.zeros(len(rows), np.int8),
            accepted=np.full(len(rows), NO_ITEM, np.int64),
            said=lambda i: words[i].said(),
            volunteered=items[:, None],
        )

    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        """Decide for every row; words follow when they are read."""
        # One seeker on plain numbers, many in columns: see `crs_gym.numeric`.
        row, items, asked, understood = plain(rows, turns.items, turns.asked(), turns.understood)
        item, reaction, kind, answer, accepts, leaves, noise = self._choose(row, items, asked, understood)
        words = Words(
            catalog=self._catalog,
            liking=self._tastes.liking(row, item).reshape(len(rows), -1),
            reaction=listed(reaction),
            item=listed(item),
            asked=listed(kind),
            answer=listed(answer),
            leaves=listed(leaves),
            noise=noise[_WORDS:].T.reshape(len(rows), -1),
        )
        return UserTurns(
            decision=column(_DECISION[accepts + 2 * leaves]),
            accepted=column(pick(accepts, item, NO_ITEM)),
            said=words.said,
            told=words.told,
        )

    def _choose(self, row: Any, items: IntArray, asked: Any, understood: Any) -> tuple[Any, ...]:
        """What the users of `n` rows do.

        Args:
            row: `(n,)` the rows.
            items: `(n, k)` the slates.
            asked: `(n,)` the kind of facet asked about, or `NO_QUESTION`.
            understood: `(n,)` bool.

        Returns:
            `(n,)` each: the item spoken of, the reaction to it, the kind of facet talked about, the facet told, whether
            the user accepts, and whether it leaves; and the `(purposes, n)` draws of this turn.
        """
        tastes = self._tastes
        turn = self._turn[row] + 1
        self._turn[row] = turn
        noise = self._noise[row, turn].T

        # How the best item that is new to the seeker pleases it. Noise turns the verdict round.
        utility = tastes.utility(row, items)
        place = utility.argmax(axis=-1)
        best = at_place(utility, place)
        verdict = (best >= tastes.like_bar[row]) + 1 * (best >= tastes.bar[row])
        if self._noise_level > 0:
            wrong = (noise[_WRONG] < self._noise_level) & (best > -np.inf)
            verdict = pick(wrong, _WRONG_VERDICT[verdict], verdict)
        verdict = verdict * understood
        accepts = verdict == _PERFECT
        pleased = verdict > _POOR

        # It speaks of that item if it is pleased, else of the one on top.
        item = pick(pleased, at_place(items, place), items.T[0])
        reaction = _REACTION[1 * understood, verdict, tastes.seen[row, item]]

        # It says what it was asked; else, if nothing pleased it, perhaps what it would like.
        volunteers = _MAY_VOLUNTEER[verdict, asked] & (noise[_VOLUNTEER] < VOLUNTEERED)
        kind = pick(volunteers, (noise[_WHICH] * len(FACET_KINDS)).astype(np.int64), asked)
        kind = pick(understood & ~accepts, kind, NO_QUESTION)
        told = self._told[row, kind]
        answer = tastes.favourites[row, kind, told]
        answers = answer != NO_FACET
        self._told[row, kind] = told + answers

        # A turn that brings it nothing costs patience.
        in_vain = ~(pleased | (answers & (asked != NO_QUESTION)))
        patience = self._patience[row] - in_vain
        self._patience[row] = patience
        return item, reaction, kind, answer, accepts, in_vain & (patience <= 0), noise
