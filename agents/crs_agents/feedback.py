"""What the user has said for and against facets and films, read from the words of the dialogue.

Rules over everyday English, made for no simulator's templates: a message is cut into clauses, each clause has a
polarity by its cue words, and the facets and titles in it get that polarity.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from crs_agents.vocabulary import FacetVocabulary, words_of
from crs_gym.catalog import Catalog
from crs_gym.task import Message

NEGATIVE: Final = frozenset(
    words_of(
        """
        not no never nothing none neither nor without avoid except less tired sick skip pass bored boring
        hate hated hates dislike disliked dislikes despise detest awful terrible horrible worst bad overrated
        disappointing disappointed disappointment annoying
        don't didn't doesn't isn't wasn't aren't weren't won't can't cannot couldn't wouldn't haven't hasn't ain't
        """
    )
)
"""Words that turn a clause against what it names."""

POSITIVE: Final = frozenset(
    words_of(
        """
        love loved loves loving like liked likes enjoy enjoyed enjoys prefer adore adored fan good great cool nice
        favorite favourite favorites favourites close awesome amazing excellent fantastic best perfect fun brilliant
        wonderful
        """
    )
)
"""Words that speak for what a clause names; they matter only where a pronoun names it."""

PRONOUNS: Final = frozenset(words_of("it it's that that's those them these this both"))
"""Words that stand for the films of the recommender's last message."""

NOT_NEGATIVE: Final = re.compile(
    r"\b(?:not (?:only|just|bad)|no (?:problem|worries|doubt|preference)|"
    r"(?:ca|do)n[’']?t (?:wait|mind)|cannot wait|why not|never (?:seen|saw|watched|heard)|"
    r"(?:have|had)(?:n[’']?t| not)(?: \w+)? (?:seen|watched|heard)|did(?:n[’']?t| not) (?:see|watch|know|get|catch))\b",
    re.IGNORECASE,
)
"""Phrases that hold a negative word and speak against nothing."""

TOO: Final = re.compile(
    r"\btoo (?:much|many|long|slow|scary|violent|dark|silly|childish|old|predictable|sad|serious|loud)\b", re.IGNORECASE
)
"""What is too much is unwanted; a bare `too` means `also`."""

_CLAUSE_END: Final = re.compile(
    r"(?<!\b[JSDM]r)(?<!\bMrs)(?<!\bSt)[.!?]+(?=\s|$)|;|\n|,?\s\b(?i:but|though|although|however|instead)\b"
)
_INITIAL: Final = re.compile(r"\b([A-Z])\.(?=\s|[A-Z]\.)")
_MARK: Final = re.compile(r"\bxitem(\d+)x\b")


@dataclass(frozen=True, slots=True)
class Opinions:
    """What was said for (positive) and against (negative), summed over the clauses that said it.

    Attributes:
        facets: From a facet's number to its balance; never 0.
        items: From an item to its balance; never 0.
    """

    facets: dict[int, int]
    items: dict[int, int]


@dataclass(frozen=True, slots=True)
class Said:
    """What one message says for (1) and against (-1).

    Attributes:
        facets: Facets with their polarity, one entry a clause that names them.
        items: Films that the message names, with their polarity.
        verdict: On the films of the recommender's last message, where only a pronoun names them ("I loved it"); else 0.
    """

    facets: tuple[tuple[int, int], ...]
    items: tuple[tuple[int, int], ...]
    verdict: int


class FeedbackReader:
    """Reads opinions for one catalogue.

    It holds the catalogue's vocabulary and a memo of single messages; nothing of a dialogue.
    """

    MEMO: Final = 20_000
    """How many read messages are remembered: a turn reads its whole dialogue again."""

    def __init__(self, catalog: Catalog) -> None:
        self._names = catalog.names
        self._titles = catalog.titles
        self._vocabulary = FacetVocabulary(catalog)
        self.said = lru_cache(maxsize=self.MEMO)(self._said)

    def opinions(self, messages: Sequence[Message]) -> Opinions:
        """The user's opinions over a dialogue, oldest message first."""
        facets: dict[int, int] = {}
        items: dict[int, int] = {}
        suggested: tuple[int, ...] = ()
        for message in messages:
            if message.role == "recommender":
                suggested = message.items
                continue
            said = self.said(message.text, message.items)
            for facet, polarity in said.facets:
                facets[facet] = facets.get(facet, 0) + polarity
            for item, polarity in said.items:
                items[item] = items.get(item, 0) + polarity
            if said.verdict:
                for item in suggested:
                    items[item] = items.get(item, 0) + said.verdict
        return Opinions({f: n for f, n in facets.items() if n}, {i: n for i, n in items.items() if n})

    def _said(self, text: str, items: tuple[int, ...]) -> Said:
        marked, unmarked = self._mark_titles(text, items)
        facets: list[tuple[int, int]] = []
        films = dict.fromkeys(unmarked, _polarity(marked))
        last: tuple[int, ...] = ()  # the films that the message named last
        judged = False  # whether the clause that named them judged them, too
        verdict = 0
        for clause in _CLAUSE_END.split(_INITIAL.sub(r"\1 ", marked)):
            named = tuple(dict.fromkeys(int(number) for number in _MARK.findall(clause)))
            words = words_of(_MARK.sub(" ", clause))
            polarity = _polarity(clause)
            judges = polarity < 0 or not POSITIVE.isdisjoint(words)
            found = self._vocabulary.facets_in(words)
            facets += [(facet, polarity) for facet in found]
            if named:
                films.update(dict.fromkeys(named, polarity))
                last, judged = named, judges
            elif judges and not found and not PRONOUNS.isdisjoint(words):
                if not items:
                    verdict = polarity
                elif not judged:  # "Heat? Saw it, and it wasn't for me."
                    films.update(dict.fromkeys(last, polarity))
        return Said(tuple(facets), tuple(films.items()), verdict)

    def _mark_titles(self, text: str, items: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        """The text with a mark for each title, so that no word of a title is read; and the items not found in it."""
        missing = []
        for item in sorted(items, key=lambda i: -len(self._names[i])):
            for name in (self._names[item], self._titles[item]):
                marked = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", f" xitem{item}x ", text, flags=re.IGNORECASE)
                if marked != text:
                    text = marked
                    break
            else:
                missing.append(item)
        return text, tuple(missing)


def _polarity(clause: str) -> int:
    """-1 where a cue speaks against what the clause names, else 1: people name what they want."""
    if TOO.search(clause):
        return -1
    return 1 if NEGATIVE.isdisjoint(words_of(NOT_NEGATIVE.sub(" ", clause))) else -1
