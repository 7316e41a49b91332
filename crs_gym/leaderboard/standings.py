"""The leaderboard as rows of ready texts: what has no value is a dash, never 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crs_gym.evaluation.results import AgentResults, Comparison, Figure, Results
from crs_gym.evaluation.tables import SIGNIFICANT
from crs_gym.leaderboard.looks import Kind, Look
from crs_gym.leaderboard.runs import Run, by_standing, figure_of, leading_metric

NONE: Final = "–"
"""What stands where there is no value."""

_JUDGED: Final = {"▲": "better", "▼": "worse"}


@dataclass(frozen=True)
class Column:
    """One column of figures.

    Attributes:
        metric: Empty for a column that is no metric.
        heading: Above it.
        explanation: What it holds.
        factor: By which the figure is multiplied.
        places: Decimals.
        interval: Whether the interval stands below.
        judged: Whether more is better.
    """

    metric: str
    heading: str
    explanation: str
    factor: float = 100.0
    places: int = 1
    interval: bool = True
    judged: bool = True


@dataclass(frozen=True)
class Cell:
    """One figure.

    Attributes:
        text: The value.
        interval: Its 95% interval; empty where none is shown.
        value: What the column is sorted by; `None` is sorted last.
        mark: ▲ or ▼ where the agent differs from the baseline.
        judged: `better` or `worse` where the mark says so.
        note: The whole story, as a tooltip.
        share: The value as a share of a full bar, in per cent; `None` for no bar.
    """

    text: str
    interval: str = ""
    value: float | None = None
    mark: str = ""
    judged: str = ""
    note: str = ""
    share: float | None = None


@dataclass(frozen=True)
class Row:
    """One agent; `cells` go with the columns."""

    look: Look
    rank: int | None
    baseline: bool
    cells: list[Cell]


@dataclass(frozen=True)
class Group:
    """Agents of one kind under one caption."""

    kind: Kind
    caption: str
    rows: list[Row]


@dataclass(frozen=True)
class Standings:
    """The whole table."""

    columns: list[Column]
    groups: list[Group]


CAPTIONS: Final[Mapping[Kind, str]] = {
    "ceiling": "Ceiling: is shown the targets, competes with no one",
    "agent": "Agents",
    "adversary": "Adversaries: try to score without recommending well, and must stay below popularity",
}


def columns_of(results: Results) -> list[Column]:
    """The columns of a protocol's table."""
    budget = results.setting.max_turns * results.setting.k
    if results.protocol != "interactive":
        name = {"recall": "share of targets within", "ndcg": "NDCG of", "mrr": "reciprocal rank of a target within"}
        return [
            Column(f"{kind}@{k}", f"{title}@{k} %", f"{name[kind]} the first {k} places, new items only")
            for kind, title, cuts in (
                ("recall", "Recall", (1, 10, 50)),
                ("ndcg", "NDCG", (10, 50)),
                ("mrr", "MRR", (10,)),
            )
            for k in cuts
        ]
    recall = "share of targets within the first {} places of the first turn's ranking, new items only"
    return [
        Column("success", "Success %", "a target was shown before the dialogue ended: the label's word"),
        Column("accepted", "Accepted %", "the user accepted an item: the user's word"),
        Column("agreement", "Agree %", "how often success and acceptance are the same", interval=False),
        Column("turns", "Turns", "turns of a dialogue", 1.0, 1, interval=False, judged=False),
        Column("return", "Return", "sum of a dialogue's rewards", 1.0, 2),
        *[Column(f"recall@{k}", f"R@{k} %", recall.format(k)) for k in (1, 10, 50)],
        Column("shown_recall", "Shown %", "share of targets shown in the whole dialogue"),
        Column(
            "equal_budget_recall",
            f"R@{budget} at once %",
            f"{recall.format(budget)}: in one turn as many guesses as the dialogue may make "
            f"({results.setting.max_turns} turns of {results.setting.k})",
        ),
    ]


def standings(results: Results, looks: Mapping[str, Look]) -> Standings:
    """The table of a run, sorted, in three groups."""
    columns = columns_of(results)
    lead = [column.metric for column in columns].index(leading_metric(results))
    rows: dict[Kind, list[Row]] = {"ceiling": [], "agent": [], "adversary": []}
    for agent in by_standing(results):
        look = looks[agent.name]
        cells = [cell_of(agent, column, lead=column.metric == leading_metric(results)) for column in columns]
        if results.baseline is not None:
            cells.insert(lead + 1, _difference(agent, results, columns[lead]))
        cells.append(_counts(agent))
        rank = len(rows["agent"]) + 1 if look.kind == "agent" else None
        rows[look.kind].append(Row(look, rank, agent.name == results.baseline, cells))
    if results.baseline is not None:
        note = (
            f"difference in {leading_metric(results)} from {results.baseline}, in percentage points, on the same tasks"
        )
        columns.insert(lead + 1, Column("", "Difference", note))
    columns.append(Column("", "Scored", "episodes that have a value; errored ones are left out, never counted as 0"))
    return Standings(columns, [Group(kind, CAPTIONS[kind], own) for kind, own in rows.items() if own])


