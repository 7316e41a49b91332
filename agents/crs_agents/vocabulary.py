"""Which words name a facet of a catalogue: its names, plural forms, and what people say instead."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from crs_gym.catalog import FACET_KINDS, Catalog

Words = tuple[str, ...]

GENRE_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "action": ("action packed",),
    "adventure": ("adventurous",),
    "animation": ("animated", "anime", "cartoon"),
    "biography": ("biopic", "biographical"),
    "comedy": ("funny", "hilarious", "rom com", "romcom", "sitcom", "something light"),
    "crime": ("gangster", "mafia", "mob", "heist"),
    "documentary": ("docu",),
    "drama": ("dramatic",),
    "family": ("kid friendly", "for kids", "for children", "for my kids", "children s", "kids movie"),
    "fantasy": ("magic", "magical", "wizard"),
    "film noir": ("noir",),
    "history": ("historical", "historic"),
    "horror": ("scary", "slasher", "spooky", "zombie"),
    "musical": (),
    "mystery": ("whodunit", "detective"),
    "romance": ("romantic", "rom com", "romcom", "love story", "chick flick"),
    "sci fi": ("scifi", "science fiction", "syfy"),
    "thriller": ("suspense", "suspenseful", "thrilling"),
    "war": ("military",),
    "western": ("cowboy",),
}
"""What people say instead of a genre's name (our choice, from everyday English); names as `words_of` writes them."""

COMMON_WORDS: Final = frozenset({"short", "news"})
"""Genres whose names are ordinary words: they count only before `film`, `movie` or their plurals."""

DECADE_NAMES: Final = {
    "twenties": 20, "thirties": 30, "forties": 40, "fifties": 50, "sixties": 60, "seventies": 70, "eighties": 80,
    "nineties": 90,
}  # fmt: skip

FILM_WORDS: Final = frozenset({"film", "films", "movie", "movies"})

_WORD: Final = re.compile(r"\w+")
_APOSTROPHE: Final = re.compile(r"['’‘`]")


def words_of(text: str) -> Words:
    """The words of a text in lower case: apostrophes join (`don't` is `dont`), all other punctuation parts."""
    return tuple(_WORD.findall(_APOSTROPHE.sub("", text.casefold())))


class FacetVocabulary:
    """From words to the facets of one catalogue, by one lookup a word.

    A person's name is known in full (`Samuel L. Jackson`, with or without middle initials), a genre by its name, its
    plural and the words of `GENRE_WORDS`, a decade as `1990s`, `90s`, `nineties` or any year in it.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._phrases: dict[Words, set[int]] = {}
        self._decades: dict[str, int] = {}
        for facet, name in enumerate(catalog.facet_names):
            kind = FACET_KINDS[catalog.facet_kinds[facet]]
            if kind == "decade":
                self._decades[name] = facet
            for phrase in _phrases_of(kind, name):
                self._phrases.setdefault(phrase, set()).add(facet)
        self._longest: dict[str, int] = {}
        for phrase in self._phrases:
            self._longest[phrase[0]] = max(self._longest.get(phrase[0], 0), len(phrase))

    def facets_in(self, words: Sequence[str]) -> tuple[int, ...]:
        """The facets that `words` (see `words_of`) name, each once, in order; the longest phrase wins."""
        found: dict[int, None] = {}
        i = 0
        while i < len(words):
            length = self._match(words, i, found)
            i += length or 1
        return tuple(found)

    def _match(self, words: Sequence[str], start: int, found: dict[int, None]) -> int:
        """Add the facets named at `start`; how many words that took, 0 for none."""
        for length in range(min(self._longest.get(words[start], 0), len(words) - start), 0, -1):
            phrase = tuple(words[start : start + length])
            facets = self._phrases.get(phrase)
            if facets is None:
                continue
            if length == 1 and phrase[0] in COMMON_WORDS and not FILM_WORDS.intersection(words[start + 1 : start + 2]):
                continue
            found.update(dict.fromkeys(sorted(facets)))
            return length
        decade = self._decade_of_year(words[start])
        if decade is not None:
            found[decade] = None
            return 1
        return 0

    def _decade_of_year(self, word: str) -> int | None:
        if len(word) != 4 or not word.isdecimal() or word[:2] not in ("19", "20"):
            return None
        return self._decades.get(f"{word[:3]}0s")


def _phrases_of(kind: str, name: str) -> set[Words]:
    words = words_of(name)
    if not words:
        return set()
    if kind == "decade":
        short = name[2:]  # "90s"; the 1910s and the 2010s share "10s", and both are meant
        spoken = {word for word, tens in DECADE_NAMES.items() if name == f"19{tens}s"}
        return {words, (short,), *((word,) for word in spoken)}
    if kind == "genre":
        phrases = {words, ("".join(words),), *(words_of(said) for said in GENRE_WORDS.get(" ".join(words), ()))}
        return phrases | {(*phrase[:-1], plural) for phrase in phrases for plural in _plurals(phrase[-1])}
    without_initials = tuple(word for word in words if len(word) > 1)
    return {words, without_initials} if len(without_initials) > 1 else {words}


def _plurals(word: str) -> set[str]:
    """Plural forms of an English noun that may be written; a wrong one does no harm, since nobody writes it."""
    if word.endswith("y"):
        return {f"{word[:-1]}ies", f"{word}s"}
    return {f"{word}s", f"{word}es"} if word.endswith(("s", "ch", "x")) else {f"{word}s"}
