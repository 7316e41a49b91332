"""The title guard: what a user that sees its targets says must not tell the agent which films they are.

A target's title is taken out of the words until the agent has shown that film. Found are, in this order:

- what the catalogue's resolver reads as the film, or as another one of the same title;
- the title's words, whatever stands between them and however they are cut (`inter-stellar`, `Incep tion`), in any
  case, with or without article, year and accents, its number written otherwise; misspelt by one to three letters;
- parts of a title that a colon or dash cuts (`Mission: Impossible - Fallout`), and a sequel's series (`Toy Story`).

Titles and parts that are everyday words (`It`, `Her`, `Up`, `Get Out`, `A New Hope`) cannot be forbidden as words. They
count where they are written as a title: with a year behind them, in quotes, as the whole text, or with the title's
capitals where a sentence would not put them. "I liked it, get out" stays, "I liked It" does not.

Not found: a paraphrase of the plot, a cast list, an abbreviation that is no title (`LOTR`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Final

from crs_gym.catalog import Catalog
from crs_gym.resolver.cues import capital, quoted, sentence_start, shouted
from crs_gym.resolver.forms import ROMAN_VALUES, SHORT, WORD_VALUES, title_forms
from crs_gym.resolver.fuzzy import MIN_LENGTH
from crs_gym.resolver.naming import display_name
from crs_gym.resolver.tokens import APOSTROPHES, YEARS, fold, folded_words, split
from crs_gym.resolver.words import ARTICLES, KINDS, LINKS, PARTS, SMALL_TALK, STRICT, is_ordinary
from crs_gym.transcript import one_line

NEUTRAL: Final = "that film"
"""Stands where a title stood."""

FALLBACKS: Final = ("I would rather hear what you suggest.", "Tell me more.", "Go on.", "Hm.", "...")
"""Said in place of a text that cannot be made safe; the first that is safe itself."""

ROUNDS: Final = 4
"""How often a text is cleaned before it is given up: what is left may stand together anew."""

UNALIGNED: Final = 6
"""Letters from which on a title is found inside other words, too (`#interstellarfan`); shorter ones are chance."""

TELLING: Final = 4
"""So many everyday words do not stand in a title's order by chance."""

SEQUELS: Final = 20
"""The highest number that counts a sequel: `Blade Runner 2049` is none."""