def cell_of(agent: AgentResults, column: Column, *, lead: bool = False) -> Cell:
    """One figure with its interval, marked where it differs from the baseline; with a bar if it leads the table."""
    figure = figure_of(agent, column.metric)
    if figure.mean is None:
        return Cell(NONE, note="not scored")
    comparison = agent.versus_baseline.get(column.metric)
    text = number(figure.mean * column.factor, column.places)
    interval = interval_text(figure, column) if column.interval else ""
    note = f"{text}, 95% interval {interval or NONE}, over {figure.n} episodes"
    if comparison is not None and comparison.p_holm is not None:
        note += f"; differs from the baseline with {p_text(comparison.p_holm)} (Holm)"
    share = 100.0 * figure.mean if lead else None
    mark = _mark(comparison)
    return Cell(text, interval, figure.mean, mark, _JUDGED.get(mark, "") if column.judged else "", note, share)


def interval_text(figure: Figure | Comparison, column: Column) -> str:
    """`66.0 to 73.8`, or nothing where there is no interval."""
    if figure.low is None or figure.high is None:
        return ""
    low, high = (number(bound * column.factor, column.places) for bound in (figure.low, figure.high))
    return f"{low} to {high}" if "−" in low + high else f"{low}–{high}"


def number(value: float, places: int, *, signed: bool = False) -> str:
    """A number with a true minus sign; what rounds to 0 has none."""
    text = f"{value:+.{places}f}" if signed else f"{value:.{places}f}"
    if not text.strip("+-0."):
        text = text.lstrip("+-")
    return text.replace("-", "−")


def p_text(p: float) -> str:
    """`p = 0.031`, or `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _difference(agent: AgentResults, results: Results, column: Column) -> Cell:
    if agent.name == results.baseline:
        return Cell("baseline")
    comparison = agent.versus_baseline.get(column.metric)
    if comparison is None or comparison.difference is None:
        return Cell(NONE, note="not scored")
    text = number(comparison.difference * column.factor, column.places, signed=True)
    p = NONE if comparison.p_holm is None else p_text(comparison.p_holm)
    note = f"{text} points, 95% interval {interval_text(comparison, column)}, over {comparison.n} episodes; {p} (Holm)"
    mark = _mark(comparison)
    return Cell(text, p, comparison.difference, mark, _JUDGED.get(mark, ""), note)


def _mark(comparison: Comparison | None) -> str:
    if comparison is None or comparison.p_holm is None or not comparison.difference:
        return ""
    if comparison.p_holm >= SIGNIFICANT:
        return ""
    return "▲" if comparison.difference > 0 else "▼"


def _counts(agent: AgentResults) -> Cell:
    errored = f"{agent.errored} errored" if agent.errored else ""
    return Cell(str(agent.scored), errored, float(agent.scored))


@dataclass(frozen=True)
class CrossRow:
    """One agent in all runs; `cells` go with the runs, `None` where it did not play."""

    look: Look
    cells: list[Cell | None]


def cross_table(runs: Sequence[Run], looks: Mapping[str, Look]) -> list[CrossRow]:
    """The leading metric of every agent in every run; ceilings first, adversaries last, else best first."""
    order: dict[Kind, int] = {"ceiling": 0, "agent": 1, "adversary": 2}
    rows = []
    for name, look in looks.items():
        cells: list[Cell | None] = []
        for run in runs:
            played = [agent for agent in run.results.agents if agent.name == name]
            cells.append(cell_of(played[0], columns_for_lead(run.results), lead=True) if played else None)
        rows.append(CrossRow(look, cells))

    def place(row: CrossRow) -> tuple[int, float]:
        values = [cell.value for cell in row.cells if cell is not None and cell.value is not None]
        return order[row.look.kind], -values[0] if values else float("inf")

    return sorted(rows, key=place)


def columns_for_lead(results: Results) -> Column:
    """The column of the leading metric."""
    lead = leading_metric(results)
    return next(column for column in columns_of(results) if column.metric == lead)
