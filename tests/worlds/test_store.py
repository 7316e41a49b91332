"""Where files come from: a data folder, the cache, a checked download from a real (local) web server."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from mirror_server import Mirror
from small_corpora import inspired_files, json_lines, write_files, zip_of

from crs_gym.cache_folder import cache_folder
from crs_gym.errors import DataError, UnknownNameError
from crs_gym.worlds import load_world
from crs_gym.worlds.files import store
from crs_gym.worlds.files.published import CORPORA, Corpus, Member, PublishedFile


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


LINES = json_lines([{"n": 1}, {"n": 2}])
CONTENT = {"a.jsonl": LINES}
ONE = b'{"one": 1}\n' * 20_000
TWO = b"two\n"
SMALL = Corpus(
    name="small",
    credit="Small (Someone, 2020)",
    licence="CC0",
    files=(
        PublishedFile("small/one.json", "https://example.org/x/one.json", sha256(ONE)),
        PublishedFile("small/two.tsv", "https://example.org/y/two.tsv?raw=1", None),
        PublishedFile(
            "small/three.zip", "https://example.org/three.zip", sha256(b"?"), (Member("a.jsonl", 2, sha256(LINES)),)
        ),
    ),
)
SERVED = {"/x/one.json": ONE, "/y/two.tsv?raw=1": TWO, "/three.zip": zip_of(CONTENT)}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "WAIT_S", 0.01)


@pytest.fixture
def small_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CORPORA, "small", SMALL)  # type: ignore[arg-type]  # a dict, which others must not change


@pytest.mark.usefixtures("small_by_name")
def test_a_corpus_is_at_hand_once_its_files_are_here_and_whole(small: Mirror, tmp_path: Path) -> None:
    assert not store.is_at_hand("small")
    assert not small.asked  # asking downloads nothing
    store.fetch("small")
    assert store.is_at_hand("Small")
    (cache(tmp_path) / "small" / "two.tsv").write_bytes(b"other")
    assert not store.is_at_hand("small")
    with pytest.raises(UnknownNameError):
        store.is_at_hand("nonsense")


@pytest.mark.usefixtures("small_by_name")
def test_a_data_folder_has_a_corpus_at_hand_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRS_GYM_DATA", str(tmp_path / "nowhere"))
    assert not store.is_at_hand("small")
    data = write_files(tmp_path / "data", {"small/one.json": ONE, "small/two.tsv": TWO})
    monkeypatch.setenv("CRS_GYM_DATA", str(data))
    assert not store.is_at_hand("small")
    write_files(tmp_path / "data", {"small/three.zip": zip_of(CONTENT)})
    assert store.is_at_hand("small")


@pytest.fixture
def small(mirror: Mirror) -> Mirror:
    mirror.paths = dict(SERVED)
    return mirror


def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_a_download_is_checked_kept_and_announced_once(
    small: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = store.locate(SMALL)
    assert {name: source.path.read_bytes() for name, source in found.items()} == {
        "small/one.json": ONE, "small/two.tsv": TWO, "small/three.zip": SERVED["/three.zip"]
    }  # fmt: skip
    assert found["small/one.json"].path == cache(tmp_path) / "small" / "one.json"
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "Small (Someone, 2020)" in said
    assert "licence: CC0" in said
    assert store.locate(SMALL) == found
    assert capsys.readouterr().err == ""
    assert set(small.asked.values()) == {1}
    assert not list(cache(tmp_path).rglob("*.part"))


def test_an_archive_of_other_bytes_is_told_by_its_content(small: Mirror) -> None:
    source = store.locate(SMALL)["small/three.zip"]
    assert source.sha256 != SMALL.files[2].sha256
    assert store.is_published(SMALL.files[2], source) is True


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/x/one.json", ONE[:-1]),
        ("/x/one.json", b"<html>not found</html>"),
        ("/y/two.tsv?raw=1", b""),
        ("/three.zip", zip_of({"a.jsonl": json_lines([{"n": 1}, {"n": 3}])})),
        ("/three.zip", SERVED["/three.zip"][:-10]),
    ],
)
def test_what_is_not_the_published_file_is_refused(small: Mirror, tmp_path: Path, path: str, data: bytes) -> None:
    small.paths[path] = data
    with pytest.raises(DataError, match="cannot download"):
        store.locate(SMALL)
    assert small.asked[path] == store.TRIES
    name = urlsplit(path).path.rpartition("/")[2]
    assert not list(cache(tmp_path).rglob(f"{name}*"))
    small.paths[path] = SERVED[path]
    assert len(store.locate(SMALL)) == 3


def test_a_server_that_fails_at_first_is_asked_again(small: Mirror) -> None:
    small.failures = {"/x/one.json": 2}
    assert len(store.locate(SMALL)) == 3
    assert small.asked["/x/one.json"] == 3


def test_no_network_names_three_ways_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CRS_GYM_MIRROR", "http://127.0.0.1:9")  # nothing listens on the discard port
    with pytest.raises(DataError) as raised:
        store.fetch("redial")
    said = str(raised.value)
    for part in (
        "set CRS_GYM_DATA",
        "crs-gym data get redial",
        str(cache(tmp_path)),
        "mend the network",
        "CRS-Sample-v0",
    ):
        assert part in said


def test_a_file_without_a_known_hash_is_pinned_on_first_use(small: Mirror, tmp_path: Path) -> None:
    path = store.locate(SMALL)["small/two.tsv"].path
    manifest = msgspec.json.decode((cache(tmp_path) / "manifest.json").read_bytes())
    assert manifest["small/two.tsv"] == {"sha256": sha256(TWO), "url": "https://example.org/y/two.tsv?raw=1"}
    path.unlink()
    small.paths["/y/two.tsv?raw=1"] = b"changed\n"
    with pytest.raises(DataError, match=f"not {sha256(TWO)}"):
        store.locate(SMALL)
    small.paths["/y/two.tsv?raw=1"] = TWO
    assert store.locate(SMALL)["small/two.tsv"].path.read_bytes() == TWO


def test_a_cached_file_that_changed_is_named(small: Mirror) -> None:
    path = store.locate(SMALL)["small/one.json"].path
    path.write_bytes(ONE + b"\n")
    with pytest.raises(DataError, match=r"one\.json has changed since .* delete .*one\.json and get it again"):
        store.locate(SMALL)
    path.unlink()
    assert store.locate(SMALL)["small/one.json"].sha256 == sha256(ONE)


@pytest.mark.parametrize("manifest", [None, b"{", b"[]"])
def test_files_copied_without_a_whole_manifest_are_accepted_by_content(
    small: Mirror, tmp_path: Path, manifest: bytes | None
) -> None:
    write_files(cache(tmp_path), {f"small/{p.path.split('/')[1]}": SERVED[_served(p)] for p in SMALL.files})
    if manifest is not None:
        (cache(tmp_path) / "manifest.json").write_bytes(manifest)
    assert len(store.locate(SMALL)) == 3
    assert not small.asked


def _served(file: PublishedFile) -> str:
    parts = urlsplit(file.url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def test_a_bad_file_put_into_the_cache_is_downloaded_again(small: Mirror, tmp_path: Path) -> None:
    write_files(cache(tmp_path), {"small/one.json": b"half"})
    assert store.locate(SMALL)["small/one.json"].path.read_bytes() == ONE


def test_a_data_folder_comes_first_and_is_never_written(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_files(tmp_path / "mine", {"small/one.json": b"1", "small/two.tsv": b"2", "small/three.zip": b"3"})
    monkeypatch.setenv("CRS_GYM_DATA", str(folder))
    found = store.locate(SMALL)
    assert found["small/two.tsv"].path == folder / "small" / "two.tsv"
    assert store.is_published(SMALL.files[0], found["small/one.json"]) is False
    assert store.is_published(SMALL.files[1], found["small/two.tsv"]) is None
    (folder / "small" / "one.json").unlink()
    with pytest.raises(
        DataError, match=r"one\.json is missing\. .*https://example\.org/x/one\.json.*unset CRS_GYM_DATA"
    ):
        store.locate(SMALL)
    assert not mirror.asked
    assert not cache(tmp_path).exists()


def test_a_data_folder_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CRS_GYM_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"CRS_GYM_DATA is set to .*nowhere'"):
        load_world("redial")


def test_places_follow_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("CRS_GYM_CACHE")
    assert cache_folder().name == "crs-gym"
    assert store.data_folder() is None
    monkeypatch.setenv("CRS_GYM_DATA", "")
    assert store.data_folder() is None
    assert store.mirrored("https://a.org/b/c?d=1") == "https://a.org/b/c?d=1"
    monkeypatch.setenv("CRS_GYM_MIRROR", "http://mirror.net:8080/ignored")
    assert store.mirrored("https://a.org/b/c?d=1") == "http://mirror.net:8080/b/c?d=1"
    monkeypatch.setenv("CRS_GYM_MIRROR", "mirror.net")
    with pytest.raises(DataError, match="CRS_GYM_MIRROR"):
        store.mirrored("https://a.org/b")


def test_an_unknown_corpus_is_named() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'redial'"):
        store.fetch("redail")


def test_a_cache_that_cannot_be_written_is_named(
    small: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("CRS_GYM_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot be written.*CRS_GYM_CACHE"):
        store.locate(SMALL)


# --- Real processes ---------------------------------------------------------------------------------------------------

PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
from test_store import SMALL
from crs_gym.worlds.files import store
print(sorted(store.locate(SMALL)))
"""


