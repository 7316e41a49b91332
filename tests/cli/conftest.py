"""The command in this process, with its output, and the real command in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import SPAWN, Said

from crs_gym import worlds
from crs_gym.cli import main


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test works in an empty folder of its own, with no data, an empty cache and no way to a network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CRS_GYM_DATA", raising=False)
    monkeypatch.setenv("CRS_GYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CRS_GYM_MIRROR", "http://127.0.0.1:9")  # the port that discards; nothing listens there
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "path", list(sys.path))
    worlds._recorded.cache_clear()
    yield
    worlds._recorded.cache_clear()


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run the command in this process."""

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(arguments)
        out, err = capsys.readouterr()
        return Said(int(left.value.code or 0), out, err)

    return run


@pytest.fixture
def spawned() -> Callable[..., Said]:
    """Run the real command in a process of its own."""

    def run(*arguments: str, stdin: str | bytes = "", **environment: str) -> Said:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [*SPAWN, *arguments],
            input=given,
            capture_output=True,
            env=os.environ | environment,
            timeout=60,
            check=False,
        )
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def real_data(real_data: Path, real_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The real corpora, put where the command looks for them, and a cache that may hold them parsed."""
    monkeypatch.setenv("CRS_GYM_CACHE", str(real_cache))
    monkeypatch.setenv("CRS_GYM_DATA", str(real_data))
    return real_data
