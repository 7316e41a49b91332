"""The ways in which people write one title."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from crs_gym.resolver.tokens import fold, split
from crs_gym.resolver.words import ARTICLES, PARTS

DIRECT: Final = 0
"""The title itself, but for case, accents, apostrophes and punctuation."""
ALIAS: Final = 1
"""Another spelling: without its article, with the number written otherwise, compound words run together."""
SHORT: Final = 2
"""The part before or after the colon. Too ambiguous by itself: it counts only with the film's year."""

_TENS: Final = {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
# fmt: off
_WORDS: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)
_ROMANS: Final = (
    "", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv", "xv", "xvi", "xvii",
    "xviii", "xix", "xx",
)
# fmt: on
ROMAN_VALUES: Final = {roman: value for value, roman in enumerate(_ROMANS) if roman}
WORD_VALUES: Final = {word: value for value, word in enumerate(_WORDS)} | _TENS
NUMBER_WORDS: Final = {value: word for word, value in WORD_VALUES.items()}

_COMPOUND: Final = re.compile(r"\w[-./·*]\w")
_INITIALS: Final = re.compile(r"\b\w\.\w\b")
_SUBTITLE: Final = re.compile(r":\s+|\s+[-–—]\s+")


def title_forms(title: str) -> Iterator[tuple[str, int]]:
    """Each form of a title as `(folded words joined by spaces, rank)`; the direct form first, repeats possible."""
    words = split(title)[1::2]
    if not words:
        return
    folded = fold(words)
    yield " ".join(folded), DIRECT
    bases = [folded]
    for compound in (_COMPOUND, _INITIALS):
        if compound.search(title):
            base = [part for word in title.split() for part in _run_together(word, compound)]
            bases.append(base)
            yield " ".join(base), ALIAS
    if " + " in title:
        base = fold(split(title.replace(" + ", " & "))[1::2])
        bases.append(base)
        yield " ".join(base), ALIAS
    for base in bases:
        if len(base) > 1:
            yield from _articles(base, title)
        for other in _numbers(base):
            yield " ".join(other), ALIAS
            if other[0] in ARTICLES and len(other) > 2:
                yield " ".join(other[1:]), ALIAS
    if len(halves := _SUBTITLE.split(title, maxsplit=1)) == 2:
        for half in halves:
            short = fold(split(half)[1::2] or [""])
            yield " ".join(short), SHORT
            if short[0] in ARTICLES and len(short) > 1:
                yield " ".join(short[1:]), SHORT


def _run_together(word: str, compound: re.Pattern[str]) -> list[str]:
    """The folded words of one written word, made one if it is such a compound."""
    folded = fold(split(word)[1::2])
    return ["".join(folded)] if folded and compound.search(word) else folded


def _articles(words: list[str], title: str) -> Iterator[tuple[str, int]]:
    """`the matrix` as `matrix` and `matrix the`; a title kept as `Matrix, The` as `the matrix` and `matrix`."""
    if words[0] in ARTICLES:
        yield " ".join(words[1:]), ALIAS
        yield " ".join([*words[1:], words[0]]), ALIAS
    elif words[-1] in ARTICLES and "," in title:
        yield " ".join(words[:-1]), ALIAS
        yield " ".join([words[-1], *words[:-1]]), ALIAS


def _numbers(words: list[str]) -> Iterator[list[str]]:
    """The words with one number written otherwise, and with `part` before a number left out or put in."""
    for place, word in enumerate(words):
        value = _number(words, place)
        if value is None:
            continue
        first, last = place == 0, place == len(words) - 1
        part = not first and words[place - 1] in PARTS
        spellings = {str(value), NUMBER_WORDS.get(value, word)}
        if not first and 0 < value < len(_ROMANS) and (value > 1 or part):
            spellings.add(_ROMANS[value])
        for spelling in sorted(spellings):
            tail = [spelling, *words[place + 1 :]]
            if spelling != word:
                yield [*words[:place], *tail]
            if part:
                yield [*words[: place - 1], *tail]
                if words[place - 1] in ("volume", "vol"):
                    yield [*words[: place - 1], "vol" if words[place - 1] == "volume" else "volume", *tail]
            elif last and place > 0 and 1 < value < 20:
                yield [*words[:place], "part", *tail]


def _number(words: list[str], place: int) -> int | None:
    """The value of a word that can be a number: digits, a number word, or a Roman numeral past the first word."""
    word = words[place]
    if word.isdecimal():
        return int(word) if len(word) < 3 else None
    value = WORD_VALUES.get(word)
    if value is None and place:
        value = ROMAN_VALUES.get(word)
        if value == 1 and words[place - 1] not in PARTS:  # the pronoun
            return None
    return value
