from __future__ import annotations

from pathlib import Path

from hostile import HOSTILE_NAME
from hypothesis import given
from hypothesis import strategies as st

from crs_gym.leaderboard.dialogues import MOST_SEEKERS, PLAIN_DRAWS, draw_keys, scenes
from crs_gym.leaderboard.looks import looks_of
from crs_gym.leaderboard.runs import Key, read_run

KEYS: list[Key] = [(f"task/{i}", trial) for i in range(6) for trial in range(2)]
agents_successes = st.lists(
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from([True, False, None])), min_size=1, max_size=5
)


@given(agents_successes, st.integers(0, 5))
def test_seekers_are_common_and_each_once(successes: list[dict[Key, bool | None]], seed: int) -> None:
    keys = draw_keys(successes, seed)
    common = set.intersection(*(set(own) for own in successes))
    assert len(keys) == len(set(keys)) <= MOST_SEEKERS
    assert set(keys) <= common
    assert len(keys) >= min(PLAIN_DRAWS, len(common))


@given(agents_successes, st.integers(0, 5))
def test_first_seekers_do_not_depend_on_how_it_went(successes: list[dict[Key, bool | None]], seed: int) -> None:
    blind = [dict.fromkeys(own) for own in successes]
    assert draw_keys(successes, seed)[:PLAIN_DRAWS] == draw_keys(blind, seed)


def test_success_and_failure_are_looked_for() -> None:
    keys = [(f"task/{i}", 0) for i in range(100)]
    for rare in keys:  # the one success among a hundred, wherever it stands
        successes = [{key: key == rare for key in keys}, dict.fromkeys(keys, True)]
        chosen = draw_keys(successes, seed=0)
        assert rare in chosen
        assert len(chosen) <= PLAIN_DRAWS + 1


def test_other_seed_draws_other_seekers() -> None:
    own = [dict.fromkeys([(f"task/{i}", 0) for i in range(100)])]
    assert draw_keys(own, 0) != draw_keys(own, 1)


def test_scene_shows_what_the_trace_holds(talking: Path) -> None:
    run = read_run(talking)
    assert run.world is not None
    for scene in scenes(run, looks_of([run.results])):
        for dialogue in scene.dialogues:
            trace = run.traces(dialogue.look.name, [(scene.task_id, 0)])[scene.task_id, 0]
            assert dialogue.success == trace.success
            said = [bubble for bubble in dialogue.bubbles if bubble.side == "recommender"]
            assert len(said) == len(trace.turns) == dialogue.turns
            for bubble, turn in zip(said, trace.turns, strict=True):
                names = [run.world.catalog.names[item] for item in turn.agent.items]
                assert [chip.name for chip in bubble.chips] == names
                assert [chip.hit for chip in bubble.chips] == [item in trace.targets for item in turn.agent.items]
            repaired = [bubble.repaired for bubble in said]
            assert repaired == [dialogue.look.name == HOSTILE_NAME and turn == 1 for turn in range(len(said))]
            assert any(chip.hit for bubble in said for chip in bubble.chips) == trace.success
        assert scene.targets == [run.world.catalog.names[item] for item in run.world.task(scene.task_id).targets]
