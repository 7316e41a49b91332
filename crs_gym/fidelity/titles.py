"""Whether words bring up a film that nobody named before, under its title or a paraphrase of it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from crs_gym.catalog import Catalog
from crs_gym.task import Task
from crs_gym.trace import Trace
from crs_gym.transcript import with_shown_items
from crs_gym.worlds.parsed.recording import TYPED_TITLE_LETTERS, phrase

ALIKE: Final = 92.0
"""A stretch of words that rapidfuzz puts at this or more, of 100, beside a title stands for it (our choice: one slip in
a dozen letters)."""
FUZZY_LETTERS: Final = 10
"""Characters from which on a title is looked for with slips: shorter ones are like too many other words."""

_ARTICLE: Final = re.compile(r"^(?:the|an?|les?|la|el|il|das|der|die)\s+", re.IGNORECASE)
_TRAILING_ARTICLE: Final = re.compile(r",\s*(?:the|an?)$", re.IGNORECASE)
_SUBTITLE: Final = re.compile(r"\s*(?::|\s[-–—]\s|\().*$")


class TitleSpotter:
    """Finds films in words by title, by the title without article, year or subtitle, and with slips.

    Args:
        catalog: The films.
    """

    def __init__(self, catalog: Catalog) -> None:
        first: dict[str, int] = {}
        self._alias = [first.setdefault(name, i) for i, name in enumerate(catalog.names)]
        self._titles = catalog.titles
        self._catalog = catalog
        self._forms = lru_cache(maxsize=1 << 16)(self._forms_of)

    def same(self, item: int) -> int:
        """The first item of the same display name: one film to a reader."""
        return self._alias[item]

    def named(self, text: str) -> frozenset[int]:
        """The films that a text names, as the catalogue's resolver reads it."""
        return frozenset([self._alias[item] for item in self._catalog.resolver.resolve(text)])

    def loose_words(self, text: str) -> str:
        """The words of a text (see `phrase`) without titles that stand there with their year: those are no paraphrase.

        "Mission: Impossible (1996)" is said of that film, and of none of its namesakes.
        """
        for mention in reversed(self._catalog.resolver.find(text)):
            year = int(self._catalog.years[mention.item])
            if year and str(year) in text[mention.start : mention.end]:
                text = f"{text[: mention.start]} {text[mention.end :]}"
        return phrase(text)

    def paraphrased(self, item: int, words: str) -> bool:
        """Whether words (from `loose_words` or `phrase`) hold a form of the film's title.

        Titles that are ordinary words, of fewer than 8 letters, have no such forms; the resolver alone reads them.
        """
        from rapidfuzz.fuzz import partial_ratio

        for form in self._forms(self._alias[item]):
            if form in words:
                return True
            if FUZZY_LETTERS + 2 <= len(form) <= len(words) and partial_ratio(form, words) >= ALIKE:
                return True
        return False

    def _forms_of(self, item: int) -> tuple[str, ...]:
        title = self._titles[item]
        bare = _TRAILING_ARTICLE.sub("", title)
        forms = [title, _ARTICLE.sub("", bare), _ARTICLE.sub("", _SUBTITLE.sub("", bare))]
        phrases = dict.fromkeys(phrase(form) for form in forms)
        return tuple([form for form in phrases if len(form) >= TYPED_TITLE_LETTERS + 2])


class Volunteered:
    """What a user brought up by itself in one played dialogue.

    Args:
        trace: The dialogue.
        task: Its task.
        spotter: Of the catalogue.
        names: The catalogue's display names.
    """

    def __init__(self, trace: Trace, task: Task, spotter: TitleSpotter, names: tuple[str, ...]) -> None:
        self._spotter = spotter
        known = {spotter.same(item) for message in task.context for item in message.items}
        heard = "".join([phrase(message.text) for message in task.context])
        named: set[int] = set()
        said: list[tuple[str, str]] = []  # the user's words, and all that was heard before them

        def user(words: str, items: tuple[int, ...]) -> None:
            nonlocal heard
            new = spotter.named(words) | {spotter.same(item) for item in items}
            named.update(new - known)
            known.update(new)
            said.append((spotter.loose_words(words), heard))
            heard += phrase(words)

        if trace.opening is not None:
            user(trace.opening.utterance, trace.opening.items)
        for turn in trace.turns:
            words = with_shown_items(turn.agent.utterance, turn.agent.items, names)
            known.update(spotter.same(item) for item in turn.agent.items)
            known.update(spotter.named(turn.agent.utterance))
            heard += phrase(words)
            if turn.user is not None:
                user(turn.user.utterance, turn.user.items)
        self.named = frozenset(named)
        self._said = said

    def brings_up(self, item: int) -> bool:
        """Whether the user names the film, or paraphrases its title, before anyone else did."""
        if self._spotter.same(item) in self.named:
            return True
        return any(
            self._spotter.paraphrased(item, words) and not self._spotter.paraphrased(item, heard)
            for words, heard in self._said
        )
