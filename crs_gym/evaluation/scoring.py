"""From traces to results: values of each episode in one table, then means, intervals and comparisons."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from crs_gym import answers, metrics, statistics
from crs_gym.evaluation.results import AgentMarks, AgentResults, Comparison, Diversity, Figure, TurnFigures
from crs_gym.statistics import Groups, Intervals, Table
from crs_gym.task import Task
from crs_gym.trace import Trace
from crs_gym.trace_store import encode_trace

_PLACES: Final = 6
"""Decimals in results: far below any interval's width, and above the noise of another order of addition."""


@dataclass(frozen=True)
class Scores:
    """All values of one agent's episodes, sorted by task and trial.

    Attributes:
        keys: `n` pairs (task_id, episode).
        names: The columns of `values`.
        values: `(n, n_metrics)`, NaN where an episode has no value.
        turn_names: The columns of `at_turn`.
        at_turn: `(max_turns, n, n_turn_metrics)`, this turn alone.
        end_names: The columns of `by_end`.
        by_end: `(max_turns, n, n_end_metrics)`, reached by the end of the turn.
        errored: How many episodes are errored.
        digest: 16 hex digits over the traces.
        diversity: How varied lists and answers are.
    """

    keys: list[tuple[str, int]]
    names: list[str]
    values: Table
    turn_names: list[str]
    at_turn: Table
    end_names: list[str]
    by_end: Table
    errored: int
    digest: str
    diversity: Diversity

    @property
    def groups(self) -> Groups:
        """`(n,)` the number of each episode's task."""
        return statistics.group_numbers([task_id for task_id, _ in self.keys])


def score(traces: Iterable[Trace], task_of: Callable[[str], Task], n_items: int) -> Scores:
    """The values of one agent's traces, whatever their order.

    Args:
        traces: All under one setting; no episode twice.
        task_of: From a task's id to the task.
        n_items: The size of the catalogue.
    """
    ordered = sorted(traces, key=lambda trace: (trace.task_id, trace.episode))
    reasons = any(turn.agent.reasoning for trace in ordered for turn in trace.turns)
    digest = hashlib.blake2b(digest_size=8)
    episodes: list[metrics.Values] = []
    turns: list[list[metrics.Values]] = []
    ends: list[list[metrics.Values]] = []
    for trace in ordered:
        task = task_of(trace.task_id)
        digest.update(encode_trace(trace) + b"\n")
        values = metrics.episode_values(trace, task, n_items) | answers.answer_values(trace, reasons=reasons)
        episodes.append(values)
        turns.append(metrics.turn_values(trace, task))
        ends.append(metrics.cumulative_values(trace, task))
    limit = ordered[0].setting.max_turns if ordered else 0
    names, table = _table(episodes)
    turn_names, at_turn = _turn_tables(turns, limit)
    end_names, by_end = _turn_tables(ends, limit)
    return Scores(
        keys=[(trace.task_id, trace.episode) for trace in ordered],
        names=names,
        values=table,
        turn_names=turn_names,
        at_turn=at_turn,
        end_names=end_names,
        by_end=by_end,
        errored=sum(trace.outcome == "errored" for trace in ordered),
        digest=digest.hexdigest(),
        diversity=_diversity([trace for trace in ordered if trace.outcome != "errored"], n_items),
    )


def agent_results(marks: AgentMarks, scores: Scores, versus_baseline: Mapping[str, Comparison]) -> AgentResults:
    """One agent's figures with their intervals."""
    groups = scores.groups
    by_turn = list(zip(scores.at_turn, scores.by_end, strict=True))
    tables = [scores.values, *(table for pair in by_turn for table in pair)]
    intervals = statistics.bootstrap_means(np.concatenate(tables, axis=1), groups)
    figures = iter(_figures(intervals))
    by_name = {name: next(figures) for name in scores.names}
    if "return" in scores.names:
        returns = scores.values[:, scores.names.index("return")]
        by_name["return_iqm"] = _figures(statistics.bootstrap_interquartile_mean(returns, groups))[0]
    return AgentResults(
        name=marks.name,
        target_aware=marks.target_aware,
        adversary=marks.adversary,
        episodes=len(scores.keys),
        scored=len(scores.keys) - scores.errored,
        errored=scores.errored,
        traces_digest=scores.digest,
        metrics=by_name,
        by_turn=[
            TurnFigures(
                turn=turn,
                at_turn={name: next(figures) for name in scores.turn_names},
                by_end={name: next(figures) for name in scores.end_names},
            )
            for turn in range(1, len(by_turn) + 1)
        ],
        diversity=scores.diversity,
        versus_baseline=dict(versus_baseline),
    )


