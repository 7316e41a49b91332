"""Datasets that Minari loads: what they hold is what the environment plays, to the bit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_play import rewritten, row_of
from hypothesis import given
from hypothesis import strategies as st

from crs_gym.discrete.settings import DiscreteConfig
from crs_gym.errors import TraceError, UnknownNameError
from crs_gym.evaluation.run_folder import RunFolder
from crs_gym.export import export_minari
from crs_gym.export.folder import draft_of
from crs_gym.export.structured import StructuredEpisodes
from crs_gym.turns import AgentTurn

minari = pytest.importorskip("minari", reason='needs pip install "crs-gym[minari]"')

VIEW = DiscreteConfig(candidates="popularity", n_candidates=7)


def load(folder: Path) -> Any:
    return minari.MinariDataset(folder / "data")


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(np.array_equal(one, other))


def facts_of(dataset: Any) -> list[dict[str, Any]]:
    return list(dataset.storage.get_episode_metadata(dataset.episode_indices))


@pytest.mark.parametrize("view", ["discrete", "structured"])
def test_the_environment_plays_the_same_again(view: Any, discrete_run: Path, tmp_path: Path) -> None:
    made = export_minari([discrete_run], tmp_path / "asker-v0", view=view, discrete=VIEW)
    dataset = load(made.folder)
    env = dataset.recover_environment()
    assert (made.episodes, made.steps, made.exact) == (12, dataset.total_steps, dataset.total_steps)
    replayed = 0
    for episode, facts in zip(dataset, facts_of(dataset), strict=True):
        if "seed" not in facts:  # a second trial, which no reset begins
            assert facts["trial"] == 1
            continue
        observation, info = env.reset(seed=facts["seed"], options=facts["options"])
        assert info["task_id"] == facts["task_id"]
        assert same(observation, row_of(episode.observations, 0))
        for t in range(len(episode)):
            observation, reward, terminated, truncated, info = env.step(row_of(episode.actions, t))
            assert same(observation, row_of(episode.observations, t + 1))
            assert np.float32(reward) == episode.rewards[t]
            assert (terminated, truncated) == (episode.terminations[t], episode.truncations[t])
            for name, value in info["reward_terms"].items():
                assert np.float32(episode.infos["reward_terms"][name][t + 1]) == np.float32(value)
        assert (info["outcome"], info["success"]) == (facts["outcome"], facts["success"])
        replayed += 1
    assert replayed == 6


@pytest.mark.parametrize("view", ["discrete", "structured"])
def test_the_spaces_hold_what_is_in_the_dataset(view: Any, discrete_run: Path, tmp_path: Path) -> None:
    """Read back, that is: Minari makes new spaces from what it kept."""
    dataset = load(export_minari([discrete_run], tmp_path / "asker-v0", view=view, discrete=VIEW).folder)
    env = dataset.recover_environment()
    if view == "discrete":
        assert dataset.observation_space == env.observation_space
        assert dataset.action_space == env.action_space
    for episode in dataset:
        for t in range(len(episode) + 1):
            assert dataset.observation_space.contains(row_of(episode.observations, t))
        for t in range(len(episode)):
            action = row_of(episode.actions, t)
            assert dataset.action_space.contains(action)
            assert env.action_space.contains(action)


def test_the_view_is_found(discrete_run: Path, mixed_run: Path, tmp_path: Path) -> None:
    assert export_minari([discrete_run], tmp_path / "a-v0", discrete=VIEW).view == "discrete"
    assert export_minari([discrete_run], tmp_path / "b-v0").view == "structured"  # other settings than were played with
    assert export_minari([mixed_run], tmp_path / "c-v0", discrete=VIEW).view == "structured"
    assert export_minari([mixed_run], tmp_path / "d-v0", agents=["asker"], discrete=VIEW).view == "discrete"


def test_turns_that_are_none_of_the_view(mixed_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"of random, are none .* candidates=popularity, n_candidates=7.*--nearest"):
        export_minari([mixed_run], tmp_path / "a-v0", view="discrete", discrete=VIEW)
    assert list(tmp_path.glob("*-v0")) == []
    made = export_minari(
        [mixed_run], tmp_path / "b-v0", agents=["random"], view="discrete", nearest=True, discrete=wide()
    )
    dataset = load(made.folder)
    assert made.exact < made.steps == dataset.total_steps
    assert made.inexpressible == 0  # every film is a candidate, or has been shown
    names = RunFolder(mixed_run).traces("random")
    for episode, trace in zip(dataset, sorted(names, key=lambda t: t.task_id), strict=True):
        assert (episode.actions < wide().n_candidates).all()  # it never asks
        assert [turn.reward for turn in trace.turns] == pytest.approx(episode.rewards.tolist())
    with pytest.raises(ValueError, match="no episode has actions"):
        export_minari(
            [mixed_run],
            tmp_path / "c-v0",
            agents=["random"],
            view="discrete",
            nearest=True,
            discrete=DiscreteConfig(candidates="popularity", n_candidates=1),
        )


def wide() -> DiscreteConfig:
    return DiscreteConfig(candidates="popularity", n_candidates=900)


def test_a_repaired_turn_is_kept_and_counted(discrete_run: Path, tmp_path: Path) -> None:
    def repair(trace: Any, turn: int, said: AgentTurn) -> AgentTurn:
        return AgentTurn(said.utterance, said.items, well_formed=turn > 0)

    run = rewritten(discrete_run, tmp_path / "run", repair)
    made = export_minari([run], tmp_path / "a-v0", discrete=VIEW)
    assert (made.view, made.exact) == ("structured", made.steps - made.episodes)


def test_what_a_dataset_says_of_itself(discrete_run: Path, tmp_path: Path) -> None:
    dataset = load(export_minari([discrete_run], tmp_path / "asker-v7", discrete=VIEW).folder)
    metadata = dataset.storage.metadata
    assert dataset.id == "asker-v7"
    assert metadata["algorithm_name"] == "asker"
    assert metadata["crs_gym_setting"]["simulator"] == "scripted"
    assert dataset.env_spec.id == "CRS-Sample-Discrete-v0"
    assert dataset.env_spec.kwargs["split"] == "test"
    assert asdict(VIEW).items() <= dataset.env_spec.kwargs.items()
    assert "targets" not in json.dumps([metadata, facts_of(dataset)], default=str)


def test_minari_finds_it_by_its_id(discrete_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    made = export_minari([discrete_run])
    assert made.folder == tmp_path / "crs-sample-asker-v0"
    assert len(minari.load_dataset("crs-sample-asker-v0")) == 12
    assert list(minari.list_local_datasets()) == ["crs-sample-asker-v0"]


def test_the_order_does_not_depend_on_who_was_done_first(discrete_run: Path, tmp_path: Path) -> None:
    path = RunFolder(discrete_run).trace_path("asker")
    turned = rewritten(discrete_run, tmp_path / "run")
    RunFolder(turned).trace_path("asker").write_bytes(b"".join(reversed(path.read_bytes().splitlines(keepends=True))))
    datasets = [load(export_minari([run], tmp_path / f"{run.name}-v0").folder) for run in (discrete_run, turned)]
    assert facts_of(datasets[0]) == facts_of(datasets[1])


def test_errored_episodes_are_left_out(play: Callable[..., Path], tmp_path: Path) -> None:
    from chatter import MOODY

    run = play(tasks=12, simulator=MOODY)
    traces = RunFolder(run).traces("asker")
    errored = sum(trace.outcome == "errored" for trace in traces)
    assert 0 < errored < 12
    made = export_minari([run], tmp_path / "moody-v0", discrete=VIEW)
    assert (made.episodes, made.errored) == (12 - errored, errored)
    assert load(made.folder).env_spec is None  # a user of one's own has no name to be made by
    assert not np.isnan(np.concatenate([episode.rewards for episode in load(made.folder)])).any()


# ---------------------------------------------------------------- what goes wrong


def test_runs_that_cannot_be_exported(
    discrete_run: Path, play: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "a-v0"
    empty = rewritten(discrete_run, tmp_path / "empty")
    RunFolder(empty).trace_path("asker").write_bytes(b"")
    other = play(k=3)
    for runs, error, words in (
        ([], ValueError, "at least one folder"),
        ([tmp_path / "nothing"], TraceError, "holds no run"),
        ([discrete_run, discrete_run], ValueError, "twice"),
        ([empty], TraceError, "nothing to export, no dialogue"),
        ([discrete_run, other], TraceError, r"not of one game.*k \(4, now 3\)"),
    ):
        with pytest.raises(error, match=words):
            export_minari(runs, out)
    with pytest.raises(UnknownNameError, match="Did you mean 'asker'"):
        export_minari([discrete_run], out, agents=["aksr"])
    with pytest.raises(ValueError, match="view"):
        export_minari([discrete_run], out, view="pixels")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nearest"):
        export_minari([discrete_run], out, nearest=True)
    for name in ("plain", "sp ace-v0", "ünï-v", "-v"):
        with pytest.raises(ValueError, match="dataset's id"):
            export_minari([discrete_run], tmp_path / name)
    for missing in ("minari", "h5py"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, missing, None)
            with pytest.raises(ImportError, match=rf"needs {missing}.*crs-gym\[minari\]"):
                export_minari([discrete_run], out)
    assert not out.exists()


def test_nothing_is_written_over(discrete_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "a-v0"
    export_minari([discrete_run], out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(TraceError, match="there already"):
        export_minari([discrete_run], out)
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_an_export_that_fails_leaves_nothing(discrete_run: Path, tmp_path: Path) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if what == "write" and done == 3:
            assert not (tmp_path / "a-v0").exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_minari([discrete_run], tmp_path / "a-v0", progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == [".a-v0.lock"]
    (tmp_path / "file").touch()
    with pytest.raises(TraceError, match="cannot make the folder"):
        export_minari([discrete_run], tmp_path / "file" / "a-v0")


def test_what_a_killed_export_left_is_cleared_away(discrete_run: Path, tmp_path: Path) -> None:
    left = tmp_path / ".a-v0.draft" / "data"
    left.mkdir(parents=True)
    (left / "metadata.json").write_text("{")
    assert load(export_minari([discrete_run], tmp_path / "a-v0").folder).total_episodes == 12
    assert not left.exists()


def test_two_exports_never_write_one_dataset(tmp_path: Path) -> None:
    where = f"Path({str(tmp_path / 'a-v0')!r})"
    with draft_of(tmp_path / "a-v0"):
        code = f"from pathlib import Path; from crs_gym.export.folder import draft_of; draft_of({where}).__enter__()"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "another run is writing to" in done.stderr


def test_a_full_disk(discrete_run: Path, tmp_path: Path) -> None:
    code = f"""
import resource
from crs_gym.export import export_minari
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
export_minari([{str(discrete_run)!r}], {str(tmp_path / "a-v0")!r})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "TraceError: cannot write" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [".a-v0.lock"]


@pytest.mark.parametrize("view", ["discrete", "structured"])
def test_the_room_that_is_asked_for_is_enough(
    view: Any, discrete_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr("crs_gym.export.minari.reserve", lambda folder, size: asked.append(size))
    made = export_minari([discrete_run], tmp_path / "a-v0", view=view, discrete=VIEW)
    written = (made.folder / "data" / "main_data.hdf5").stat().st_size
    assert written < asked[0] < 4 * written


# ---------------------------------------------------------------- texts


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_any_words_are_characters_of_the_space(words: list[str]) -> None:
    from crs_gym.export.structured import text_space

    space = text_space(1_000, [words])
    assert all(space.contains(text) for text in words)


def test_structured_episodes_are_lazy(discrete_run: Path) -> None:
    from crs_gym.export.recorded import read_runs

    recorded = read_runs([discrete_run])
    episodes = StructuredEpisodes(recorded.world, recorded.setting).steps(recorded.traces)
    assert next(episodes).trace is recorded.traces[0]
