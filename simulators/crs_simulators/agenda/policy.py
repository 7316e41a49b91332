"""What the user does on a turn, for all dialogues of a batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from crs_gym.catalog import FACET_KINDS, NO_ITEM, Catalog, IntArray
from crs_gym.questions import NO_QUESTION
from crs_gym.randomness import uniforms
from crs_gym.simulator import Seeker
from crs_gym.turns import AgentTurns, Decision, UserTurns
from crs_simulators.agenda.taste import NO_FACET, NOT_SEEN, TOLD_PER_KIND, Tastes
from crs_simulators.agenda.wording import Opening, Reaction, Words

# The purposes of the draws of a turn; row 0 of the noise belongs to the opening.
_WRONG, _WHICH, _VOLUNTEER, _WORDS, _WORDS_TOO = range(5)
_PURPOSES: Final = 5

VOLUNTEERED: Final = 0.5
"""How often a user who likes nothing on the slate says unasked what it would like instead (our choice)."""

_REACTION_BY_SEEN: Final = np.array([Reaction.DISLIKE, Reaction.SEEN_LIKED, Reaction.SEEN_DISLIKED])
"""The reaction to an item that is not accepted and not liked, by NOT_SEEN, SEEN_LIKED, SEEN_DISLIKED."""
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
        noise: The probability that a turn's verdict is wrong: it passes over what it should accept, or accepts (else
            likes) what it should not.
        patience: How many turns that bring nothing it bears; each seeker has one more, or one less, or just so many.

    Raises:
        ValueError: `noise` is no probability, or `patience` is below 1.
    """

    def __init__(
        self, catalog: Catalog, *, num_dialogues: int, max_turns: int, noise: float = 0.0, patience: int = 3
    ) -> None:
        if not 0.0 <= noise <= 1.0:
            raise ValueError(f"noise={noise!r}: must be a probability, from 0 to 1")
        if patience < 1:
            raise ValueError(f"patience={patience!r}: must be at least 1")
        self._catalog = catalog
        self._tastes = Tastes(catalog, num_dialogues)
        self._noise_level = noise
        self._mean_patience = patience
        self._noise = np.zeros((num_dialogues, max_turns + 1, _PURPOSES), np.float32)
        self._turn = np.zeros(num_dialogues, np.int64)
        self._patience = np.zeros(num_dialogues, np.int64)
        self._told = np.zeros((num_dialogues, len(FACET_KINDS)), np.int64)
        self._likes: list[tuple[int, ...]] = [()] * num_dialogues

    @property
    def revision(self) -> str:
        """The revision of the rules, with the options."""
        return f"{REVISION}+noise={self._noise_level}+patience={self._mean_patience}"

    def reset(self, rows: IntArray, seekers: Sequence[Seeker]) -> None:
        """Put a new seeker into each of `rows`."""
        _, turns, purposes = self._noise.shape
        for row, seeker in zip(rows.tolist(), seekers, strict=True):
            self._noise[row] = uniforms(seeker.key, turns, purposes)
            self._tastes.seat(row, seeker.profile)
            self._likes[row] = seeker.profile.likes
        self._turn[rows] = 0
        self._told[rows] = 0
        self._patience[rows] = self._mean_patience - 1 + (self._noise[rows, 0, _WRONG] * 3).astype(np.int64)

    def open(self, rows: IntArray) -> UserTurns:
        """A greeting, with a film that the seeker likes where it knows one."""
        likes = [self._likes[row] for row in rows.tolist()]
        draws = self._noise[rows, 0, _WORDS].tolist()
        words = [Opening(self._catalog, liked, draw) for liked, draw in zip(likes, draws, strict=True)]
        return UserTurns(
            decision=np.zeros(len(rows), np.int8),
            accepted=np.full(len(rows), NO_ITEM, np.int32),
            said=lambda i: words[i].said(),
            volunteered=np.array([[liked[0] if liked else NO_ITEM] for liked in likes], np.int32),
        )

    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        """Decide for every row; words follow when they are read."""
        at = np.arange(len(rows))
        self._turn[rows] += 1
        noise = self._noise[rows, self._turn[rows]]
        items, asked = turns.items, turns.asked
        utility = self._tastes.utility(rows, items)
        seen = self._tastes.seen[rows[:, None], items]
        utility[seen != NOT_SEEN] = -np.inf

        # Accept the best item that is new to the seeker, if it pleases enough; noise turns the verdict round.
        place = utility.argmax(axis=1)
        best = utility[at, place]
        wrong = noise[:, _WRONG] < self._noise_level
        worth_a_look = turns.understood & (best > -np.inf)
        accepts = worth_a_look & ((best >= self._tastes.bar[rows]) ^ wrong)
        likes = worth_a_look & ~accepts & (best >= self._tastes.like_bar[rows])

        # Else react to one item: the best of the new ones if it is liked, else the one on top.
        place[~(accepts | likes)] = 0
        item = items[at, place]
        seen_it = seen[at, place]
        shown = turns.understood & (item != NO_ITEM)
        reaction = np.where(shown, _REACTION_BY_SEEN[seen_it], Reaction.NONE)
        reaction[likes] = Reaction.LIKE
        reaction[accepts] = Reaction.ACCEPT
        reaction[~turns.understood] = Reaction.CONFUSED

        # Say what was asked; else, if nothing pleased, perhaps what it would like.
        nothing_pleased = turns.understood & ~accepts & ~likes
        volunteers = nothing_pleased & (asked == NO_QUESTION) & (noise[:, _VOLUNTEER] < VOLUNTEERED)
        kind = np.where(volunteers, (noise[:, _WHICH] * len(FACET_KINDS)).astype(np.int8), asked)
        told = self._told[rows, kind]
        answer = np.where(
            (kind != NO_QUESTION) & turns.understood & ~accepts & (told < TOLD_PER_KIND),
            self._tastes.favourites[rows, kind, np.minimum(told, TOLD_PER_KIND - 1)],
            NO_FACET,
        )
        answers = answer != NO_FACET
        self._told[rows[answers], kind[answers]] += 1

        # A turn that brings the user nothing costs patience.
        helped = accepts | likes | (answers & (asked != NO_QUESTION))
        self._patience[rows] -= ~helped
        leaves = (self._patience[rows] <= 0) & ~helped
        liked_facet, disliked_facet = self._tastes.reasons(rows, item)
        words = Words(
            catalog=self._catalog,
            reaction=reaction,
            item=item,
            reason=np.where(likes, liked_facet, disliked_facet),
            asked=np.where(turns.understood & ~accepts, asked, NO_QUESTION),
            answer=answer,
            leaves=leaves,
            variant=noise[:, _WORDS],
            variant_too=noise[:, _WORDS_TOO],
        )
        return UserTurns(
            decision=_DECISION[accepts + 2 * leaves],
            accepted=np.where(accepts, item, NO_ITEM),
            said=words.said,
        )
