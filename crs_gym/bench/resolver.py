"""How well the title resolver reads real talk.

A recorded corpus marks which films each message names. Its messages are written out in several ways, the marks hidden,
and the resolver reads them: it is held against the marks, message by message.

What people typed by hand and the corpus left unmarked counts against precision, so the precision here is a lower bound.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from crs_gym.catalog import Catalog
from crs_gym.errors import WorldError
from crs_gym.resolver import TitleResolver
from crs_gym.resolver.naming import display_name
from crs_gym.resolver.tokens import folded_words
from crs_gym.task import Message, Split

TITLE_YEAR: Final = "title-year"
TITLE: Final = "title"
LOWER: Final = "lower-title"
FORMS: Final = (TITLE_YEAR, TITLE, LOWER)
"""`Heat (1995)` (the display name), `Heat`, `heat`; the rest of the message stays as it was typed."""


@dataclass(frozen=True, slots=True)
class FormScore:
    """The resolver against the marks, titles written in one form.

    Items of one display name count as one. A message counts each item once.

    Attributes:
        form: One of `FORMS`.
        messages: Messages read.
        mentions: Marked items.
        right: Marked items that were found.
        extra: Found items that are not marked: wrong, or typed by hand.
        namesakes: Of `extra`, those whose title the message names, of another year or of none.
        ceiling: Recall of a reader that finds every title and takes each bare one for its most often marked film in
            these very messages: what is left out cannot be told from the title. 1 where the year is written.
    """

    form: str
    messages: int
    mentions: int
    right: int
    extra: int
    namesakes: int
    ceiling: float

    @property
    def precision(self) -> float | None:
        """Share of the found items that are marked; `None` if none was found."""
        found = self.right + self.extra
        return self.right / found if found else None

    @property
    def recall(self) -> float | None:
        """Share of the marked items that were found; `None` if none is marked."""
        return self.right / self.mentions if self.mentions else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; `None` where nothing is marked or found."""
        total = 2 * self.right + self.extra + (self.mentions - self.right)
        return 2 * self.right / total if total else None

    @property
    def title_precision(self) -> float | None:
        """Precision without the namesakes: how often what is found is a title that the message names."""
        found = self.right + self.extra - self.namesakes
        return self.right / found if found else None


@dataclass(frozen=True, slots=True)
class ResolverReport:
    """The scores of one world and split, one for each form."""

    world: str
    split: Split
    scores: tuple[FormScore, ...]

    def __getitem__(self, form: str) -> FormScore:
        """The score of one form.

        Raises:
            KeyError: There is no such form.
        """
        for score in self.scores:
            if score.form == form:
                return score
        raise KeyError(f"no form {form!r}: the report has {', '.join(score.form for score in self.scores)}")

    def rows(self) -> list[dict[str, str]]:
        """A table, one row a form, from column name to text; shares in percent, `–` where not scored."""
        return [
            {
                "form": score.form,
                "precision %": _percent(score.precision),
                "recall %": _percent(score.recall),
                "F1 %": _percent(score.f1),
                "recall ceiling %": _percent(score.ceiling),
                "precision of titles %": _percent(score.title_precision),
                "mentions": str(score.mentions),
                "unmarked found": str(score.extra),
                "of them namesakes": str(score.namesakes),
                "messages": str(score.messages),
            }
            for score in self.scores
        ]


def measure(world_name: str = "redial", split: Split = "test") -> ResolverReport:
    """Read a split's messages in every form of `FORMS`.

    Raises:
        DataError: The corpus's files are not there.
        WorldError: The world has no recorded dialogues in that split.
    """
    from crs_gym.worlds import load_world

    world = load_world(world_name)
    messages = [message for dialogue in world.dialogues(split) for message in dialogue.messages]
    if not any(message.items for message in messages):
        raise WorldError(f"{world_name} has no recorded messages that name an item in {split}: nothing to measure")
    scores = [score_form(world.catalog, messages, form, world.catalog.resolver) for form in FORMS]
    return ResolverReport(world_name, split, tuple(scores))


def score_form(catalog: Catalog, messages: Iterable[Message], form: str, resolver: TitleResolver) -> FormScore:
    """Hold the resolver against the marks, with titles in one form.

    Args:
        catalog: The messages' catalogue.
        messages: Messages whose text has the title of each of their items, with its year where known.
        form: One of `FORMS`.
        resolver: What reads the texts.
    """
    write = _writer(catalog, form)
    recorded = [display_name(title, year) for title, year in zip(catalog.titles, catalog.years.tolist(), strict=True)]
    titles = [" ".join(folded_words(title)) for title in catalog.titles]
    counts: Counter[str] = Counter()
    marks: dict[str, Counter[str]] = {}
    for message in messages:
        # An item whose name the text does not have was shown beside it, not named in it.
        marked = {item for item in message.items if recorded[item] in message.text}
        names = {catalog.names[item] for item in marked}
        text = _rewritten(message.text, [(recorded[item], write(item)) for item in marked])
        found = {catalog.names[item]: titles[item] for item in resolver.resolve(text)}
        named = {titles[item] for item in marked}
        counts["messages"] += 1
        counts["mentions"] += len(names)
        counts["right"] += len(names & found.keys())
        counts["extra"] += len(found.keys() - names)
        counts["namesakes"] += sum(title in named for name, title in found.items() if name not in names)
        for item in {catalog.names[item]: item for item in marked}.values():
            marks.setdefault(titles[item], Counter())[catalog.names[item]] += 1
    best = sum(max(films.values()) for films in marks.values())
    return FormScore(
        form=form,
        messages=counts["messages"],
        mentions=counts["mentions"],
        right=counts["right"],
        extra=counts["extra"],
        namesakes=counts["namesakes"],
        ceiling=1.0 if form == TITLE_YEAR or not counts["mentions"] else best / counts["mentions"],
    )


def _writer(catalog: Catalog, form: str) -> Callable[[int], str]:
    """How an item is written in a form."""
    if form == TITLE_YEAR:
        return lambda item: catalog.names[item]
    if form == TITLE:
        return lambda item: catalog.titles[item]
    if form == LOWER:
        return lambda item: catalog.titles[item].lower()
    raise ValueError(f"no form {form!r}: choose one of {', '.join(FORMS)}")


def _rewritten(text: str, names: Sequence[tuple[str, str]]) -> str:
    """The text with each name replaced; longer names first, so that one inside another is left to the longer."""
    if not names:
        return text
    new = dict(names)
    pattern = "|".join(re.escape(name) for name in sorted(new, key=len, reverse=True))
    return re.sub(pattern, lambda match: new[match[0]], text)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
