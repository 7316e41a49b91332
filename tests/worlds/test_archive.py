"""Hostile and damaged archives."""

from __future__ import annotations

import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_corpora import zip_of

from crs_gym.errors import DataError
from crs_gym.worlds.files import archive
from crs_gym.worlds.files.archive import holds, read_file, read_members
from crs_gym.worlds.files.published import Member

WAY_OUT = "delete .* and get it again"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.zip"


def test_members_are_read(path: Path) -> None:
    path.write_bytes(zip_of({"a": b"1", "b": b"22", "c": b""}))
    assert read_members(path, ["b", "c"]) == {"b": b"22", "c": b""}


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/passwd", "C:\\evil", "..\\evil", "\\evil", "a\\..\\..\\evil"]
)
def test_a_path_that_leads_outside_is_refused(path: Path, name: str) -> None:
    path.write_bytes(zip_of({"good": b"1", name: b"2"}))
    with pytest.raises(DataError, match="leads outside"):
        read_members(path, ["good"])
    assert [p.name for p in path.parent.iterdir()] == ["a.zip"]  # nothing was extracted


def test_a_link_is_refused(path: Path) -> None:
    link = zipfile.ZipInfo("good")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="holds a link"):
        read_members(path, ["good"])


def test_a_name_that_stands_twice_is_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            out.writestr("a", b"2")
    with pytest.raises(DataError, match="'a' twice"):
        read_members(path, ["a"])


def test_a_bomb_is_refused_by_its_declared_size(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 100_000)
    path.write_bytes(zip_of({"a": bytes(100_001)}))
    assert path.stat().st_size < 1_000
    with pytest.raises(DataError, match="larger than 100,000 bytes"):
        read_members(path, ["a"])


def test_a_bomb_that_declares_a_small_size_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 100_000)
    data = bytearray(zip_of({"a": bytes(500_000)}))
    central = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, central + 24, 10)  # the uncompressed size that the archive claims
    path.write_bytes(data)
    with pytest.raises(DataError, match=WAY_OUT):
        read_members(path, ["a"])


def test_missing_and_too_large_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=WAY_OUT):
        read_members(tmp_path / "none.zip", ["a"])
    with pytest.raises(DataError, match=WAY_OUT):
        read_file(tmp_path / "none.json")
    monkeypatch.setattr(archive, "MAX_BYTES", 10)
    (tmp_path / "big").write_bytes(bytes(11))
    with pytest.raises(DataError, match="more than 10 bytes"):
        read_file(tmp_path / "big")


CONTENT = {"a": b'{"x": 1}\n' * 50, "b": bytes(range(256))}


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 2_000), flips=st.lists(st.tuples(st.integers(0, 2_000), st.integers(1, 255)), max_size=3))
def test_damage_is_a_data_error_or_does_no_harm(tmp_path: Path, cut: int, flips: list[tuple[int, int]]) -> None:
    data = bytearray(zip_of(CONTENT))
    for place, mask in flips:
        data[place % len(data)] ^= mask
    path = tmp_path / "damaged.zip"
    path.write_bytes(data[: max(len(data) - cut, 0)] if cut < 50 else data)
    try:
        found = read_members(path, ["a", "b"])
    except DataError:
        return
    assert found == CONTENT


def test_holds_tells_content_and_not_bytes(path: Path) -> None:
    lines = b'{"x": 1}\n{"y": 2}\n'
    path.write_bytes(zip_of({"a": lines, "extra": b"?"}))
    digest = "e2e3f8b6d5a1c5b7a3d0f7c5c6a4f5f0"  # not the hash of `lines`
    assert holds(path, [Member("a", 2)])
    assert not holds(path, [Member("a", 3)])
    assert not holds(path, [Member("a", 2, digest)])
    assert not holds(path, [Member("b", 2)])
    assert not holds(path, [])
    path.write_bytes(zip_of({"a": b'{"x": 1}\n{"y": 2\n'}))
    assert not holds(path, [Member("a", 2)])
