from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Said

Command = Callable[..., Said]


@pytest.mark.data
def test_real_data_is_found_and_sound(command: Command, real_data: Path) -> None:
    got = command("data", "get", "opendialkg")
    assert got.code == 0
    assert {Path(line).parent for line in got.out.splitlines()} == {real_data / "opendialkg"}
    checked = command("data", "verify", "opendialkg")
    assert checked.code == 0
    assert "test interactive: 628 tasks, 628 checked" in checked.out
    assert checked.out.endswith("  all well\n")


@pytest.mark.data
def test_a_recorded_world_is_evaluated_both_ways(command: Command, real_data: Path) -> None:
    """With a user of rules: the default one needs weights, and takes its time."""
    for protocol, user in (("interactive", ("--simulator", "agenda")), ("next-item", ())):
        said = command(
            *("evaluate", "CRS-OpenDialKG-v0", "-a", "copy-mention", "--protocol", protocol, "--tasks", "20", *user)
        )
        assert said.code == 0, said.err
        assert f"opendialkg test, {protocol}" in said.out


def test_without_data_or_network_there_are_three_ways_on(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crs_gym.worlds.files.store.WAIT_S", 0.0)
    for arguments in (("data", "get", "redial"), ("evaluate", "CRS-Redial-v0", "-a", "popularity")):
        said = command(*arguments)
        assert said.code == 2
        last = said.err.splitlines()[-1]
        assert last.startswith("crs-gym: cannot download redial/redial_dataset.zip from http://127.0.0.1:9/")
        for way in ("Three ways on: (1) set CRS_GYM_DATA", "(2) run `crs-gym data get redial`", "(3) mend the network"):
            assert way in last
        assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("get", "nonsense"), "no corpus to download is named 'nonsense'"),
        (("get", "redail"), "Did you mean 'redial'?"),
        (("verify", "sampel"), "Did you mean 'sample'?"),
    ],
)
def test_an_unknown_corpus_is_named(command: Command, arguments: tuple[str, str], words: str) -> None:
    said = command("data", *arguments)
    assert said.code == 2
    assert words in said.complaint


@pytest.mark.parametrize(("place", "words"), [("a_file", "is no folder"), ("empty", "is missing"), ("no", "no folder")])
def test_a_wrong_data_folder_is_named(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str, words: str
) -> None:
    Path("a_file").touch()
    Path("empty").mkdir()
    monkeypatch.setenv("CRS_GYM_DATA", str(tmp_path / place))
    for arguments in (("data", "get", "redial"), ("evaluate", "CRS-Redial-v0", "-a", "popularity")):
        said = command(*arguments)
        assert said.code == 2
        assert f"CRS_GYM_DATA is set to '{tmp_path / place}'" in said.complaint
        assert words in said.complaint
        assert "unset" in said.complaint


@pytest.mark.parametrize("cache", ["a_file", "/proc/nowhere"])
def test_a_cache_that_cannot_be_written_to_is_named(
    command: Command, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    Path("a_file").touch()
    monkeypatch.setenv("CRS_GYM_CACHE", cache)
    said = command("data", "get", "redial")
    assert said.code == 2
    assert f"the cache {cache} cannot be written" in said.complaint
    assert "Set CRS_GYM_CACHE" in said.complaint
