"""What the command says of itself: help, lists, and output that any terminal and pipe can take."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Said

from crs_gym import ENV_IDS
from crs_gym.agent import AGENTS
from crs_gym.cli.bench import Bench, Speed, Startup
from crs_gym.cli.main import parse
from crs_gym.simulator import SIMULATORS

COMMANDS = {
    (): "Conversational recommendation",
    ("evaluate",): "Let agents meet the same users",
    ("report",): "one HTML page",
    ("verify",): "Replay every trace",
    ("play",): "Recommend to a simulated user",
    ("list",): "List environments, simulators and agents",
    ("data",): "Get and verify",
    ("data", "get"): "Download a corpus",
    ("data", "verify"): "Count a corpus's tasks",
    ("fidelity",): "Hold a simulator against people",
    ("train",): "Train a model",
    ("train", "simulator"): "Fine-tune a language model",
    ("models",): "Get and list the weights",
    ("models", "get"): "Have models on this machine",
    ("models", "list"): "List",
    ("bench",): "Measure speed",
    ("bench", "speed"): "Measure turns a second",
    ("bench", "startup"): "Measure seconds and memory",
    ("bench", "resolver"): "Measure precision and recall",
    ("demo",): "Let every agent talk",
}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_help_says_what_a_command_does_in_80_columns(
    command: Callable[..., Said], monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = command(*names, "--help")
    assert said.code == 0
    assert COMMANDS[names] in said.out
    usage, *others = said.out.splitlines()  # tyro wraps all but the list of commands in the first line
    assert usage.startswith("usage: crs-gym")
    assert max(map(len, others)) <= 80
    assert "None" not in said.out


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_the_list_names_everything_whole(
    command: Callable[..., Said], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    said = command("list")
    assert said.code == 0
    listed = {line.split()[0] for line in said.out.splitlines() if line.strip()}
    assert listed >= {*ENV_IDS, *SIMULATORS, *AGENTS}


def test_a_pipe_gets_no_control_characters(spawned: Callable[..., Said], tmp_path: Path) -> None:
    said = spawned("evaluate", "CRS-Sample-v0", "-a", "popularity", "-a", "ease", "--tasks", "5")
    assert said.code == 0
    assert CONTROL.search(said.out) is None
    assert CONTROL.search(said.err) is None


def test_a_terminal_without_unicode_gets_what_it_can_show(spawned: Callable[..., Said]) -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    said = spawned("evaluate", "CRS-Sample-v0", "-a", "popularity", "--tasks", "5", **ascii_only)
    assert said.code == 0, said.err
    assert said.out.isascii()
    assert "popularity" in said.out


@pytest.mark.parametrize("environment", [{"LC_ALL": "C"}, {"NO_COLOR": "1"}, {"HOME": ""}, {"COLUMNS": "40"}])
def test_it_runs_in_odd_surroundings(spawned: Callable[..., Said], environment: dict[str, str]) -> None:
    said = spawned("list", **environment)
    assert (said.code, said.err) == (0, "")
    assert "CRS-Sample-v0" in said.out


def test_the_bench_measures_the_start(command: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crs_gym.bench.startup.RUNS", 1)
    said = command("bench", "startup")
    assert said.code == 0
    assert re.fullmatch(r"(.+: \d+\.\d\d s, \d+ MB \(wanted: under .+ s\)\n){2}", said.out)


@pytest.mark.data
@pytest.mark.usefixtures("real_data")
def test_the_bench_measures_the_start_of_a_corpus_that_is_there(
    command: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crs_gym.bench.startup.RUNS", 1)
    last = command("bench", "startup").out.splitlines()[-1]
    found = re.fullmatch(
        r'load_world\("redial"\), first task: (\d+\.\d\d) s, (\d+) MB \(wanted: under 1 s, 400 MB\)', last
    )
    assert found is not None, last
    assert float(found[1]) > 0.0  # how long it takes says how busy the machine is: the command itself is the measure
    assert 20 < int(found[2]) < 400


def test_the_bench_measures_speed_if_nothing_is_named() -> None:
    assert parse(["bench"]) == Bench(Speed())
    assert parse(["bench", "speed", "--rounds", "1"]) == Bench(Speed(rounds=1))
    assert parse(["bench", "startup"]) == Bench(Startup())


def test_the_demo_writes_a_report_and_is_done_anew(command: Callable[..., Said]) -> None:
    first = command("demo", "--tasks", "12", "--out", "demo")
    assert first.code == 0, first.err
    page = Path("demo/report.html")
    assert str(page.resolve()) in first.out
    assert "Recommender: " in first.out
    before = page.read_bytes()
    again = command("demo", "--tasks", "12", "--out", "demo")
    assert again.code == 0, again.err
    assert page.read_bytes() == before
    wrong = command("demo", "--tasks", "0", "--out", "demo")
    assert (wrong.code, wrong.complaint) == (2, "crs-gym: --tasks 0: choose 1 to 2000")
    assert Path("demo/agenda/results.json").exists()
