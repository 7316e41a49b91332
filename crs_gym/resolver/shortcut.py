"""The quick reading of what agents write most: display names with their year, in prose that names nothing else.

It looks display names up as they stand, instead of taking every word of a text apart, and says nothing of a text that
it cannot be sure about: what it reads, it reads as `TitleResolver.find` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from crs_gym.resolver.cues import in_plain_prose
from crs_gym.resolver.index import CUED, FREE, TitleIndex
from crs_gym.resolver.tokens import BRACKETED
from crs_gym.resolver.words import LINKS

_PUNCTUATION: Final = " .,;:!?-/"
"""What may follow a word of plain prose."""
_WORDLESS: Final = frozenset(("", ".", "!", "?", " ", ", ", "; "))
"""What most often stands around names, so that it is not looked at."""
_TELLING: Final = frozenset('"“«\n_')
"""Marks that change how the words around them are read; an underscore only does in a text beyond ASCII."""
_ONE_WORD: Final = (1,)
_LONGEST: Final = 400
"""Characters from one bracket to the next that are worth the try: each of their words may begin a name."""


class Shortcut:
    """Reads some texts at once.

    Args:
        index: The catalogue's titles.
        names: `n_items` display names.
        read: The full reading of a text.
    """

    def __init__(self, index: TitleIndex, names: Sequence[str], read: Callable[[str], tuple[int, ...]]) -> None:
        self._index = index
        self._starts = frozenset(entry.partition(" ")[0] for entry in index.entries)
        # A name that a longer title goes on from behind its year is left out.
        prolonged = {
            " ".join(words[: place + 1])
            for words in (entry.split(" ") for entry in index.entries)
            for place in range(1, len(words))
            if words[place] in BRACKETED
        }
        self._items: dict[str, int] = {}
        for item, name in enumerate(names):
            if self._is_plain(item, name) and f"{index.direct[item]} {name[name.index('(') + 1 : -1]}" not in prolonged:
                for found in read(name):
                    self._items[name[:-1]] = found

    def _is_plain(self, item: int, name: str) -> bool:
        """Whether a name ends in the only brackets that it has, and its words and year fit one title only."""
        if (name[-1:], name.count("("), name.count(")")) != (")", 1, 1) or not _TELLING.isdisjoint(name):
            return False
        index = self._index
        fitting = [c.item for c in index.entries.get(index.direct[item], ()) if c.year == index.years[item]]
        return bool(fitting) and all(index.titles[other] == index.titles[item] for other in fitting)

    def resolve(self, text: str) -> tuple[int, ...] | None:
        """The items that the text names, each once, in the order of their first mention; `None` where not sure."""
        *chunks, rest = text.split(")")
        item_of, direct = self._items.get, self._index.direct
        found: list[int] = []
        for behind in chunks:  # what stands between one bracket's end and the next
            if len(behind) > _LONGEST:
                return None
            # From the left, as the full reading does: of two names that end here, the longer is meant.
            chunk = behind
            while (item := item_of(chunk)) is None:
                _, space, chunk = chunk.partition(" ")
                if not space:
                    return None
            prose = behind[: len(behind) - len(chunk)]
            if prose not in _WORDLESS and not self._names_nothing(prose, direct[item].partition(" ")[0]):
                return None
            found.append(item)
        if rest not in _WORDLESS and (len(rest) > _LONGEST or not self._names_nothing(rest, "")):
            return None
        return tuple(dict.fromkeys(found))

    def _names_nothing(self, prose: str, follower: str) -> bool:
        """Whether prose surely names no item and has no run of capitals, which may be a misspelt title.

        Args:
            prose: Part of a text.
            follower: The first folded word of the title that follows; empty at the end of the text.
        """
        core = prose.strip(_PUNCTUATION)
        if not core:
            return True
        words = core.lower().split(" ")
        apart = {0}  # before these words stands more than a space
        if not core.isascii():
            return False
        if not (core[1:].islower() and "".join(words).isalpha() and "" not in words):
            words.clear()
            if not self._take_apart(core, words, apart):
                return False
        starts = self._starts
        if starts.isdisjoint(words):
            return True
        beginnings = [place for place, word in enumerate(words) if word in starts]
        if not prose.endswith(core + " "):
            apart.add(len(words))
        words.append(follower)
        return self._begin_nothing(words, beginnings, apart)

    def _take_apart(self, prose: str, words: list[str], apart: set[int]) -> bool:
        """Add the folded words of some prose, and which stand apart; `False` if it is not plain enough."""
        capital = False  # a capital stands before, and only small words between
        for token in prose.split(" "):
            word = token.rstrip(_PUNCTUATION)
            if word:
                low = word.lower()
                if not word.isalpha():
                    low = low.replace("'", "")
                    if not low.isalpha():
                        return False
                if low != word:
                    if capital or low in self._index.entries:
                        return False
                    capital = True
                elif low not in LINKS:
                    capital = False
                words.append(low)
            if word != token or not word:
                apart.add(len(words))
        return True

    def _begin_nothing(self, words: list[str], beginnings: list[int], apart: set[int]) -> bool:
        """Whether no title begins at some words in lower case, by the first tests of the full reading.

        Args:
            words: Words of prose, and the one that follows.
            beginnings: The places of those in question.
            apart: The places before which more than a space stands.
        """
        entries, cues = self._index.entries, self._index.cues
        count = len(words) - 1
        for place in beginnings:
            word = words[place]
            for length in self._index.lengths.get((word, words[place + 1]), _ONE_WORD):
                if place + length > count:
                    if words[count]:
                        return False  # it may go on in the title that follows
                elif length > 1:
                    if " ".join(words[place : place + length]) in entries:
                        return False
                elif word in entries:
                    need = cues.get(word, FREE)
                    inside = words[place + 1] and place not in apart and place + 1 not in apart
                    if not (need and inside and in_plain_prose(words, place, place + 1, need == CUED)):
                        return False
        return True
