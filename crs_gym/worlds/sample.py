"""`Sample`: real films, invented seekers, nothing to download.

The catalogue is embedded (`films.tsv`: facts about real films, the best known first). A seeker is drawn from
(version, split, number) alone, so there is an unlimited supply of them, any of which can be made by itself. Its latent
taste covers facets and items, so the true utility of every film is known: the user answers and accepts exactly,
and regret and an oracle's score can be computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.resources import files
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

from crs_gym.catalog import FACET_KINDS, Catalog
from crs_gym.errors import WorldError
from crs_gym.numeric import FloatArray, row_sum
from crs_gym.randomness import derived_key, fill_uniforms
from crs_gym.task import SPLITS, Dialogue, Message, Profile, Split, Task, TaskKind, Taste
from crs_gym.worlds.world import Sessions

TASTE_VERSION: Final = 1
"""Raise it whenever the same number may give another seeker."""

UNLIMITED: Final = 2**31
"""The number of train seekers: more than anyone will meet."""
HELD_OUT: Final = 2_000
"""The number of valid seekers, and of test seekers."""
TRAIN_SESSIONS: Final = 4_000
"""From how many train seekers the films "mentioned together" are taken, for collaborative models."""

TARGETS: Final = 1
"""How many targets a seeker has: the films that it would like best among those that it has not seen. With one, there is
room between popularity (a third of seekers helped), a good asker (three quarters) and the oracle (all)."""
GOOD_WORD: Final = 1.5
"""A seeker has a good word for films from so many standard deviations above its mean utility on (some 60 films)."""
SEEN_DRAWS: Final = 60
"""How many draws, by popularity, decide which films a seeker has seen."""

# The latent taste: how many facets of each kind a seeker likes and dislikes, and the size of each part of utility. The
# figures are our choice: enough structure to find out by asking, enough of the seeker's own that facets are not all.
_LIKED: Final = {"genre": 3, "director": 4, "star": 6, "decade": 2}
_DISLIKED: Final = {"genre": 2, "director": 0, "star": 0, "decade": 1}
_LIKED_WEIGHT: Final = 1.0
_DISLIKED_WEIGHT: Final = -0.8
_DRAWN_KINDS: Final = [
    kind for wanted in (_LIKED, _DISLIKED) for kind, name in enumerate(FACET_KINDS) for _ in range(wanted[name])
]
_DRAWN_WEIGHTS: Final = [_LIKED_WEIGHT] * sum(_LIKED.values()) + [_DISLIKED_WEIGHT] * sum(_DISLIKED.values())
"""The kind and the weight of each facet that is drawn for a seeker."""
_OWN_PART: Final = 0.40
_POPULAR_PART: Final = 0.15

_FAVOURITES: Final = 2
"""How many films a seeker speaks of in its first words."""

_MIDDLING: Final = 0.5
"""Of what it has seen, a seeker likes films so many standard deviations above its mean utility, and dislikes those so
many below; to what lies between it is indifferent, and may well watch it again."""

_CONTEXTS: Final = (
    "Hi! I'm looking for a film. I loved {}.",
    "Hello, can you recommend something? I'm a fan of {}.",
    "Hey, what should I watch? I enjoyed {}.",
)


class SampleWorld:
    """The embedded world; see the module."""

    name = "sample"

    def __init__(self) -> None:
        self.catalog = _read_catalog()
        self._seekers = _Seekers(self.catalog)

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the films, and with the way seekers are drawn."""
        return f"{derived_key(self.catalog.fingerprint, TASTE_VERSION):032x}"[:16]

    def tasks(self, split: Split, kind: TaskKind = "interactive") -> SampleTasks:
        """The seekers of a split. `UNLIMITED` in train, `HELD_OUT` in valid and in test.

        Raises:
            WorldError: `kind` is not `interactive` (nothing was recorded here), or there is no such split.
        """
        if kind != "interactive":
            raise WorldError(
                f"world 'sample' has no {kind!r} tasks: its dialogues are not recorded. Use kind='interactive'"
            )
        if split not in SPLITS:
            raise WorldError(f"world 'sample' has no split {split!r}. It has: {', '.join(SPLITS)}")
        return SampleTasks(self._seekers, split)

    def task(self, task_id: str) -> Task:
        """The task of that id.

        Raises:
            WorldError: The world has no such task.
        """
        world, _, rest = task_id.partition("/")
        split, _, number = rest.partition("/")
        if world != self.name or split not in SPLITS or not number.isdecimal() or int(number) >= len(self.tasks(split)):
            raise WorldError(f"world 'sample' has no task {task_id!r}; its ids are sample/<split>/<number>")
        return self.tasks(split)[int(number)]

    def dialogues(self, split: Split) -> Sequence[Dialogue]:
        """None: nothing was recorded here."""
        del split
        return ()

    def sessions(self) -> Sessions:
        """The films that each of `TRAIN_SESSIONS` train seekers has seen and liked."""
        return self._sessions

    @cached_property
    def _sessions(self) -> Sessions:
        likes = []
        for start in range(0, TRAIN_SESSIONS, 256):
            numbers = range(start, min(start + 256, TRAIN_SESSIONS))
            likes += [task.profile.likes for task in self.tasks("train").take(numbers)]
        offsets = np.cumsum([0, *map(len, likes)], dtype=np.int64)
        return Sessions(offsets, np.array([item for items in likes for item in items], np.int64))


