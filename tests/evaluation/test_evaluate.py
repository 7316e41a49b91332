from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crs_gym.agent import Agent, NamedAgent, Observation, load_agent
from crs_gym.catalog import Catalog
from crs_gym.config import EnvConfig
from crs_gym.errors import EvaluationError, SimulatorError, TraceError, UnknownNameError
from crs_gym.evaluation import evaluate, read_results, results_from_traces
from crs_gym.evaluation.progress import progress_bar
from crs_gym.evaluation.results import Figure, encode_results
from crs_gym.evaluation.run import Contender
from crs_gym.evaluation.run_folder import RunFolder, file_name
from crs_gym.numeric import IntArray
from crs_gym.simulator import Seeker, SimulatorEntry
from crs_gym.task import Dialogue, Message, Profile, Split, Task, TaskKind
from crs_gym.trace_store import read_traces
from crs_gym.turns import AgentTurn, AgentTurns, UserTurn, UserTurns
from crs_gym.worlds import load_world
from crs_gym.worlds.world import Sessions

SAMPLE = "CRS-Sample-v0"


class HandWorld:
    """Sixty items and six seekers: seeker `s` named item `s` and wants item `10 + s`."""

    name = "hand"
    fingerprint = "0123456789abcdef"

    def __init__(self) -> None:
        rows = [(str(i), f"Film {i}", 1950 + i, {"genre": ["drama" if i % 2 else "comedy"]}) for i in range(60)]
        self.catalog = Catalog.from_rows(rows, popularity=[float(60 - i) for i in range(60)])

    def tasks(self, split: Split, kind: TaskKind = "interactive") -> Sequence[Task]:
        return [self.task(f"hand/{split}/{kind}/{s}") for s in range(6)]

    def task(self, task_id: str) -> Task:
        seeker = int(task_id.rsplit("/", 1)[1])
        context = (Message("user", f"I liked Film {seeker}.", (seeker,)),)
        return Task(task_id, "test", context, Profile(likes=(seeker,)), (10 + seeker,))

    def dialogues(self, split: Split) -> Sequence[Dialogue]:
        return ()

    def sessions(self) -> Sessions:
        return Sessions(np.zeros(1, np.int64), np.zeros(0, np.int64))


class TopItems:
    """Ranks items 0, 1, 2, …"""

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        return [AgentTurn("Try these.", tuple(range(o.k)), tuple(range(o.depth))) for o in observations]


