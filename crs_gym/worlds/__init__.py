"""Worlds: corpora of dialogues, and generators of seekers, as tasks over a catalogue."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from crs_gym.errors import UnknownNameError
from crs_gym.task import Split
from crs_gym.worlds.world import Sessions, World

__all__ = ["WORLDS", "Sessions", "World", "load_world"]

WORLDS: Final = ("sample", "redial", "opendialkg", "inspired")
"""The names that `load_world` knows."""


def load_world(name: str | World) -> World:
    """A world by its name, in any case; a world passes through.

    `sample` needs no data. The others read the folder `CRS_GYM_DATA`, else the cache, which is filled by a download on
    first use (see `crs_gym.worlds.files.store`). A process loads each world once.

    Raises:
        ValueError: `name` is neither a name nor a world.
        UnknownNameError: No such world; the message suggests the nearest name.
        DataError: Its files are missing or damaged, and cannot be downloaded.
    """
    if not isinstance(name, str):
        if not hasattr(name, "tasks"):
            raise ValueError(f"a world is a name or an object with the methods of World, not a {type(name).__name__}")
        return name
    world = name.lower()
    if world not in WORLDS:
        raise UnknownNameError("world", name, WORLDS)
    if world == "sample":
        return _sample()
    from crs_gym.cache_folder import cache_folder
    from crs_gym.worlds.files.store import data_folder

    return _recorded(world, data_folder(), cache_folder())


@lru_cache(maxsize=1)
def _sample() -> World:
    from crs_gym.worlds.sample import SampleWorld

    return SampleWorld()


@lru_cache(maxsize=8)
def _recorded(name: str, _data: Path | None, cache: Path) -> World:
    """One instance for each world and place of its files."""
    from crs_gym.worlds import inspired, opendialkg, redial
    from crs_gym.worlds.files.published import CORPORA
    from crs_gym.worlds.files.store import locate
    from crs_gym.worlds.parsed.columns import cached_columns
    from crs_gym.worlds.recorded import RecordedWorld

    build = {"redial": redial.build, "opendialkg": opendialkg.build, "inspired": inspired.build}[name]
    corpus = CORPORA[name]
    sources = locate(corpus)
    columns, fingerprint = cached_columns(
        cache,
        name,
        {path: source.sha256 for path, source in sources.items()},
        lambda: build({path: source.path for path, source in sources.items()}),
    )
    urls = {file.path: file.url for file in corpus.files}
    absent: dict[Split, str] = {
        split: (
            f"{name} has no {split} split here: CRS_GYM_DATA holds no {path}. Put the file there (published at "
            f"{urls[path]}), or unset CRS_GYM_DATA and run `crs-gym data get {name}`."
        )
        for split, path in inspired.FILES.items()
        if name == "inspired" and path not in sources
    }
    return RecordedWorld(name, columns, fingerprint, absent)
