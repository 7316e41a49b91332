"""What an agent says around its items: sentences chosen by the turn's own noise, never by a global generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crs_gym.catalog import Catalog
from crs_gym.questions import QUESTIONS
from crs_gym.randomness import derived_key

NAMED_TITLES: Final = 3
"""How many of the shown titles the sentence names; nobody reads out ten. The others are listed behind it."""

RECOMMENDATIONS: Final = (
    "You might enjoy {}.",
    "I would suggest {}.",
    "You could try {}.",
    "Have a look at {}.",
    "I think {} would suit you.",
    "My picks for you: {}.",
)
"""No question marks: a sentence that ends in one may be read as a question about a facet."""

LEAD_INS: Final = ("In the meantime, have a look at {}.", "You could start with {}.", "So far I would suggest {}.")

NOTHING_LEFT: Final = "I have nothing new left to suggest."


def recommendation(catalog: Catalog, items: Sequence[int], key: int) -> str:
    """A sentence that recommends `items`; names the first few of them.

    Args:
        catalog: Names the items.
        items: What is shown, best first.
        key: The turn's key; the same key gives the same sentence.
    """
    titles = _titles(catalog, items)
    if not items:
        return NOTHING_LEFT
    if not titles:
        return "Have a look at these films."
    return _chosen(RECOMMENDATIONS, key, "recommendation").format(titles)


def question(kind: str, catalog: Catalog, items: Sequence[int], key: int) -> str:
    """The question about a kind of facet, behind a sentence on the items that are shown along with it, if any.

    Raises:
        KeyError: `kind` is none of `crs_gym.questions.QUESTIONS`.
    """
    titles = _titles(catalog, items)
    if not titles:
        return QUESTIONS[kind]
    return f"{_chosen(LEAD_INS, key, 'question').format(titles)} {QUESTIONS[kind]}"


def _titles(catalog: Catalog, items: Sequence[int]) -> str:
    """`A, B and C`. Titles with a question mark stay unnamed: they would turn the sentence into a question."""
    names = [catalog.names[item] for item in items if "?" not in catalog.names[item]][:NAMED_TITLES]
    return names[0] if len(names) == 1 else " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _chosen(sentences: Sequence[str], key: int, purpose: str) -> str:
    return sentences[derived_key(key, purpose) % len(sentences)]
