"""What a fidelity report holds, as it stands in `fidelity.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec

from crs_gym.errors import TraceError
from crs_gym.trace_store import read_file, write_file

SCHEMA: Final = 1
FILE: Final = "fidelity.json"

Unit = Literal["share", "number"]
"""How a figure is shown: a share in %, a number with two decimals."""

METHOD: Final = (
    "Intervals: 95% percentile bootstrap over dialogues, 10,000 samples; where simulator and people speak in the same "
    "dialogues, both are drawn together. Variety (distinct-n) depends on how much is said, so it is taken over equally "
    "many words of either side, drawn 200 times; its interval is that of the draws. A dash means not scored, which is "
    "never counted as 0."
)


class Estimate(msgspec.Struct, frozen=True):
    """A figure with its 95% interval.

    Attributes:
        value: The figure; `None` where it is not defined.
        low: The lower bound.
        high: The upper bound.
        n: Over how many of `of`.
        of: What was counted, in the plural: turns, films, dialogues.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    of: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One measure.

    Attributes:
        key: Its name in files, unique in its section.
        name: Its name on the page.
        meaning: What is measured, and how it is read.
        unit: How it is shown.
        simulator: The simulator's figure; `None` where it is not scored.
        people: The same of people; `None` where people have none.
        references: What else the figure is held against, by name.
        wanted: The criterion, in words; empty where there is none.
        holds: Whether `simulator` meets it; `None` where it is not judged.
        reason: Why it is not scored.
    """

    key: str
    name: str
    meaning: str
    unit: Unit = "number"
    simulator: Estimate | None = None
    people: Estimate | None = None
    references: dict[str, Estimate] = {}
    wanted: str = ""
    holds: bool | None = None
    reason: str = ""


class Distribution(msgspec.Struct, frozen=True):
    """Shares over labels, side by side.

    Attributes:
        title: Its heading.
        caption: What is shown.
        labels: What the shares are over.
        sides: From each side's name to its shares, which add up to 1; people come last.
    """

    title: str
    caption: str
    labels: list[str]
    sides: dict[str, list[float]]


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the report.

    Attributes:
        key: Its name in files.
        title: Its heading.
        about: What it asks.
        rows: Its measures.
        distributions: Its plots of shares.
        notes: What a reader must know besides.
        seconds: How long its measurements took.
    """

    key: str
    title: str
    about: str
    rows: list[Row]
    distributions: list[Distribution] = []
    notes: list[str] = []
    seconds: float = 0.0

    def row(self, key: str) -> Row:
        """The measure of that key.

        Raises:
            KeyError: There is none; the message names those that there are.
        """
        for row in self.rows:
            if row.key == key:
                return row
        raise KeyError(f"section {self.key!r} has no measure {key!r}; it has {', '.join(row.key for row in self.rows)}")


class Excerpt(msgspec.Struct, frozen=True):
    """One seeker's dialogue from the same point on, as the simulator and as the person went on; (role, text) each."""

    task_id: str
    agent: str
    before: list[tuple[str, str]]
    simulator: list[tuple[str, str]]
    people: list[tuple[str, str]]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All that the figures of a report depend on, with the code of `version`.

    Attributes:
        version: Of crs-gym.
        spec: The simulator as it was asked for.
        simulator: Its name with options, as results show it.
        simulator_revision: See `Simulator.revision`.
        target_aware: It is handed the targets when it plays (never when it is asked for likelihoods here).
        likelihoods: It answers how probable it holds words and likes; else likes are read off its decisions.
        world: The world's name.
        world_fingerprint: See `World.fingerprint`.
        split: Which people.
        dialogues: How many recorded dialogues the likelihoods are over.
        all_dislikes: Disliked films are taken from all recorded dialogues, since they are few.
        tasks: How many tasks each agent plays with the simulator.
        agents: Who plays; the figures of words and behaviour are over these.
        adversaries: Who tries to gain without recommending well.
        baseline: What the adversaries are held against.
        max_turns: The turn limit.
        k: How many items a turn may show.
        seed: Keys all draws.
    """

    schema: int = SCHEMA
    version: str
    spec: str
    simulator: str
    simulator_revision: str
    target_aware: bool
    likelihoods: bool
    world: str
    world_fingerprint: str
    split: str
    dialogues: int
    all_dislikes: bool
    tasks: int
    agents: list[str]
    adversaries: list[str]
    baseline: str
    max_turns: int
    k: int
    seed: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A fidelity report: the settings, the sections in their order, some dialogues to read, and the method."""

    settings: Settings
    sections: list[Section]
    excerpts: list[Excerpt] = []
    method: str = METHOD

    def section(self, key: str) -> Section:
        """The section of that key.

        Raises:
            KeyError: There is none; the message names those that there are.
        """
        for section in self.sections:
            if section.key == key:
                return section
        raise KeyError(f"the report has no section {key!r}; it has {', '.join(s.key for s in self.sections)}")


def write_findings(report: Report, folder: Path) -> Path:
    """Write `fidelity.json`, as a whole or not at all, and return its path.

    Raises:
        TraceError: The folder cannot be written to.
    """
    path = folder / FILE
    write_file(path, msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    return path


def read_findings(path: Path | str) -> Report:
    """The report in a folder, or in a file.

    Raises:
        TraceError: The file is missing, damaged or of another schema version.
    """
    path = Path(path)
    path = path / FILE if path.is_dir() else path
    try:
        report = msgspec.json.decode(read_file(path), type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TraceError(f"{path} holds no fidelity report ({error}). Way out: run crs-gym fidelity again") from error
    if report.settings.schema != SCHEMA:
        raise TraceError(f"{path} has schema {report.settings.schema}; this version of crs-gym reads {SCHEMA}")
    return report
