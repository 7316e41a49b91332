"""The catalogue's titles as a table from folded words to the items that they may name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crs_gym.resolver.forms import ALIAS, DIRECT, SHORT, title_forms
from crs_gym.resolver.tokens import HARD_CHARS, fold, split
from crs_gym.resolver.words import ARTICLES, FUNCTION, KINDS, SMALL_TALK, STRICT, is_ordinary

FREE: Final = 0
"""The words count as the title wherever they stand."""
CUED: Final = 1
"""They need a cue, of which a verb such as `watched` before them is one."""
STRONGLY_CUED: Final = 2
"""They need capitals, quotes, a year or a place in a list."""

COMMON_TITLES: Final = 6
"""A word that stands past the first place of this many titles is common, in this catalogue's language."""


CHANCE_WORDS: Final = 5
"""So many everyday words do not stand in a title's order by chance."""


class Candidate(NamedTuple):
    """An item that some words may name, and how they relate to its title (`forms.DIRECT`, `ALIAS` or `SHORT`)."""

    item: int
    year: int
    rank: int


class TitleIndex:
    """Looks up folded words.

    Attributes:
        titles: The titles, as given.
        popularity: One number an item.
        entries: From folded words, joined by spaces, to candidates, in the order of preference without a year.
        lengths: From the first two folded words of entries to their numbers of words, longest first.
        cues: From folded words to `CUED` or `STRONGLY_CUED`; all others are `FREE`.
        wordless: Items whose title holds no word at all, such as `$`.
    """

    def __init__(self, titles: Sequence[str], years: NDArray[np.int16], popularity: NDArray[np.float32]) -> None:
        self.titles = titles
        self.popularity: list[float] = popularity.tolist()
        self.years: list[int] = years.tolist()
        ranks: dict[str, dict[int, int]] = {}
        self.direct: list[str] = []
        self.wordless: list[int] = []
        for item, title in enumerate(titles):
            direct = ""
            for words, rank in title_forms(title):
                direct = direct or words
                if rank == SHORT and STRICT.issuperset(words.split(" ")):
                    continue  # the second half of `Cats: The Movie`
                # `The Movie` is not meant by `movie`, nor `W.E.` by `we`, unless the year says so.
                short = rank == ALIAS and words.count(" ") + 1 < CHANCE_WORDS and STRICT.issuperset(words.split(" "))
                ranks.setdefault(words, {}).setdefault(item, SHORT if short else rank)
            self.direct.append(direct)
            if not direct and title.strip():
                self.wordless.append(item)
        ranks.pop("", None)
        self.entries: dict[str, tuple[Candidate, ...]] = {}
        self.cues: dict[str, int] = {}
        lengths: dict[tuple[str, str], set[int]] = {}
        common = self._common_words()
        for words, rank_of in ranks.items():
            candidates = [Candidate(item, self.years[item], rank) for item, rank in rank_of.items()]
            if len(candidates) > 1:
                candidates.sort(key=self._preference)
            self.entries[words] = tuple(candidates)
            split_words = words.split(" ")
            if len(split_words) > 1:
                lengths.setdefault((split_words[0], split_words[1]), set()).add(len(split_words))
            cue = _cue(split_words, common)
            if cue == FREE and len(split_words) == 1 and all(self._lacks_article(c) for c in candidates):
                cue = CUED  # a `comedian` is seldom `The Comedian`
            if cue:
                self.cues[words] = cue
        self.lengths = {
            pair: tuple(sorted(found | {1} if pair[0] in self.entries else found, reverse=True))
            for pair, found in lengths.items()
        }

    def _lacks_article(self, candidate: Candidate) -> bool:
        """Whether a one-word form of a title stands there without the article that it begins with."""
        return candidate.rank > DIRECT and self.direct[candidate.item].partition(" ")[0] in ARTICLES

    def _common_words(self) -> set[str]:
        """Words that stand past the first place of many titles; in the first place stand the names of series, too."""
        counts: Counter[str] = Counter()
        for words in self.direct:
            first, *others = words.split(" ")
            counts.update(set(others[1:] if first in ARTICLES else others))
        return {word for word, count in counts.items() if count >= COMMON_TITLES}

    def _preference(self, candidate: Candidate) -> tuple[int, float, int]:
        """Smallest for the candidate that words without a year name: of the best rank, the most popular."""
        item, _, rank = candidate
        return (rank, -self.popularity[item], item)

    def starts_title(self, low: list[str], place: int) -> bool:
        """Whether a title of two words or more, or of one uncommon word, may begin at word `place`."""
        word = low[place]
        if word in self.entries and word not in self.cues:
            return True
        return place + 1 < len(low) and (word, low[place + 1]) in self.lengths

    def with_year(self, candidates: tuple[Candidate, ...], year: int, surface: list[str]) -> int | None:
        """The item that words followed by a year name: of that year, else of a year next to it, else of unknown year.

        Args:
            candidates: An entry.
            year: The year that the text says; 0 for `undated`, which fits items of unknown year alone.
            surface: The parts of the text from the gap before the title to that behind it, to tell `Mother!` from
                `Mother`.
        """
        if len(candidates) == 1:
            item, own, rank = candidates[0]
            return item if own == year or (rank < SHORT and (own == 0 or -1 <= own - year <= 1)) else None
        fitting = [c for c in candidates if c.year == year]
        if not fitting:
            fitting = [c for c in candidates if c.rank < SHORT and -1 <= c.year - year <= 1]
        if not fitting:
            fitting = [c for c in candidates if c.rank < SHORT and c.year == 0]
        if len(fitting) <= 1:
            return fitting[0].item if fitting else None
        text = "".join(surface)
        return min(
            fitting,
            key=lambda c: (c.rank, self._strangeness(c.item, text), -self.popularity[c.item], c.item),
        ).item

    def without_year(self, candidates: tuple[Candidate, ...]) -> int | None:
        """The item that words without a year name; `None` for too short a form."""
        return None if candidates[0].rank == SHORT else candidates[0].item

    def _strangeness(self, item: int, surface: str) -> int:
        """Smaller the more of the surface is the title as the catalogue spells it."""
        title = self.titles[item]
        if title in surface:
            return -2 * len(title)
        return -2 * len(title) + 1 if title.casefold() in surface.casefold() else 0

    def allows_breaks(self, candidates: tuple[Candidate, ...], before: list[str]) -> bool:
        """Whether one of the titles has punctuation after each of those words, or is `Title, The`."""
        for candidate in candidates:
            title = self.titles[candidate.item]
            parts = split(title)
            folded = fold(parts[1::2])
            parted = {word for word, gap in zip(folded, parts[2::2], strict=True) if not HARD_CHARS.isdisjoint(gap)}
            if folded[0] in ARTICLES:
                parted.add(folded[-1])
            if parted.issuperset(before):
                return True
        return False


def _cue(words: list[str], common: set[str]) -> int:
    """What the words need beside them to count as a title."""
    content = [word for word in words if word not in ARTICLES] or words
    if len(content) == 1:
        word = content[0]
        if word in STRICT or len(word) == 1:
            return STRONGLY_CUED
        return CUED if is_ordinary(word) or word in common or word.isdecimal() or len(word) == 2 else FREE
    strict = STRICT.issuperset(words)
    if len(content) > 2:
        return CUED if strict and len(content) < CHANCE_WORDS else FREE
    if strict:
        return CUED if any(word not in FUNCTION and word not in SMALL_TALK for word in content) else STRONGLY_CUED
    loose = sum(word in FUNCTION or word.isdecimal() for word in content)
    return CUED if loose == 2 or (loose and all(map(is_ordinary, content))) or words[-1] in KINDS else FREE