class AfterSome:
    """Acts as `TopItems` a few times, then fails."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        self.calls -= 1
        if self.calls < 0:
            raise RuntimeError("out of memory")
        return TopItems().act(observations)


class FailsFor:
    """A user that says nothing of use, and cannot answer seekers who liked item 3."""

    revision = "1"

    def __init__(self, catalog: Catalog, *, num_dialogues: int, max_turns: int) -> None:
        self.liked = [0] * num_dialogues

    def reset(self, rows: IntArray, seekers: Sequence[Seeker]) -> None:
        for row, seeker in zip(rows.tolist(), seekers, strict=True):
            self.liked[row] = seeker.profile.likes[0]

    def open(self, rows: IntArray) -> UserTurns:
        return UserTurns.of([UserTurn("Hello.")] * len(rows))

    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        failed = SimulatorError("the endpoint is down")
        return UserTurns.of([failed if self.liked[row] == 3 else UserTurn("Go on.") for row in rows.tolist()])


def lines(directory: Path, agent: str) -> list[bytes]:
    return sorted(RunFolder(directory).trace_path(agent).read_bytes().splitlines())


def test_figures_of_a_hand_made_world(tmp_path: Path) -> None:
    """Next-item, six seekers: seeker s has s named, so item 10 + s stands at rank 10 + s (one item less before it)."""
    agent = NamedAgent("top", TopItems())
    results = evaluate(EnvConfig(world=HandWorld()), [agent], protocol="next-item", out=tmp_path / "run")
    found = results.agent("top").metrics
    assert results.setting.simulator == "silent"
    assert (results.setting.k, results.setting.max_turns, results.setting.depth) == (10, 1, 50)
    assert results.complete
    assert found["recall@1"].mean == 0
    assert found["recall@10"].mean == pytest.approx(1 / 6, abs=1e-6)  # only seeker 0's is at rank 10
    assert found["recall@50"].mean == 1
    # Ranks 10 to 15: MRR@50 = (1/10 + 1/11 + … + 1/15) / 6.
    assert found["mrr@50"].mean == pytest.approx(sum(1 / rank for rank in range(10, 16)) / 6, abs=1e-6)
    assert found["mrr@50"].n == 6
    assert results.agent("top").diversity.distinct == 10  # ten places, the same ten items each time
    assert results.agent("top").diversity.identical_lists == 1
    assert results_from_traces(tmp_path / "run", world=HandWorld()) == results


def test_an_errored_episode_is_counted_and_not_scored() -> None:
    entry = SimulatorEntry(FailsFor, "fails for one seeker")
    config = EnvConfig(world=HandWorld(), simulator=entry, max_turns=2)
    result = evaluate(config, [NamedAgent("top", TopItems())], trials=2).agents[0]
    assert (result.episodes, result.scored, result.errored) == (12, 10, 2)
    assert result.metrics["turns"] == Figure(2.0, 2.0, 2.0, 10)
    assert result.metrics["accepted"] == Figure(0.0, 0.0, 0.0, 10)
    assert result.metrics["regret"] == Figure(None, None, None, 0)
    assert [turn.at_turn["recall@50"].n for turn in result.by_turn] == [10, 10]


def test_results_do_not_depend_on_how_many_dialogues_go_on_at_once(tmp_path: Path) -> None:
    runs = []
    for num_envs in (1, 7):
        out = tmp_path / str(num_envs)
        evaluate(
            SAMPLE, ["random", "popularity"], tasks=12, trials=2, num_envs=num_envs, out=out, baseline="popularity"
        )
        runs.append(out)
    one, many = runs
    assert lines(one, "random") == lines(many, "random")
    assert (one / "results.json").read_bytes() == (many / "results.json").read_bytes()
    assert (one / "run.json").read_bytes() == (many / "run.json").read_bytes()
    in_memory = evaluate(SAMPLE, ["random", "popularity"], tasks=12, trials=2, baseline="popularity")
    assert encode_results(in_memory) == (one / "results.json").read_bytes()


def test_agents_meet_the_same_tasks_and_fewer_tasks_are_part_of_more(tmp_path: Path) -> None:
    played = {}
    for tasks in (4, 9):
        out = tmp_path / str(tasks)
        evaluate(SAMPLE, ["random", "popularity"], tasks=tasks, out=out)
        for agent in ("random", "popularity"):
            played[tasks, agent] = {trace.task_id for trace in RunFolder(out).traces(agent)}
    assert played[4, "random"] == played[4, "popularity"]
    assert len(played[4, "random"]) == 4
    assert played[4, "random"] < played[9, "random"]


def test_trials_differ_in_noise_and_share_the_task(tmp_path: Path) -> None:
    evaluate(SAMPLE, ["random"], tasks=2, trials=3, out=tmp_path / "run")
    traces = RunFolder(tmp_path / "run").traces("random")
    assert sorted({trace.episode for trace in traces}) == [0, 1, 2]
    assert len({trace.task_id for trace in traces}) == 2
    shown = {tuple(turn.agent.items for turn in t.turns) for t in traces if t.task_id == traces[0].task_id}
    assert len(shown) == 3


def test_results_read_back_with_their_times(tmp_path: Path) -> None:
    results = evaluate(SAMPLE, ["random"], tasks=5, out=tmp_path / "run")
    assert read_results(tmp_path / "run") == results
    assert isinstance(results.timing, dict)
    assert results.timing["random"].episodes == 5
    assert b"seconds" not in (tmp_path / "run" / "results.json").read_bytes()
    assert json.loads((tmp_path / "run" / "results.json").read_bytes())["schema"] == 1


def test_comparisons_have_the_sign_of_the_difference(tmp_path: Path) -> None:
    agents: list[Contender] = [NamedAgent("top", TopItems()), "oracle", "popularity"]
    results = evaluate(EnvConfig(world=HandWorld(), simulator="silent"), agents, baseline="top")
    assert results.agent("top").versus_baseline == {}
    oracle = results.agent("oracle (sees targets)")
    assert oracle.target_aware
    against = oracle.versus_baseline["recall@1"]
    # The oracle ranks the one target first each time, items 0, 1, 2, … never do: six differences of 1.
    assert (against.difference, against.low, against.high, against.n) == (1.0, 1.0, 1.0, 6)
    assert against.p is not None
    assert against.p == pytest.approx(2 / 64, abs=0.01)  # 2 of 2^6 sign patterns
    assert against.p_holm == pytest.approx(2 * against.p)  # two agents are compared
    # `popularity` ranks as `top` does here, but skips what was named.
    assert results.agent("popularity").versus_baseline["recall@50"].difference == 0
    assert results.agent("popularity").versus_baseline["recall@50"].p == 1


def test_resuming_a_finished_run_plays_nothing(tmp_path: Path) -> None:
    out = tmp_path / "run"
    evaluate(SAMPLE, ["random"], tasks=4, out=out)
    before = {path: path.read_bytes() for path in out.rglob("*.json*")}
    calls: list[tuple[str, int, int]] = []
    evaluate(SAMPLE, ["random"], tasks=4, out=out, resume=True, progress=lambda *call: calls.append(call))
    assert calls == [("random", 4, 4)]
    assert {path: path.read_bytes() for path in out.rglob("*.json*")} == before


KILLED = """
import time
from crs_gym.agent import Agent, NamedAgent, load_agent
from crs_gym.evaluation import evaluate
from crs_gym.worlds import load_world

