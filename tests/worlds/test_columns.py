"""The cache of columns: whole or not at all, and damage is noticed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_corpora import TEST, redial_files, write_files

from crs_gym import worlds
from crs_gym.worlds import World, load_world
from crs_gym.worlds.parsed import columns as columns_module
from crs_gym.worlds.recorded import RecordedWorld

Open = Callable[[str, dict[str, bytes]], RecordedWorld]


def cache_file(tmp_path: Path) -> Path:
    (path,) = (tmp_path / "cache" / "columns").glob("redial-*.npz")
    return path


def again() -> World:
    worlds._recorded.cache_clear()
    return load_world("redial")


def test_a_second_process_reads_the_cache(open_world: Open, tmp_path: Path) -> None:
    first = open_world("redial", redial_files())
    path = cache_file(tmp_path)
    stamp = path.stat().st_mtime_ns
    second = again()
    assert second is not first
    assert second.fingerprint == first.fingerprint
    assert [t.task_id for t in second.tasks("test")] == [t.task_id for t in first.tasks("test")]
    assert second.dialogues("train")[:][0] == first.dialogues("train")[0]
    assert path.stat().st_mtime_ns == stamp


def test_other_files_are_another_cache_and_fingerprint(open_world: Open, tmp_path: Path) -> None:
    first = open_world("redial", redial_files())
    second = open_world("redial", redial_files(test=TEST[:1]))
    assert first.fingerprint != second.fingerprint
    assert len(list((tmp_path / "cache" / "columns").glob("*.npz"))) == 2


def test_a_new_loader_version_parses_again(open_world: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_world("redial", redial_files())
    monkeypatch.setattr(columns_module, "LOADER_VERSION", columns_module.LOADER_VERSION + 1)
    assert again().fingerprint != first.fingerprint


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "not an archive", "pickle"])
def test_damage_is_noticed_and_mended(
    damage: str, open_world: Open, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = open_world("redial", redial_files())
    path = cache_file(tmp_path)
    whole = path.read_bytes()
    if damage == "pickle":
        with np.load(path) as archive:
            arrays = dict(archive)
        np.savez(path, **{**arrays, "targets": np.array([{"a": 1}], dtype=object)})
    else:
        flipped = bytearray(whole)
        flipped[whole.index(b"bye")] ^= 1  # inside a message
        path.write_bytes({"empty": b"", "cut": whole[:-100], "flipped": bytes(flipped)}.get(damage, b"hello"))
    world = again()
    assert world.fingerprint == first.fingerprint
    assert [t.task_id for t in world.tasks("test")] == [t.task_id for t in first.tasks("test")]
    assert "damaged" in capsys.readouterr().err
    again()
    assert "damaged" not in capsys.readouterr().err


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_no_flipped_byte_changes_what_is_loaded(open_world: Open, tmp_path: Path, place: float, mask: int) -> None:
    first = open_world("redial", redial_files())
    path = cache_file(tmp_path)
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= mask
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(data)
    loaded = columns_module._load(damaged)
    if loaded is not None:
        assert loaded[0].fingerprint() == first.fingerprint


def test_a_cache_that_cannot_be_written_only_costs_time(
    open_world: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    for cache in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("CRS_GYM_CACHE", str(cache))
        assert len(open_world("redial", redial_files()).tasks("test")) == 1
        said = capsys.readouterr().err
        assert said == (
            f"crs-gym: nothing can be kept in the cache {cache}, since {tmp_path / 'file'} is a file and not a folder; "
            "redial is parsed again in every process\n"
        )


def test_a_folder_in_the_place_of_the_cache_file_is_no_damage(
    open_world: Open, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_world("redial", redial_files())
    path = cache_file(tmp_path)
    path.unlink()
    path.mkdir()
    assert len(again().tasks("test")) == 1
    said = capsys.readouterr().err
    assert f"the cache file {path} cannot be read: Is a directory" in said
    assert "damaged" not in said


def test_a_process_killed_while_it_writes_leaves_no_half_file(tmp_path: Path) -> None:
    """Kill at many moments of the first parse; what stands there afterwards is whole or not there."""
    data = write_files(
        tmp_path / "data", redial_files(test=[{**TEST[1], "conversationId": f"many-{i}"} for i in range(3000)])
    )
    cache = tmp_path / "cache"
    env = {**os.environ, "CRS_GYM_DATA": str(data), "CRS_GYM_CACHE": str(cache)}
    program = "from crs_gym.worlds import load_world; print(len(load_world('redial').dialogues('test')))"
    killed = 0
    for extra in (0.0, 0.002, 0.01):
        process = subprocess.Popen([sys.executable, "-c", program], env=env, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < deadline and not list(cache.rglob("*.npz*")):
            time.sleep(0.001)
        time.sleep(extra)  # the file is being written, or has just been
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        for path in cache.rglob("*.npz"):
            assert columns_module._load(path) is not None
            path.unlink()
    assert killed
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3000"
    assert "damaged" not in done.stderr
    assert not list(cache.rglob("*.part"))