def process() -> subprocess.Popen[str]:
    program = PROGRAM.format(tests=str(Path(__file__).parent))
    return subprocess.Popen(
        [sys.executable, "-c", program], env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_two_processes_that_fill_one_cache_download_once(small: Mirror) -> None:
    processes = [process() for _ in range(3)]
    for running in processes:
        out, err = running.communicate(timeout=60)
        assert running.returncode == 0, err
        assert out.strip() == "['small/one.json', 'small/three.zip', 'small/two.tsv']"
    assert dict(small.asked) == dict.fromkeys(SERVED, 1)


def test_a_process_killed_half_way_leaves_nothing_that_is_taken_for_whole(small: Mirror, tmp_path: Path) -> None:
    small.stall_after = 1_000
    running = process()
    assert small.stalled.wait(timeout=30)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert running.returncode == -signal.SIGKILL
    assert not (cache(tmp_path) / "small" / "one.json").exists()
    small.stall_after = None
    assert store.locate(SMALL)["small/one.json"].path.read_bytes() == ONE  # neither the lock nor the rest is in the way
    assert not list(cache(tmp_path).rglob("*.part"))


# --- The published corpora --------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize("name", ["redial", "opendialkg"])
def test_a_world_from_a_download(name: str, mirror: Mirror, real_data: Path) -> None:
    mirror.paths = {_served(file): (real_data / file.path).read_bytes() for file in CORPORA[name].files}
    assert set(store.fetch(name)) == {file.path for file in CORPORA[name].files}
    assert len(load_world(name).tasks("test")) > 500
    assert set(mirror.asked.values()) == {1}


@pytest.mark.data
def test_inspired_from_a_download(mirror: Mirror, real_data: Path) -> None:
    small = inspired_files()["inspired/dev.tsv"]
    for file in CORPORA["inspired"].files:
        data = small if file.sha256 is None else (real_data / file.path).read_bytes()
        mirror.paths[_served(file)] = data.replace(b"20200101", file.path[9:13].encode())
    mirror.paths[_served(CORPORA["inspired"].files[1])] = (real_data / "inspired/dev.tsv").read_bytes()
    world = load_world("inspired")
    assert [len(world.dialogues(split)) for split in ("train", "valid", "test")] == [1, 99, 1]


def test_every_address_is_pinned_to_a_commit() -> None:
    for corpus in CORPORA.values():
        for file in corpus.files:
            assert any(len(part) == 40 and set(part) <= set("0123456789abcdef") for part in file.url.split("/"))
            assert file.sha256 is None or len(file.sha256) == 64
            assert file.path.startswith((corpus.name, "redial"))
