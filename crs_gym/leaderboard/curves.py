"""Plots over turns and over the budget of guesses, with labels beside what they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crs_gym.evaluation.results import AgentResults, Results
from crs_gym.leaderboard.labels import Box, free_place, spread
from crs_gym.leaderboard.looks import Look
from crs_gym.leaderboard.rows import label_of, label_width
from crs_gym.leaderboard.runs import figure_of
from crs_gym.leaderboard.standings import number
from crs_gym.leaderboard.svg import FONT, WIDTH, canvas, place, render, tone

_LABEL: Final = 12.5
"""Units between the middles of two labels."""
_OFF_SCALE: Final = 1.5
"""A ceiling this many times as high as all others is named in words, not drawn: it would press them flat."""


@dataclass(frozen=True)
class Line:
    """One agent's values, in per cent, by turn from 1; `None` where there is none."""

    look: Look
    values: list[float | None]

    @property
    def best(self) -> float:
        """The highest value."""
        return max((value for value in self.values if value is not None), default=0.0)

    @property
    def end(self) -> float:
        """The last value."""
        return next((value for value in reversed(self.values) if value is not None), 0.0)


def by_turn(results: Results, looks: Mapping[str, Look], name: str) -> str:
    """The share of targets shown by the end of each turn, one line an agent."""
    lines = [_line(agent, looks[agent.name]) for agent in results.agents]
    lines = [line for line in lines if any(value is not None for value in line.values)]
    drawn, beyond = _within_scale(lines)
    labelled = _labelled(drawn)
    turns = results.setting.max_turns
    top = 22.0 if beyond else 8.0
    right = label_width([line.look for line in labelled]) + 12
    with canvas(300) as figure:
        axes = place(figure, 34, right, top, 38)
        axes.grid(axis="y", color=tone("line"), linewidth=0.8)
        highest = max((line.best for line in drawn), default=1.0) or 1.0
        axes.set_ylim(-0.02 * highest, 1.06 * highest)
        axes.set_xlim(0.85, turns)
        axes.set_xticks(range(1, turns + 1))
        for line in sorted(drawn, key=lambda line: line.look.kind != "adversary"):
            _draw(axes, line)
        units = (300 - top - 38) / (1.08 * highest)
        heights = spread([line.end * units for line in labelled], _LABEL)
        for line, height in zip(labelled, heights, strict=True):
            _end_label(axes, line, turns, height / units)
        if beyond:
            _name_beyond(axes, beyond)
        axes.set_xlabel("turn", color=tone("muted"), fontsize=FONT - 1, labelpad=5)
        return render(figure, name, "share of targets shown by the end of each turn, in per cent, one line an agent")


def budget(results: Results, looks: Mapping[str, Look], name: str) -> str:
    """The share of targets shown in the dialogue against the share within as many guesses made at once."""
    points = budget_points(results)
    ceilings = [(a, x, y) for a, x, y in points if looks[a.name].kind == "ceiling"]
    others = [point for point in points if looks[point[0].name].kind != "ceiling"]
    limit = max((max(x, y) for _, x, y in others), default=0.0) * 1.18 or 100.0
    shown = others + [(a, x, y) for a, x, y in ceilings if max(x, y) <= limit]
    with canvas(330) as figure:
        axes = place(figure, 40, 12, 22, 42)
        axes.set_xlim(0, limit)
        axes.set_ylim(0, limit)
        axes.grid(color=tone("line"), linewidth=0.8)
        axes.plot([0, limit], [0, limit], color=tone("muted"), linewidth=1.2, linestyle=(0, (4, 3)))
        side = {"xycoords": "axes fraction", "color": tone("muted"), "fontsize": FONT - 1}
        axes.annotate("the dialogue finds more", (0.03, 0.95), va="top", **side)
        axes.annotate("guessing at once finds more", (0.97, 0.04), ha="right", **side)
        scale = ((WIDTH - 52) / limit, (330 - 64) / limit)
        taken = [(x * scale[0], y * scale[1]) for _, x, y in shown]
        boxes: list[Box] = []
        for agent, x, y in shown:
            _point(axes, agent, looks[agent.name], x, y)
        for agent, x, y in sorted(shown, key=lambda point: -point[2]):
            look = looks[agent.name]
            dx, dy, side_name = free_place(
                (x * scale[0], y * scale[1]), 5.8 * len(label_of(look)), WIDTH - 52, taken, boxes
            )
            axes.annotate(
                label_of(look),
                (x, y),
                xytext=(dx, dy),
                textcoords="offset points",
                ha=side_name,
                va="center",
                color=tone("ink" if look.kind == "agent" else "muted"),
                fontsize=FONT - 0.5,
            )
        beyond = [Line(looks[a.name], [y]) for a, x, y in ceilings if max(x, y) > limit]
        if beyond:
            _name_beyond(axes, beyond)
        guesses = results.setting.max_turns * results.setting.k
        axes.set_xlabel(
            f"targets within {guesses} guesses at once, %", color=tone("muted"), fontsize=FONT - 1, labelpad=5
        )
        axes.set_ylabel("targets shown in the dialogue, %", color=tone("muted"), fontsize=FONT - 1, labelpad=5)
        return render(figure, name, "targets shown in the dialogue against targets within as many guesses at once")


