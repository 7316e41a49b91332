"""The real corpora where they are, a local web server, and a cache of its own for every test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mirror_server import Mirror
from small_corpora import write_files

from crs_gym import worlds
from crs_gym.worlds import World, load_world
from crs_gym.worlds.recorded import RecordedWorld


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test starts with no data folder, no mirror and an empty cache."""
    monkeypatch.delenv("CRS_GYM_DATA", raising=False)
    monkeypatch.delenv("CRS_GYM_MIRROR", raising=False)
    monkeypatch.setenv("CRS_GYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    worlds._recorded.cache_clear()
    yield
    worlds._recorded.cache_clear()


@pytest.fixture(scope="session")
def real_worlds(real_data: Path, real_cache: Path) -> dict[str, World]:
    """The three recorded worlds from the real files, parsed once a session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRS_GYM_DATA", str(real_data))
        patch.setenv("CRS_GYM_CACHE", str(real_cache))
        return {name: load_world(name) for name in ("redial", "opendialkg", "inspired")}


@pytest.fixture
def open_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, dict[str, bytes]], RecordedWorld]:
    """Load a world from files given as bytes, as a user does from a data folder."""

    def opened(name: str, files: dict[str, bytes]) -> RecordedWorld:
        monkeypatch.setenv("CRS_GYM_DATA", str(write_files(tmp_path / "data", files)))
        worlds._recorded.cache_clear()
        world = load_world(name)
        assert isinstance(world, RecordedWorld)
        return world

    return opened


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    server = Mirror()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("CRS_GYM_MIRROR", server.url)
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()
