"""Attribute alignment of a film: how well its facets fit what the dialogue tells of the seeker's taste.

A small language model knows few films, and reads a film's line and the dialogue with little arithmetic between them.
What the two share is therefore also counted: six features of a dialogue and a film, made from the catalogue alone. The
user's view of a film adds them to the model's log-odds, with weights that were fitted by logistic regression on films
that seekers of the train split liked, against films of the same popularity that nobody mentioned (`crs-gym train
simulator` does so when the adapter is done). No target and no label of the dialogue that is played goes into it.

Only what the *seeker* said or liked counts, and what stood in the dialogue before the game: an agent cannot make films
fit by showing many of a kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from crs_gym.catalog import FACET_KINDS, Catalog
from crs_gym.errors import WeightsError
from crs_gym.numeric import DoubleArray
from crs_gym.task import Message

FILE: Final = "alignment.json"
"""Where the weights stand, beside the adapter."""

FEATURES: Final = ("genres", "asked_genres", "any_asked_genre", "people", "years", "titles")
"""Genres shared with the films named so far; genres that the seeker asks for, by how rare they are; whether there is
such a one; directors and stars shared; closeness in years; words shared with their titles (sequels)."""

SAID_AS: Final = {
    "sci-fi": ("sci-fi", "scifi", "sci fi", "science fiction"),
    "comedy": ("comed", "funny", "laugh"),
    "horror": ("horror", "scary", "scare"),
    "romance": ("romance", "romantic", "love story", "chick flick", "rom com"),
    "animation": ("animat", "cartoon", "disney", "pixar"),
    "family": ("family", "kids", "children"),
    "thriller": ("thriller", "suspense"),
}
"""How people name a genre in chats, where not by its own name alone (our choice, read off the train split)."""

MANY: Final = 2
"""From how many times on more of the same tells no more."""

FAR: Final = 30.0
"""Years from which on two films are merely of another time."""

UNKNOWN_YEARS: Final = -1.5
"""The feature `years` where there is nothing to compare."""

_WORD: Final = re.compile(r"\w{4,}")


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the regression found.

    Attributes:
        features: The weight of each of `FEATURES`.
        model: The weight of the language model's log-odds that a film pleases.
        bias: The log-odds where all of these are 0, among as many films that please as do not.
        bar: The log-odds that two films in a hundred exceed, drawn from the whole catalogue for seekers of the valid
            split: what the user asks of a film.
    """

    features: dict[str, float]
    model: float
    bias: float
    bar: float

    def of(self, features: DoubleArray, model: DoubleArray) -> DoubleArray:
        """`(n,)` log-odds that films please, from `(n, len(FEATURES))` and `(n,)`."""
        weights = np.array([self.features[name] for name in FEATURES])
        return np.asarray(features @ weights + self.model * model + self.bias)


def read_weights(adapter: Path) -> Weights | None:
    """The weights beside an adapter; `None` where it has none.

    Raises:
        WeightsError: The file cannot be read.
    """
    path = adapter / FILE
    if not path.is_file():
        return None
    try:
        weights = msgspec.json.decode(path.read_bytes(), type=Weights)
    except (OSError, msgspec.DecodeError) as error:
        raise WeightsError(f"{path} cannot be read: {error}. Way out: train the simulator again") from error
    if set(weights.features) != set(FEATURES):
        raise WeightsError(f"{path} weighs other features than {', '.join(FEATURES)}. Way out: train again")
    return weights


@dataclass(slots=True)
class Heard:
    """What a dialogue tells of the seeker's taste, so far.

    Attributes:
        films: Films that were named before the game, or by the seeker, or that it liked, in order, each once.
        asked: `(n_genres,)` how often the seeker named each genre.
    """

    asked: DoubleArray
    films: list[int] = field(default_factory=list)

    def add(self, films: Iterable[int]) -> None:
        """Add films."""
        self.films += [film for film in dict.fromkeys(films) if film not in self.films]


class Alignment:
    """Features of dialogues and films.

    Args:
        catalog: The films.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        kinds = catalog.facet_kinds
        genre_facets = np.flatnonzero(kinds == FACET_KINDS.index("genre"))
        row_of = np.full(catalog.n_facets, -1, np.int64)
        row_of[genre_facets] = np.arange(len(genre_facets))
        self._genres = np.zeros((len(catalog), len(genre_facets)))
        items = np.repeat(np.arange(len(catalog)), np.diff(catalog.facet_offsets))
        of_genre = row_of[catalog.facet_ids] >= 0
        self._genres[items[of_genre], row_of[catalog.facet_ids[of_genre]]] = 1.0
        # A rare genre in common tells more than "drama".
        rarity = np.log(len(catalog) / (1.0 + self._genres.sum(axis=0)))
        self._telling = self._genres * rarity / np.sqrt(np.maximum(self._genres.sum(axis=1, keepdims=True), 1.0))
        self._names = [
            SAID_AS.get(catalog.facet_names[facet], (catalog.facet_names[facet].lower(),)) for facet in genre_facets
        ]
        self._people = {FACET_KINDS.index("director"), FACET_KINDS.index("star")}

    def heard(self, context: Sequence[Message]) -> Heard:
        """What a dialogue tells."""
        heard = Heard(np.zeros(len(self._names)))
        for message in context:
            heard.add(message.items)
            if message.role == "user":
                self.listen(heard, message.text)
        return heard

    def listen(self, heard: Heard, text: str) -> None:
        """Add the genres that the seeker names."""
        folded = text.lower()
        heard.asked += [sum(folded.count(name) for name in names) for names in self._names]

    def features(self, heard: Heard, items: Sequence[int]) -> DoubleArray:
        """`(len(items), len(FEATURES))`."""
        chosen = np.array(items, np.int64)
        found = np.zeros((len(chosen), len(FEATURES)))
        asked = np.minimum(heard.asked, MANY)
        telling = self._telling[chosen]
        if heard.films:
            found[:, 0] = telling @ self._genres[heard.films].mean(axis=0)
        found[:, 1] = telling @ asked
        has = self._genres[chosen]
        found[:, 2] = (has @ np.sign(asked)) / np.sqrt(np.maximum(has.sum(axis=1), 1.0))
        found[:, 4] = UNKNOWN_YEARS
        if not heard.films:
            return found
        people: dict[int, int] = {}
        words: list[set[str]] = []
        for film in heard.films:
            words.append(self._title_words(film))
            for facet in self._people_of(film):
                people[facet] = people.get(facet, 0) + 1
        years = self._catalog.years[heard.films].astype(float)
        for i, item in enumerate(items):
            shared = sum(people.get(facet, 0) for facet in self._people_of(item))
            found[i, 3] = min(shared, 2 * MANY)
            if self._catalog.years[item]:
                found[i, 4] = -min(float(np.abs(years - float(self._catalog.years[item])).mean()), FAR) / 10.0
            own = self._title_words(item)
            found[i, 5] = max(len(own & other) for other in words)
        return found

    def _people_of(self, item: int) -> list[int]:
        kinds = self._catalog.facet_kind_list
        return [facet for facet in self._catalog.facets_of(item).tolist() if kinds[facet] in self._people]

    def _title_words(self, item: int) -> set[str]:
        return set(_WORD.findall(self._catalog.titles[item].lower()))


@lru_cache(maxsize=8)
def alignment_of(catalog: Catalog) -> Alignment:
    """The features of a catalogue's films, made once: 64 envs share them."""
    return Alignment(catalog)
