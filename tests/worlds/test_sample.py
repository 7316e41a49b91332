"""The embedded world: real films, and seekers whose taste is known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crs_gym.catalog import FACET_KINDS
from crs_gym.errors import WorldError
from crs_gym.task import SPLITS, Split
from crs_gym.worlds.invented import TARGETS
from crs_gym.worlds.sample import HELD_OUT, TRAIN_SESSIONS, UNLIMITED, SampleWorld

WORLD = SampleWorld()
CATALOG = WORLD.catalog


def test_the_films() -> None:
    assert len(CATALOG) >= 500
    assert len(set(CATALOG.names)) == len(CATALOG)
    assert CATALOG.years.min() > 1900
    assert CATALOG.years.max() < 2030
    for index in range(len(CATALOG)):
        facets = CATALOG[index].facets
        assert all(facets[kind] for kind in FACET_KINDS), CATALOG.names[index]
        assert all(value == value.strip() for values in facets.values() for value in values)
    people = [name for name, kind in zip(CATALOG.facet_names, CATALOG.facet_kinds, strict=True) if kind in (1, 2)]
    assert {"Akira Kurosawa", "Agnès Varda", "Tom Hanks"} & set(people)


def test_popularity_falls_with_the_order_of_the_table() -> None:
    assert (np.diff(CATALOG.popularity) < 0).all()
    assert CATALOG.by_popularity.tolist() == list(range(len(CATALOG)))


@settings(max_examples=30)
@given(st.sampled_from(SPLITS), st.lists(st.integers(0, HELD_OUT - 1), min_size=1, max_size=6))
def test_a_seeker_is_the_same_alone_and_among_others(split: Split, numbers: list[int]) -> None:
    tasks = WORLD.tasks(split)
    for number, together in zip(numbers, tasks.take(numbers), strict=True):
        alone = tasks[number]
        assert (alone.task_id, alone.targets, alone.context) == (together.task_id, together.targets, together.context)
        assert alone.profile.taste is not None
        assert together.profile.taste is not None
        assert (alone.profile.taste.utility == together.profile.taste.utility).all()
        assert (alone.profile.likes, alone.profile.dislikes) == (together.profile.likes, together.profile.dislikes)


@settings(max_examples=30)
@given(st.integers(0, UNLIMITED - 1))
def test_the_targets_are_what_it_would_like_best_among_the_unseen(number: int) -> None:
    task = WORLD.tasks("train")[number]
    profile = task.profile
    taste = profile.taste
    assert taste is not None
    assert len(task.targets) == TARGETS
    assert not {*profile.likes, *profile.dislikes, *task.context[0].items} & set(task.targets)
    assert not set(profile.likes) & set(profile.dislikes)
    utility = taste.utility.tolist()
    assert all(utility[item] >= taste.bar for item in task.targets)
    above = {item for item, value in enumerate(utility) if value >= taste.bar}
    assert above - set(task.targets) <= set(profile.likes)  # anything as good as a target, it has seen and liked


def test_utility_is_the_sum_of_its_parts() -> None:
    """What the facets leave over is the film's popularity and the seeker's own part: as wide as is said."""
    rest = []
    for task in WORLD.tasks("test").take(range(50)):
        taste = task.profile.taste
        assert taste is not None
        weights = dict(zip(taste.facets.tolist(), taste.weights.tolist(), strict=True))
        for item in range(0, len(CATALOG), 7):
            row = zip(CATALOG.facet_table[item].tolist(), CATALOG.facet_values[item].tolist(), strict=True)
            rest.append(float(taste.utility[item]) - sum(weights.get(facet, 0.0) * value for facet, value in row))
    # standard deviations 0.40 of its own and 0.15 of popularity: sqrt(0.16 + 0.0225) = 0.427
    assert np.std(rest) == pytest.approx(0.427, abs=0.02)
    assert max(map(abs, rest)) < 0.40 * np.sqrt(3) + 0.15 * 5


def test_splits_hold_other_seekers() -> None:
    seen = {tuple(task.profile.likes) for task in WORLD.tasks("train").take(range(300))}
    for split in ("valid", "test"):
        assert len(WORLD.tasks(split)) == HELD_OUT
        assert not seen & {tuple(task.profile.likes) for task in WORLD.tasks(split).take(range(300))}
    assert len(WORLD.tasks("train")) == UNLIMITED


def test_a_task_is_found_by_its_id() -> None:
    task = WORLD.tasks("test")[12]
    assert task.task_id == "sample/test/12"
    assert WORLD.task("sample/test/12").targets == task.targets
    for wrong in ("sample/test/2000", "sample/test/-1", "sample/dev/1", "redial/test/1", "", "sample/test/x"):
        with pytest.raises(WorldError, match="no task"):
            WORLD.task(wrong)


def test_what_it_does_not_have() -> None:
    with pytest.raises(WorldError, match="next-item"):
        WORLD.tasks("test", "next-item")
    with pytest.raises(WorldError, match="train, valid, test"):
        WORLD.tasks("dev")  # type: ignore[arg-type]
    assert len(WORLD.dialogues("train")) == 0


def test_sessions_are_of_train_seekers() -> None:
    sessions = WORLD.sessions()
    assert len(sessions) == TRAIN_SESSIONS
    third = sessions.items[sessions.offsets[3] : sessions.offsets[4]].tolist()
    assert third == list(WORLD.tasks("train")[3].profile.likes)
