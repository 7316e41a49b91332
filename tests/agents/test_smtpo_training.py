"""`crs-gym train smtpo`, on a tiny model: it learns, goes on after a kill, and what comes out plays."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crs_agents.smtpo.agent import build
from crs_agents.smtpo.options import read_options
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
        world="sample",
        base=str(tiny_model.base),
        n=5,
        listed=3,
        episodes=24,
        updates=6,
        valid_episodes=4,
        batch_size=2,
        learning_rate=5e-3,
        rank=4,
        layers="all",
        dtype="fp32",
        eval_every=3,
        save_every=2,
        without_target=1.0,
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
    assert (manifest["updates"], manifest["candidates"], manifest["prompt_version"]) == (6, "ease", 1)
    assert read_options(trained).n == 5
    card = (trained / "README.md").read_text()
    assert "crs-gym train smtpo --out DIR --stage sft" in card
    assert "--updates 6" in card
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
    from crs_agents.smtpo import sft

    def killed(self: object, args: object, state: Any, control: object, **_: object) -> None:
        if state.global_step == 5:
            raise KeyboardInterrupt

    again = replace(settings, out=tmp_path / "killed")
    with monkeypatch.context() as patch:
        patch.setattr(sft.Told, "on_step_end", killed)
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
        ({"inserted": 2.0}, "--inserted 2.0"),
        ({"learning_rate": 0.0}, "--learning-rate"),
        ({"batch_size": 8, "at_once": 3}, "--at-once 3"),
    ):
        with pytest.raises(TrainingError, match=words):
            SmtpoTraining(out=tmp_path, **wrong)  # type: ignore[arg-type]


def test_who_recalls_candidates(tmp_path: Path) -> None:
    assert SmtpoTraining(out=tmp_path).recalling() == "ease"
    assert SmtpoTraining(out=tmp_path, candidates="bm25").recalling() == "bm25"
    assert SmtpoTraining(out=tmp_path, stage="all").recalling() == "retriever"
    (tmp_path / "retriever").mkdir()
    assert SmtpoTraining(out=tmp_path).recalling() == "retriever"
