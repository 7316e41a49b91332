"""Trainings of several seeds, seen together: the mean of each group of agents, and what one group is ahead of another.

python examples/compare_seeds.py runs/first --group rules popularity --group learned ease item-knn

Each agent of a group is one seed of the same training. What is compared is the mean over a group's seeds, on the
episodes that all of them have played; for the 95% intervals, tasks are drawn with all of their trials and all seeds.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from crs_gym.evaluation.run import world_of
from crs_gym.evaluation.run_folder import RunFolder
from crs_gym.evaluation.scoring import Scores, score
from crs_gym.statistics import bootstrap_means

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("runs", nargs="+", type=Path, help="folders that crs-gym evaluate --out wrote")
parser.add_argument(
    "--group", nargs="+", action="append", required=True, metavar=("NAME", "AGENT"), help="a name, and its agents"
)
parser.add_argument("--metrics", nargs="+", default=["success", "return", "turns"], help="as in results.json")
options = parser.parse_args()


def scores_of(agent: str) -> Scores:
    """The values of an agent, from the first run that it has played in."""
    for folder in map(RunFolder, options.runs):
        if traces := folder.traces(agent):
            world = world_of(folder)
            return score(traces, world.task, len(world.catalog))
    raise SystemExit(f"{agent} has not played in {', '.join(map(str, options.runs))}")


groups = {name: [scores_of(agent) for agent in agents] for name, *agents in options.group}
everyone = [scores for members in groups.values() for scores in members]
if unknown := set(options.metrics).difference(everyone[0].names):
    raise SystemExit(f"no metric {', '.join(sorted(unknown))}; there are {', '.join(everyone[0].names)}")
shared = sorted(set.intersection(*(set(scores.keys) for scores in everyone)))


def column(scores: Scores, metric: str) -> np.ndarray:
    """`(n,)` one agent's values on the episodes that all have played."""
    places = {key: place for place, key in enumerate(scores.keys)}
    return scores.values[[places[key] for key in shared], scores.names.index(metric)]


def means(members: list[Scores]) -> np.ndarray:
    """`(n, n_metrics)` the mean over seeds of each episode's values; NaN where one seed has none."""
    return np.stack([np.mean([column(scores, metric) for scores in members], axis=0) for metric in options.metrics], 1)


tasks = np.unique([task for task, _ in shared], return_inverse=True)[1]
tables = {name: means(members) for name, members in groups.items()}
shown = Table("", *options.metrics, title=f"{len(shared)} episodes")


def add_row(name: str, table: np.ndarray, *, signed: bool = False) -> None:
    found = bootstrap_means(table, tasks)
    form = "{:+.3f} ({:.3f} to {:.3f})" if signed else "{:.3f} ({:.3f} to {:.3f})"
    cells = [form.format(*figures) for figures in zip(found.estimate, found.low, found.high, strict=True)]
    shown.add_row(name, *cells)


for name, members in groups.items():
    for seed, scores in enumerate(members) if len(members) > 1 else ():
        add_row(f"{name}, seed {seed}", means([scores]))
    add_row(name, tables[name])
for before, after in combinations(groups, 2):
    add_row(f"{after} less {before}", tables[after] - tables[before], signed=True)
Console(width=max(120, Console().width)).print(shown)
