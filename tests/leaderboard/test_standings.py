from __future__ import annotations

from pathlib import Path

import pytest
from results_by_hand import build_agent, build_results

from crs_gym.evaluation.results import Comparison
from crs_gym.leaderboard.looks import looks_of
from crs_gym.leaderboard.runs import read_run
from crs_gym.leaderboard.standings import NONE, cross_table, number, p_text, standings


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [(1.25, False, "1.2"), (-1.26, False, "−1.3"), (1.26, True, "+1.3"), (-0.04, False, "0.0"), (0.0, True, "0.0")],
)
def test_numbers(value: float, signed: bool, text: str) -> None:
    assert number(value, 1, signed=signed) == text


def test_small_p_values_are_bounds() -> None:
    assert p_text(0.0001) == "p < 0.001"
    assert p_text(0.031) == "p = 0.031"


def test_sorted_by_success_in_three_groups() -> None:
    results = build_results(
        build_agent("second", success=0.4),
        build_agent("parrot", adversary=True, success=0.9),
        build_agent("unscored", success=None),
        build_agent("first", success=0.5),
        build_agent("oracle (sees targets)", target_aware=True, success=1.0),
    )
    groups = standings(results, looks_of([results])).groups
    assert [[row.look.label for row in group.rows] for group in groups] == [
        ["oracle"],
        ["first", "second", "unscored"],
        ["parrot"],
    ]
    assert [[row.rank for row in group.rows] for group in groups] == [[None], [1, 2, 3], [None]]


def test_differences_are_marked_where_they_are_significant() -> None:
    def versus(difference: float, p: float) -> dict[str, Comparison]:
        return {"success": Comparison(difference, difference - 0.1, difference + 0.1, p, p, 100)}

    results = build_results(
        build_agent("base", success=0.4),
        build_agent("better", success=0.6, versus=versus(0.2, 0.01)),
        build_agent("worse", success=0.2, versus=versus(-0.2, 0.0001)),
        build_agent("same", success=0.41, versus=versus(0.01, 0.6)),
        baseline="base",
    )
    table = standings(results, looks_of([results]))
    assert [column.heading for column in table.columns][:2] == ["Success %", "Difference"]
    cells = {row.look.label: row.cells[:2] for row in table.groups[0].rows}
    assert [(cell.text, cell.mark, cell.judged) for cell in cells["better"]] == [
        ("60.0", "▲", "better"),
        ("+20.0", "▲", "better"),
    ]
    assert [(cell.text, cell.mark, cell.interval) for cell in cells["worse"]] == [
        ("20.0", "▼", "15.0–25.0"),
        ("−20.0", "▼", "p < 0.001"),
    ]
    assert [(cell.text, cell.mark) for cell in cells["same"]] == [("41.0", ""), ("+1.0", "")]
    assert cells["base"][1].text == "baseline"


def test_cells_go_with_the_columns() -> None:
    for baseline in (None, "a"):
        results = build_results(build_agent("a", success=0.5), build_agent("b"), baseline=baseline)
        table = standings(results, looks_of([results]))
        assert {len(row.cells) for group in table.groups for row in group.rows} == {len(table.columns)}


def test_agent_without_figures_has_dashes() -> None:
    results = build_results(build_agent("nothing"))
    row = standings(results, looks_of([results])).groups[0].rows[0]
    assert {(cell.text, cell.value) for cell in row.cells[:-1]} == {(NONE, None)}


def test_more_turns_are_neither_better_nor_worse() -> None:
    versus = {"turns": Comparison(1.0, 0.5, 1.5, 0.001, 0.001, 100)}
    results = build_results(build_agent("a", turns=3.0), build_agent("b", turns=4.0, versus=versus), baseline="a")
    table = standings(results, looks_of([results]))
    place = [column.heading for column in table.columns].index("Turns")
    cell = next(row for row in table.groups[0].rows if row.look.label == "b").cells[place]
    assert (cell.mark, cell.judged) == ("▲", "")


def test_next_item_results_are_sorted_by_recall() -> None:
    results = build_results(
        build_agent("low", recall_at_10=0.1), build_agent("high", recall_at_10=0.2), protocol="next-item"
    )
    table = standings(results, looks_of([results]))
    assert [row.look.label for row in table.groups[0].rows] == ["high", "low"]


def test_agents_that_did_not_play_in_a_run_have_no_cell(talking: Path, silent: Path) -> None:
    runs = [read_run(talking), read_run(silent)]
    rows = cross_table(runs, looks_of(run.results for run in runs))
    played = {row.look.label: [cell is not None for cell in row.cells] for row in rows}
    assert played["popularity"] == [True, True]
    assert played["oracle"] == [True, False]
