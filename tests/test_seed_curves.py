"""Learning curves over seeds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crs_gym.errors import TrainingError
from crs_gym.seed_curves import Curve, band, curves_of, draw_curves


def history(success: float, at: tuple[int, ...] = (100, 200)) -> list[dict[str, float]]:
    return [{"at": turns, "success": success, "turns": 3.0, "return": 0.1, "n": 9, "seconds": 1.0} for turns in at]


def test_the_middle_half_of_the_runs_counts() -> None:
    # Of 8 runs the middle 4 count: (0.3 + 0.4 + 0.5 + 0.6) / 4 = 0.45, however bad the worst and good the best are.
    curve = Curve("x", [history(s) for s in (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 9.9)])
    drawn = band(curve, "success")
    assert drawn.at.tolist() == [100, 200]
    assert drawn.mean == pytest.approx([0.45, 0.45])
    assert (drawn.low < drawn.mean).all()
    assert (drawn.high > drawn.mean).all()


def test_one_run_has_no_interval() -> None:
    drawn = band(Curve("x", [history(0.5)]), "success")
    assert np.array_equal(drawn.low, drawn.high)


def test_runs_are_drawn_within_their_environment() -> None:
    """Two envs, each with runs all alike: whatever is drawn within an env, the figure is the same."""
    runs = [history(0.2)] * 3 + [history(0.8)] * 3
    apart = band(Curve("x", runs, ["a"] * 3 + ["b"] * 3), "success")
    assert apart.low == pytest.approx(apart.high)
    together = band(Curve("x", runs), "success")
    assert (together.low < together.high).all()


def test_only_evaluations_that_all_have() -> None:
    assert band(Curve("x", [history(0.1, (100, 200)), history(0.2, (200, 300))]), "turns").at.tolist() == [200]
    with pytest.raises(TrainingError, match="eval-every"):
        band(Curve("x", [history(0.1, (100,)), history(0.2, (200,))]), "turns")


def test_a_picture_from_folders(tmp_path: Path) -> None:
    for number, learner in enumerate(("ppo", "ppo", "dqn")):
        folder = tmp_path / f"{learner}-{number}"
        folder.mkdir()
        (folder / "settings.json").write_text(json.dumps({"learner": learner, "env": "E"}))
        (folder / "history.json").write_text(json.dumps(history(0.1 * number)))
    folders = sorted(path for path in tmp_path.iterdir())
    assert [(curve.label, len(curve.runs)) for curve in curves_of(folders)] == [("dqn", 1), ("ppo", 2)]
    draw_curves(curves_of(folders), tmp_path / "curves.png", "title")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(TrainingError, match="holds no learning curve"):
        curves_of([tmp_path])


def test_drawing_one_curve(tmp_path: Path) -> None:
    draw_curves([Curve("x", [history(0.5)])], tmp_path / "one.png", "title")
    assert (tmp_path / "one.png").stat().st_size > 1_000