_SUBTITLE: Final = re.compile(r":\s+|\s+[-–—]\s+")
_YEAR_BEHIND: Final = re.compile(
    r"""['"”»)*_]*\s*[(\[]\s*(?:\d{4}|undated)[^)\]]{0,20}[)\]]|['"”»*_]*,?\s+(?:from\s+)?(?:18|19|20)\d\d\b"""
)
_ARTICLE_BEFORE: Final = re.compile(r"""(?:\b(?:the|an?)\s+)?["“”„«»*_']*\Z""", re.IGNORECASE)
_QUOTE_BEHIND: Final = re.compile(r"""["“”«»*_']*""")
_AGAIN: Final = re.compile(rf"\b({NEUTRAL})(?:[\s:;,.&–—-]+{NEUTRAL})+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a title.

    Attributes:
        words: Its folded words.
        everyday: The words count only where they are written as a title.
    """

    words: tuple[str, ...]
    everyday: bool

    @property
    def letters(self) -> str:
        """The words run together."""
        return "".join(self.words)


class TitleGuard:
    """Keeps the titles of secret films out of what a user says.

    Args:
        catalog: Whose titles they are.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._same_title: dict[str, list[int]] = {}
        for item, title in enumerate(catalog.titles):
            self._same_title.setdefault(_folded(title), []).append(item)
        self._forms = lru_cache(maxsize=1024)(lambda item: tuple(_forms(catalog.titles[item])))

    def guarded(self, text: str, secrets: Iterable[int], shown: Collection[int] = ()) -> str:
        """`text` on one line, without the titles of `secrets`.

        Args:
            text: What the user is about to say.
            secrets: Items that it must not name; those in `shown` may be named.
            shown: Items that were shown or named in the dialogue so far. Words that name one of these in full
                stay, whatever they share with a secret title.

        Returns:
            The text, with `NEUTRAL` for each title; one of `FALLBACKS` if it cannot be made safe. Never empty
            unless `text` is.
        """
        text = one_line(text)
        hidden = [item for item in secrets if item not in shown]
        for _ in range(ROUNDS):
            spans = self._leaks(text, hidden, shown)
            if not spans:
                return text
            text = _without(text, spans)
        return next((words for words in FALLBACKS if not self._leaks(words, hidden, shown)), FALLBACKS[-1])

    def leaks(self, text: str, secrets: Iterable[int], shown: Collection[int] = ()) -> bool:
        """Whether `guarded` would change the text's words. Arguments as there."""
        return bool(self._leaks(one_line(text), [item for item in secrets if item not in shown], shown))

    def _leaks(self, text: str, hidden: Collection[int], shown: Collection[int]) -> list[tuple[int, int]]:
        """Where the text names one of `hidden`: offsets of the first character, and behind the last."""
        if not hidden or not text:
            return []
        alike = {other for item in hidden for other in self._same_title[_folded(self._catalog.titles[item])]}
        mentions = self._catalog.resolver.find(text)
        allowed = [(m.start, m.end) for m in mentions if m.exact and m.item in shown and m.item not in hidden]
        found = [(m.start, m.end) for m in mentions if m.item in alike]
        reading = _Reading(text)
        for item in hidden:
            title, year = self._catalog.titles[item].strip(), int(self._catalog.years[item])
            forms = self._forms(item)
            if title and (year or not forms):  # also glued to other words, and where the title holds no word (`$`)
                name = re.escape(display_name(title, year))
                found += [(match.start(), match.end()) for match in re.finditer(name, text, re.IGNORECASE)]
            for form in forms:
                found += reading.places(form, year)
            for form in forms:
                found += [span for span in reading.misspelt(form) if not _overlaps(span, found)]
        leaks = [span for span in found if not any(low <= span[0] and span[1] <= high for low, high in allowed)]
        # Of `The Matrix Reloaded` the second half would tell as much as the first.
        return leaks + [
            (m.start, m.end) for m in mentions if any(m.start <= low and high <= m.end for low, high in leaks)
        ]


def _folded(title: str) -> str:
    return " ".join(folded_words(title)) or title


def _forms(title: str) -> Iterator[Form]:
    """The ways to write a title that give it away, each once."""
    seen: set[str] = set()
    for words, rank in title_forms(title):
        form = tuple(filter(None, words.split(" ")))
        if rank < SHORT and form and (letters := "".join(form)) not in seen:
            seen.add(letters)
            direct = len(seen) == 1
            yield Form(form, _everyday(form) or (not direct and len(form) == 1 and is_ordinary(form[0])))
    for part in _parts(title):
        form = tuple(filter(None, folded_words(part)))
        form = form[1:] if form[:1] and form[0] in ARTICLES else form
        if not form or (letters := "".join(form)) in seen or all(_says_nothing(word) for word in form):
            continue
        seen.add(letters)
        yield Form(form, _everyday(form) or (len(form) == 1 and (is_ordinary(form[0]) or form[0].isdecimal())))


def _everyday(words: tuple[str, ...]) -> bool:
    content = [word for word in words if word not in ARTICLES] or list(words)
    return (len(content) < TELLING and STRICT.issuperset(content)) or len("".join(content)) < 3


def _says_nothing(word: str) -> bool:
    """A word of `Part II`, `The Movie`, `Vol. 1`."""
    return (
        word in PARTS
        or word in KINDS
        or word in ARTICLES
        or word in ROMAN_VALUES
        or word in WORD_VALUES
        or (word.isdecimal() and len(word) < 3)
    )


def _parts(title: str) -> Iterator[str]:
    """What stands between the colons and dashes of a title, and the series that a sequel's number belongs to."""
    pieces = _SUBTITLE.split(title)
    for first in range(len(pieces)):
        for last in range(first + 1, len(pieces) + 1):
            part = ": ".join(pieces[first:last])
            if last - first < len(pieces):
                yield part
            words = part.split()
            number = words[-1].lower() if len(words) > 1 else ""
            if (number.isdecimal() and int(number) <= SEQUELS) or number in ROMAN_VALUES:
                yield re.sub(
                    r"[\s:]+(?:part|chapter|vol\.|volume|episode)\Z", "", " ".join(words[:-1]), flags=re.IGNORECASE
                )


class _Reading:
    """A text, split into words, in which forms of titles are looked up."""

    def __init__(self, text: str) -> None:
        self._parts = split(text)
        self._low = fold(self._parts[1::2])
        self._offsets = [0, *accumulate(map(len, self._parts))]
        self._letters = "".join(self._low)
        begins = [0, *accumulate(map(len, self._low))]
        self._word_at = {begin: word for word, begin in reversed(list(enumerate(begins[:-1])))}
        self._word_before = {end: word for word, end in enumerate(begins[1:])}
        for word, (low, written) in enumerate(zip(self._low, self._parts[1::2], strict=True)):
            if low.endswith("s") and len(written) > 2 and written[-2] in APOSTROPHES:  # `Heat's`
                self._word_before.setdefault(begins[word + 1] - 1, word)
        self._begins = begins

    def places(self, form: Form, year: int) -> Iterator[tuple[int, int]]:
        """Offsets of the places where a form stands; those of everyday words only if they are written as a title."""
        letters = form.letters
        at = self._letters.find(letters)
        while at >= 0:
            start, last = self._word_at.get(at), self._word_before.get(at + len(letters))
            if start is not None and last is not None:
                if not form.everyday or self._as_title(form, start, last + 1, year):
                    yield self._span(start, last + 1)
            elif len(letters) >= UNALIGNED and not form.everyday:
                yield self._span(self._word_holding(at), self._word_holding(at + len(letters) - 1) + 1)
            at = self._letters.find(letters, at + 1)

    def _span(self, start: int, end: int) -> tuple[int, int]:
        return self._offsets[2 * start + 1], self._offsets[2 * end]

    def _word_holding(self, at: int) -> int:
        return next(word for word, end in enumerate(self._begins[1:]) if at < end)

    def _as_title(self, form: Form, start: int, end: int, year: int) -> bool:
        """Whether everyday words are written as a title; see the module."""
        parts, low = self._parts, self._low
        if end - start != len(form.words):  # cut or run together on purpose; but not `U.S.`
            return len(form.letters) > 2
        if end < len(low) and (following := YEARS.get(low[end])) is not None:
            bracket = parts[2 * end].strip(" \"”»'*_")[:1] in ("(", "[")
            if bracket or abs(following - year) <= 1:
                return True
        if quoted(parts, start, end):
            return True
        written = parts[2 * start + 1 : 2 * end : 2]
        if len(low) == end - start:
            return capital(written[0]) and not SMALL_TALK.issuperset(low)
        capitals = sum(map(capital, written))
        if not all(capital(word) or word in LINKS for word in written) or shouted(parts, start, end):
            return False
        if end - start == 1 and (len(written[0]) == 1 or written[0].isupper()):
            return len(written[0]) == 1 and written[0] not in ("I", "A", "U") and not sentence_start(parts, start)
        return capitals > sentence_start(parts, start)

    def misspelt(self, form: Form) -> list[tuple[int, int]]:
        """Offsets of words a few letters away from a form, one of which is no everyday word, so a slip of the keys."""
        from rapidfuzz.distance import OSA

        letters, own = form.letters, set(form.words)
        if form.everyday or len(letters) < MIN_LENGTH:
            return []
        edits = 1 if len(letters) < 9 else 2 if len(letters) < 17 else 3
        near: list[tuple[int, tuple[int, int]]] = []
        for start in range(len(self._low)):
            for end in range(start + 1, min(start + len(letters) + edits, len(self._low)) + 1):
                length = self._begins[end] - self._begins[start]
                if length > len(letters) + edits:
                    break
                if length < len(letters) - edits:
                    continue
                written = self._letters[self._begins[start] : self._begins[end]]
                distance = OSA.distance(written, letters, score_cutoff=edits)
                if distance <= edits and any(w not in own and not is_ordinary(w) for w in self._low[start:end]):
                    near.append((distance, self._span(start, end)))
        kept: list[tuple[int, int]] = []
        for _, span in sorted(near):
            if not _overlaps(span, kept):
                kept.append(span)
        return kept


def _overlaps(span: tuple[int, int], others: Iterable[tuple[int, int]]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in others)


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with each of the spans, its article, quotes and year, made neutral."""
    wide = []
    for start, end in spans:
        before = _ARTICLE_BEFORE.search(text, 0, start)
        year = _YEAR_BEHIND.match(text, end) or _QUOTE_BEHIND.match(text, end)
        wide.append((before.start() if before else start, year.end() if year else end))
    pieces, done = [], 0
    for start, end in sorted(wide):
        if start >= done:
            pieces += [text[done:start], NEUTRAL if start or not text[:1].isupper() else NEUTRAL.capitalize()]
        done = max(done, end)
    return _AGAIN.sub(r"\1", "".join([*pieces, text[done:]])).strip()