def budget_points(results: Results) -> list[tuple[AgentResults, float, float]]:
    """Agents that have both figures, with equal-budget recall and the share of targets shown, in per cent."""
    points = []
    for agent in results.agents:
        at_once, shown = figure_of(agent, "equal_budget_recall"), figure_of(agent, "shown_recall")
        if at_once.mean is not None and shown.mean is not None:
            points.append((agent, 100 * at_once.mean, 100 * shown.mean))
    return points


def _line(agent: AgentResults, look: Look) -> Line:
    figures = [turn.by_end.get("shown_recall") for turn in agent.by_turn]
    return Line(look, [None if figure is None or figure.mean is None else 100 * figure.mean for figure in figures])


def _within_scale(lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """Lines to be drawn, and ceilings far above them."""
    highest = max((line.best for line in lines if line.look.kind != "ceiling"), default=0.0)
    beyond = [line for line in lines if line.look.kind == "ceiling" and highest and line.best > _OFF_SCALE * highest]
    return [line for line in lines if line not in beyond], beyond


def _labelled(lines: Sequence[Line]) -> list[Line]:
    """All but the adversaries, of which only the best has a label."""
    adversaries = [line for line in lines if line.look.kind == "adversary"]
    best = max(adversaries, key=lambda line: line.end, default=None)
    return [line for line in lines if line.look.kind != "adversary" or line is best]


def _draw(axes: Any, line: Line) -> None:
    turns = [turn for turn, value in enumerate(line.values, start=1) if value is not None]
    axes.plot(
        turns,
        [value for value in line.values if value is not None],
        color=tone(line.look.tone),
        linewidth=2.0 if line.look.kind == "agent" else 1.3,
        linestyle=(0, (4, 3)) if line.look.kind == "ceiling" else "-",
        alpha=1.0 if line.look.kind == "agent" else 0.75,
        marker=line.look.marker,
        markersize=4.5 if line.look.kind == "agent" else 3,
        clip_on=False,
    )


def _end_label(axes: Any, line: Line, turns: int, height: float) -> None:
    width = axes.get_position().width * WIDTH / (turns - 0.85)
    axes.plot(
        [turns + 5 / width, turns + 14 / width],
        [line.end, height],
        color=tone(line.look.tone),
        linewidth=0.9,
        alpha=0.7,
        clip_on=False,
    )
    axes.text(
        turns + 17 / width,
        height,
        label_of(line.look),
        va="center",
        color=tone("ink" if line.look.kind == "agent" else "muted"),
        fontsize=FONT - 0.5,
    )


def _point(axes: Any, agent: AgentResults, look: Look, x: float, y: float) -> None:
    colour = tone(look.tone)
    at_once, shown = figure_of(agent, "equal_budget_recall"), figure_of(agent, "shown_recall")
    if at_once.low is not None and at_once.high is not None:
        axes.plot([100 * at_once.low, 100 * at_once.high], [y, y], color=colour, linewidth=1.4, alpha=0.45)
    if shown.low is not None and shown.high is not None:
        axes.plot([x, x], [100 * shown.low, 100 * shown.high], color=colour, linewidth=1.4, alpha=0.45)
    axes.plot(x, y, look.marker, color=colour, markersize=6.5, markeredgecolor=tone("card"), clip_on=False)


def _name_beyond(axes: Any, lines: Sequence[Line]) -> None:
    """Above the plot, what lies beyond its scale."""
    named = ", ".join(f"{label_of(line.look)} ({number(line.end, 0)}%)" for line in lines)
    axes.annotate(
        f"beyond the scale: {named}",
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 8),
        textcoords="offset points",
        color=tone("muted"),
        fontsize=FONT - 1,
    )
