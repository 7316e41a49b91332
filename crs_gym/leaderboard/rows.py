"""Plots with one row an agent: dots with whiskers, and pairs of dots and rings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crs_gym.evaluation.results import AgentResults, Figure, Results
from crs_gym.evaluation.tables import SIGNIFICANT
from crs_gym.leaderboard.looks import Look
from crs_gym.leaderboard.runs import by_standing, figure_of
from crs_gym.leaderboard.standings import NONE, number
from crs_gym.leaderboard.svg import FONT, canvas, place, render, tone
from crs_gym.transcript import one_line

ROW: Final = 21.0
_GAP: Final = 9.0
"""Extra space between ceilings, agents and adversaries."""
_LONGEST_LABEL: Final = 24
_FLAT: Final = 2.5
"""A ceiling this many times as high as all others is drawn as an arrow at the end of the scale."""
_RIGHT: Final = 44.0
"""Units from the axes to the right end of the texts beside them."""


def label_of(look: Look) -> str:
    """An agent's name, short enough for a plot."""
    label = one_line(look.label)
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"


def label_width(looks: Sequence[Look]) -> float:
    """Units that the longest label takes, with some air."""
    return 6.7 * max((len(label_of(look)) for look in looks), default=0) + 14.0


@dataclass(frozen=True)
class Rows:
    """Agents from top to bottom, with the middle of each row in units from the top."""

    agents: list[AgentResults]
    looks: list[Look]
    middles: list[float]
    height: float

    @classmethod
    def of(cls, agents: Sequence[AgentResults], looks: Mapping[str, Look]) -> Rows:
        """Rows in the order given; where the kind of agent changes, with a gap."""
        own = [looks[agent.name] for agent in agents]
        middles: list[float] = []
        top = 0.0
        for i, look in enumerate(own):
            if i and own[i - 1].kind != look.kind:
                top += _GAP
            middles.append(top + ROW / 2)
            top += ROW
        return cls(list(agents), own, middles, top)

    def prepare(self, figure: Any, *, right: float, top: float, bottom: float) -> Any:
        """Axes whose vertical coordinate is units from the top of the first row, with the agents' names at the left."""
        axes = place(figure, label_width(self.looks), right, top, bottom)
        axes.set_ylim(self.height, 0)
        axes.set_yticks([])
        axes.grid(axis="x", color=tone("line"), linewidth=0.8)
        for look, middle in zip(self.looks, self.middles, strict=True):
            axes.annotate(
                label_of(look),
                (0, middle),
                xycoords=("axes fraction", "data"),
                xytext=(-9, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                color=tone("ink" if look.kind == "agent" else "muted"),
            )
        return axes

    def at_right(self, axes: Any, i: int, text: str) -> None:
        """A text in the right margin of row `i`."""
        axes.annotate(
            text,
            (1, self.middles[i]),
            xycoords=("axes fraction", "data"),
            xytext=(_RIGHT, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            color=tone("ink" if self.looks[i].kind == "agent" else "muted"),
        )


def whiskers(
    results: Results, looks: Mapping[str, Look], metric: str, *, factor: float, places: int, unit: str, name: str
) -> str:
    """Means with 95% intervals, best first; a full dot differs from the baseline, a hollow one does not."""
    ordered = sorted(by_standing(results), key=lambda agent: _place(agent, metric, looks))
    rows = Rows.of(ordered, looks)
    with canvas(rows.height + 42) as figure:
        axes = rows.prepare(figure, right=50, top=6, bottom=36)
        base = next((figure_of(a, metric).mean for a in ordered if a.name == results.baseline), None)
        if base is not None:
            axes.axvline(base * factor, color=tone("muted"), linewidth=1, linestyle=(0, (1, 2)))
        limit = _limit(ordered, looks, metric)
        for i, (agent, look) in enumerate(zip(rows.agents, rows.looks, strict=True)):
            own = figure_of(agent, metric)
            if own.mean is None:
                rows.at_right(axes, i, NONE)
                continue
            rows.at_right(axes, i, number(own.mean * factor, places))
            if limit is not None and own.mean > limit:
                axes.plot(limit * factor, rows.middles[i], ">", markersize=6, color=tone(look.tone), clip_on=False)
                continue
            _whisker(axes, own, factor, rows.middles[i], look)
            axes.plot(
                own.mean * factor,
                rows.middles[i],
                look.marker,
                markersize=7,
                color=tone(look.tone),
                markerfacecolor=tone(look.tone if _differs(agent, metric, results) else "card"),
                markeredgewidth=1.6,
                clip_on=False,
            )
        if limit is not None:
            axes.set_xlim(right=limit * factor)
            unit += "; arrow: beyond the scale"
        if factor == 100.0:
            axes.set_xlim(0, 100 if limit is None else limit * factor)
        axes.set_xlabel(unit, color=tone("muted"), fontsize=FONT - 1, labelpad=5)
        return render(figure, name, f"{metric} of each agent with 95% intervals; the table holds the figures")


def pairs(
    results: Results,
    looks: Mapping[str, Look],
    values: Callable[[AgentResults], tuple[float | None, float | None, str]],
    *,
    heading: str,
    unit: str,
    name: str,
    joined: bool = False,
) -> str:
    """Two shares of each agent, the first as a dot and the second as a ring around it or elsewhere, and a text.

    Args:
        results: Of the run.
        looks: Of its agents.
        values: The two shares and the text of an agent.
        heading: Above the texts.
        unit: Below the axis.
        name: See `render`.
        joined: Whether a line joins the two: they are two views of the same thing.
    """
    rows = Rows.of(by_standing(results), looks)
    with canvas(rows.height + 60) as figure:
        axes = rows.prepare(figure, right=56, top=24, bottom=36)
        axes.annotate(
            heading,
            (1, 0),
            xycoords=("axes fraction", "data"),
            xytext=(_RIGHT, 6),
            textcoords="offset points",
            ha="right",
            color=tone("muted"),
            fontsize=FONT - 1,
        )
        for i, (agent, look) in enumerate(zip(rows.agents, rows.looks, strict=True)):
            dot, ring, text = values(agent)
            middle = rows.middles[i]
            colour = tone(look.tone)
            rows.at_right(axes, i, text)
            if joined and dot is not None and ring is not None:
                axes.plot([100 * dot, 100 * ring], [middle, middle], color=colour, linewidth=2, alpha=0.5)
            if ring is not None:
                axes.plot(
                    100 * ring,
                    middle,
                    "o",
                    color=colour,
                    markersize=11,
                    markeredgewidth=1.4,
                    markerfacecolor="none",
                    clip_on=False,
                )
            if dot is not None:
                axes.plot(100 * dot, middle, "o", color=colour, markersize=5.5, clip_on=False)
        axes.set_xlim(0, 100)
        axes.set_xlabel(unit, color=tone("muted"), fontsize=FONT - 1, labelpad=5)
        return render(figure, name, unit)


def success_and_acceptance(agent: AgentResults) -> tuple[float | None, float | None, str]:
    """For `pairs`: success, acceptance, and how often the two agree."""
    agreement = figure_of(agent, "agreement").mean
    text = NONE if agreement is None else f"{number(100 * agreement, 0)}%"
    return figure_of(agent, "success").mean, figure_of(agent, "accepted").mean, text


def variety(agent: AgentResults) -> tuple[float | None, float | None, str]:
    """For `pairs`: how much of the catalogue was shown, how many lists were shown more than once, different items."""
    varied = agent.diversity
    return varied.coverage, varied.identical_lists, f"{varied.distinct:,}"


def _place(agent: AgentResults, metric: str, looks: Mapping[str, Look]) -> tuple[int, float]:
    """By kind, then best first."""
    order = {"ceiling": 0, "agent": 1, "adversary": 2}
    mean = figure_of(agent, metric).mean
    return order[looks[agent.name].kind], math.inf if mean is None else -mean


def _limit(agents: Sequence[AgentResults], looks: Mapping[str, Look], metric: str) -> float | None:
    """Where the scale ends, if a ceiling would press all others flat."""
    highs = dict.fromkeys(("agent", "adversary", "ceiling"), 0.0)
    for agent in agents:
        kind = looks[agent.name].kind
        highs[kind] = max(highs[kind], figure_of(agent, metric).high or 0.0)
    others = max(highs["agent"], highs["adversary"])
    return 1.2 * others if others and highs["ceiling"] > _FLAT * others else None


def _differs(agent: AgentResults, metric: str, results: Results) -> bool:
    """Whether the agent differs from the baseline; where there is none, and for the baseline itself, dots are full."""
    if results.baseline is None or agent.name == results.baseline:
        return True
    comparison = agent.versus_baseline.get(metric)
    return comparison is not None and comparison.p_holm is not None and comparison.p_holm < SIGNIFICANT


def _whisker(axes: Any, figure: Figure, factor: float, middle: float, look: Look) -> None:
    if figure.low is None or figure.high is None:
        return
    axes.plot(
        [figure.low * factor, figure.high * factor],
        [middle, middle],
        color=tone(look.tone),
        linewidth=2.4,
        alpha=0.55,
        solid_capstyle="round",
        linestyle=(0, (2, 1.5)) if look.kind == "ceiling" else "-",
        clip_on=False,
    )
