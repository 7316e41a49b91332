"""The zoo of stable-baselines3: a training from its settings to a folder, broken off and gone on with."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from sb3_play import LEARNERS, need_sb3, small_settings

from crs_agents.sb3.trainer import DQNTraining, MaskablePPOTraining, RecurrentPPOTraining
from crs_gym.errors import TrainingError
from crs_gym.trainer import whole_checkpoints

need_sb3()

import torch  # noqa: E402

from crs_agents.sb3 import run  # noqa: E402
from crs_agents.sb3.saved import HISTORY_FILE, MANIFEST_FILE, WEIGHTS_FILE  # noqa: E402


@pytest.fixture(scope="module", params=LEARNERS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("zoo") / str(request.param)
    small_settings(str(request.param), out).run()
    return out


def test_the_folder_holds_policy_curve_and_card(trained: Path) -> None:
    names = {path.name for path in trained.iterdir()} - {".lock"}
    assert names == {"settings.json", WEIGHTS_FILE, MANIFEST_FILE, HISTORY_FILE, "curve.png", "README.md"}
    history = json.loads((trained / HISTORY_FILE).read_text())
    assert [point["at"] for point in history] == [64, 128]
    assert all(0 <= point["success"] <= 1 <= point["turns"] <= 5 and point["n"] == 6 for point in history)
    manifest = json.loads((trained / MANIFEST_FILE).read_text())
    assert (manifest["learner"], manifest["env"]) == (trained.name, "CRS-Sample-Discrete-v0")
    assert manifest["facts"]["turns"] == 128
    assert (trained / "curve.png").read_bytes().startswith(b"\x89PNG")
    card = (trained / "README.md").read_text()
    assert f"crs-gym train {trained.name} --steps 128 --num-envs 8" in card
    assert "--hidden 16 " in card


def test_gone_on_with_it_gives_the_same_to_the_bit(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed behind its first checkpoint, in the middle of the second stretch."""
    settings = small_settings(trained.name, tmp_path / "again")
    begin, stretches = run._begin_anew, []

    def begins(*arguments: object) -> None:
        stretches.append(arguments)
        if len(stretches) == 2:
            raise KeyboardInterrupt
        begin(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(run, "_begin_anew", begins)
        with pytest.raises(KeyboardInterrupt):
            settings.run()
    assert [path.name for path in whole_checkpoints(settings.out)] == ["checkpoint-64"]
    assert not (settings.out / MANIFEST_FILE).exists()
    assert "learned in 64 turns" in settings.after_interrupt()
    np.random.random(3)  # noqa: NPY002  # what a library draws besides changes nothing
    settings.run()
    assert (settings.out / WEIGHTS_FILE).read_bytes() == (trained / WEIGHTS_FILE).read_bytes()
    figures = [
        [{name: value for name, value in point.items() if name != "seconds"} for point in json.loads(path.read_text())]
        for path in (settings.out / HISTORY_FILE, trained / HISTORY_FILE)
    ]
    assert figures[0] == figures[1]


def test_global_noise_is_left_alone(tmp_path: Path) -> None:
    def state() -> tuple[object, ...]:
        return (np.random.get_state()[1].tolist(), random.getstate(), torch.get_rng_state().tolist())  # noqa: NPY002

    before = state()
    small_settings("ppo", tmp_path / "out", steps=32).run()
    assert state() == before


def test_another_seed_learns_something_else(tmp_path: Path) -> None:
    for seed in (0, 1):
        small_settings("ppo", tmp_path / str(seed), steps=32, seed=seed).run()
    assert (tmp_path / "0" / WEIGHTS_FILE).read_bytes() != (tmp_path / "1" / WEIGHTS_FILE).read_bytes()


def test_a_finished_training_is_left_alone(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (trained / WEIGHTS_FILE).stat().st_mtime_ns
    small_settings(trained.name, trained, tensorboard=True).run()
    assert "nothing is left to do" in capsys.readouterr().out
    assert (trained / WEIGHTS_FILE).stat().st_mtime_ns == before
    with pytest.raises(TrainingError, match="seed"):
        small_settings(trained.name, trained, seed=1).run()


def test_a_damaged_checkpoint_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "_write", stop)
        with pytest.raises(KeyboardInterrupt):
            small_settings("ppo", tmp_path / "out", steps=32).run()
    (tmp_path / "out" / "checkpoint-32" / "state.safetensors").write_bytes(b"torn")
    with pytest.raises(TrainingError, match="checkpoint-32 is damaged"):
        small_settings("ppo", tmp_path / "out", steps=32).run()


def test_curves_for_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    small_settings("dqn", tmp_path / "out", tensorboard=True).run()
    assert any((tmp_path / "out" / "tensorboard").iterdir())


@pytest.mark.parametrize(
    ("env", "message"),
    [("CRS-Sample-v0", "is no Discrete id"), ("CRS-Smaple-Discrete-v0", "doesn't exist|did you mean|Discrete id")],
)
def test_an_id_that_cannot_be_learned(tmp_path: Path, env: str, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        MaskablePPOTraining(tmp_path / "out", env=env).run()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("candidates", ["eaze", "oracle"])
def test_candidates_that_there_are_not(tmp_path: Path, candidates: str) -> None:
    with pytest.raises(TrainingError, match=f"{candidates}.*Way out"):
        small_settings("ppo", tmp_path / "out", candidates=candidates).run()


def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "crs_agents.sb3.run", None)
    with pytest.raises(ImportError):
        small_settings("ppo", tmp_path / "out").run()  # a fault of ours is no missing extra
    monkeypatch.delitem(__import__("sys").modules, "crs_agents.sb3.run")
    for name in ("crs_agents.sb3.learners", "crs_agents.sb3.checkpoint"):
        monkeypatch.delitem(__import__("sys").modules, name, raising=False)
    monkeypatch.setitem(__import__("sys").modules, "stable_baselines3.common.base_class", None)
    with pytest.raises(TrainingError, match=r'stable_baselines3.*pip install "crs-gym\[sb3\]"'):
        small_settings("ppo", tmp_path / "out").run()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "--steps 0: must be at least 1"),
        ({"gamma": 1.5}, "--gamma 1.5: must be above 0, and at most 1"),
        ({"hidden": ()}, "--hidden"),
        ({"learning_rate": 0.0}, "--learning-rate 0.0"),
        ({"gae_lambda": float("nan")}, "--gae-lambda nan"),
        ({"seed": -1}, "--seed -1"),
    ],
)
def test_settings_out_of_range(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(TrainingError, match=message.replace(".", r"\.")):
        MaskablePPOTraining(tmp_path, **changes)  # type: ignore[arg-type]


def test_settings_of_the_others_out_of_range(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--buffer-size"):
        DQNTraining(tmp_path, buffer_size=10)
    with pytest.raises(TrainingError, match="--lstm"):
        RecurrentPPOTraining(tmp_path, lstm=0)