class Slow:
    agent = load_agent("random", load_world("sample")).agent
    def act(self, observations):
        time.sleep(0.05)
        return self.agent.act(observations)

evaluate("CRS-Sample-v0", [NamedAgent("random", Slow()), "popularity"], tasks=30, num_envs=4, out={out!r})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_run_that_was_killed_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    process = subprocess.Popen([sys.executable, "-c", KILLED.format(out=str(killed))])
    path = killed / "traces" / "random.jsonl"
    deadline = time.monotonic() + 60
    while not path.exists() or path.read_bytes().count(b"\n") < 8:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    safe = path.read_bytes()
    assert 8 <= safe.count(b"\n") < 30
    assert not results_from_traces(killed).complete
    path.write_bytes(safe + b'{"schema":1,"versi')  # as if the kill had come in the middle of a line
    with pytest.raises(TraceError, match="--resume"):
        evaluate(SAMPLE, ["random", "popularity"], tasks=30, out=killed)
    resumed = evaluate(SAMPLE, ["random", "popularity"], tasks=30, out=killed, resume=True)
    evaluate(SAMPLE, ["random", "popularity"], tasks=30, out=undisturbed)
    assert resumed.complete
    assert path.read_bytes().startswith(safe)
    for agent in ("random", "popularity"):
        assert lines(killed, agent) == lines(undisturbed, agent)
    assert (killed / "results.json").read_bytes() == (undisturbed / "results.json").read_bytes()


