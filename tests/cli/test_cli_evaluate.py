from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Said

Command = Callable[..., Said]
SAMPLE = ("evaluate", "CRS-Sample-v0")
POPULARITY = (*SAMPLE, "-a", "popularity")


@pytest.fixture
def run_folder(command: Command) -> Path:
    said = command(*POPULARITY, "-a", "random", "--tasks", "8", "--baseline", "random", "--out", "run")
    assert said.code == 0, said.err
    return Path("run")


def test_a_run_is_evaluated_resumed_reported_and_verified(command: Command) -> None:
    """The README's way through."""
    arguments = (*POPULARITY, "-a", "random", "--tasks", "8", "--baseline", "random", "--out", "runs/one")
    first = command(*arguments)
    assert first.code == 0
    assert "popularity" in first.out
    assert "crs-gym report runs/one" in first.out
    results = Path("runs/one/results.json").read_bytes()

    again = command(*arguments, "--resume")
    assert again.code == 0
    assert Path("runs/one/results.json").read_bytes() == results

    report = command("report", "runs/one")
    assert (report.code, report.out) == (0, "Report: runs/one/report.html\n")
    assert Path("runs/one/report.html").read_text().startswith("<!DOCTYPE html>")

    verified = command("verify", "runs/one")
    assert (verified.code, verified.err) == (0, "")
    assert verified.out == "runs/one: 16 traces played again, every figure is as recorded.\n"


def test_a_slip_is_mended_by_the_corrected_command(command: Command) -> None:
    """What was wrong with the first leaves no run in the folder."""
    arguments = (*POPULARITY, "--tasks", "4", "--out", "run")
    assert "Did you mean 'agenda'?" in command(*arguments, "--simulator", "agendaa").complaint
    said = command(*arguments, "--simulator", "agenda")
    assert said.code == 0, said.err


def test_a_report_without_traces_tells_what_is_lost(command: Command, run_folder: Path) -> None:
    shutil.rmtree(run_folder / "traces")
    said = command("report", "run")
    assert (said.code, said.out) == (0, "Report: run/report.html\n")
    assert said.complaint.startswith("crs-gym: run: the traces of popularity, random are gone from the run folder")
    assert "The traces of popularity, random are gone" in Path("run/report.html").read_text()


def test_a_page_is_not_written_onto_a_folder(command: Command, run_folder: Path) -> None:
    (run_folder / "report.html").mkdir()
    said = command("report", "run")
    assert said.code == 2
    assert "cannot write run/report.html: a folder stands there. Way out: move it" in said.complaint


def test_a_tampered_trace_is_found(command: Command, run_folder: Path) -> None:
    path = run_folder / "traces" / "popularity.jsonl"
    first, *rest = path.read_text().splitlines(keepends=True)
    trace = json.loads(first)
    trace["turns"][0]["reward"] += 1.0
    path.write_text(json.dumps(trace, separators=(",", ":"), ensure_ascii=False) + "\n" + "".join(rest))
    said = command("verify", "run")
    assert said.code == 1
    assert said.out == ""
    assert "traces/popularity.jsonl, line 1: turns[0].reward is" in said.err
    assert "crs-gym: run differs in" in said.err


def test_only_the_first_differences_are_listed(command: Command, run_folder: Path) -> None:
    for path in (run_folder / "traces").iterdir():
        if path.suffix == ".jsonl":
            traces = [json.loads(line) for line in path.read_text().splitlines()]
            for trace in traces:
                for turn in trace["turns"]:
                    turn["reward"] += 1.0
            path.write_text("".join(json.dumps(trace, separators=(",", ":")) + "\n" for trace in traces))
    said = command("verify", "run")
    assert said.code == 1
    assert len(said.err.splitlines()) == 21
    assert "more are not listed." in said.err


def test_a_policy_of_the_current_folder_plays(command: Command) -> None:
    Path("my_policy.py").write_text(
        "class Quiet:\n"
        "    def __init__(self, world): ...\n"
        "    def act(self, observations): return ['How about Heat (1995)?' for _ in observations]\n"
    )
    said = command(*SAMPLE, "-a", "my_policy:Quiet", "--tasks", "4", "--out", "run")
    assert said.code == 0, said.err
    assert [agent["name"] for agent in json.loads(Path("run/results.json").read_text())["agents"]] == ["Quiet"]


def test_what_an_agent_raises_is_shown_with_the_place_where_it_did(command: Command) -> None:
    """Its author sees the line, and that the run can go on."""
    Path("broken_policy.py").write_text(
        "class Broken:\n    def __init__(self, world): ...\n    def act(self, observations): return 1 / 0\n"
    )
    said = command(*SAMPLE, "-a", "broken_policy:Broken", "--tasks", "4", "--out", "run")
    assert said.code == 2
    assert 'broken_policy.py", line 3, in act' in said.err
    assert "crs-gym: the evaluation of agent 'Broken' stopped after 0 of 4 episodes: ZeroDivisionError" in said.err
    assert "They are kept" not in said.err  # nothing is


