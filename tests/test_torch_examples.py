"""The examples that learn on the Discrete view run as they stand, for a few updates."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"

RUNS = {
    "ppo_torch.py": (
        ["--turns", "64", "--num-envs", "8", "--n-steps", "4", "--hidden", "8", "--tasks", "10"],
        r"turns +64: return [+-]\d\.\d{3} \([\d,]+ turns/s\)\n(?s:.+)\nppo_torch .+\n(?s:.+)\nask-then-",
    ),
    "own_torch_policy.py": (["1"], r"\nmine (?s:.+)\nease (?s:.+)\nask-then-"),
}
"""What each is called with, and what it prints."""


@pytest.mark.parametrize("name", RUNS)
def test_an_example_learns_and_is_evaluated(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason='needs pip install "crs-gym[sb3]"')
    arguments, printed = RUNS[name]
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert re.search(printed, done.stdout), done.stdout


def test_the_own_policy_is_short() -> None:
    """It is there to be copied."""
    assert len((EXAMPLES / "own_torch_policy.py").read_text(encoding="utf-8").splitlines()) < 60
