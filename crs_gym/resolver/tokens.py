"""Text as words and what stands between them, folded so that spellings of one title meet.

A text is split into alternating separators and words, so that joining the parts gives the text back: offsets and the
punctuation around a word stay at hand. Folding drops case, accents and apostrophes and reads `&` as `and`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_ASCII: Final = re.compile(r"([A-Za-z0-9']+|&)")
_UNICODE: Final = re.compile("([\\w'’‘ʼ\u0300-\u036f]+|&)")
_ACCENTS: Final = re.compile("[\u0300-\u036f]+")
_LETTERS: Final = str.maketrans(
    {"’": None, "‘": None, "ʼ": None, "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i"}
)
"""Apostrophes, and letters that Unicode does not take apart but that people type without their strokes."""

APOSTROPHES: Final = "'’‘ʼ"

YEARS: Final = {str(year): year for year in range(1874, 2100)}
"""Words that can be a film's year, from the first films on."""

UNDATED: Final = "undated"
"""Stands in brackets where the year would, for a film whose year the catalogue does not know."""

BRACKETED: Final = {str(year): year for year in range(1000, 2100)} | {UNDATED: 0}
"""Words that in brackets behind a title say its year, 0 where it is not known. Catalogues hold old books, too."""

HARD_CHARS: Final = frozenset('.,;!?()[]{}"“”«»„|\n\r\t•')
"""What parts two phrases. A title is never read across it, unless the title itself has one there."""

SENTENCE_END: Final = (".", "!", "?")


def split(text: str) -> list[str]:
    """`2 n + 1` parts for a text of `n` words: the words at odd places, the separators around them at even ones."""
    if text.isascii():
        return _ASCII.split(text)
    # An underscore counts as a letter for \w, but marks emphasis in chat; a space keeps every offset.
    return _UNICODE.split(text.replace("_", " "))


def fold(words: list[str]) -> list[str]:
    """The words in their folded form, one for one. A word that is only apostrophes folds to the empty string."""
    if not words:
        return []
    # One pass over the joined words: several times faster than a call for each word. No word holds a line break.
    joined = "\n".join(words)
    if not joined.isascii():
        # Loose accents go first: sorting long runs of them, as normalising does, takes quadratic time.
        joined = unicodedata.normalize("NFKD", _ACCENTS.sub("", joined))
        joined = _ACCENTS.sub("", joined).casefold().translate(_LETTERS)
    joined = joined.lower()
    if "'" in joined:
        joined = joined.replace("'", "")
    if "&" in joined:
        joined = joined.replace("&", "and")
    return joined.split("\n")


def folded_words(text: str) -> list[str]:
    """The folded words of a text."""
    return fold(split(text)[1::2])
