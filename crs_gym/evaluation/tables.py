"""Results as a table for a terminal of 100 columns: each figure with its interval below it."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from crs_gym.evaluation.results import AgentResults, Figure, Results

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

WIDTH: Final = 100
_NAME: Final = 12
"""The width of the names; with it, and with figures of two digits, the table fits."""
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


COLUMNS: Final = {
    "interactive": (
        Column("success", "success"),
        Column("accept", "accepted"),
        Column("agree", "agreement", interval=False),
        Column("turns", "turns", 1.0, 1, interval=False),
        Column("return", "return", 1.0, 2),
        Column("R@1", "recall@1", interval=False),
        Column("R@10", "recall@10", interval=False),
        Column("R@50", "recall@50", interval=False),
        Column("shown", "shown_recall"),
        Column("R@T·k", "equal_budget_recall"),
    ),
    "next-item": (
        Column("recall@1", "recall@1"),
        Column("recall@10", "recall@10"),
        Column("recall@50", "recall@50"),
        Column("NDCG@10", "ndcg@10"),
        Column("NDCG@50", "ndcg@50"),
        Column("MRR@10", "mrr@10"),
    ),
}


def results_table(results: Results) -> RichTable:
    """The table of a run, one row an agent."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    setting = results.setting
    state = "" if results.complete else ", NOT COMPLETE"
    table = Table(
        title=f"{setting.world} {setting.split}, {results.protocol}, user {setting.simulator}, "
        f"seed {results.seed}{state}",
        caption=_caption(results),
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
    )
    table.add_column("agent", width=_NAME, no_wrap=True)
    for column in COLUMNS[results.protocol]:
        table.add_column(column.heading, justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    for agent in results.agents:
        cells = [Text(_cell(agent, column)) for column in COLUMNS[results.protocol]]
        n = f"{agent.scored}" + (f"\n+{agent.errored}" if agent.errored else "")
        table.add_row(Text("\n".join(wrap(agent.name + (" †" if agent.adversary else ""), _NAME))), *cells, Text(n))
    return table


def print_results(results: Results, console: Console | None = None) -> None:
    """Print the table; where the output is no terminal, at 100 columns."""
    if console is None:
        from rich.console import Console

        console = Console()
        console = console if console.is_terminal else Console(width=WIDTH)
    console.print(results_table(results))


def _cell(agent: AgentResults, column: Column) -> str:
    figure = agent.metrics.get(column.metric)
    if figure is None or figure.mean is None:
        return "–"
    comparison = agent.versus_baseline.get(column.metric)
    marked = comparison is not None and comparison.p_holm is not None and comparison.p_holm < SIGNIFICANT
    text = f"{_number(figure.mean, column)}{'*' if marked else ''}"
    return f"{text}\n{_interval(figure, column)}" if column.interval else text


def _interval(figure: Figure, column: Column) -> str:
    if figure.low is None or figure.high is None:
        return ""
    low, high = _number(figure.low, column), _number(figure.high, column)
    return f"{low}–{high}"


def _number(value: float, column: Column) -> str:
    """The value as shown; a whole hundred per cent without decimals, to keep columns narrow."""
    shown = value * column.factor
    return "100" if column.factor == 100.0 and shown == 100.0 else f"{shown:.{column.places}f}"


def _caption(results: Results) -> str:
    setting = results.setting
    notes = ["Shares in %, 95% intervals below."]
    if results.protocol == "interactive":
        budget = setting.max_turns * setting.k
        notes.append(
            "R@k: targets in the first k of the first turn's ranking. shown: targets shown in the whole dialogue, in "
            f"{setting.max_turns} turns of {setting.k} at most. R@T·k: targets in the first {budget} of the first "
            "turn's ranking, the same number of guesses at once."
        )
    if results.baseline is not None:
        notes.append(f"*: differs from {results.baseline} (p < {SIGNIFICANT} after Holm's correction).")
    if any(agent.errored for agent in results.agents):
        notes.append("n: scored episodes, + errored ones.")
    if any(agent.adversary for agent in results.agents):
        notes.append("†: adversary.")
    return " ".join(notes)
