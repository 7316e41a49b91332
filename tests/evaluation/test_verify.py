from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crs_gym.config import EnvConfig
from crs_gym.errors import TraceError
from crs_gym.evaluation import evaluate
from crs_gym.verify import VerifyReport, verify

Lines = list[dict[str, Any]]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("verify") / "run"
    evaluate(EnvConfig(), ["popularity", "random"], tasks=6, out=out, baseline="popularity")
    return out


@pytest.fixture
def run(honest: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(honest, tmp_path / "run"))


def tamper(run: Path, change: Callable[[Lines], object]) -> VerifyReport:
    """Change the traces of `random`, and check the run."""
    path = run / "traces" / "random.jsonl"
    traces = [json.loads(line) for line in path.read_bytes().splitlines()]
    change(traces)
    path.write_bytes(b"".join(compact(trace) + b"\n" for trace in traces))
    return verify(run)


def compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def found(report: VerifyReport) -> set[tuple[str, int | None, str]]:
    return {(difference.file, difference.line, difference.field) for difference in report.differences}


def test_an_honest_run_has_no_differences(run: Path) -> None:
    report = verify(run)
    assert report.differences == []
    assert report.ok
    assert report.traces == 12


def test_writing_the_same_traces_again_is_no_change(run: Path) -> None:
    """So what the tests below find is the tampering."""
    assert tamper(run, lambda traces: None).ok


def test_a_changed_reward_is_found(run: Path) -> None:
    def change(traces: Lines) -> None:
        traces[2]["turns"][0]["reward"] += 0.01

    report = tamper(run, change)
    assert found(report) == {("traces/random.jsonl", 3, "turns[0].reward")}
    difference = report.differences[0]
    assert difference.recorded == pytest.approx(difference.recomputed + 0.01)  # type: ignore[operator]
    assert str(difference).startswith("traces/random.jsonl, line 3: turns[0].reward is ")


def test_a_changed_reward_is_found_even_with_results_to_match(run: Path) -> None:
    def change(traces: Lines) -> None:
        for trace in traces:
            trace["turns"][0]["reward"] = 5.0

    tamper(run, change)
    from crs_gym.evaluation import results_from_traces
    from crs_gym.evaluation.results import write_results

    write_results(results_from_traces(run), run)
    places = found(verify(run))
    assert ("traces/random.jsonl", 1, "turns[0].reward") in places
    assert ("results.json", None, "agents[1].metrics.return.mean") in places


def test_a_changed_success_is_found(run: Path) -> None:
    def change(traces: Lines) -> None:
        traces[0]["success"] = not traces[0]["success"]

    assert ("traces/random.jsonl", 1, "success") in found(tamper(run, change))


def test_items_changed_to_a_target_are_found(run: Path) -> None:
    def change(traces: Lines) -> None:
        turn = traces[1]["turns"][0]["agent"]
        turn["items"][0] = traces[1]["targets"][0]

    places = found(tamper(run, change))
    assert ("traces/random.jsonl", 2, "turns[0].reward_terms.recommend") in places
    assert ("traces/random.jsonl", 2, "hit_rank") in places
    assert ("results.json", None, "agents[1].traces_digest") in places


def test_a_changed_ranking_is_found_by_its_metrics_and_the_digest(run: Path) -> None:
    def change(traces: Lines) -> None:
        traces[1]["turns"][0]["agent"]["ranking"] = traces[1]["targets"]

    places = found(tamper(run, change))
    assert ("results.json", None, "agents[1].traces_digest") in places
    assert ("results.json", None, "agents[1].metrics.recall@1.mean") in places


def test_changed_targets_are_found(run: Path) -> None:
    def change(traces: Lines) -> None:
        traces[3]["targets"] = traces[3]["turns"][0]["agent"]["items"][:1]
        traces[3]["success"] = True

    report = tamper(run, change)
    assert any(d.line == 4 and d.field.startswith("targets") for d in report.differences)


def test_a_user_that_was_made_to_accept_is_found(run: Path) -> None:
    def change(traces: Lines) -> None:
        trace = next(trace for trace in traces if len(trace["turns"]) > 1)
        turn = trace["turns"][0]
        turn["user"] |= {"decision": 1, "accepted": turn["agent"]["items"][0]}

    report = tamper(run, change)
    assert any(difference.field == "the episode" for difference in report.differences)  # turns after its end


@pytest.mark.parametrize(
    ("field", "value"),
    [("agent", "popularity"), ("seed", 1), ("episode", 1), ("version", "9.9"), ("task_id", "sample/test/1999999")],
)
def test_a_trace_of_another_run_is_found(run: Path, field: str, value: object) -> None:
    def change(traces: Lines) -> None:
        traces[0][field] = value

    assert any(difference.line == 1 for difference in tamper(run, change).differences)


def test_other_settings_are_found(run: Path) -> None:
    def change(traces: Lines) -> None:
        traces[0]["setting"]["k"] = 100

    assert ("traces/random.jsonl", 1, "setting.k") in found(tamper(run, change))


def test_missing_double_and_damaged_lines_are_found(run: Path) -> None:
    def drop(traces: Lines) -> None:
        del traces[0]

    assert ("traces/random.jsonl", None, "episodes") in found(tamper(run, drop))

    def double(traces: Lines) -> None:
        traces.append(traces[0])

    assert ("traces/random.jsonl", None, "episodes that stand twice") in found(tamper(run, double))
    path = run / "traces" / "random.jsonl"
    content = path.read_bytes()
    path.write_bytes(b"{}\n" + content)
    assert ("traces/random.jsonl", 1, "the line") in found(verify(run))
    path.write_bytes(content + b"{")
    assert ("traces/random.jsonl", None, "the end") in found(verify(run))
    path.write_bytes(content.replace(b'"episode":0', b'"episode": 0', 1))
    assert ("traces/random.jsonl", 1, "the line") in found(verify(run))
    path.unlink()
    assert ("traces/random.jsonl", None, "the file") in found(verify(run))


def test_changed_results_are_found(run: Path) -> None:
    path = run / "results.json"
    content = path.read_bytes()
    results = json.loads(content)
    results["agents"][0]["metrics"]["success"]["mean"] = 0.99
    results["agents"][1]["versus_baseline"]["return"]["p_holm"] = 0.0001
    results["tasks"] = 600
    path.write_bytes(compact(results))
    assert found(verify(run)) == {
        ("results.json", None, "tasks"),
        ("results.json", None, "agents[0].metrics.success.mean"),
        ("results.json", None, "agents[1].versus_baseline.return.p_holm"),
    }
    path.write_bytes(content[:100])
    assert found(verify(run)) == {("results.json", None, "the file")}


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"run\.json"):
        verify(tmp_path)
