"""A report in the terminal: a table a section, whole at 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crs_gym.fidelity.findings import Report, Row, Section
from crs_gym.fidelity.shown import NONE, duration, figure, interval, size, state

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDTH: Final = 80
"""Characters of a line where the output is no terminal."""
_MARKS: Final = {"holds": "[green]holds[/]", "does not hold": "[red]does not hold[/]", "not scored": "not scored"}


def print_findings(report: Report, console: Console | None = None) -> None:
    """Print a report, section by section."""
    from rich.console import Console
    from rich.text import Text

    if console is None:
        console = Console()
        console = console if console.is_terminal else Console(width=WIDTH)
    settings = report.settings
    console.print(
        Text(f"{settings.simulator} on {settings.world} {settings.split}, seed {settings.seed}", style="bold")
    )
    console.print(Text(f"revision {settings.simulator_revision}", style="dim"))
    for section in report.sections:
        console.print()
        console.print(Text(f"{section.title}: {section.about} ({duration(section.seconds)})", style="bold"))
        console.print(section_table(section))
        for reason in dict.fromkeys(row.reason for row in section.rows if row.reason):
            console.print(Text(f"Not scored: {reason}.", style="dim"))
    console.print()
    console.print(Text(f"95% intervals below each figure. {NONE}: not scored, or people have none.", style="dim"))


def section_table(section: Section) -> Table:
    """One section as a table: a measure a row, what it is held against below it."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("", ratio=1, overflow="fold")
    for heading in ("simulator", "people"):
        table.add_column(heading, justify="right", no_wrap=True, min_width=11)
    table.add_column("n", justify="right", max_width=13)
    for row in section.rows:
        for cells in _lines(row):
            table.add_row(*cells)
    return table


def _lines(row: Row) -> list[tuple[str, str, str, str]]:
    from rich.markup import escape

    wanted = f"\n  {escape(row.wanted)}: {_MARKS[state(row)]}" if row.wanted else ""
    cells = [
        "\n".join(filter(None, (figure(side, row.unit), interval(side, row.unit))))
        for side in (row.simulator, row.people)
    ]
    lines = [(escape(row.name) + wanted, *cells, size(row))]
    for name, reference in row.references.items():
        held = figure(reference, row.unit)
        bounds = interval(reference, row.unit)
        lines.append(
            (f"  [dim]{escape(name)}[/]", f"[dim]{held}[/]" + (f"\n[dim]{bounds}[/]" if bounds else ""), "", "")
        )
    return [(name, own, people, n) for name, own, people, n in lines]
