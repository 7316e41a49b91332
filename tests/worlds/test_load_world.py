"""`load_world`: names, instances, errors."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from small_corpora import inspired_files, opendialkg_files, redial_files, write_files

from crs_gym.errors import UnknownNameError
from crs_gym.worlds import WORLDS, World, load_world

FILES: dict[str, Callable[[], dict[str, bytes]]] = {
    "redial": redial_files,
    "opendialkg": opendialkg_files,
    "inspired": inspired_files,
}


@pytest.mark.parametrize("name", WORLDS)
def test_every_world_answers_the_protocol(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in FILES:
        monkeypatch.setenv("CRS_GYM_DATA", str(write_files(tmp_path / "data", FILES[name]())))
    world = load_world(name)
    assert isinstance(world, World)
    assert world.name == name
    assert len(world.fingerprint) == 16
    assert int(world.fingerprint, 16) >= 0
    task = world.tasks("valid")[0] if name != "redial" else world.tasks("test")[0]
    assert world.task(task.task_id).targets == task.targets
    assert task.task_id.startswith(f"{name}/{task.split}/")
    assert load_world(name.upper()) is world
    assert load_world(world) is world


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match=r"no world is named 'redail'\. Did you mean 'redial'"):
        load_world("redail")
    with pytest.raises(ValueError, match="not a int"):
        load_world(3)  # type: ignore[arg-type]


def test_each_data_folder_has_its_own_instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for folder, files in (("a", redial_files()), ("b", redial_files(test=[]) | redial_files())):
        monkeypatch.setenv("CRS_GYM_DATA", str(write_files(tmp_path / folder, files)))
        found.append(load_world("redial"))
    assert found[0] is not found[1]
    assert found[0].fingerprint == found[1].fingerprint


def test_importing_worlds_is_light() -> None:
    heavy = {"pooch", "requests", "rich", "scipy", "matplotlib", "jinja2", "bm25s", "torch", "filelock"}
    program = "import sys, crs_gym.worlds; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not heavy & set(done.stdout.split())
