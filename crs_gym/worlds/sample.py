"""`Sample`: real films, invented seekers, nothing to download.

The catalogue is embedded (`films.tsv`: facts about real films, the best known first). A seeker is drawn from
(version, split, number) alone, so there is an unlimited supply of them, any of which can be made by itself. Its latent
taste covers facets and items, so the true utility of every film is known: the user answers and accepts exactly,
and regret and an oracle's score can be computed.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.resources import files
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

from crs_gym.catalog import FACET_KINDS, Catalog, row_sum
from crs_gym.errors import WorldError
from crs_gym.randomness import derived_key, generator
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
_OWN_PART: Final = 0.40
_POPULAR_PART: Final = 0.15

_FAVOURITES: Final = 2
"""How many films a seeker speaks of in its first words."""

_MIDDLING: Final = 0.5
"""Of what it has seen, a seeker likes films so many standard deviations above its mean utility, and dislikes those so many
below; to what lies between it is indifferent, and may well watch it again."""

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
        self._facets = [of_kind.tolist() for of_kind in by_kind]
        self._facet_odds = [_starts(counts[of_kind]) for of_kind in by_kind]
        odds = catalog.popularity.astype(np.float64)
        self._film_odds = np.array(_starts(odds))
        log_odds = np.log(odds)
        self._popular_part = (_POPULAR_PART * (log_odds - log_odds.mean()) / log_odds.std()).astype(np.float32)
        # Dense facet × item values: a seeker's utilities are the sum of the few rows that it cares about.
        self._values = np.zeros((catalog.n_facets + 1, n), np.float32)
        self._values[catalog.facet_table, np.arange(n)[:, None]] = catalog.facet_values
        self._n_facets_drawn = sum(_LIKED.values()) + sum(_DISLIKED.values())

    def make(self, split: Split, numbers: Sequence[int]) -> list[Task]:
        n = len(self._catalog)
        draws = np.empty((len(numbers), n + self._n_facets_drawn + SEEN_DRAWS + 1), np.float32)
        for row, number in zip(draws, numbers, strict=True):
            generator(derived_key("sample", TASTE_VERSION, split, number)).random(out=row, dtype=np.float32)
        tastes = [self._taste(facet_draws) for facet_draws in draws[:, n : n + self._n_facets_drawn].tolist()]
        own = (draws[:, :n] - np.float32(0.5)) * np.float32(_OWN_PART * np.sqrt(12.0))  # standard deviation _OWN_PART
        utility = own + self._popular_part
        for i, (facets, weights) in enumerate(tastes):
            utility[i] += np.array(weights, np.float32) @ self._values[facets]
        seen = np.searchsorted(self._film_odds, draws[:, -1 - SEEN_DRAWS : -1], side="right") - 1
        at = np.arange(len(numbers))[:, None]
        unseen = utility.copy()
        unseen[at, seen] = -np.inf
        top = np.argpartition(unseen, n - TARGETS - 1, axis=1)[:, -TARGETS - 1 :]
        top = top[at, np.lexsort((top, -unseen[at, top]), axis=1)]
        top_utility = unseen[at, top]
        # The bars lie half-way between two films, so that no rounding can move a film across.
        bars = ((top_utility[:, TARGETS - 1] + top_utility[:, TARGETS]) / 2).tolist()
        means = (row_sum(utility) / n).tolist()
        spreads = np.sqrt(row_sum(utility * utility) / n - np.square(means)).tolist()
        tasks = []
        for i, number in enumerate(numbers):
            facets, weights = tastes[i]
            like_bar = min(means[i] + GOOD_WORD * spreads[i], bars[i])
            taste = Taste(np.array(facets, np.int64), np.array(weights, np.float32), utility[i], bars[i], like_bar)
            known = sorted(set(zip((-utility[i, seen[i]]).tolist(), seen[i].tolist(), strict=True)))
            favourites = tuple([item for _, item in known[:_FAVOURITES]])
            middling = _MIDDLING * spreads[i]
            likes = [item for cost, item in known[_FAVOURITES:] if -cost > means[i] + middling]
            dislikes = [item for cost, item in known[_FAVOURITES:] if -cost < means[i] - middling]
            profile = Profile((*favourites, *likes), tuple(dislikes), taste)
            targets = tuple(top[i, :TARGETS].tolist())
            opening = self._opening(favourites, draws.item(i, -1))
            tasks.append(Task(f"sample/{split}/{number}", split, (opening,), profile, targets))
        return tasks

    def _taste(self, draws: list[float]) -> tuple[list[int], list[float]]:
        """The facets that a seeker cares about, and how much. One drawn twice keeps the weight of its first draw."""
        weights: dict[int, float] = {}
        draw = iter(draws)
        for weight, wanted in ((_LIKED_WEIGHT, _LIKED), (_DISLIKED_WEIGHT, _DISLIKED)):
            for kind, name in enumerate(FACET_KINDS):
                for _ in range(wanted[name]):
                    facet = self._facets[kind][bisect(self._facet_odds[kind], next(draw)) - 1]
                    weights.setdefault(facet, weight)
        return list(weights), list(weights.values())

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
