"""A model's revision: changes with what it answers, and with nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import model_files
import pytest

from crs_gym.errors import WeightsError
from crs_gym.lm.weights import weights_revision

pytest.importorskip("safetensors", reason='needs pip install "crs-gym[llm]"')


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return model_files.write(tmp_path / "model", model_files.files())


def _settings(path: Path, **changed: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changed, indent=4))


def test_it_is_16_hex_digits_and_the_same_for_a_copy(folder: Path, tmp_path: Path) -> None:
    revision = weights_revision(folder)
    assert len(revision) == 16
    assert int(revision, 16) >= 0
    assert weights_revision(folder) == revision
    assert weights_revision(model_files.write(tmp_path / "copy", model_files.files())) == revision


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "model.safetensors").write_bytes(model_files.files(seed=1)["model.safetensors"]),
        lambda folder: _settings(folder / "config.json", rms_norm_eps=1e-3),
        lambda folder: (folder / "tokenizer.json").write_bytes(b"{}"),
        lambda folder: _settings(folder / "tokenizer_config.json", add_bos_token=True),
        lambda folder: (folder / "chat_template.jinja").write_text("{{ messages }}"),
        lambda folder: (folder / "generation_config.json").write_text('{"eos_token_id": 1}'),
        lambda folder: (folder / "tokenizer.json").rename(folder / "tokenizer.model"),
        lambda folder: (folder / "more.safetensors").write_bytes(b""),
    ],
)
def test_it_changes_with_what_decides_an_answer(folder: Path, change: Callable[[Path], object]) -> None:
    before = weights_revision(folder)
    change(folder)
    assert weights_revision(folder) != before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: _settings(folder / "config.json", transformers_version="6.0.0", _name_or_path="/elsewhere"),
        lambda folder: _settings(folder / "tokenizer_config.json", is_local=True),
        lambda folder: (folder / "README.md").write_text("# Tiny"),
        lambda folder: os.utime(folder / "model.safetensors", (0, 0)),
    ],
)
def test_it_does_not_change_with_who_wrote_the_files(folder: Path, change: Callable[[Path], object]) -> None:
    before = weights_revision(folder)
    change(folder)
    assert weights_revision(folder) == before


def test_weights_are_hashed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    revision = weights_revision(folder)
    monkeypatch.setattr("hashlib.file_digest", lambda *_: pytest.fail("was hashed again"))
    assert weights_revision(folder) == revision


def test_weights_of_the_same_size_and_time_are_told_apart(folder: Path) -> None:
    path = folder / "model.safetensors"
    before, stat = weights_revision(folder), path.stat()
    path.write_bytes(model_files.files(seed=1)["model.safetensors"])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    assert weights_revision(folder) != before


@pytest.mark.parametrize("record", [b"", b"{", b'{"model.safetensors": {"size": "large"}}'])
def test_a_damaged_record_costs_time_only(folder: Path, tmp_path: Path, record: bytes) -> None:
    revision = weights_revision(folder)
    (path,) = (tmp_path / "cache" / "models" / "hashes").iterdir()
    path.write_bytes(record)
    assert weights_revision(folder) == revision


def test_a_cache_that_cannot_be_written_costs_time_only(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    revision = weights_revision(folder)
    monkeypatch.setenv("CRS_GYM_CACHE", str(tmp_path / "file"))
    assert weights_revision(folder) == revision


def test_settings_that_cannot_be_read_are_named(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(WeightsError, match=r"config\.json cannot be read"):
        weights_revision(folder)
