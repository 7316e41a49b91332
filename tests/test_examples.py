"""Each file of examples/ runs as it stands, by itself."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from crs_gym.evaluation import evaluate

ROOT = Path(__file__).parents[1]
ARGUMENTS = {
    "ask_by_hand.py": ["CRS-Sample-v0", "bm25", "genre", "genre,decade", "--tasks", "60"],
    "train_with_trl.py": ["run", "--updates", "1", "--users", "1", "--members", "2"],
    "train_both_sides.py": ["2", "30", "20"],
    "offline_cloning.py": ["ask-then-recommend", "100"],
    "compare_seeds.py": ["RUN", "--group", "rules", "popularity", "--group", "learned", "ease", "item-knn"],
}
"""What an example is called with, where it needs something."""

EXAMPLES = {
    "ask_by_hand.py": r"(?s)\nbm25 .+\ngenre .+\ngenre, .+\ndecade ",
    "compare_seeds.py": r"(?s) 40 episodes.+learned, seed 1 .+learned less rules .*[+-]\d\.\d{3} \(",
    "own_policy.py": r"(?s:\nLatestLike .+\npopularity .+\nease )",
    "vector_rollout.py": r"^mean return of \d{3} episodes: [+-]\d\.\d{3}\n$",
    "train_with_trl.py": r"^update 1: return [+-]\d\.\d{3}, well_formed \d\.\d\d\n",
    "train_both_sides.py": r"(?s)help alone: .+\nown less others .+like people: ",
    "offline_cloning.py": r"(?s)action as the teacher's: .+\nclone ",
    "both_sides.py": r"^User: (?s:.+)\nRecommender: (?s:.+)\noutcome: \w+, target shown: (True|False)\nreturns: \{",
}


ELSEWHERE = {"ppo_torch.py", "own_torch_policy.py"}
"""Those that test_torch_examples.py runs."""


def test_every_example_is_run() -> None:
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == set(EXAMPLES) | ELSEWHERE


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if name == "train_with_trl.py":
        pytest.importorskip("trl", reason='needs pip install "crs-gym[llm]"')
        request.getfixturevalue("smollm2")
    if name == "offline_cloning.py":
        pytest.importorskip("torch", reason='needs pip install "crs-gym[sb3]"')
        pytest.importorskip("minari", reason='needs pip install "crs-gym[minari]"')
    if name == "compare_seeds.py":
        evaluate("CRS-Sample-v0", ["popularity", "ease", "item-knn"], tasks=40, out=tmp_path / "RUN")
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *ARGUMENTS.get(name, [])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr or name == "train_with_trl.py"  # trl and transformers have some of their own
    assert re.search(EXAMPLES[name], done.stdout), done.stdout


def test_the_command_in_an_example_runs(tmp_path: Path) -> None:
    """`crs-gym evaluate … -a examples.own_policy:LatestLike`, from the repository's root."""
    text = (ROOT / "examples" / "own_policy.py").read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith("crs-gym ")]
    arguments = [*shlex.split(line, comments=True)[1:], "--tasks", "10", "--out", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-m", "crs_gym.cli", *arguments], cwd=ROOT, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "results.json").exists()
