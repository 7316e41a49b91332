"""Learning curves on the report page."""

from __future__ import annotations

import base64
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
