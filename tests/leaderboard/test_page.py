from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from hostile import HOSTILE_NAME, HOSTILE_TEXT

from crs_gym.errors import TraceError
from crs_gym.evaluation.results import read_results, write_results
from crs_gym.leaderboard import write_report

VOID = {"meta", "br", "img", "link", "input", "hr", "path", "use", "rect"}
"""Elements without an end tag; the last three as matplotlib writes them, closed by themselves."""


class Reader(HTMLParser):
    """Reads a page as a browser does, and notes what is wrong with it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.errors: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.errors.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(page: Path) -> Reader:
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    reader.close()
    return reader


@pytest.fixture(scope="session")
def page(talking: Path, silent: Path, errored: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report([talking, silent, errored], tmp_path_factory.mktemp("page") / "deep" / "report.html")


def test_page_is_balanced_and_ids_are_unique(page: Path) -> None:
    reader = read(page)
    assert not reader.errors
    assert not reader.open
    ids = [attrs["id"] for _, attrs in reader.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = {attrs["href"] for _, attrs in reader.tags if "href" in attrs}
    assert links
    assert all(link is not None and link.startswith("#") and link[1:] in ids for link in links)
    referenced = set(re.findall(r"url\(#([^)]+)\)", page.read_text(encoding="utf-8")))
    assert referenced
    assert referenced <= set(ids)


def test_turns_that_were_repaired_say_so(page: Path) -> None:
    assert "not well-formed: repaired" in read(page).texts


def test_reader_rejects_a_broken_page(tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text("<div><p>one</div></p>")
    assert read(broken).errors


def test_page_needs_nothing_but_itself(page: Path) -> None:
    reader = read(page)
    assert not [tag for tag, _ in reader.tags if tag in ("link", "img", "iframe", "object", "embed", "base", "image")]
    loading = {"src", "srcset", "action", "data", "poster", "xlink:href"}
    assert not [(tag, attrs) for tag, attrs in reader.tags if loading & set(attrs)]
    text = page.read_text(encoding="utf-8")
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert set(re.findall(r"var\(--([\w-]+)", text)) <= set(re.findall(r"--([\w-]+):", text))
    # The only addresses are words of the hostile agent's.
    assert set(re.findall(r"https?://[^\s<&\"]*", text)) == {"http://evil.example"}


def test_hostile_texts_stay_texts(page: Path) -> None:
    reader = read(page)
    scripts = [tag for tag, _ in reader.tags if tag == "script"]
    assert len(scripts) == 1  # the page's own
    assert not [attrs for _, attrs in reader.tags if any(name.startswith("on") for name in attrs)]
    words = "".join(reader.texts)
    assert HOSTILE_TEXT in words
    assert HOSTILE_NAME in words
    assert "<b>bold</b>\ufffdturned" in words  # the control character shown, the one that turns text around gone
    assert "the <endpoint> is down" in words


def test_no_score_is_a_dash_and_never_zero(errored: Path, tmp_path: Path) -> None:
    text = write_report([errored], tmp_path / "report.html").read_text(encoding="utf-8")
    cells = re.findall(r'<td[^>]*data-value="([^"]*)"[^>]*>([^<]*)', text)
    assert len(cells) == 2 * 12  # two agents: ten metrics, the difference, and how many are scored
    assert [value for _, value in cells].count("–") == 2 * 10 + 1  # the baseline has no difference from itself
    scored = [(key, value) for key, value in cells if key]
    assert scored == [("0.0", "0")] * 2  # of ten episodes, none is scored
    assert "10 errored" in text


def test_missing_figure_of_a_scored_agent_is_a_dash(page: Path) -> None:
    # The hostile agent ranks two items, so nothing is known of the places up to 50.
    text = page.read_text(encoding="utf-8")
    row = re.search(r'<tr class="adversary"><th[^>]*title="&lt;/title&gt;.*?</tr>', text, re.S)
    assert row is not None
    assert ">–</td>" in row[0]


def test_same_inputs_give_same_bytes(talking: Path, silent: Path, tmp_path: Path) -> None:
    here = write_report([talking, silent], tmp_path / "here.html").read_bytes()
    program = "import sys; from crs_gym.leaderboard import write_report; write_report(sys.argv[2:], sys.argv[1])"
    there = tmp_path / "there.html"
    subprocess.run(
        [sys.executable, "-c", program, str(there), str(talking), str(silent)],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
    )
    assert here == there.read_bytes()


def test_page_is_small(page: Path) -> None:
    assert page.stat().st_size < 1_000_000


def test_every_agent_has_the_same_seekers(talking: Path, page: Path) -> None:
    text = page.read_text(encoding="utf-8").split('id="run-2"')[0]
    scenes = text.split('<div class="scene"')[1:]
    assert scenes
    for scene in scenes:
        assert scene.count('<details class="dialogue') == len(read_results(talking).agents)


def test_folder_without_results_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"crs-gym evaluate … --out .*empty"):
        write_report([tmp_path / "empty"], tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def test_unfinished_run_names_resume(talking: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes((talking / "run.json").read_bytes())
    with pytest.raises(TraceError, match="--resume"):
        write_report([tmp_path], tmp_path / "report.html")


def test_failure_leaves_the_old_page(talking: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    out.write_text("old")
    with pytest.raises(TraceError):
        write_report([talking, tmp_path / "empty"], out)
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("names", [[], ["talking", "talking"]])
def test_no_folder_and_one_folder_twice(names: list[str], talking: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run folder"):
        write_report([talking for _ in names], tmp_path / "report.html")


def test_results_of_other_traces_are_said_to_be(talking: Path, tmp_path: Path) -> None:
    for name in ("run.json", "results.json"):
        (tmp_path / name).write_bytes((talking / name).read_bytes())
    (tmp_path / "traces").mkdir()
    for path in (talking / "traces").glob("*.jsonl"):
        lines = path.read_bytes().splitlines(keepends=True)
        kept = lines[:-1] if path.name == "random.jsonl" else lines
        (tmp_path / "traces" / path.name).write_bytes(b"".join(kept))
    text = write_report([tmp_path], tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The results are of other traces than those in the folder, for random:" in text


def test_a_run_whose_traces_are_gone_says_so(talking: Path, silent: Path, tmp_path: Path) -> None:
    for name in ("run.json", "results.json"):
        (tmp_path / name).write_bytes((talking / name).read_bytes())
    notes: list[str] = []
    page = write_report([tmp_path, silent], tmp_path / "report.html", note=notes.append)
    text = page.read_text(encoding="utf-8")
    (note,) = notes
    assert note.startswith(f"{tmp_path}: the traces of random, popularity, ")
    assert "are gone from the run folder" in note
    assert "The traces of random, popularity, copy-mention, oracle, prober, " in text
    assert "There are no traces to read them from." in text
    assert "This run cannot tell: its traces are gone." in text
    assert str(tmp_path) not in text  # the same page wherever the folder lies
    assert text.count("How dialogues end") == 1  # the other run's
    assert not read(page).errors


def test_a_whole_run_has_no_notes(talking: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    write_report([talking], tmp_path / "report.html", note=notes.append)
    assert notes == []


def test_world_that_has_changed_leaves_numbers_for_titles(talking: Path, tmp_path: Path) -> None:
    config = (talking / "run.json").read_bytes()
    fingerprint = read_results(talking).setting.world_fingerprint.encode()
    (tmp_path / "run.json").write_bytes(config.replace(fingerprint, b"0" * 16))
    results = read_results(talking)
    write_results(msgspec.structs.replace(results, timing=msgspec.UNSET), tmp_path)
    (tmp_path / "traces").mkdir()
    for path in (talking / "traces").glob("*.jsonl"):
        (tmp_path / "traces" / path.name).write_bytes(path.read_bytes())
    text = write_report([tmp_path], tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Items have no titles here" in text
    assert re.search(r'<li class="chip[^"]*"[^>]*>(★ )?item \d+', text)


def test_heavy_packages_wait_until_a_page_is_written() -> None:
    program = (
        "import sys, crs_gym.leaderboard; print([m for m in ('matplotlib', 'jinja2', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
