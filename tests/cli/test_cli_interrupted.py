"""Runs that are stopped in the middle, two at once, and a disk that is full: real processes."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import SPAWN, Said

from crs_gym.cli.evaluate import Evaluate

SLOW = """
import time

class Slow:
    def __init__(self, world):
        self.catalog = world.catalog

    def act(self, observations):
        time.sleep(SLEEP)
        return ["How about Heat (1995) or Alien (1979)?" for _ in observations]
"""
RUN = ("evaluate", "CRS-Sample-v0", "-a", "slow:Slow", "-a", "popularity", "--tasks", "60", "--num-envs", "4")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The `results.json` of a run that no one stopped."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "slow.py").write_text(SLOW.replace("SLEEP", "0"))
    subprocess.run([*SPAWN, *RUN, "--out", "run"], cwd=folder, check=True, capture_output=True, timeout=60)
    return (folder / "run" / "results.json").read_bytes()


@contextlib.contextmanager
def begun() -> Iterator[subprocess.Popen[bytes]]:
    """A slow run in the current folder, of which some traces are written already."""
    Path("slow.py").write_text(SLOW.replace("SLEEP", "0.1"))
    process = subprocess.Popen([*SPAWN, *RUN, "--out", "run"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        traces = Path("run/traces")
        deadline = time.monotonic() + 30
        while not any(path.stat().st_size for path in traces.glob("*.jsonl")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.communicate()


def resumed() -> bytes:
    """Go on, at full speed, and return the `results.json`. No whole line that was there is written anew."""
    assert not Path("run/results.json").exists()
    (path,) = Path("run/traces").glob("slow-*.jsonl")
    kept = path.read_bytes()
    kept = kept[: kept.rfind(b"\n") + 1]
    assert kept
    Path("slow.py").write_text(SLOW.replace("SLEEP", "0"))
    subprocess.run([*SPAWN, *RUN, "--out", "run", "--resume"], check=True, capture_output=True, timeout=60)
    assert path.read_bytes().startswith(kept)
    return Path("run/results.json").read_bytes()


def test_after_ctrl_c_resume_gives_what_an_undisturbed_run_gives(undisturbed: bytes) -> None:
    with begun() as process:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    last = err.decode().splitlines()[-1]
    expected = "crs-gym: interrupted. Finished dialogues are in run: run the same command with --resume to go on."
    assert last == expected
    assert b"Traceback" not in err
    assert resumed() == undisturbed


def test_ctrl_c_before_the_run_began_speaks_of_no_dialogues() -> None:
    folder = Path("run")
    begun_later = Evaluate(env="CRS-Sample-v0", agent=("popularity",), out=folder)
    assert begun_later.after_interrupt() == " Nothing was played yet."
    folder.mkdir()
    (folder / "run.json").touch()
    assert "Finished dialogues are in run" in begun_later.after_interrupt()


def test_after_a_kill_resume_gives_what_an_undisturbed_run_gives(undisturbed: bytes) -> None:
    with begun() as process:
        process.kill()
        process.communicate(timeout=30)
    assert resumed() == undisturbed


@pytest.mark.parametrize("resume", [(), ("--resume",)])
def test_two_runs_never_write_into_one_folder(spawned: Callable[..., Said], resume: tuple[str, ...]) -> None:
    with begun():
        said = spawned(*RUN, "--out", "run", *resume)
    assert said.code == 2
    assert said.complaint == (
        "crs-gym: another run is writing to run. Way out: wait until it ends, or choose another place"
    )


def test_a_full_disk_is_told_and_resumed_from(undisturbed: bytes) -> None:
    Path("slow.py").write_text(SLOW.replace("SLEEP", "0"))
    limit = 30_000  # bytes a file: the traces of about 20 dialogues
    done = subprocess.run(
        [*SPAWN, *RUN, "--out", "run"],
        capture_output=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 2
    line = done.stderr.decode().splitlines()[-1]
    assert "traces are safe in it. Way out: make space, then run the same command with --resume" in line
    assert resumed() == undisturbed


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_output_that_cannot_be_written_is_told_in_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*SPAWN, "list"], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.decode() == "crs-gym: [Errno 28] No space left on device\n"


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`crs-gym list | head -1`, with a head that is quicker than the command."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*SPAWN, "list"], stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writing)
    assert done.stderr == b""
    assert done.returncode == 1
