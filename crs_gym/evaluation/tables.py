"""Results as tables for a terminal: each figure with its interval below it, and every figure whole at any width."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from crs_gym.evaluation.results import AgentResults, Figure, Results
from crs_gym.evaluation.signs import signs_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

WIDTH: Final = 100
"""Characters of a line where the output is no terminal."""
_NAME: Final = 12
"""Characters of a line of an agent's name."""
SIGNIFICANT: Final = 0.05
"""The corrected p-value below which a difference from the baseline is marked."""


@dataclass(frozen=True)
class Column:
    """One column: heading, metric, the factor by which it is shown, decimals, and whether with an interval."""

    heading: str
    metric: str
    factor: float = 100.0
    places: int = 1
    interval: bool = True


COLUMNS: Final[dict[str, tuple[tuple[Column, ...], ...]]] = {
    "interactive": (
        (
            Column("success", "success"),
            Column("accept", "accepted"),
            Column("agree", "agreement", interval=False),
            Column("turns", "turns", 1.0, 1, interval=False),
            Column("return", "return", 1.0, 2),
        ),
        (
            Column("R@1", "recall@1", interval=False),
            Column("R@10", "recall@10", interval=False),
            Column("R@50", "recall@50", interval=False),
            Column("shown", "shown_recall"),
            Column("R@T·k", "equal_budget_recall"),
        ),
    ),
    "next-item": (
        (
            Column("recall@1", "recall@1"),
            Column("recall@10", "recall@10"),
            Column("recall@50", "recall@50"),
        ),
        (
            Column("NDCG@10", "ndcg@10"),
            Column("NDCG@50", "ndcg@50"),
            Column("MRR@10", "mrr@10"),
        ),
    ),
}
"""Groups of columns: on a narrow terminal each is a table of its own, one below the other."""


def print_results(results: Results, console: Console | None = None) -> None:
    """Print a run; where the output is no terminal, at 100 columns.

    All columns stand side by side where they fit. Where they do not, they stand in several tables, one below the other;
    no figure is cut or left out.
    """
    from rich.console import Console
    from rich.text import Text

    if console is None:
        console = Console()
        console = console if console.is_terminal else Console(width=WIDTH)
    setting = results.setting
    state = "" if results.complete else ", NOT COMPLETE"
    title = f"{setting.world} {setting.split}, {results.protocol}, user {setting.simulator}, seed {results.seed}{state}"
    console.print(Text(title, style="bold"))
    console.print()
    for table in results_tables(results, console):
        # A terminal narrower than one column breaks the lines by itself: better than a figure cut in the middle.
        console.print(table, "", crop=False, no_wrap=True, overflow="ignore")
    if lines := sign_lines(results):
        console.print(Text("\n".join(["Answers to look at:", *lines, ""]), style="yellow"))
    console.print(Text(_caption(results), style="dim"))


def sign_lines(results: Results) -> list[str]:
    """One line for each agent whose answers show signs of degeneration."""
    baseline = next((agent for agent in results.agents if agent.name == results.baseline), None)
    signs = {agent.name: signs_of(agent, baseline) for agent in results.agents}
    return [f"{name}: {', '.join(own)}" for name, own in signs.items() if own]


def results_tables(results: Results, console: Console) -> list[RichTable]:
    """The tables of a run, one row an agent, each as wide as the console at most."""
    groups = COLUMNS[results.protocol]
    whole = _table(results, [column for group in groups for column in group])
    if _width(whole, console) <= console.width:
        return [whole]
    tables = []
    for group in groups:
        shown: list[Column] = []
        for column in group:
            if shown and _width(_table(results, [*shown, column]), console) > console.width:
                tables.append(_table(results, shown))
                shown = []
            shown.append(column)
        tables.append(_table(results, shown))
    for table in tables:
        table.width = _width(table, console)  # so that rich does not narrow what cannot be narrowed
    return tables


def _width(table: RichTable, console: Console) -> int:
    """How many characters the table takes if nothing in it is cut."""
    from rich.measure import Measurement

    unbounded = console.options.update(width=10_000)
    return Measurement.get(console, unbounded, table).maximum


def _table(results: Results, columns: Sequence[Column]) -> RichTable:
    """One row an agent: its name, these columns, and how many episodes they are over."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    table.add_column("agent", width=_NAME, overflow="fold")
    for heading in (*(column.heading for column in columns), "n"):
        table.add_column(heading, justify="right", no_wrap=True)
    for agent in results.agents:
        name = "\n".join(_name_lines(agent.name + (" †" if agent.adversary else "")))
        n = f"{agent.scored}" + (f"\n+{agent.errored}" if agent.errored else "")
        table.add_row(Text(name), *(Text(_cell(agent, column)) for column in columns), Text(n))
    return table


def _name_lines(name: str) -> list[str]:
    """A name in lines, broken behind a colon, comma, slash or hyphen where one is at hand: so paths can be read."""
    lines = wrap(re.sub("(?<=[:,/])", " ", name), _NAME)
    return [re.sub("(?<=[:,/]) ", "", line) for line in lines]


def _cell(agent: AgentResults, column: Column) -> str:
    figure = agent.metrics.get(column.metric)
    if figure is None or figure.mean is None:
        return "–"
    comparison = agent.versus_baseline.get(column.metric)
    marked = comparison is not None and comparison.p_holm is not None and comparison.p_holm < SIGNIFICANT
    text = f"{_number(figure.mean, column)}{'*' if marked else ''}"
    return f"{text}\n{_interval(figure, column)}" if column.interval else text


def _interval(figure: Figure, column: Column) -> str:
    """`66.0–73.8`; `-0.10 to 0.06`, since a dash beside a minus sign cannot be read."""
    if figure.low is None or figure.high is None:
        return ""
    low, high = _number(figure.low, column), _number(figure.high, column)
    return f"{low} to {high}" if "-" in low + high else f"{low}–{high}"


def _number(value: float, column: Column) -> str:
    """The value as shown; a whole hundred per cent without decimals, to keep columns narrow."""
    shown = value * column.factor
    if column.factor == 100.0 and shown == 100.0:
        return "100"
    text = f"{shown:.{column.places}f}"
    return text if text.strip("-0.") else text.lstrip("-")  # what rounds to 0 has no sign


def _caption(results: Results) -> str:
    setting = results.setting
    notes = ["Shares in %, 95% intervals below."]
    if results.protocol == "interactive":
        budget = setting.max_turns * setting.k
        notes.append(
            "success: dialogues in which a target was shown; shown: targets that were shown, in up to "
            f"{setting.max_turns} turns of {setting.k}. R@k: targets in the first k of the first turn's ranking; "
            f"R@T·k: in its first {budget}, as many guesses at once."
        )
    if results.baseline is not None:
        notes.append(f"*: differs from {results.baseline} (p < {SIGNIFICANT} after Holm's correction).")
    if any(agent.errored for agent in results.agents):
        notes.append("n: scored episodes, + errored ones.")
    if any(agent.adversary for agent in results.agents):
        notes.append("†: adversary.")
    if any("identical" in line for line in sign_lines(results)):
        notes.append("identical answers: how probable it is that two tasks get one answer at the same turn.")
    return " ".join(notes)
