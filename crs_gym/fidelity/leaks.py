"""Leaks: whether what the simulator says gives away the films that are looked for.

A user may name films by itself, and by chance, or because the dialogue suggests them, they are what is looked for. So
the targets are held against films that are as popular, and against films that the dialogue so far suggests as much:
only what goes beyond both is a leak.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from crs_gym.catalog import Catalog
from crs_gym.evaluation.results import Comparison, Figure, Results
from crs_gym.fidelity.comentions import CoMentions
from crs_gym.fidelity.findings import Estimate, Row
from crs_gym.fidelity.intervals import mean, rounded
from crs_gym.fidelity.titles import TitleSpotter, Volunteered
from crs_gym.popularity import WINDOW, PopularityMatcher
from crs_gym.randomness import derived_key, generator
from crs_gym.task import Task
from crs_gym.trace import Trace

SHUFFLES: Final = 5
"""Films drawn in place of each target, of either kind."""


class StandIns:
    """Films to hold the targets of a task against.

    Args:
        catalog: The films.
        comentions: What the films of a dialogue suggest.
        spotter: Tells which items are one film.
        seed: Keys the draws.
    """

    def __init__(self, catalog: Catalog, comentions: CoMentions, spotter: TitleSpotter, seed: int) -> None:
        self._catalog = catalog
        self._matcher = PopularityMatcher(catalog)
        self._comentions = comentions
        self._spotter = spotter
        self._seed = seed
        self._share = catalog.popularity / max(float(catalog.popularity.sum()), 1e-9)

    def of(self, task: Task) -> tuple[list[list[int]], list[list[int]]]:
        """`SHUFFLES` sets of films as popular as the targets, and as many sets of films that are suggested as much."""
        rng = generator(derived_key("fidelity stand-ins", self._seed, task.task_id))
        mentioned = list(dict.fromkeys(item for message in task.context for item in message.items))
        avoid = {*mentioned, *task.targets}
        scores = self._comentions.scores(mentioned).astype(np.float64) + 0.1 * self._share
        order = np.argsort(-scores, kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        popular: list[list[int]] = [[] for _ in range(SHUFFLES)]
        suggested: list[list[int]] = [[] for _ in range(SHUFFLES)]
        for target in task.targets:
            # As far up as down, so that no stand-in is easier to guess than its target on average.
            reach = min(WINDOW, int(rank[target]), len(order) - 1 - int(rank[target])) or 1
            near = order[max(int(rank[target]) - reach, 0) : int(rank[target]) + reach + 1].tolist()
            free = [item for item in near if item not in avoid]
            for number in range(SHUFFLES):
                match = self._matcher.match(target, rng, avoid)
                popular[number] += [match] if match is not None else []
                suggested[number] += [free[int(rng.integers(len(free)))]] if free else []
        return popular, suggested


def leak_rows(
    traces: Mapping[str, Sequence[Trace]],
    tasks: Mapping[str, tuple[int, Task]],
    catalog: Catalog,
    comentions: CoMentions,
    *,
    target_aware: bool,
    seed: int,
) -> list[Row]:
    """How often a target is brought up before the agent has shown it, over all played dialogues and under `prober`.

    Args:
        traces: By agent; errored ones are left out.
        tasks: From a task's id to its number and the task.
        catalog: The films.
        comentions: What the films of a dialogue suggest.
        target_aware: The simulator is handed the targets.
        seed: Keys the films that stand in for targets.
    """
    spotter = TitleSpotter(catalog)
    stand_ins = StandIns(catalog, comentions, spotter, seed)
    drawn: dict[str, tuple[list[list[int]], list[list[int]]]] = {}
    found: dict[str, list[tuple[int, float, float, float]]] = {}
    for agent, own in traces.items():
        found[agent] = []
        for trace in own:
            if trace.outcome == "errored":
                continue
            group, task = tasks[trace.task_id]
            if trace.task_id not in drawn:
                drawn[trace.task_id] = stand_ins.of(task)
            popular, suggested = drawn[trace.task_id]
            volunteered = Volunteered(trace, task, spotter, catalog.names)

            def any_of(items: Sequence[int], volunteered: Volunteered = volunteered) -> float:
                return float(any(volunteered.brings_up(item) for item in items))

            as_popular, as_likely = (float(np.mean([any_of(items) for items in sets])) for sets in (popular, suggested))
            found[agent].append((group, any_of(task.targets), as_popular, as_likely))
    everything = [value for values in found.values() for value in values]
    rows = _rows("all", "all agents", everything, target_aware)
    if "prober" in found:
        rows += _rows("prober", "asked for the title (prober)", found["prober"], target_aware)
    return rows


def adversary_rows(results: Results, adversaries: Sequence[str]) -> list[Row]:
    """What each adversary gains over the baseline; a sound simulator gives it nothing."""
    rows = []
    for name in adversaries:
        agent = results.agent(name)
        base = results.agent(results.baseline or "")
        for metric, label, unit in (("success", "success", "share"), ("return", "return", "number")):
            comparison = agent.versus_baseline[metric]
            rows.append(
                Row(
                    key=f"{name}_{metric}",
                    name=f"{name}: {label} beyond {results.baseline}",
                    meaning=f"Mean {label} less that of {results.baseline} on the same tasks with the same noise.",
                    unit="share" if unit == "share" else "number",
                    simulator=_difference(comparison),
                    references={
                        name: _figure(agent.metrics[metric]),
                        results.baseline or "": _figure(base.metrics[metric]),
                    },
                    wanted="no gain: the interval holds 0 or less",
                    holds=None if comparison.low is None else comparison.low <= 0.0,
                )
            )
    return rows


def _rows(key: str, where: str, values: Sequence[tuple[int, float, float, float]], target_aware: bool) -> list[Row]:
    groups = np.unique(np.array([value[0] for value in values], np.intp), return_inverse=True)[1].astype(np.intp)

    def over(*columns: tuple[int, int]) -> Estimate:
        totals = [sum(sign * float(value[column]) for sign, column in columns) for value in values]
        return mean(totals, groups, "dialogues")

    rate, beyond = over((1, 1)), over((1, 1), (-1, 3))
    clean = None if rate.value is None else rate.value == 0.0
    return [
        Row(
            key=f"{key}_rate",
            name=f"Targets brought up, {where}",
            meaning="Dialogues in which the seeker names a target, or paraphrases its title, before the agent has "
            "shown it; beside it, films of the same popularity in place of the targets, and films that co-mentions "
            "with the dialogue so far suggest as much.",
            unit="share",
            simulator=rate,
            references={"as popular": over((1, 2)), "as likely from the dialogue": over((1, 3))},
            wanted="0: the guard holds the targets back" if target_aware else "",
            holds=clean if target_aware else None,
        ),
        Row(
            key=f"{key}_beyond_chance",
            name=f"Beyond what is as likely, {where}",
            meaning="The rate less that of films that the dialogue suggests as much.",
            unit="share",
            simulator=beyond,
            references={"beyond what is as popular": over((1, 1), (-1, 2))},
            wanted="" if target_aware else "chance: the interval holds 0 or less",
            holds=None if target_aware or beyond.low is None else beyond.low <= 0.0,
        ),
    ]


def _difference(comparison: Comparison) -> Estimate:
    return Estimate(
        None if comparison.difference is None else rounded(comparison.difference),
        comparison.low,
        comparison.high,
        comparison.n,
        "dialogues",
    )


def _figure(figure: Figure) -> Estimate:
    return Estimate(figure.mean, figure.low, figure.high, figure.n, "dialogues")
