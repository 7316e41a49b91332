"""How the rule-driven user says what it decided. Templates only; nothing is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crs_gym.catalog import FACET_KINDS, NO_ITEM, Catalog
from crs_gym.numeric import FloatArray, IntArray
from crs_gym.questions import NO_QUESTION
from crs_gym.turns import Told
from crs_simulators.agenda.taste import NO_FACET


class Reaction(IntEnum):
    """What the user has to say about the slate."""

    NONE = 0
    CONFUSED = 1
    ACCEPT = 2
    LIKE = 3
    DISLIKE = 4
    SEEN_LIKED = 5
    SEEN_DISLIKED = 6


_OPENINGS: Final = (
    "Hi! I'm looking for a film to watch tonight. I really enjoyed {item}.",
    "Hello, can you help me find something to watch? I loved {item}.",
    "Hey there. Something like {item} would be great.",
)
_BARE_OPENINGS: Final = (
    "Hi! I'm looking for a film to watch tonight.",
    "Hello, can you help me find something to watch?",
    "Hey there. Any films that you would recommend?",
)
_REACTIONS: Final[dict[int, tuple[str, ...]]] = {
    Reaction.NONE: ("",),
    Reaction.CONFUSED: ("Sorry, I didn't get that.", "I don't understand what you mean.", "Could you say that again?"),
    Reaction.ACCEPT: (
        "{item} sounds perfect, I'll watch it. Thank you!",
        "Great, I'm going with {item}. Thanks a lot!",
        "Yes! {item} is just what I was after.",
    ),
    Reaction.LIKE: (
        "{item} comes close{reason}, but it's not quite what I want.",
        "{item} is not bad{reason}. Got anything else?",
        "I might like {item}{reason}, but let's keep looking.",
    ),
    Reaction.DISLIKE: (
        "{item} isn't for me{reason}.",
        "I don't think I'd enjoy {item}{reason}.",
        "No, not {item}{reason}.",
    ),
    Reaction.SEEN_LIKED: (
        "I've seen {item} already, and loved it.",
        "{item} is great, but I've already seen it.",
    ),
    Reaction.SEEN_DISLIKED: (
        "I've seen {item} already, and didn't like it.",
        "{item}? Saw it, and it wasn't for me.",
    ),
}
_GOOD_REASONS: Final = {
    "genre": (" because I like {facet} films", ", as I enjoy {facet} films"),
    "director": (" because I like {facet}'s films", ", as I admire {facet}"),
    "star": (" because I like {facet}", ", as {facet} is in it"),
    "decade": (" because I like films from the {facet}", ", as the {facet} were a good time for films"),
}
_BAD_REASONS: Final = {
    "genre": (" because I don't like {facet} films", ", as I don't enjoy {facet} films"),
    "director": (" because I don't like {facet}'s films", ", as I'm no fan of {facet}"),
    "star": (" because I don't like {facet}", ", as I'm no fan of {facet}"),
    "decade": (" because I don't like films from the {facet}", ", as I don't enjoy films from the {facet}"),
}
_ANSWERS: Final = {
    "genre": ("I love {facet} films.", "I'm in the mood for some {facet}.", "A good {facet} film would be nice."),
    "director": ("I like films by {facet}.", "Anything by {facet} would be great.", "{facet} is a director I love."),
    "star": ("I like films with {facet}.", "Anything with {facet} in it.", "{facet} is a favourite of mine."),
    "decade": ("I like films from the {facet}.", "Something from the {facet}, please.", "The {facet} would be good."),
}
_NO_PREFERENCE: Final = (
    "I don't really mind about the {kind}.",
    "No particular {kind} comes to mind.",
    "The {kind} doesn't matter to me.",
)
_NOTHING: Final = ("Okay. What would you recommend?", "So, what should I watch?", "Do you have a suggestion?")
_FAREWELLS: Final = (
    "I think I'll look elsewhere, thanks anyway.",
    "This isn't going anywhere, sorry. Bye!",
    "Never mind, I'll find something myself. Bye.",
)

_SIGNS: Final = np.zeros(len(Reaction), np.int8)
"""Whether a reaction speaks for (1) or against (-1) its item."""
_SIGNS[[Reaction.ACCEPT, Reaction.LIKE, Reaction.SEEN_LIKED]] = 1
_SIGNS[[Reaction.DISLIKE, Reaction.SEEN_DISLIKED]] = -1
_REASONED: Final = np.zeros(len(Reaction), np.int8)
"""The same for reactions that come with a reason."""
_REASONED[[Reaction.LIKE, Reaction.DISLIKE]] = 1, -1


def _pick(choices: tuple[str, ...], draw: float) -> str:
    return choices[int(draw * len(choices))]


@dataclass(frozen=True, eq=False)
class Opening:
    """The first words of one seeker, who likes `item` (`NO_ITEM`: it knows none)."""

    catalog: Catalog
    item: int
    draw: float

    def said(self) -> tuple[str, tuple[int, ...]]:
        """The words, and the items that they name."""
        if self.item == NO_ITEM:
            return _pick(_BARE_OPENINGS, self.draw), ()
        return _pick(_OPENINGS, self.draw).format(item=self.catalog.names[self.item]), (self.item,)


@dataclass(slots=True, eq=False)
class Words:
    """What `n` users have to say, decided and not yet worded. All columns are `(n,)`.

    Attributes:
        catalog: Names items and facets.
        liking: `(n, widest)` float32, how much each seeker likes the facets of `item`, in the order of
            `Catalog.facet_table`; 0 for facets that it does not care about.
        reaction: `Reaction` to `item`.
        item: The item that is reacted to; `NO_ITEM` where `reaction` is about none.
        asked: The kind of facet that was asked about, or `NO_QUESTION`.
        answer: The facet that is told, or `NO_FACET`.
        leaves: The user ends the dialogue without having found anything.
        noise: `(n, 2)` in [0, 1), chooses the wording of the first and the second sentence.
    """

    catalog: Catalog
    liking: FloatArray
    reaction: Sequence[int] | NDArray[np.int8]
    item: Sequence[int] | IntArray
    asked: Sequence[int] | IntArray
    answer: Sequence[int] | IntArray
    leaves: Sequence[bool] | NDArray[np.bool_]
    noise: FloatArray

    def said(self, i: int) -> tuple[str, tuple[int, ...]]:
        """Row `i`'s words, and the items that they name."""
        first, second = self.noise[i].tolist()
        reaction = int(self.reaction[i])
        named: tuple[int, ...] = ()
        sentences = []
        if reaction != Reaction.NONE:
            words = _pick(_REACTIONS[reaction], first)
            if reaction != Reaction.CONFUSED:
                item = int(self.item[i])
                named = (item,)
                words = words.format(item=self.catalog.names[item], reason=self._reason(i, reaction, item, second))
            sentences.append(words)
        if self.leaves[i]:
            sentences.append(_pick(_FAREWELLS, second))
        else:
            answer = self._answer(int(self.asked[i]), int(self.answer[i]), second)
            if answer:
                sentences.append(answer)
        return " ".join(sentences) if sentences else _pick(_NOTHING, first), named

    def told(self) -> Told:
        """The same in columns: the item that is spoken of, the reason, and the answer."""
        reaction = np.asarray(self.reaction)
        sign = _SIGNS[reaction]
        items = np.where(sign != 0, self.item, NO_ITEM)
        reason, reason_sign = self._reasons(reaction, items)
        answer = np.where(self.leaves, NO_FACET, self.answer)
        return Told(
            items[:, None],
            sign[:, None],
            np.stack([reason, answer], axis=1),
            np.stack([reason_sign, (answer != NO_FACET).astype(np.int8)], axis=1),
        )

    def _reasons(self, reaction: NDArray[np.int8], items: IntArray) -> tuple[IntArray, NDArray[np.int8]]:
        """`(n,)` the facet that `_reason` names, or `NO_FACET`, and whether it speaks for the item."""
        sign = _REASONED[reaction]
        facets = self.catalog.slate_facets[items]
        strength = self.liking * sign[:, None]
        strongest = strength.max(axis=1)
        # Of facets that are liked alike, `max` takes the last number, and `min` the first.
        tied = np.where(strength == strongest[:, None], facets * sign[:, None], np.iinfo(np.int64).min)
        facet = tied.max(axis=1) * sign
        named = (strongest > 0) & (sign != 0)
        return np.where(named, facet, NO_FACET), np.where(named, sign, 0).astype(np.int8)

    def _reason(self, i: int, reaction: int, item: int, draw: float) -> str:
        """Why the seeker likes, or does not like, the item: the facet of it that it likes best, or least."""
        if reaction not in (Reaction.LIKE, Reaction.DISLIKE):
            return ""
        known = zip(self.liking[i].tolist(), self.catalog.slate_facets[item].tolist(), strict=True)
        weight, facet = (max if reaction == Reaction.LIKE else min)(known)
        if weight == 0 or (weight > 0) != (reaction == Reaction.LIKE):
            return ""
        reasons = _GOOD_REASONS if reaction == Reaction.LIKE else _BAD_REASONS
        kind = FACET_KINDS[self.catalog.facet_kind_list[facet]]
        return _pick(reasons[kind], draw).format(facet=self.catalog.facet_names[facet])

    def _answer(self, asked: int, facet: int, draw: float) -> str:
        if facet != NO_FACET:
            kind = FACET_KINDS[self.catalog.facet_kind_list[facet]]
            return _pick(_ANSWERS[kind], draw).format(facet=self.catalog.facet_names[facet])
        return "" if asked == NO_QUESTION else _pick(_NO_PREFERENCE, draw).format(kind=FACET_KINDS[asked])
