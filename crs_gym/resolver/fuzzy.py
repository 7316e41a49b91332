"""Misspelt titles, looked for only where something says that a title stands there.

Cues: a year in brackets, quotes, a list item, a run of capitalised words. Plain lower-case prose is never searched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, compress, islice
from operator import ne, sub
from typing import TYPE_CHECKING, Final

from crs_gym.resolver.cues import QUOTES, blank, capital
from crs_gym.resolver.forms import ROMAN_VALUES, SHORT, WORD_VALUES
from crs_gym.resolver.index import TitleIndex
from crs_gym.resolver.tokens import BRACKETED, HARD_CHARS
from crs_gym.resolver.words import ARTICLES, LINKS, ORDINARY, STRICT

if TYPE_CHECKING:
    from crs_gym.resolver.finder import Span

MAX_SEARCHES: Final = 64
"""Searches a text: each reads the whole catalogue, and a text with more misspelt titles than this is no utterance."""
MAX_WORDS: Final = 12
"""Words in a misspelt title."""
MIN_LENGTH: Final = 5
"""Characters below which one edit makes another word."""
MAX_REMEMBERED: Final = 4096
"""Searches whose answer is kept: dialogues name the same actors and misspelt titles again and again."""

_NEAR: Final = 3
"""Words from one capitalised word of a title to the next: two small ones may stand between."""
_JOINTS: Final = frozenset((" ", ": ", "-", " - ", " – ", ". "))

Leftover = tuple[int, int, int | None]
"""Words `start … end - 1`, and the year that follows in brackets: 0 for `undated`, `None` where none follows."""


def leftovers(text: str, parts: list[str], low: list[str], spans: Sequence[Span]) -> Iterable[Leftover]:
    """Runs of words that a cue marks and no mention touches, at most `MAX_SEARCHES`."""
    # Each test is one pass in C: an utterance whose titles are all spelt right fails them, and is read no further.
    capitals = list(map(ne, parts[1::2], low))
    anchored = 0
    for start, end, _, has_year, _ in spans:
        anchored += has_year
        for place in range(start, end):
            capitals[place] = False
    years = text.count(" (") > anchored
    marks = '"' in text or "\n" in text or "“" in text
    places = list(compress(range(len(low)), capitals))
    runs = len(places) > 1 and min(map(sub, places[1:], places)) <= _NEAR
    if not (years or marks or runs):
        return ()
    free = [True] * len(low)
    for span in spans:
        free[span.start : span.end] = [False] * (span.end - span.start)
    return islice(
        chain(
            _before_years(parts, low, free) if years else (),
            _between_marks(parts[::2], low, free) if marks else (),
            _capital_runs(parts, low, places) if runs else (),
        ),
        MAX_SEARCHES,
    )


def _before_years(parts: list[str], low: list[str], free: list[bool]) -> Iterator[Leftover]:
    """`… teh matrix (1999)`: the words before the year, back to punctuation or a mention."""
    for place in range(1, len(low)):
        if parts[2 * place] != " (" or low[place] not in BRACKETED or not free[place]:
            continue
        start = place
        while start and place - start < MAX_WORDS and free[start - 1]:
            start -= 1
            if not HARD_CHARS.isdisjoint(parts[2 * start]):
                break
        if start < place:
            yield start, place, BRACKETED[low[place]]


def _between_marks(gaps: list[str], low: list[str], free: list[bool]) -> Iterator[Leftover]:
    """Words between two quotes, or that fill a list item up to a colon, dash or bracket."""
    last = -1
    for place, gap in enumerate(gaps):
        if gap == " " or (0 < place < len(low) and QUOTES.isdisjoint(gap) and not _borders_item(gap)):
            continue
        if 0 <= last < place <= last + MAX_WORDS and free[place - 1]:
            first = last + (low[last].isdecimal() and gaps[last + 1][:1] in (".", ")"))
            if first < place and all(free[first:place]):
                yield first, place, None
        last = place


def _borders_item(gap: str) -> bool:
    return "\n" in gap or gap in (": ", " - ", " – ", " — ", " (")


def _capital_runs(parts: list[str], low: list[str], capitals: list[int]) -> Iterator[Leftover]:
    """Two or more capitalised words with at most two small words between neighbours, such as `Lrod of the Rings`."""
    run: list[int] = []
    for place in [*capitals, len(low) + MAX_WORDS]:
        if run and _continues(parts, low, run[-1], place):
            run.append(place)
            continue
        # A sentence's first word has a capital by itself.
        first = 0
        while first < len(run) and low[run[first]] in STRICT and low[run[first]] not in ARTICLES:
            first += 1
        if len(run) - first > 1 and run[-1] - run[first] < MAX_WORDS:
            end = run[-1] + 1
            if end < len(low) and blank(parts[2 * end]) and low[end].isdecimal():
                end += 1  # a sequel's number is part of the name
            yield run[first], end, None
        run = [place] if place < len(low) and capital(parts[2 * place + 1]) else []


def _continues(parts: list[str], low: list[str], last: int, place: int) -> bool:
    return (
        place - last <= _NEAR
        and place < len(low)
        and all(word in LINKS for word in low[last + 1 : place])
        and all(gap in _JOINTS for gap in parts[2 * last + 2 : 2 * place + 1 : 2])
    )


class FuzzyTitles:
    """The titles, for words that are one or a few typing errors away from one. Built on first use."""

    def __init__(self, index: TitleIndex) -> None:
        self._index = index
        self._remembered: dict[tuple[str, int | None], int | None] = {}
        self._by_year: dict[int, list[str]] = {}
        self._all: list[str] = []
        self._known: set[str] = set()

    def closest(self, low: list[str], leftover: Leftover) -> tuple[int, int] | None:
        """The first word and the item of the title that the words, or before a year the last of them, nearly spell."""
        start, end, year = leftover
        if year is None:
            item = self._search(" ".join(low[start:end]), None)
            return None if item is None else (start, item)
        queries = [" ".join(low[first:end]) for first in range(start, end)]
        if any(query in self._index.entries for query in queries):
            return None  # the film of that name and year is not in the catalogue
        for first, query in enumerate(queries, start):
            if (item := self._search(query, year)) is not None:
                return first, item
        return None

    def _search(self, query: str, year: int | None) -> int | None:
        if len(query) < MIN_LENGTH or query in self._index.entries:
            return None  # spelt right, so there was a reason not to read it as a mention
        if (query, year) not in self._remembered:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[query, year] = self._nearest(query, year)
        return self._remembered[query, year]

    def _nearest(self, query: str, year: int | None) -> int | None:
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        if not self._all:
            self._prepare()
        pool = self._all
        if year is not None:
            pool = [words for near in (year, year - 1, year + 1) for words in self._by_year.get(near, ())] or pool
        edits = 1 if len(query) < 9 else 2 if len(query) < 17 else 3
        scorer: Callable[..., int] = OSA.distance
        for words, _, _ in process.extract(query, pool, scorer=scorer, score_cutoff=edits, limit=5):
            if self._same_but_for_typing(query, words):
                candidates = self._index.entries[words]
                if year is None:
                    return self._index.without_year(candidates)
                return self._index.with_year(candidates, year, [])
        return None

    def _prepare(self) -> None:
        for words, candidates in self._index.entries.items():
            self._known.update(words.split(" "))
            if len(words) < MIN_LENGTH:
                continue
            for year in {candidate.year for candidate in candidates}:
                self._by_year.setdefault(year, []).append(words)
            if candidates[0].rank < SHORT:
                self._all.append(words)
        self._known |= ORDINARY

    def _same_but_for_typing(self, query: str, words: str) -> bool:
        """Whether each word of the query that the title does not have is no word by itself, so a slip of the keys."""
        asked, title = query.split(" "), words.split(" ")
        if _numbers(asked) != _numbers(title):
            return False  # `Toy Story 4` is one edit from `Toy Story 3`
        strange = set(asked) - set(title)
        forms = {form for word in title for form in (word + "s", word[:-1] if word.endswith("s") else word)}
        return all(word in forms or word not in self._known for word in strange) and (
            len(asked) > 1 or bool(strange - forms)
        )


def _numbers(words: list[str]) -> list[int]:
    values = (
        int(word) if word.isdecimal() else WORD_VALUES.get(word) or (ROMAN_VALUES.get(word) if place else None)
        for place, word in enumerate(words)
    )
    return sorted(value for value in values if value is not None)
