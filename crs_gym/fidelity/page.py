"""A report as one HTML file: no network, no other file, the same bytes for the same report."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Final

from crs_gym.fidelity import shown
from crs_gym.fidelity.findings import Report, Settings
from crs_gym.fidelity.plots import plots_of
from crs_gym.pages import environment
from crs_gym.trace_store import write_file
from crs_gym.transcript import one_line

FILE: Final = "fidelity.html"


def write_page(report: Report, folder: Path | str) -> Path:
    """Write the page, as a whole or not at all, and return its path.

    Raises:
        TraceError: The folder cannot be written to.
    """
    path = Path(folder) / FILE
    write_file(path, render(report).encode("utf-8", "replace"))
    return path


def render(report: Report) -> str:
    """The page of a report."""
    templates = environment("crs_gym.fidelity")
    templates.filters.update(figure=shown.figure, interval=shown.interval, duration=shown.duration, words=one_line)
    templates.tests["judged"] = lambda row: bool(row.wanted)
    values: dict[str, Any] = {
        "report": report,
        "facts": facts(report.settings),
        "command": command(report.settings),
        "plots": {section.key: plots_of(section) for section in report.sections},
        "size": shown.size,
        "state": shown.state,
        "judged": [(section, row) for section in report.sections for row in section.rows if row.wanted],
    }
    return templates.get_template("fidelity.html.j2").render(values) + "\n"


def facts(settings: Settings) -> list[tuple[str, str]]:
    """What the report rests on."""
    return [
        ("Simulator", settings.simulator),
        ("Revision", settings.simulator_revision),
        ("World", f"{settings.world}, {settings.split} split"),
        ("Fingerprint", settings.world_fingerprint),
        ("Recorded dialogues", f"{settings.dialogues:,}"),
        ("Tasks played", f"{settings.tasks:,} with each agent"),
        ("Agents", ", ".join(settings.agents)),
        ("Adversaries", ", ".join(settings.adversaries)),
        ("Game", f"up to {settings.max_turns} turns of {settings.k} items"),
        ("Seed", str(settings.seed)),
        ("Version", f"crs-gym {settings.version}"),
    ]


def command(settings: Settings) -> str:
    """How the report is made again."""
    quick = " --quick" * (not settings.all_dislikes)
    return (
        f"crs-gym fidelity {shlex.quote(settings.spec)} --world {settings.world} "
        f"--dialogues {settings.dialogues} --tasks {settings.tasks} "
        f"--agents {' '.join(settings.agents)} --seed {settings.seed}{quick} --out DIR"
    )
