"""Learning curves on the report page."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from crs_gym.errors import TraceError
from crs_gym.leaderboard import write_report
from crs_gym.leaderboard.trainings import curves_of
from crs_gym.trl.curves import draw_curves


@pytest.fixture
def training(tmp_path: Path) -> Path:
    """A training with two stages."""
    for stage in ("sft", "grpo"):
        (tmp_path / "run" / stage).mkdir(parents=True)
        draw_curves(
            [{"step": 1, "reward": 0.1}, {"step": 2, "reward": 0.2}], tmp_path / "run" / stage / "curve.png", ""
        )
    return tmp_path / "run"


def test_the_page_carries_the_pictures(training: Path, talking: Path, tmp_path: Path) -> None:
    page = write_report([talking], tmp_path / "report.html", trainings=[training]).read_text("utf-8")
    pictures = re.findall(r'<img src="data:image/png;base64,([^"]+)"', page)
    assert [base64.b64decode(picture) for picture in pictures] == [
        (training / stage / "curve.png").read_bytes() for stage in ("sft", "grpo")
    ]
    assert "run/sft" in page
    assert "Learning curves" not in write_report([talking], tmp_path / "without.html").read_text("utf-8")


def test_a_folder_without_a_curve_is_named(training: Path, tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no learning curve"):
        curves_of([tmp_path / "nowhere"])
    (training / "sft" / "curve.png").write_bytes(b"<svg>")
    with pytest.raises(TraceError, match="is no picture"):
        curves_of([training])


def test_seeds_of_one_learner_become_one_curve(training: Path, tmp_path: Path) -> None:
    runs = []
    for seed in range(3):
        run = tmp_path / f"ppo-{seed}"
        run.mkdir()
        figures = {"success": 0.1 * seed, "turns": 3.0, "return": 0.1}
        (run / "settings.json").write_text(json.dumps({"learner": "ppo", "env": "E"}))
        (run / "history.json").write_text(json.dumps([{"at": at, **figures} for at in (100, 200)]))
        draw_curves([{"step": 1, "reward": 0.1}, {"step": 2, "reward": 0.2}], run / "curve.png", "")
        runs.append(run)
    alone, together = curves_of([runs[0], training]), curves_of([*runs, training])
    assert [curve.title for curve in alone] == ["ppo-0", "run/sft", "run/grpo"]
    assert [curve.title for curve in together] == [
        "run/sft",
        "run/grpo",
        "ppo, 3 seeds: interquartile mean with 95% interval",
    ]
    assert base64.b64decode(together[-1].address.partition(",")[2]).startswith(b"\x89PNG")