def test_a_wrong_number_of_turns_is_told_without_a_traceback(command: Command) -> None:
    Path("short_policy.py").write_text(
        "class Short:\n    def __init__(self, world): ...\n    def act(self, observations): return ['Hi!']\n"
    )
    said = command(*SAMPLE, "-a", "short_policy:Short", "--tasks", "4")
    assert said.code == 2
    assert "gave 1 turns for 4 observations" in said.complaint


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evaluate", "CRS-Sampel-v0", "-a", "popularity"), "Did you mean 'CRS-Sample-v0'?"),
        ((*SAMPLE, "-a", "popularty"), "Did you mean 'popularity'?"),
        ((*SAMPLE, "-a", "no_such_module:Agent"), "no agent is named 'no_such_module:Agent'"),
        ((*POPULARITY, "--simulator", "agend"), "Did you mean 'agenda'?"),
        ((*POPULARITY, "--simulator", "agenda:nois=0.1"), "Did you mean 'noise'"),
        ((*POPULARITY, "--simulator", "agenda:noise=2"), "noise=2: must be a probability"),
        ((*POPULARITY, "--baseline", "random"), "baseline 'random' is not among the agents: popularity"),
        ((*POPULARITY, "-a", "popularity"), "two agents are named popularity"),
        (SAMPLE, "--agent: name at least one"),
        ((*POPULARITY, "--resume"), "--resume: say with --out"),
        ((*POPULARITY, "--tasks", "0"), "tasks=0: choose 1 to 2000"),
        ((*POPULARITY, "--tasks", "-3"), "tasks=-3: choose 1 to 2000"),
        ((*POPULARITY, "--k", "0"), "k=0: must be a whole number of at least 1"),
        ((*POPULARITY, "--k", "1000000"), "k=1000000: must be at most 1024"),
        ((*POPULARITY, "--max-turns", "0"), "max_turns=0"),
        ((*POPULARITY, "--num-envs", "0"), "num_envs=0"),
        ((*POPULARITY, "--trials", "0"), "trials=0"),
        ((*POPULARITY, "--seed", "-1"), "seed=-1: must be a whole number of at least 0"),
        (("play", "--seed", "-1"), "--seed -1: must be a whole number of at least 0"),
        (("demo", "--seed", "-1"), "--seed -1: must be a whole number of at least 0"),
        ((*POPULARITY, "--protocol", "next-item"), "has no 'next-item' tasks"),
        ((*POPULARITY, "--protocol", "next-item", "--simulator", "silent"), "--simulator: the next-item protocol"),
        (("evaluat",), "no command is named 'evaluat'. Did you mean 'evaluate'?"),
    ],
)
def test_a_slip_gets_one_line_that_names_the_way_out(command: Command, arguments: tuple[str, ...], words: str) -> None:
    said = command(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert words in said.complaint


@pytest.mark.parametrize("arguments", [("--split", "nonsense"), ("--split", "Test"), ("--protocol", "offline")])
def test_an_invalid_choice_names_the_choices(command: Command, arguments: tuple[str, str]) -> None:
    said = command(*POPULARITY, *arguments)
    assert said.code == 2
    assert f"invalid choice '{arguments[1]}'" in said.out + said.err
    assert "Traceback" not in said.err


def test_a_folder_that_holds_a_run_is_not_overwritten(command: Command, run_folder: Path) -> None:
    before = (run_folder / "results.json").read_bytes()
    said = command(*POPULARITY, "--tasks", "8", "--out", "run")
    assert said.code == 2
    assert "run already holds a run. Way out: --resume goes on with it" in said.complaint
    other = command(*POPULARITY, "-a", "random", "--tasks", "9", "--baseline", "random", "--out", "run", "--resume")
    assert other.code == 2
    assert "tasks (8, now 9)" in other.complaint
    assert (run_folder / "results.json").read_bytes() == before


@pytest.mark.parametrize("out", ["a_file", "a_file/below", "/proc/nowhere"])
def test_a_place_that_cannot_be_written_to_is_named(command: Command, out: str) -> None:
    Path("a_file").touch()
    said = command(*POPULARITY, "--tasks", "2", "--out", out)
    assert said.code == 2
    assert f"cannot make the folder {out}" in said.complaint


@pytest.mark.parametrize("verb", ["report", "verify"])
@pytest.mark.parametrize("folder", ["nowhere", "empty", "a_file"])
def test_a_folder_without_a_run_is_named(command: Command, verb: str, folder: str) -> None:
    Path("empty").mkdir()
    Path("a_file").touch()
    said = command(verb, folder)
    assert said.code == 2
    assert f"{folder} holds no" in said.complaint


def test_a_report_goes_where_it_is_told(command: Command, run_folder: Path) -> None:
    assert command("report", "run", "--out", "page.html").out == "Report: page.html\n"
    Path("pages").mkdir()
    assert command("report", "run", "--out", "pages").out == "Report: pages/report.html\n"
    assert Path("page.html").read_bytes() == Path("pages/report.html").read_bytes()
    assert "is named twice" in command("report", "run", "run").complaint
    assert "give at least one folder" in command("report").complaint
