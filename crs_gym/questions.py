"""Questions about a facet, both ways: the words that ask, and which facet a text asks about."""

from __future__ import annotations

import re
from typing import Final

from crs_gym.catalog import FACET_KINDS

NO_QUESTION: Final = -1

QUESTIONS: Final = {
    "genre": "What genre are you in the mood for?",
    "director": "Is there a director whose films you love?",
    "star": "Do you have a favourite actor?",
    "decade": "Which decade should the film be from?",
}
"""One question a kind of facet. `asked_facet` reads each of them as what it is."""

_CUES: Final = re.compile(
    r"\b(?:(?P<director>direct(?:or|ors|ed)|filmmakers?)"
    r"|(?P<star>act(?:or|ors|ress|resses)|stars?|starring|cast)"
    r"|(?P<decade>decades?|eras?|year|years|classics?|older|newer|recent)"
    r"|(?P<genre>genres?|kinds?|types?|sorts?|mood|styles?))\b",
    re.IGNORECASE,
)
_SENTENCE: Final = re.compile(r"[^.!?]*\?")


def asked_facet(text: str) -> int:
    """The kind of facet that `text` asks about, as an index into `FACET_KINDS`; `NO_QUESTION` for none.

    Only sentences that end in a question mark count; the last one that names a facet wins, as people answer the last
    question. Within a sentence a person's role or a time is more telling than "kind" or "type" ("what kind of actor?").
    """
    if "?" not in text:
        return NO_QUESTION
    found = NO_QUESTION
    for sentence in _SENTENCE.findall(text):
        kinds = [match.lastgroup for match in _CUES.finditer(sentence)]
        specific = next((kind for kind in kinds if kind != "genre"), None)
        kind = specific or (kinds[0] if kinds else None)
        if kind is not None:
            found = FACET_KINDS.index(kind)
    return found
