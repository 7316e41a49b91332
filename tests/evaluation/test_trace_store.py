from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crs_gym.errors import TraceError
from crs_gym.trace import Setting, Trace, TurnTrace
from crs_gym.trace_store import TraceWriter, decode_trace, encode_trace, read_traces, torn_bytes, write_file
from crs_gym.turns import AgentTurn, Decision, UserTurn

MakeTrace = Callable[..., Trace]

numbers = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text()  # any Unicode but lone surrogates
items = st.lists(st.integers(0, 2**31 - 1), max_size=5).map(tuple)
user_turns = st.builds(
    UserTurn, texts, st.sampled_from(Decision), st.none() | st.integers(0), items, st.dictionaries(texts, numbers)
)
turn_traces = st.builds(
    TurnTrace,
    agent=st.builds(AgentTurn, texts, items, items, texts, st.booleans()),
    user=st.none() | user_turns,
    reward=st.none() | numbers,
    reward_terms=st.none() | st.dictionaries(texts, numbers),
)
traces = st.builds(
    Trace,
    version=texts,
    setting=st.builds(
        Setting, **dict.fromkeys(Setting.__struct_fields__[:6], texts), reward=st.dictionaries(texts, numbers)
    ),
    agent=texts,
    task_id=texts,
    seed=st.integers(0, 2**63 - 1),
    episode=st.integers(0, 2**63 - 1),
    opening=st.none() | user_turns,
    turns=st.lists(turn_traces, max_size=3).map(tuple),
    outcome=st.sampled_from(["accepted", "left", "truncated", "errored"]),
    success=st.none() | st.booleans(),
    accepted=st.none() | st.booleans(),
    hit_rank=st.none() | st.integers(1),
    targets=items,
    error=st.none() | texts,
)


@settings(max_examples=60)
@given(trace=traces)
def test_a_trace_reads_back_as_it_was_written(trace: Trace) -> None:
    line = encode_trace(trace)
    assert b"\n" not in line
    assert decode_trace(line, Path("x"), 1) == trace
    assert encode_trace(decode_trace(line, Path("x"), 1)) == line


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.lists(traces, max_size=4))
def test_a_file_reads_back_as_it_was_written(tmp_path: Path, written: list[Trace]) -> None:
    path = tmp_path / "traces.jsonl"
    path.unlink(missing_ok=True)
    with TraceWriter(path) as writer:
        for trace in written:
            writer.write(trace)
    assert list(read_traces(path)) == written


@pytest.mark.parametrize(
    "change",
    [
        {"reward": float("nan")},
        {"reward": float("inf")},
        {"reward": np.float32(1.0)},
        {"user": UserTurn("lone \ud800 surrogate")},
        {"agent": AgentTurn("…", ranking=[1, 2])},  # type: ignore[arg-type]  # a list where a tuple belongs
    ],
)
def test_what_json_cannot_hold_is_refused_before_it_is_written(
    tmp_path: Path, make_trace: MakeTrace, change: dict[str, object]
) -> None:
    good = make_trace([((1,), ())])
    bad = msgspec.structs.replace(good, turns=(msgspec.structs.replace(good.turns[0], **change),))
    with TraceWriter(tmp_path / "t.jsonl") as writer:
        writer.write(good)
        with pytest.raises(TraceError, match="agent 'by hand', task hand/test/0, episode 0"):
            writer.write(bad)
        writer.write(good)
    assert list(read_traces(tmp_path / "t.jsonl")) == [good, good]


def write(path: Path, *some: Trace) -> None:
    with TraceWriter(path) as writer:
        for trace in some:
            writer.write(trace)


