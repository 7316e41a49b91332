"""`crs-gym train smtpo`, on a tiny model: it learns, goes on after a kill, and what comes out plays."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crs_agents.smtpo.agent import build
from crs_agents.smtpo.options import read_options
from crs_agents.smtpo.prompts import VERSION
from crs_agents.smtpo.settings import FineTuning, Reinforcement
from crs_agents.smtpo.trainer import SmtpoTraining
from crs_gym.errors import TrainingError
from crs_gym.trainer import whole_checkpoints
from crs_gym.worlds import World


@pytest.fixture(scope="module")
def settings(tiny_model: Any, tmp_path_factory: pytest.TempPathFactory) -> SmtpoTraining:
    """Six updates, with checkpoints in between."""
    pytest.importorskip("trl", reason='needs trl (pip install "crs-gym[llm]")')
    return SmtpoTraining(
        out=tmp_path_factory.mktemp("smtpo") / "whole",
        stage="sft",
        env="CRS-Sample-v0",
        base=str(tiny_model.base),
        candidates="ease",
        n=5,
        listed=3,
        dtype="fp32",
        sft=FineTuning(
            episodes=24,
            updates=6,
            valid_episodes=4,
            batch_size=2,
            learning_rate=5e-3,
            rank=4,
            layers="all",
            eval_every=3,
            save_every=2,
            without_target=1.0,
        ),
        grpo=Reinforcement(updates=2, users=2, members=2, accumulate=2, max_tokens=12, turns=2, save_every=1),
    )


@pytest.fixture(scope="module")
def trained(settings: SmtpoTraining) -> Path:
    settings.run()
    return settings.out / "sft"


def weights(folder: Path) -> bytes:
    return (folder / "adapter_model.safetensors").read_bytes()


def test_it_learns(trained: Path) -> None:
    history = json.loads((trained / "history.json").read_text())
    losses = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    assert len(losses) == 3
    assert losses[-1] < losses[0]


def test_what_comes_out_is_told(trained: Path, settings: SmtpoTraining) -> None:
    manifest = json.loads((trained / "manifest.json").read_text())
    assert (manifest["updates"], manifest["candidates"], manifest["prompt_version"]) == (6, "ease", VERSION)
    assert read_options(trained).n == 5
    card = (trained / "README.md").read_text()
    assert "crs-gym train smtpo --out DIR --stage sft" in card
    assert "--sft.updates 6" in card
    assert (trained / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert not whole_checkpoints(trained)


def test_what_comes_out_plays(trained: Path, sample: World, observations: list[Any]) -> None:
    for directory in (trained, trained.parent):
        agent = build(sample, f"{directory},max_tokens=8")
        assert len(agent.act(observations[:3])) == 3


def test_an_ended_training_is_left_alone(
    trained: Path, settings: SmtpoTraining, capsys: pytest.CaptureFixture[str]
) -> None:
    before = weights(trained)
    settings.run()
    assert "nothing is left to do" in capsys.readouterr().out
    assert weights(trained) == before


def test_a_killed_training_goes_on_to_the_same_weights(
    trained: Path, settings: SmtpoTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crs_gym.lm.progress import UpdatesBar

    def killed(self: object, args: object, state: Any, control: object, **_: object) -> None:
        if state.global_step == 5:
            raise KeyboardInterrupt

    again = replace(settings, out=tmp_path / "killed")
    with monkeypatch.context() as patch:
        patch.setattr(UpdatesBar, "on_step_end", killed)
        with pytest.raises(KeyboardInterrupt):
            again.run()
    assert "Update 4 is kept" in again.after_interrupt()
    torn = again.out / "sft" / "checkpoint-5"
    torn.mkdir()
    (torn / "trainer_state.json").write_text('{"best')
    again.run()
    assert weights(again.out / "sft") == weights(trained)


def test_other_settings_are_kept_out(trained: Path, settings: SmtpoTraining) -> None:
    with pytest.raises(TrainingError, match="other settings"):
        replace(settings, seed=1).run()


def test_settings_out_of_range_are_refused(tmp_path: Path) -> None:
    for wrong, words in (
        ({"n": 0}, "--n 0"),
        ({"listed": 21}, "no more listed than n"),
    ):
        with pytest.raises(TrainingError, match=words):
            SmtpoTraining(out=tmp_path, **wrong)  # type: ignore[arg-type]
    for wrong, words in (
        ({"inserted": 2.0}, "--sft.inserted 2.0"),
        ({"learning_rate": 0.0}, "--sft.learning-rate"),
        ({"batch_size": 8, "at_once": 3}, "--sft.at-once 3"),
    ):
        with pytest.raises(TrainingError, match=words):
            FineTuning(**wrong)  # type: ignore[arg-type]
    for wrong, words in (
        ({"members": 1}, "--grpo.members 1"),
        ({"turns": 0}, "--grpo.turns 0"),
        ({"weights": {"taste": 1.0}}, "--grpo.weights taste"),
        ({"weights": {"format": float("nan")}}, "--grpo.weights format nan"),
    ):
        with pytest.raises(TrainingError, match=words):
            Reinforcement(**wrong)  # type: ignore[arg-type]


def test_who_recalls_candidates(tmp_path: Path) -> None:
    assert SmtpoTraining(out=tmp_path, stage="sft").recalling() == "ease"
    assert SmtpoTraining(out=tmp_path, candidates="bm25").recalling() == "bm25"
    assert SmtpoTraining(out=tmp_path, stage="all").recalling() == "retriever"
    (tmp_path / "retriever").mkdir()
    assert SmtpoTraining(out=tmp_path, stage="sft").recalling() == "retriever"


def test_users_teach_what_was_fine_tuned(trained: Path, settings: SmtpoTraining, sample: World) -> None:
    replace(settings, stage="grpo").run()
    out = settings.out / "grpo"
    history = json.loads((out / "history.json").read_text())
    assert [entry["step"] for entry in history if "loss" in entry] == [1, 2]
    assert read_options(out) == read_options(trained)
    begun = json.loads((out / "settings.json").read_text())
    assert begun["environment"]["simulator"] == "agenda"
    assert begun["environment"]["max_turns"] == 2
    assert build(sample, f"{settings.out},max_tokens=8").act([]) == []


def test_the_stage_before_is_asked_for(settings: SmtpoTraining, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--stage sft"):
        replace(settings, out=tmp_path, stage="grpo").run()


def test_several_processes_are_for_users_alone(settings: SmtpoTraining, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(TrainingError, match="takes one process"):
        settings.run()


def test_all_weights_are_trained_where_no_adapter_is_wanted(
    settings: SmtpoTraining, tmp_path: Path, sample: World
) -> None:
    whole = replace(
        settings,
        out=tmp_path / "whole",
        sft=replace(settings.sft, rank=0, updates=2),
        grpo=replace(settings.grpo, updates=1, weights={"preference": 0.0, "format": 0.5}),
    )
    for stage in ("sft", "grpo"):
        replace(whole, stage=stage).run()  # type: ignore[arg-type]
    moved = whole.out.rename(tmp_path / "moved")
    assert read_options(moved / "grpo").base == ""
    assert build(sample, f"{moved},max_tokens=8").act([]) == []
    reward = json.loads((moved / "grpo" / "settings.json").read_text())["environment"]["reward"]
    assert (reward["preference"], reward["format"], reward["recommend"]) == (0.0, 0.5, 1.0)