def compare(scores: Mapping[str, Scores], baseline: str) -> dict[str, dict[str, Comparison]]:
    """Every other agent against `baseline` on the episodes that both played and have values for, by agent and metric.

    p-values are corrected by Holm's method for the number of agents, within each metric.
    """
    base = scores[baseline]
    row_of = {key: row for row, key in enumerate(base.keys)}
    plain: dict[str, tuple[list[str], Intervals, Table]] = {}
    for name, own in scores.items():
        if name == baseline:
            continue
        rows = [(row, row_of[key]) for row, key in enumerate(own.keys) if key in row_of]
        here = np.array([row for row, _ in rows], np.intp)
        there = np.array([row for _, row in rows], np.intp)
        shared = [metric for metric in own.names if metric in base.names]
        differences = (
            own.values[here][:, [own.names.index(metric) for metric in shared]]
            - base.values[there][:, [base.names.index(metric) for metric in shared]]
        )
        groups = statistics.group_numbers([own.keys[row][0] for row, _ in rows])
        intervals = statistics.bootstrap_means(differences, groups)
        plain[name] = (shared, intervals, statistics.sign_flip_p_values(differences, groups))
    return _corrected(plain)


def _corrected(plain: Mapping[str, tuple[list[str], Intervals, Table]]) -> dict[str, dict[str, Comparison]]:
    """Comparisons with p-values corrected over agents, one metric at a time."""
    out: dict[str, dict[str, Comparison]] = {name: {} for name in plain}
    for metric in dict.fromkeys(metric for shared, _, _ in plain.values() for metric in shared):
        agents = [name for name, (shared, _, _) in plain.items() if metric in shared]
        columns = [plain[name][0].index(metric) for name in agents]
        p_values = np.array([plain[name][2][column] for name, column in zip(agents, columns, strict=True)])
        for name, column, p, p_holm in zip(agents, columns, p_values, statistics.holm(p_values), strict=True):
            figure = _figures(plain[name][1])[column]
            out[name][metric] = Comparison(figure.mean, figure.low, figure.high, _round(p), _round(p_holm), figure.n)
    return out


def _table(rows: Sequence[metrics.Values]) -> tuple[list[str], Table]:
    """Column names, in the order in which they first appear, and `(n, n_columns)` values."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[np.nan if (value := row.get(name)) is None else value for name in names] for row in rows]
    return names, np.array(cells, np.float64).reshape(len(rows), len(names))


def _turn_tables(rows: Sequence[Sequence[metrics.Values]], limit: int) -> tuple[list[str], Table]:
    """Column names, and `(limit, n, n_columns)` values; NaN where an episode had ended."""
    tables = [_table([turns[turn] if turn < len(turns) else {} for turns in rows]) for turn in range(limit)]
    names = list(dict.fromkeys(name for own, _ in tables for name in own))
    out = np.full((limit, len(rows), len(names)), np.nan)
    for page, (own, values) in zip(out, tables, strict=True):
        page[:, [names.index(name) for name in own]] = values
    return names, out


def _diversity(traces: Sequence[Trace], n_items: int) -> Diversity:
    lists = metrics.shown_lists(traces)
    shown = sum(len(items) for _, items in lists)
    distinct = len({item for _, items in lists for item in items})
    identical = metrics.identical_share(lists)
    said = [(trace.task_id, [answers.answer_of(turn.agent) for turn in trace.turns]) for trace in traces]
    same = answers.identical_answers(said)
    return Diversity(
        shown=shown,
        distinct=distinct,
        coverage=round(distinct / n_items, _PLACES),
        distinct_share=round(distinct / shown, _PLACES) if shown else None,
        identical_lists=None if identical is None else round(identical, _PLACES),
        identical_answers=None if same is None else round(same, _PLACES),
    )


def _figures(intervals: Intervals) -> list[Figure]:
    columns = zip(intervals.estimate, intervals.low, intervals.high, intervals.n.tolist(), strict=True)
    return [Figure(_round(mean), _round(low), _round(high), n) for mean, low, high, n in columns]


def _round(value: float) -> float | None:
    """`value` as results hold it; -0.0 becomes 0.0."""
    return None if np.isnan(value) else round(float(value), _PLACES) + 0.0
