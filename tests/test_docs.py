"""The README and the pages of docs/ hold: their programs run, their commands parse, their links lead somewhere."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from corpora import need_corpora

from crs_gym.cli.main import main, parse
from crs_gym.worlds.files.published import CORPORA

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE_COMMAND = re.compile(r"`(crs-gym [^`…]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
RECORDED = re.compile(r"CRS-(?:Redial|OpenDialKG|Inspired)-|[\"'](?:redial|opendialkg|inspired)[\"']")
LEARNED = re.compile(r"make(?:_vec)?\(\"CRS-(?:Redial|OpenDialKG|Inspired)-(?:(?!simulator=)[^\n])*\n")
"""An env whose user is the learned one."""


@dataclass(frozen=True)
class Block:
    """A fenced block: the page, the line of its first line, and for a program the output that stands below it."""

    page: Path
    line: int
    language: str
    code: str
    output: str | None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    found = list(FENCE.finditer(text))
    for i, match in enumerate(found):
        after = found[i + 1] if i + 1 < len(found) else None
        directly = after is not None and after[1] == "text" and not text[match.end() : after.start()].strip()
        line = text.count("\n", 0, match.start(2)) + 1
        yield Block(page, line, match[1], match[2], after[2] if after is not None and directly else None)


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
PROGRAMS = [block for block in BLOCKS if block.language == "python"]
COMMANDS = [
    (f"{block.page.relative_to(ROOT)}: {line.strip()}", line.removeprefix("$ ").strip())
    for block in BLOCKS
    if block.language in ("console", "sh", "bash")
    for line in block.code.splitlines()
    if line.removeprefix("$ ").startswith("crs-gym ")
] + [
    (f"{page.relative_to(ROOT)}: {command}", command)
    for page in PAGES
    for command in INLINE_COMMAND.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
]
LINKS = [
    (page, link)
    for page in PAGES
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    if "://" not in link
]


def check(block: Block) -> None:
    """Run a program in a namespace of its own, and compare what it prints with what stands below it."""
    code = compile("\n" * (block.line - 1) + block.code, str(block.page), "exec")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, {"__name__": "__main__"})
    if block.output is not None:
        assert printed.getvalue().rstrip() == block.output.rstrip()


@pytest.fixture
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CRS_GYM_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("block", PROGRAMS, ids=str)
@pytest.mark.usefixtures("_place")
def test_a_program_runs_and_prints_what_stands_below_it(
    block: Block, monkeypatch: pytest.MonkeyPatch, real_cache: Path, request: pytest.FixtureRequest
) -> None:
    if RECORDED.search(block.code):
        monkeypatch.setenv("CRS_GYM_DATA", str(need_corpora("redial")))
        monkeypatch.setenv("CRS_GYM_CACHE", str(real_cache))
    if LEARNED.search(block.code):
        request.getfixturevalue("smollm2")
    check(block)


def test_the_readme_shows_programs_with_their_output() -> None:
    """So that the test above has something to compare."""
    shown = [block for block in PROGRAMS if block.page.name == "README.md" and block.output is not None]
    assert len(shown) >= 3


def test_a_program_that_prints_something_else_is_found(tmp_path: Path) -> None:
    """The check itself, on pages of which one shows a wrong result and one raises."""
    page = tmp_path / "page.md"
    program = "```python\nprint(2 + 3)\n```\n"
    for text, wrong in ((f"{program}\n```text\n5\n```\n", False), (f"{program}\n```text\n4\n```\n", True)):
        page.write_text(text)
        block, _ = blocks_of(page)
        with pytest.raises(AssertionError) if wrong else contextlib.nullcontext():
            check(block)
    page.write_text(f"{program}\nSome words between, so not its output.\n\n```text\n4\n```\n")
    check(next(blocks_of(page)))
    page.write_text(program.replace("3", "no_such_name"))
    with pytest.raises(NameError):
        check(next(blocks_of(page)))


@pytest.mark.parametrize("command", [command for _, command in COMMANDS], ids=[name for name, _ in COMMANDS])
def test_a_command_parses(command: str) -> None:
    parse(shlex.split(command, comments=True)[1:])


def test_the_list_that_the_readme_names_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert any(command.startswith("crs-gym list") for _, command in COMMANDS)
    with pytest.raises(SystemExit) as left:
        main(["list"])
    assert not left.value.code
    assert "CRS-Sample-v0" in capsys.readouterr().out


@pytest.mark.parametrize(("page", "link"), LINKS, ids=[f"{p.relative_to(ROOT)}: {link}" for p, link in LINKS])
def test_a_link_leads_somewhere(page: Path, link: str) -> None:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    assert target.exists(), f"{page.relative_to(ROOT)} links to {link}, which is not there"
    if anchor and target.suffix == ".md":
        headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


# ------------------------------------------------------------------------------------------------ environments.md


@pytest.fixture(scope="module")
def make_pages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_pages", ROOT / "docs" / "make_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_environments_is_what_the_docstrings_say(make_pages: ModuleType) -> None:
    written = make_pages.PAGE.read_text(encoding="utf-8")
    counted = make_pages.counted_in(written)
    assert counted.startswith("| world |")
    assert written == make_pages.page(counted), "docs/environments.md is old: run python docs/make_pages.py"


@pytest.mark.data
def test_the_page_of_environments_counts_what_the_corpora_hold(
    make_pages: ModuleType, monkeypatch: pytest.MonkeyPatch, real_cache: Path
) -> None:
    monkeypatch.setenv("CRS_GYM_DATA", str(need_corpora(*CORPORA)))
    monkeypatch.setenv("CRS_GYM_CACHE", str(real_cache))
    counted = make_pages.counted_in(make_pages.PAGE.read_text(encoding="utf-8"))
    assert counted == make_pages.counted_worlds(), "docs/environments.md is old: run python docs/make_pages.py"


def test_every_heading_of_an_environment_is_on_its_page(make_pages: ModuleType) -> None:
    page = make_pages.PAGE.read_text(encoding="utf-8")
    part = page.partition("## One dialogue")[2].partition("\n## ")[0]
    headings = re.findall(r"^### (.+)$", part, re.MULTILINE)
    assert headings == [
        "Description",
        "Observation space",
        "Action space",
        "Rewards",
        "Starting state",
        "Episode end",
        "Information",
        "Arguments",
        "References",
        "Version history",
    ]
