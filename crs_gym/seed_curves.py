"""Learning curves over seeds: interquartile means with stratified-bootstrap intervals, and their picture.

Source: Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (NeurIPS 2021): with few
runs, the interquartile mean over all of them says more than mean or median, and its interval comes from drawing runs
with replacement within each environment (the strata). The arithmetic is that of `crs_gym.statistics`.
`crs-gym report` shows them where several trainings of one learner are named.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crs_gym.curves import picture
from crs_gym.errors import TrainingError
from crs_gym.statistics import bootstrap_interquartile_mean

FIGURES: Final = {"success": "success", "turns": "turns", "return": "return"}
"""What is drawn of a history, and how it is called."""

RESAMPLES: Final = 2_000
"""Of the bootstrap at each point: its bounds move by less than a line's width."""

_COLORS: Final = ("#1f5fbf", "#d08a2e", "#3d8f5f", "#9a5fb0", "#8a8f98")

History = Sequence[Mapping[str, float]]
"""What `history.json` holds: at each evaluation `at` (turns so far), `success`, `turns`, `return`, `n`, `seconds`."""


@dataclass(frozen=True)
class Curve:
    """The runs of one learner.

    Attributes:
        label: Its name.
        runs: One history a run.
        strata: The environment of each run; all the same when left out.
    """

    label: str
    runs: Sequence[History]
    strata: Sequence[str] | None = None


@dataclass(frozen=True)
class Band:
    """A curve with its interval, each `(n_points,)`: turns played, interquartile mean, lower and upper bound."""

    at: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def band(curve: Curve, figure: str) -> Band:
    """The interquartile mean of a figure over all runs at each evaluation, with its 95% interval.

    Only evaluations that every run has are looked at. One run has no interval: it says nothing of other seeds.

    Raises:
        TrainingError: The runs have no evaluation in common.
    """
    common = set.intersection(*({float(point["at"]) for point in run} for run in curve.runs))
    if not common:
        raise TrainingError(f"{curve.label}: the runs were evaluated at different turns. Way out: equal --eval-every")
    at = np.array(sorted(common))
    values = np.array([[{p["at"]: p[figure] for p in run}[turns] for turns in at] for run in curve.runs])  # (runs, at)
    runs = np.arange(len(values), dtype=np.intp)
    names = curve.strata or [""] * len(values)
    strata = np.unique(np.array(names), return_inverse=True)[1].astype(np.intp)
    points = [bootstrap_interquartile_mean(column, runs, resamples=RESAMPLES, strata=strata) for column in values.T]
    mean = np.array([point.estimate[0] for point in points])
    if len(values) < 2:
        return Band(at, mean, mean, mean)
    low, high = (np.array([getattr(point, bound)[0] for point in points]) for bound in ("low", "high"))
    return Band(at, mean, low, high)


def draw_curves(curves: Sequence[Curve], path: Path, title: str) -> None:
    """Draw success, turns and return over the turns learned from.

    Raises:
        TrainingError: The runs of a curve have no evaluation in common.
        OSError: The file cannot be written.
    """
    with picture(path, title, len(FIGURES), (10, 3.2)) as all_axes:
        for axes, (figure, name) in zip(all_axes, FIGURES.items(), strict=True):
            for number, curve in enumerate(curves):
                drawn, color = band(curve, figure), _COLORS[number % len(_COLORS)]
                label = f"{curve.label} ({len(curve.runs)} seed{'s' * (len(curve.runs) > 1)})"
                axes.plot(drawn.at, drawn.mean, color=color, label=label, marker=".", markersize=4)
                axes.fill_between(drawn.at, drawn.low, drawn.high, color=color, alpha=0.2, linewidth=0)
            axes.set_xlabel("turns learned from")
            axes.set_ylabel(name)
        all_axes[-1].legend(frameon=False, fontsize=8)


def curves_of(directories: Sequence[Path]) -> list[Curve]:
    """One curve for each learner among the folders of trainings, by name.

    Raises:
        TrainingError: A folder holds no history.
    """
    runs: dict[str, list[tuple[str, History]]] = {}
    for directory in directories:
        try:
            settings = json.loads((directory / "settings.json").read_text("utf-8"))
            history = json.loads((directory / "history.json").read_text("utf-8"))
            runs.setdefault(settings["learner"], []).append((settings["env"], history))
        except (OSError, ValueError, KeyError) as error:
            raise TrainingError(
                f"{directory} holds no learning curve: {error}. Way out: folders that crs-gym train wrote"
            ) from error
    return [
        Curve(learner, [history for _, history in of], [env for env, _ in of]) for learner, of in sorted(runs.items())
    ]
