"""The reading of a text, from left to right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crs_gym.resolver import cues
from crs_gym.resolver.forms import DIRECT
from crs_gym.resolver.fuzzy import FuzzyTitles, leftovers
from crs_gym.resolver.index import CUED, FREE, Candidate, TitleIndex
from crs_gym.resolver.naming import display_names
from crs_gym.resolver.shortcut import Shortcut
from crs_gym.resolver.tokens import APOSTROPHES, BRACKETED, HARD_CHARS, fold, split
from crs_gym.resolver.words import ARTICLES
from crs_gym.resolver.years import year_after, year_before

_ONE_WORD: Final = (1,)


@dataclass(frozen=True, slots=True)
class Mention:
    """One place where a text names an item.

    Attributes:
        item: The item's number in the catalogue.
        start: Offset of the first character, in characters of the text.
        end: Offset behind the last one; a year that belongs to the name is inside.
        exact: The title is spelt as in the catalogue (or in one of its usual forms), not a near miss.
    """

    item: int
    start: int
    end: int
    exact: bool


class Span(NamedTuple):
    """A mention in words: `start … end - 1`. `anchored`: its year stands beside it."""

    start: int
    end: int
    item: int
    anchored: bool
    exact: bool = True


_LONGER: Final = Span(0, 0, 0, False)


class TitleResolver:
    """Finds the items that a text names; an item's display name (see `naming.display_names`) always names it.

    Args:
        titles: `n_items` titles, without years.
        years: `(n_items,)` int16, 0 where not known.
        popularity: `(n_items,)` float32; decides between films of one title where the text does not.
    """

    def __init__(self, titles: Sequence[str], years: NDArray[np.int16], popularity: NDArray[np.float32]) -> None:
        self._index = TitleIndex(titles, years, popularity)
        self._fuzzy = FuzzyTitles(self._index)
        display = display_names(titles, self._index.years)
        by_popularity = sorted(self._index.wordless, key=lambda item: (self._index.popularity[item], -item))
        self._wordless_items = {display[item]: item for item in by_popularity}
        names = sorted(map(re.escape, self._wordless_items), key=len, reverse=True)
        edge = r'\s"“”(),;.!?'
        self._wordless = re.compile(rf"(?<![^{edge}])({'|'.join(names)})(?![^{edge}])") if names else None
        self._shortcut = Shortcut(self._index, display, self._full)

    def find(self, text: str) -> list[Mention]:
        """Every mention, in the order of the text; mentions do not overlap."""
        parts, spans = self._read(text)
        offsets = [0, *accumulate(map(len, parts))] if spans else []
        mentions = [
            Mention(
                item,
                offsets[2 * start + 1] + (parts[2 * start + 1][0] in APOSTROPHES),
                offsets[2 * end] - (parts[2 * end - 1][-1] in APOSTROPHES) + _closes(parts, end, anchored),
                exact,
            )
            for start, end, item, anchored, exact in spans
        ]
        if self._wordless is not None:
            for match in self._wordless.finditer(text):
                if not any(mention.start < match.end(1) and match.start(1) < mention.end for mention in mentions):
                    mentions.append(Mention(self._wordless_items[match[1]], match.start(1), match.end(1), True))
            mentions.sort(key=lambda mention: mention.start)
        return mentions

    def resolve(self, text: str) -> tuple[int, ...]:
        """The items that the text names, each once, in the order of their first mention."""
        if self._wordless is not None and self._wordless.search(text):
            return tuple(dict.fromkeys([mention.item for mention in self.find(text)]))
        items = self._shortcut.resolve(text)
        return self._full(text) if items is None else items

    def _full(self, text: str) -> tuple[int, ...]:
        """`resolve` for any text that names no wordless item."""
        return tuple(dict.fromkeys([span[2] for span in self._read(text)[1]]))

    def _read(self, text: str) -> tuple[list[str], list[Span]]:
        """The text's parts (see `tokens.split`) and the spans of its mentions."""
        parts = split(text)
        low = fold(parts[1::2])
        n = len(low)
        entries = self._index.entries
        lengths_of = self._index.lengths.get
        spans: list[Span] = []
        done = 0
        # Runs for every word of every utterance: kept flat, one or two dictionary look-ups a word.
        for start, pair in enumerate(zip(low, [*low[1:], ""], strict=False)):
            if start < done:
                continue
            lengths = lengths_of(pair)
            if lengths is None:
                if pair[0] not in entries:
                    continue
                lengths = _ONE_WORD
            span = self._at(parts, low, start, lengths, n, spans)
            if span is None:
                continue
            if spans and start < spans[-1].end:
                self._settle(parts, low, spans, span)
            else:
                spans.append(span)
            if span.anchored:
                done = span.end
        if spans and ('"' in text or "“" in text or "«" in text):
            spans = _without_parts(spans, cues.quoted_names(parts, low))
        return parts, self._with_leftovers(text, parts, low, spans)

    def _at(
        self, parts: list[str], low: list[str], start: int, lengths: Sequence[int], limit: int, spans: list[Span]
    ) -> Span | None:
        """The longest title that starts at a word, ends before word `limit` and counts there."""
        index = self._index
        for length in lengths:
            end = start + length
            if end > limit:
                continue
            words = " ".join(low[start:end]) if length > 1 else low[start]
            candidates = index.entries.get(words)
            if candidates is None:
                continue
            if length > 1 and not self._unbroken(parts, low, start, end, candidates):
                continue
            gap = parts[2 * end]
            if gap == " (" and end < limit and (year := BRACKETED.get(low[end])) is not None:
                item = index.with_year(candidates, year, parts[2 * start : 2 * end + 1])
                if item is not None:
                    return Span(start, end + 1, item, True)
                continue
            need = index.cues.get(words, FREE)
            if (
                need
                and gap == parts[2 * start] == " "
                and parts[2 * start + 1].islower()
                and cues.in_plain_prose(low, start, end, need == CUED)
            ):
                continue
            span = self._without_brackets(parts, low, start, end, words, candidates, need, spans)
            if span is not None:
                return None if span is _LONGER else span
        return None

    def _unbroken(
        self, parts: list[str], low: list[str], start: int, end: int, candidates: tuple[Candidate, ...]
    ) -> bool:
        """Whether the words stand together, apart from punctuation that a title of theirs has, too."""
        gaps = parts[2 * start + 2 : 2 * end : 2]
        if gaps.count(" ") == len(gaps) or HARD_CHARS.isdisjoint("".join(gaps)):
            return True
        before = cues.hard_breaks(parts, low, start, end)
        if not before:
            return True
        if low[end - 1] in ARTICLES and end < len(low) and cues.blank(parts[2 * end]):
            return False  # `Evil Dead, The Purge`: the article belongs to the next title
        return self._index.allows_breaks(candidates, before)

    def _without_brackets(
        self,
        parts: list[str],
        low: list[str],
        start: int,
        end: int,
        words: str,
        candidates: tuple[Candidate, ...],
        need: int,
        spans: list[Span],
    ) -> Span | None:
        """The mention by some words of an entry, where no plain ` (year)` follows.

        `_LONGER` if a longer name begins there, which the catalogue lacks: its first words name nothing, either.
        """
        index = self._index
        surface = parts[2 * start : 2 * end + 1]
        place, binding = year_after(parts, low, end)
        if place is not None:
            item = index.with_year(candidates, BRACKETED[low[place]], surface)
            if item is not None and (binding or low[place] not in index.entries):
                return Span(start, place + 1, item, True)
            if binding:
                return None
        item = index.without_year(candidates)
        if item is None:
            return None
        if cues.goes_on(parts, low, end, index.starts_title):
            return _LONGER
        year = year_before(parts, low, start)
        if year and (earlier := index.with_year(candidates, year, surface)) is not None:
            return Span(start, end, earlier, False)
        if self._article_is_loose(parts, low, start, end, item, words):
            return None
        if need == FREE:
            if (end == start + 1 and not cues.isolated(parts, low, start, end)) or cues.described(parts, start, end):
                return None
            return Span(start, end, item, False)
        if (
            cues.capitalised(parts, low, start, end)
            or cues.quoted(parts, start, end)
            or cues.listed(parts, low, start, end)
        ):
            return Span(start, end, item, False)
        if need == CUED or cues.titled(parts[2 * start + 1]):
            last_end = spans[-1].end if spans else -1
            if cues.watched(parts, low, start, end) or cues.chained(parts, low, start, end, last_end):
                return Span(start, end, item, False)
        return None

    def _article_is_loose(self, parts: list[str], low: list[str], start: int, end: int, item: int, words: str) -> bool:
        """Whether in `the Alien movies` the article belongs to the sentence, since `Alien` is the better-known film."""
        index = self._index
        if parts[2 * start + 1] not in ARTICLES or end == start + 1 or index.titles[item][:1].islower():
            return False
        rest = index.entries.get(" ".join(low[start + 1 : end]))
        if rest is None or rest[0].rank != DIRECT:
            return False
        known = max(index.popularity[candidate.item] for candidate in index.entries[words])
        return index.popularity[rest[0].item] > known

    def _settle(self, parts: list[str], low: list[str], spans: list[Span], new: Span) -> None:
        """Let the better of two overlapping mentions stand: the one with its year, else the longer, else the first.

        An article in front adds nothing to a mention's length: `the Toy Story` is not about `The Toy`.
        """
        old = spans[-1]
        if new.end <= old.end or (new.anchored <= old.anchored and _weight(low, new) <= _weight(low, old)):
            return
        spans.pop()
        lengths = self._index.lengths.get((low[old.start], low[old.start + 1]), _ONE_WORD)
        if (shorter := self._at(parts, low, old.start, lengths, new.start, spans)) is not None:
            spans.append(shorter)
        spans.append(new)

    def _with_leftovers(self, text: str, parts: list[str], low: list[str], spans: list[Span]) -> list[Span]:
        """The mentions, and those of misspelt titles where a cue says that a title stands."""
        found: list[Span] = []
        for leftover in leftovers(text, parts, low, spans):
            match = self._fuzzy.closest(low, leftover)
            if match is None:
                continue
            start, item = match
            _, end, year = leftover
            dated = year is not None
            new = Span(start, end + dated, item, dated, False)
            if not any(new.start < span.end and span.start < new.end for span in (*spans, *found)):
                found.append(new)
        return sorted([*spans, *found]) if found else spans


def _weight(low: list[str], span: Span) -> int:
    return span.end - span.start - (low[span.start] in ARTICLES)


def _without_parts(spans: list[Span], names: Iterator[tuple[int, int]]) -> list[Span]:
    """The spans that are no mere part of a quoted name: if that is misspelt, a title inside it is not meant."""
    kept: list[Span] = []
    first, last = next(names, (0, 0))
    for span in spans:
        while first < last <= span.start:
            first, last = next(names, (0, 0))
        inside = first <= span.start and span.end <= last
        if not inside or span.end - span.start == last - first:
            kept.append(span)
    return kept


def _closes(parts: list[str], end: int, anchored: bool) -> bool:
    """Whether the bracket around a mention's year closes right behind it."""
    return anchored and parts[2 * end - 2][-1:] in ("(", "[") and parts[2 * end][:1] in (")", "]")
