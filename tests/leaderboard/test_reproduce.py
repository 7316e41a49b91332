from __future__ import annotations

import shlex
from pathlib import Path

import msgspec
import pytest

from crs_gym.cli.main import main
from crs_gym.config import EnvConfig
from crs_gym.evaluation import evaluate
from crs_gym.evaluation.run_folder import RunFolder
from crs_gym.leaderboard.reproduce import recipe


@pytest.mark.parametrize(
    ("settings", "how"),
    [
        ({"simulator": "agenda:noise=0.3", "k": 4, "max_turns": 2}, {"trials": 2, "seed": 5, "baseline": "popularity"}),
        ({}, {"protocol": "interactive", "split": "valid"}),
    ],
    ids=["all settings", "defaults"],
)
def test_command_makes_the_same_run(settings: dict[str, object], how: dict[str, object], tmp_path: Path) -> None:
    first = tmp_path / "first"
    evaluate(EnvConfig(**settings), ["popularity", "oracle"], tasks=4, out=first, **how)  # type: ignore[arg-type]
    made = recipe(RunFolder(first).config, str(tmp_path / "second run"))
    assert made.caveat == ""
    program, *arguments = shlex.split(made.command)
    assert program == "crs-gym"
    with pytest.raises(SystemExit) as done:
        main(arguments)
    assert not done.value.code
    assert (tmp_path / "second run" / "results.json").read_bytes() == (first / "results.json").read_bytes()


def test_arguments_of_agents_are_in_the_command(tmp_path: Path) -> None:
    first = tmp_path / "first"
    agents = ["ease:l2=500", "ease:l2=50,prior=0", "popularity"]
    evaluate(EnvConfig(), agents, tasks=4, out=first, baseline="ease:l2=500")
    made = recipe(RunFolder(first).config, str(tmp_path / "second"))
    assert made.caveat == ""
    words = shlex.split(made.command)
    assert [words[i + 1] for i, word in enumerate(words) if word == "--agent"] == agents
    assert words[words.index("--baseline") + 1] == "ease:l2=500"
    with pytest.raises(SystemExit) as done:
        main(words[1:])
    assert not done.value.code
    assert (tmp_path / "second" / "results.json").read_bytes() == (first / "results.json").read_bytes()


def test_what_the_command_cannot_say_is_said(talking: Path) -> None:
    config = RunFolder(talking).config
    assert "no registered agents" in recipe(config, "out").caveat
    own = msgspec.structs.replace(
        config, world="mine", simulator="custom", reward={"recommend": 2.0}, depth=99, agents=config.agents[:1]
    )
    caveat = recipe(own, "out").caveat
    for words in ("the world mine", "the user is one's own", "recommend 2", "depth of 99"):
        assert words in caveat
    assert "no registered agents" not in caveat
