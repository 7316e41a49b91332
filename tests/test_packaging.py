"""What a user installs: the wheel's content, and an import that stays light."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ADAPTER = "crs_simulators/sft/adapters/"
"""What comes with the learned user."""

HEAVY = ("torch", "scipy", "matplotlib", "jinja2", "pooch", "requests", "rich", "bm25s", "rapidfuzz", "pandas")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from the working tree."""
    out = tmp_path_factory.mktemp("dist")
    script = Path(sys.executable).with_name("hatchling")
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the wheel, is not installed")
    if importlib.util.find_spec("build") is not None:
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    elif script.exists():
        build = [str(script), "build", "--target", "wheel", "--directory", str(out)]
    else:
        pytest.skip("neither build nor the script of hatchling is installed")
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_the_three_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    (info,) = [name for name in tops if name.endswith(".dist-info")]
    assert tops == {"crs_gym", "crs_agents", "crs_simulators", info}


def test_the_wheel_holds_every_module_and_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    held = set(wheel.namelist())
    for parent in (ROOT, ROOT / "agents", ROOT / "simulators"):
        for package in parent.glob("crs_*"):
            files = {path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
            assert files
            assert {path.relative_to(parent).as_posix() for path in files} <= held
    assert {"crs_gym/py.typed", "crs_agents/py.typed", "crs_simulators/py.typed"} <= held
    assert "crs_gym/worlds/films.tsv" in held
    assert any(name.endswith("report.html.j2") for name in held)


def test_the_wheel_holds_no_tests_and_no_corpora(wheel: zipfile.ZipFile) -> None:
    ours = [entry for entry in wheel.infolist() if not entry.filename.startswith(ADAPTER)]
    suffixes = {Path(entry.filename).suffix for entry in ours if ".dist-info/" not in entry.filename}
    assert not suffixes & {".jsonl", ".zip", ".json", ".csv", ".npz", ".pyc", ".safetensors", ".bin"}
    assert not [entry for entry in ours if "test_" in entry.filename or "conftest" in entry.filename]
    assert sum(entry.file_size for entry in ours) < 2_000_000  # bytes; a corpus has more


def test_the_wheel_holds_the_adapter_of_the_learned_user_and_stays_small(wheel: zipfile.ZipFile) -> None:
    adapters = {name.removeprefix(ADAPTER) for name in wheel.namelist() if name.startswith(ADAPTER)}
    assert adapters >= {"redial/adapter_model.safetensors", "redial/adapter_config.json"}
    assert {Path(name).suffix for name in adapters} <= {
        ".safetensors",
        ".json",
        ".md",
        ".png",
    }  # nothing that runs code
    assert Path(str(wheel.filename)).stat().st_size < 15_000_000  # bytes


def test_the_wheel_names_its_plug_ins(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    parser = ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names as they are written
    parser.read_string(wheel.read(name).decode())
    assert dict(parser["console_scripts"]) == {"crs-gym": "crs_gym.cli:main"}
    for group in ("crs_gym.agents", "crs_gym.simulators"):
        named = dict(parser[group])
        assert named == {point.name: point.value for point in entry_points(group=group) if "crs_" in point.value}
        assert named
    assert wheel.testzip() is None


def test_the_wheel_runs_where_the_repository_is_not(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """From the unpacked wheel, found before the working tree: the command lists plug-ins and writes a report."""
    wheel.extractall(tmp_path / "site")
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); import crs_gym, crs_agents, crs_simulators\n"
        "assert all(m.__file__.startswith(sys.path[0]) for m in (crs_gym, crs_agents, crs_simulators))\n"
        "from crs_simulators.sft.simulator import ADAPTER\n"
        "assert str(ADAPTER).startswith(sys.path[0]) and (ADAPTER / 'adapter_model.safetensors').is_file()\n"
        "from crs_gym.cli import main; main()"
    )
    for arguments in (
        ["evaluate", "CRS-Sample-v0", "-a", "popularity", "--tasks", "5", "--out", "run"],
        ["report", "run"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "site"), *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "report.html").exists()
    shutil.rmtree(tmp_path / "site")


@pytest.mark.parametrize("code", ["import crs_gym", "import gymnasium, crs_gym; gymnasium.make('CRS-Sample-v0')"])
def test_an_import_stays_light(code: str) -> None:
    loaded = f"{code}\nimport sys\nprint(*sorted(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == []


def test_the_users_that_a_model_plays_are_found_without_one() -> None:
    """Their entries are read, as `crs-gym list` does, where no torch is."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'transformers', 'peft'), None))\n"
        "from crs_gym.simulator import SIMULATORS\n"
        "print(*(name for name in SIMULATORS if SIMULATORS[name].summary))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert {"sft", "sft-oracle", "zero-shot", "agenda"} <= set(done.stdout.split())


def test_the_guard_above_sees_a_heavy_module() -> None:
    code = f"import crs_gym, rich, sys\nprint(*sorted(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["rich"]