FULL = """
import resource
from crs_gym.errors import TraceError
from crs_gym.evaluation import evaluate

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    evaluate("CRS-Sample-v0", ["random"], tasks=30, out={out!r})
except TraceError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a process's files")
def test_a_run_whose_disk_was_full_goes_on_when_there_is_space(tmp_path: Path) -> None:
    full, undisturbed = tmp_path / "full", tmp_path / "undisturbed"
    code = FULL.format(out=str(full))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    safe = (full / "traces" / "random.jsonl").read_bytes()
    assert 0 < len(safe) <= 20_000
    assert f"{len(lines(full, 'random'))} traces are safe in it" in done.stdout, done.stderr
    evaluate(SAMPLE, ["random"], tasks=30, out=full, resume=True)
    evaluate(SAMPLE, ["random"], tasks=30, out=undisturbed)
    assert (full / "traces" / "random.jsonl").read_bytes().startswith(safe)
    assert lines(full, "random") == lines(undisturbed, "random")
    assert (full / "results.json").read_bytes() == (undisturbed / "results.json").read_bytes()


def test_resuming_with_other_settings_names_them(tmp_path: Path) -> None:
    out = tmp_path / "run"
    evaluate(SAMPLE, ["random"], tasks=2, out=out)
    config = EnvConfig(max_turns=3)
    with pytest.raises(TraceError, match=r"max_turns \(5, now 3\), seed \(0, now 7\)"):
        evaluate(config, ["random"], tasks=2, seed=7, out=out, resume=True)
    with pytest.raises(TraceError, match=r"agents \(\[random\], now \[popularity\]\)"):
        evaluate(SAMPLE, ["popularity"], tasks=2, out=out, resume=True)


def test_an_agent_that_fails_is_named_and_what_it_played_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "run"
    failing = NamedAgent("fragile", AfterSome(2))
    config = EnvConfig(world=HandWorld(), simulator="silent", max_turns=1)
    with pytest.raises(
        EvaluationError, match=r"agent 'fragile' stopped after 4 of 6 episodes: RuntimeError: out of mem"
    ):
        evaluate(config, [failing], num_envs=2, out=out)
    assert len(RunFolder(out).traces("fragile")) == 4
    assert results_from_traces(out, world=HandWorld()).agents[0].episodes == 4
    results = evaluate(config, [NamedAgent("fragile", AfterSome(9))], num_envs=2, out=out, resume=True)
    assert results.agents[0].episodes == 6
    assert isinstance(results.timing, dict)
    assert results.timing["fragile"].episodes == 6


def test_an_agent_that_answers_with_nonsense_is_named() -> None:
    class Nonsense:
        def act(self, observations: Sequence[Observation]) -> list[Any]:
            return [AgentTurn("", (10_000_000,)) for _ in observations]

    with pytest.raises(EvaluationError, match=r"'mad'.*after 0 of 6.*10000000"):
        evaluate(EnvConfig(world=HandWorld(), simulator="silent"), [NamedAgent("mad", Nonsense())])


def test_numpy_numbers_are_as_good_as_others(tmp_path: Path) -> None:
    class Numpy:
        def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
            order: Any = np.arange(50, dtype=np.int64)
            return [AgentTurn("Try these.", order[: o.k], order) for o in observations]

    agents: list[Agent] = [Numpy(), TopItems()]
    config = EnvConfig(world=HandWorld(), simulator="silent")
    results = [
        evaluate(config, [NamedAgent("top", agents[0])], seed=np.int64(0), tasks=np.int32(6), out=tmp_path / "0")
    ]  # type: ignore[arg-type]
    results.append(evaluate(config, [NamedAgent("top", agents[1])], seed=0, tasks=6, out=tmp_path / "1"))
    assert encode_results(results[0]) == encode_results(results[1])


def test_two_runs_never_share_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "run"
    met: list[str] = []

    def meanwhile(agent: str, done: int, total: int) -> None:
        if not met:
            met.append("…")
            with pytest.raises(TraceError, match="another run is writing") as error:
                evaluate(SAMPLE, ["random"], tasks=2, out=out, resume=True)
            met.append(str(error.value))

    evaluate(SAMPLE, ["random"], tasks=2, out=out, progress=meanwhile)
    assert str(out) in met[1]


def test_another_simulator_revision_is_not_mixed_in(tmp_path: Path) -> None:
    out = tmp_path / "run"
    entry = SimulatorEntry(FailsFor, "…")
    config = EnvConfig(world=HandWorld(), simulator=entry, max_turns=1)
    with pytest.raises(EvaluationError):
        evaluate(config, [NamedAgent("top", AfterSome(2))], num_envs=2, out=out)

    class Newer(FailsFor):
        revision = "2"

    config = EnvConfig(world=HandWorld(), simulator=SimulatorEntry(Newer, "…"), max_turns=1)
    with pytest.raises(TraceError, match=r"simulator_revision \('1', now '2'\)"):
        evaluate(config, [NamedAgent("top", TopItems())], num_envs=2, out=out, resume=True)
    assert len(RunFolder(out).traces("top")) == 4


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"agents": []}, ValueError, "at least one agent"),
        ({"agents": ["random", "random"]}, ValueError, "two agents are named random"),
        ({"agents": ["popularty"]}, UnknownNameError, "popularity"),
        ({"baseline": "popularity"}, ValueError, "not among the agents: random"),
        ({"protocol": "next-itm"}, UnknownNameError, "next-item"),
        ({"config": "CRS-Smple-v0"}, UnknownNameError, "CRS-Sample-v0"),
        ({"tasks": 0}, ValueError, "tasks=0: choose 1 to"),
        ({"tasks": 10**6}, ValueError, "tasks=1000000: choose 1 to"),
        ({"tasks": "3"}, ValueError, "tasks='3': must be a whole number"),
        ({"tasks": 3.0}, ValueError, r"tasks=3\.0: must be a whole number"),
        ({"trials": 0}, ValueError, "trials=0"),
        ({"trials": True}, ValueError, "trials=True: must be a whole number of at least 1"),
        ({"num_envs": 0}, ValueError, "num_envs=0"),
        ({"num_envs": 2.5}, ValueError, r"num_envs=2\.5"),
        ({"seed": "a"}, ValueError, "seed='a': must be a whole number of at least 0"),
        ({"seed": -1}, ValueError, "seed=-1: must be a whole number of at least 0"),
        ({"config": EnvConfig(simulator="agendaa")}, UnknownNameError, "Did you mean 'agenda'"),
        ({"config": EnvConfig(simulator="agenda:noise=2")}, ValueError, "noise=2"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_before_anything_is_written(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], match: str
) -> None:
    arguments: dict[str, Any] = {"config": SAMPLE, "agents": ["random"], "tasks": 2, "out": tmp_path / "run", **change}
    with pytest.raises(error, match=match):
        evaluate(**arguments)
    assert not (tmp_path / "run").exists()


def test_train_tasks_can_be_chosen_from_billions() -> None:
    results = evaluate(SAMPLE, ["popularity"], split="train", tasks=3)
    assert results.setting.split == "train"
    assert results.agents[0].episodes == 3


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"run\.json"):
        results_from_traces(tmp_path)


def test_a_run_in_a_world_that_has_changed_is_refused(tmp_path: Path) -> None:
    evaluate(EnvConfig(world=HandWorld(), simulator="silent"), [NamedAgent("top", TopItems())], out=tmp_path / "run")
    changed = HandWorld()
    changed.fingerprint = "f" * 16
    with pytest.raises(TraceError, match="fingerprint"):
        results_from_traces(tmp_path / "run", world=changed)


def test_file_names_are_safe_and_distinct() -> None:
    names = [
        "ease",
        "Ease",
        "smtpo:runs/a",
        "smtpo:runs-a",
        "oracle (sees targets)",
        "../../etc/passwd",
        "é" * 300,
        "…",
        "",
    ]
    files = [file_name(name) for name in names]
    assert files[0] == "ease"
    assert len({name.lower() for name in files}) == len(names)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-") and len(name) < 100 for name in files)
    assert not any(name.startswith(".") for name in files)


def test_the_progress_bar_counts_to_the_end() -> None:
    from rich.console import Console

    out = io.StringIO()
    with progress_bar(Console(file=out, width=100, force_terminal=False)) as report:
        evaluate(SAMPLE, ["random"], tasks=3, progress=report)
    assert "random" in out.getvalue()
    assert "3/3" in out.getvalue()


def test_nothing_is_printed_unasked(capfd: pytest.CaptureFixture[str]) -> None:
    evaluate(SAMPLE, [load_agent("random", load_world("sample"))], tasks=2)
    assert capfd.readouterr() == ("", "")


def test_traces_of_a_run_are_read_by_anyone(tmp_path: Path) -> None:
    evaluate(SAMPLE, ["random"], tasks=3, out=tmp_path / "run")
    assert len(list(read_traces(tmp_path / "run" / "traces" / "random.jsonl"))) == 3