class SampleTasks(Sequence[Task]):
    """The seekers of a split, made on access."""

    def __init__(self, seekers: _Seekers, split: Split) -> None:
        self._seekers = seekers
        self._split = split

    def __len__(self) -> int:
        return UNLIMITED if self._split == "train" else HELD_OUT

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Task]: ...
    def __getitem__(self, index: int | slice) -> Task | Sequence[Task]:
        if isinstance(index, slice):
            return self.take(range(len(self))[index])
        return self.take([range(len(self))[index]])[0]

    def __iter__(self) -> Iterator[Task]:
        return (self[i] for i in range(len(self)))

    def take(self, numbers: Sequence[int]) -> list[Task]:
        """Several seekers at once, which is cheaper than one by one."""
        return self._seekers.make(self._split, numbers)


class _Seekers:
    """Draws seekers."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        n = len(catalog)
        by_kind = [np.flatnonzero(catalog.facet_kinds == kind) for kind in range(len(FACET_KINDS))]
        # How often a facet is drawn follows how many films have it, as people's favourites do.
        counts = np.bincount(catalog.facet_ids, minlength=catalog.n_facets).astype(np.float64)
        self._facets = by_kind
        self._facet_odds = [np.array(_starts(counts[of_kind])) for of_kind in by_kind]
        odds = catalog.popularity.astype(np.float64)
        self._film_odds = np.array(_starts(odds))
        log_odds = np.log(odds)
        self._popular_part = (_POPULAR_PART * (log_odds - log_odds.mean()) / log_odds.std()).astype(np.float32)
        # Dense facet × item values: a seeker's utilities are the sum of the few rows that it cares about.
        self._values = np.zeros((catalog.n_facets + 1, n), np.float32)
        self._values[catalog.facet_table, np.arange(n)[:, None]] = catalog.facet_values

    def make(self, split: Split, numbers: Sequence[int]) -> list[Task]:
        n = len(self._catalog)
        draws = np.empty((len(numbers), n + len(_DRAWN_KINDS) + SEEN_DRAWS + 1), np.float32)
        for row, number in zip(draws, numbers, strict=True):
            fill_uniforms(row, derived_key("sample", TASTE_VERSION, split, number))
        tastes = self._tastes(draws[:, n : n + len(_DRAWN_KINDS)])
        own = (draws[:, :n] - np.float32(0.5)) * np.float32(_OWN_PART * np.sqrt(12.0))  # standard deviation _OWN_PART
        utility = own + self._popular_part
        cares = [(np.array(list(taste)), np.array(list(taste.values()), np.float32)) for taste in tastes]
        for i, (facets, weights) in enumerate(cares):
            utility[i] += weights @ self._values[facets]
        seen = np.searchsorted(self._film_odds, draws[:, -1 - SEEN_DRAWS : -1], side="right") - 1
        at = np.arange(len(numbers))[:, None]
        unseen = utility.copy()
        unseen[at, seen] = -np.inf
        top = np.empty((len(numbers), TARGETS + 1), np.int64)
        top_utility = np.empty(top.shape, np.float32)
        for place in range(TARGETS + 1):  # for so few, cheaper than sorting
            top[:, place] = unseen.argmax(axis=1)
            top_utility[:, place] = unseen[at[:, 0], top[:, place]]
            unseen[at[:, 0], top[:, place]] = -np.inf
        # The bars lie half-way between two films, so that no rounding can move a film across.
        bars = ((top_utility[:, TARGETS - 1] + top_utility[:, TARGETS]) / 2).tolist()
        means = row_sum(utility)[:, None] / n
        spreads = np.sqrt(row_sum(utility * utility)[:, None] / n - means * means)
        like_bars = np.minimum(means[:, 0] + GOOD_WORD * spreads[:, 0], bars).tolist()
        # What was seen, best first. One film may stand there twice, next to itself.
        seen_utility = utility[at, seen]
        order = np.lexsort((seen, -seen_utility), axis=1)
        seen, seen_utility = seen[at, order], seen_utility[at, order]
        middling = _MIDDLING * spreads
        n_liked = (seen_utility > means + middling).sum(axis=1).clip(_FAVOURITES).tolist()
        n_not_disliked = (seen_utility >= means - middling).sum(axis=1).clip(_FAVOURITES).tolist()
        tasks = []
        for i, number in enumerate(numbers):
            taste = Taste(*cares[i], utility[i], bars[i], like_bars[i])
            likes = tuple(dict.fromkeys(seen[i, : n_liked[i]].tolist()))
            dislikes = tuple(dict.fromkeys(seen[i, n_not_disliked[i] :].tolist()))
            favourites = likes[:_FAVOURITES]
            profile = Profile(likes, dislikes, taste)
            targets = tuple(top[i, :TARGETS].tolist())
            opening = self._opening(favourites, draws.item(i, -1))
            tasks.append(Task(f"sample/{split}/{number}", split, (opening,), profile, targets))
        return tasks

    def _tastes(self, draws: FloatArray) -> list[dict[int, float]]:
        """For each seeker, the facets that it cares about, and how much, best liked first.

        A facet drawn twice keeps the weight of its first draw.
        """
        columns = []
        for place, kind in enumerate(_DRAWN_KINDS):
            of_kind = np.searchsorted(self._facet_odds[kind], draws[:, place], side="right") - 1
            columns.append(self._facets[kind][of_kind])
        tastes: list[dict[int, float]] = []
        for facets in np.stack(columns, axis=1).tolist():
            taste: dict[int, float] = {}
            for facet, weight in zip(facets, _DRAWN_WEIGHTS, strict=True):
                taste.setdefault(facet, weight)
            tastes.append(taste)
        return tastes

    def _opening(self, favourites: tuple[int, ...], draw: float) -> Message:
        names = self._catalog.names
        text = _CONTEXTS[int(draw * len(_CONTEXTS))].format(" and ".join([names[item] for item in favourites]))
        return Message("user", text, favourites)


def _starts(counts: NDArray[np.float64]) -> list[float]:
    """Where each outcome begins in [0, 1), for outcomes as likely as `counts`."""
    total = np.cumsum(counts / counts.sum())
    return [0.0, *total[:-1].tolist()]


def _read_catalog() -> Catalog:
    lines = files("crs_gym.worlds").joinpath("films.tsv").read_text(encoding="utf-8").splitlines()
    rows = []
    for line in lines[1:]:
        title, year, genres, directors, stars = line.split("\t")
        facets = {"genre": genres.lower().split("|"), "director": directors.split("|"), "star": stars.split("|")}
        rows.append((f"{title} ({year})", title, int(year), facets))
    # Rows stand in order of fame; how often people talk of a film falls off with its rank (Zipf's law, shifted).
    popularity = 1000.0 / (np.arange(len(rows)) + 20.0)
    return Catalog.from_rows(rows, popularity.astype(np.float32))
