"""Tasks in columns say what the single ones say."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from crs_gym.catalog import NO_ITEM, Catalog
from crs_gym.config import EnvConfig
from crs_gym.discrete.heard import Listener
from crs_gym.discrete.source import load_source
from crs_gym.engine import DialogueEngine, Episode
from crs_gym.episodes import Episodes
from crs_gym.game import Game
from crs_gym.randomness import derived_key, derived_keys, episode_key, fill_uniforms, generator
from crs_gym.simulator import load_simulator
from crs_gym.task import Message, Profile, Task
from crs_gym.worlds.batch import OnDemand, Profiles, TaskColumns
from crs_gym.worlds.invented import _Odds
from crs_gym.worlds.sample import SampleWorld

WORLD = SampleWorld()
CATALOG: Catalog = WORLD.catalog
NUMBERS = (7, 0, 12, 7, 1999)
HELLO = Message("user", "Hello!")


def without_padding(row: Any) -> list[int]:
    return [item for item in row.tolist() if item != NO_ITEM]


def test_columns_are_what_single_tasks_hold() -> None:
    drawn = WORLD.tasks("test").take(NUMBERS)
    made = TaskColumns.of(list(drawn))
    assert [task.task_id for task in drawn] == [f"sample/test/{number}" for number in NUMBERS]
    profiles, same = drawn.profiles, Profiles.of(made.profiles, CATALOG.n_facets)
    assert isinstance(profiles, Profiles)
    for i, task in enumerate(drawn):
        for columns in (drawn, made):
            assert columns.task_ids[i] == task.task_id
            assert (columns.targets[i], tuple(without_padding(columns.target_items[i]))) == (task.targets, task.targets)
            assert without_padding(columns.context_items[i]) == list(task.context[0].items)
            assert list(columns.silent) == []
        for known in (profiles, same):
            assert dict.fromkeys(without_padding(known.likes[i])) == dict.fromkeys(task.profile.likes)
            assert set(without_padding(known.dislikes[i])) == set(task.profile.dislikes)
            assert known.likes[i, 0] == task.profile.likes[0]
            taste, tastes = task.profile.taste, known.tastes
            assert taste is not None
            assert tastes is not None
            there = tastes.facets[i] != CATALOG.n_facets
            assert tastes.facets[i][there].tolist() == taste.facets.tolist()
            assert tastes.weights[i][there].tolist() == taste.weights.tolist()
            assert not tastes.weights[i][~there].any()
            assert (tastes.utility[i] == taste.utility).all()
            assert (tastes.bar[i], tastes.like_bar[i]) == (np.float32(taste.bar), np.float32(taste.like_bar))


def test_a_slice_of_columns_is_what_was_drawn_there() -> None:
    drawn = WORLD.tasks("test").take(NUMBERS)
    part, same = drawn[1:3], WORLD.tasks("test").take(NUMBERS[1:3])
    assert len(part) == len(part.profiles) == 2
    assert part.task_ids == same.task_ids
    assert part.targets == same.targets
    assert part[1] is drawn[2]
    assert part.profiles[1] is drawn.profiles[2]
    assert isinstance(part.profiles, Profiles)
    assert isinstance(same.profiles, Profiles)
    for a, b in ((part, same), (part.profiles, same.profiles), (part.told, same.told)):
        assert same_columns(a, b)
    assert same_columns(part.profiles.tastes, same.profiles.tastes)
    assert np.shares_memory(part.target_items, drawn.target_items)


def same_columns(a: Any, b: Any) -> bool:
    columns = [(getattr(a, field.name), getattr(b, field.name)) for field in fields(a)]
    arrays = [pair for pair in columns if isinstance(pair[0], np.ndarray)]
    assert arrays
    return all(np.array_equal(one, other) for one, other in arrays)


def test_a_slice_knows_who_is_silent() -> None:
    tasks = [Task(f"t/{i}", "train", said, Profile(), (i,)) for i, said in enumerate([(), (HELLO,), (), (HELLO,)])]
    columns = TaskColumns.of(tasks)
    assert columns.silent == [0, 2]
    assert columns[1:].silent == [1]
    assert columns[1:2].silent == []
    assert list(columns[2:]) == tasks[2:]


def test_what_the_context_tells_is_what_a_reader_reads() -> None:
    drawn = WORLD.tasks("train").take(range(200))
    _, reader = load_source("ease", WORLD, lambda row: pytest.fail(f"row {row} is observed"))
    read = Listener(reader, CATALOG.names).dialogues([task.context for task in drawn])
    told = drawn.told
    assert told is not None
    for i in range(len(drawn)):
        assert without_padding(told.items[i]) == without_padding(read.items[i]) == without_padding(read.named[i])
    assert told.item_signs.tolist() == read.item_signs.tolist()
    assert told.facets.shape[1] == read.facets.shape[1] == 0


def state_of(engine: DialogueEngine) -> list[Any]:
    simulator: Any = engine.simulator and engine.simulator.simulator
    owners = (engine, simulator, simulator._tastes)
    return [value for owner in owners for value in vars(owner).values() if isinstance(value, np.ndarray)]


@pytest.mark.parametrize("width", [1, 5])
def test_an_engine_is_reset_alike_by_columns_and_by_single_episodes(width: int) -> None:
    """Seekers are seated on plain numbers alone, in columns together, and one by one where their tasks are."""
    numbers = [(seed, 3) for seed in range(width)]
    states = []
    for way in ("columns", "taken from columns", "alone"):
        game = Game(EnvConfig(world=WORLD, simulator="agenda"), num_dialogues=width)
        drawn = WORLD.tasks("train").take([derived_key("t", seed) % 10_000 for seed, _ in numbers])
        both = Episodes(drawn, numbers)
        alone = [Episode(one.task, one.seed, one.episode) for one in both]
        episodes = {"columns": both, "taken from columns": list(both), "alone": alone}[way]
        game.engine.reset(game.engine.all_rows, episodes)
        assert game.engine.targets(0) == game.engine.task(0).targets
        cut = way == "taken from columns" and width == 1
        assert (game.engine.context_told(game.engine.all_rows) is not None) == (way == "columns" or cut)
        states.append(state_of(game.engine))
    for a, *others in zip(*states, strict=True):
        if a.dtype != object:
            for b in others:
                assert a.shape == b.shape
                assert (a == b).all()


def test_rows_of_one_seeker_and_of_many_agree() -> None:
    drawn = WORLD.tasks("train").take(range(40))
    together = load_simulator("agenda", CATALOG, num_dialogues=40, max_turns=5).simulator
    alone = load_simulator("agenda", CATALOG, num_dialogues=40, max_turns=5).simulator
    seekers = Episodes(drawn, [(i, 0) for i in range(40)]).seekers(with_targets=False)
    together.reset(np.arange(40), seekers)
    for i in range(40):
        one = Episodes(WORLD.tasks("train").take([i]), [(i, 0)]).seekers(with_targets=False)
        alone.reset(np.array([i]), one)
        assert one[0].targets == ()
    tastes: tuple[Any, Any] = (together._tastes, alone._tastes)  # type: ignore[attr-defined]
    for name in ("bar", "like_bar", "seen", "favourites", "_weights", "_utility"):
        assert (getattr(tastes[0], name) == getattr(tastes[1], name)).all(), name


def test_episodes_in_columns() -> None:
    episodes = Episodes(WORLD.tasks("test").take(NUMBERS), [(4, n) for n in NUMBERS])
    assert episodes.keys() == [episode.key for episode in episodes]
    assert episodes.keys()[0] == episode_key(4, 7, "sample/test/7") == derived_key(4, 7, "sample/test/7")
    assert isinstance(episodes[1], Episode)
    assert episodes[-1] is episodes[4]
    assert episodes.tasks[1] is episodes[1].task
    assert Episodes.of(episodes) is episodes


def test_made_on_demand_and_once() -> None:
    made: list[int] = []

    def make(i: int) -> str:
        made.append(i)
        return f"value {i}"

    values = OnDemand(3, make)
    assert values[1] == values[-2] == "value 1"
    behind = values[1:]
    assert made == [1]
    assert list(behind) == ["value 1", "value 2"]
    assert made == [1, 2]
    with pytest.raises(IndexError):
        values[3]


def test_draws_of_many_keys_are_those_of_each() -> None:
    keys = derived_keys(("a", 1), range(5))
    assert keys == [derived_key("a", 1, n) for n in range(5)]
    rows = np.empty((5, 3, 2), np.float32)
    fill_uniforms(rows, keys)
    for row, key in zip(rows, keys, strict=True):
        assert (row == generator(key).random((3, 2), dtype=np.float32)).all()


def test_odds_are_searched_for_by_a_table() -> None:
    rng = generator(3)
    wheels = [rng.integers(1, 50, n).astype(np.float64) for n in (1, 7, 1500)]
    odds = _Odds(wheels)
    draws = rng.random((4000, 3), dtype=np.float32)
    found = odds.outcomes(draws, np.arange(3))
    first = 0
    for column, (counts, drawn) in enumerate(zip(wheels, draws.T, strict=True)):
        starts = np.append(0.0, np.cumsum(counts / counts.sum())[:-1])
        assert (found[:, column] - first == np.searchsorted(starts, drawn, side="right") - 1).all()
        first += len(counts)