def test_resume_cuts_a_torn_last_line_and_nothing_else(tmp_path: Path, make_trace: MakeTrace) -> None:
    path = tmp_path / "t.jsonl"
    one, two, three = (make_trace([((1,), ())], episode=e) for e in range(3))
    write(path, one, two)
    whole = path.read_bytes()
    line = encode_trace(three)
    for torn in (line[:1], line[: len(line) // 2], line):  # the last is whole but for its line break
        path.write_bytes(whole + torn)
        assert torn_bytes(path) == len(torn)
        assert list(read_traces(path)) == [one, two]
        with TraceWriter(path, resume=True) as writer:
            assert writer.count == 2
            assert path.read_bytes() == whole
            writer.write(three)
        assert list(read_traces(path)) == [one, two, three]


def test_a_file_torn_in_its_first_line_is_emptied(tmp_path: Path, make_trace: MakeTrace) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"x" * 200_000)  # longer than a block of the search
    with TraceWriter(path, resume=True) as writer:
        writer.write(make_trace([((1,), ())]))
    assert len(list(read_traces(path))) == 1


def test_a_torn_line_in_the_middle_is_an_error_and_is_kept(tmp_path: Path, make_trace: MakeTrace) -> None:
    path = tmp_path / "t.jsonl"
    line = encode_trace(make_trace([((1,), ())]))
    content = line + b"\n" + line[:40] + b"\n" + line + b"\n" + line[:7]
    path.write_bytes(content)
    with pytest.raises(TraceError, match=r"t\.jsonl, line 2: this is no trace"):
        list(read_traces(path))
    with pytest.raises(TraceError, match=r"line 2"):
        TraceWriter(path, resume=True)
    assert path.read_bytes() == content
    path.write_bytes(line + b"\n")
    TraceWriter(path, resume=True).close()  # the failed one has let go of its lock


def test_another_schema_is_refused(tmp_path: Path, make_trace: MakeTrace) -> None:
    path = tmp_path / "t.jsonl"
    write(path, msgspec.structs.replace(make_trace([((1,), ())]), schema=99))
    with pytest.raises(TraceError, match="line 1: trace schema 99"):
        list(read_traces(path))


def test_traces_are_not_overwritten_unasked(tmp_path: Path, make_trace: MakeTrace) -> None:
    path = tmp_path / "t.jsonl"
    write(path, make_trace([((1,), ())]))
    with pytest.raises(TraceError, match="--resume"):
        TraceWriter(path)
    assert len(list(read_traces(path))) == 1


def test_two_writers_never_share_a_file(tmp_path: Path) -> None:
    with TraceWriter(tmp_path / "t.jsonl"):
        with pytest.raises(TraceError, match="another run is writing"):
            TraceWriter(tmp_path / "t.jsonl", resume=True)
        other = run_python(f"from crs_gym.trace_store import TraceWriter; TraceWriter({str(tmp_path / 't.jsonl')!r})")
        assert "TraceError: another run is writing" in other.stderr
    TraceWriter(tmp_path / "t.jsonl").close()


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


FILL = """
import msgspec
from crs_gym.errors import TraceError
from crs_gym.trace import Trace
from crs_gym.trace_store import TraceWriter
trace = msgspec.json.decode(open({line!r}, "rb").read(), type=Trace)
{limit}
try:
    with TraceWriter({path!r}) as writer:
        for episode in range(10_000):
            writer.write(msgspec.structs.replace(trace, episode=episode))
except TraceError as error:
    print(error)
"""


def check_full(path: Path, message: str) -> None:
    """The message is right, the file ends with a whole line, and the run goes on after space is made."""
    kept = list(read_traces(path))
    assert torn_bytes(path) == 0
    assert [trace.episode for trace in kept] == list(range(len(kept)))
    assert len(kept) > 1
    assert f"{len(kept)} traces are safe" in message
    assert "--resume" in message
    with TraceWriter(path, resume=True) as writer:
        assert writer.count == len(kept)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a process's files")
def test_a_file_that_may_not_grow_is_cut_at_its_last_whole_line(tmp_path: Path, make_trace: MakeTrace) -> None:
    path, line = tmp_path / "t.jsonl", tmp_path / "line"
    line.write_bytes(encode_trace(make_trace([((1,), ())])))
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))"
    done = run_python(FILL.format(path=str(path), line=str(line), limit=limit))
    assert "File too large" in done.stdout, done.stderr
    check_full(path, done.stdout)


def test_a_full_disk_is_cut_at_the_last_whole_line(tmp_path: Path, make_trace: MakeTrace) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk can be mounted by root only")
    try:
        path, line = disk / "t.jsonl", tmp_path / "line"
        line.write_bytes(encode_trace(make_trace([((1,), ())])))
        done = run_python(FILL.format(path=str(path), line=str(line), limit=""))
        assert "No space left on device" in done.stdout, done.stderr
        check_full(path, done.stdout)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_file_is_not_written_onto_a_folder(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(TraceError, match=r"cannot write .*report\.html: a folder stands there\. Way out: move it, or"):
        write_file(tmp_path / "report.html", b"page")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_place_without_a_folder_is_no_lack_of_space(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="Way out: name another place"):
        write_file(tmp_path / "nowhere" / "report.html", b"page")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TraceError, match="cannot make the folder"):
        TraceWriter(tmp_path / "file" / "t.jsonl")
    with pytest.raises(TraceError, match="cannot read"):
        list(read_traces(tmp_path / "missing.jsonl"))
