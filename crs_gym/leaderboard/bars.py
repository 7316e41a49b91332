"""Stacked bars, one an agent: what the reward is made of, and how dialogues end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from crs_gym.evaluation.results import Results
from crs_gym.leaderboard.looks import Look
from crs_gym.leaderboard.rows import ROW, Rows
from crs_gym.leaderboard.runs import OUTCOMES, Run, by_standing, figure_of
from crs_gym.leaderboard.standings import NONE, number
from crs_gym.leaderboard.svg import FONT, TERMS, WIDTH, canvas, render, tone

_HATCH: Final = "/////"
_LEGEND_LINE: Final = 17.0


def reward_terms(results: Results, looks: Mapping[str, Look], name: str) -> str:
    """What each reward term, times its weight, adds to the return of each agent; the dot is their sum."""
    weights = {term: weight for term, weight in results.setting.reward.items() if weight}
    tones = {term: f"term-{i % TERMS}" for i, term in enumerate(weights)}
    rows = Rows.of(by_standing(results), looks)
    legend = _legend_height(list(weights))
    with canvas(rows.height + legend + 40) as figure:
        axes = rows.prepare(figure, right=50, top=legend + 4, bottom=36)
        _legend(axes, tones)
        for i, agent in enumerate(rows.agents):
            total = figure_of(agent, "return").mean
            if total is None:
                rows.at_right(axes, i, NONE)
                continue
            ends = {1: 0.0, -1: 0.0}
            for term, weight in weights.items():
                mean = figure_of(agent, f"reward/{term}").mean
                if not mean:
                    continue
                side = 1 if weight * mean > 0 else -1
                _bar(axes, rows, i, ends[side], weight * mean, tones[term])
                ends[side] += weight * mean
            axes.plot(total, rows.middles[i], "o", markersize=5, color=tone("ink"), markeredgecolor=tone("card"))
            rows.at_right(axes, i, number(total, 2))
        axes.axvline(0, color=tone("muted"), linewidth=1)
        axes.set_xlabel("reward a dialogue; dot: return", color=tone("muted"), fontsize=FONT - 1, labelpad=5)
        return render(figure, name, "what each reward term adds to each agent's return")


def outcomes(run: Run, looks: Mapping[str, Look], name: str) -> str:
    """How the episodes of each agent ended, in per cent of all played."""
    rows = Rows.of(by_standing(run.results), looks)
    met = [end for end in OUTCOMES if any(tally.outcomes[end] for tally in run.tallies.values())]
    legend = _legend_height(met)
    with canvas(rows.height + legend + 40) as figure:
        axes = rows.prepare(figure, right=16, top=legend + 4, bottom=36)
        _legend(axes, {end: end for end in met})
        for i, agent in enumerate(rows.agents):
            counts = run.tallies[agent.name].outcomes
            start = 0.0
            for end in met:
                share = 100.0 * counts[end] / counts.total() if counts.total() else 0.0
                if not share:
                    continue
                _bar(axes, rows, i, start, share, end)
                if share >= 10 and rows.looks[i].kind != "adversary":  # no figure on hatching
                    axes.text(
                        start + share / 2,
                        rows.middles[i],
                        number(share, 0),
                        ha="center",
                        va="center",
                        color=tone("ink" if rows.looks[i].kind == "ceiling" else f"on-{end}"),
                        fontsize=FONT - 1.5,
                    )
                start += share
        axes.set_xlim(0, 100)
        axes.set_xlabel("% of episodes", color=tone("muted"), fontsize=FONT - 1, labelpad=5)
        return render(figure, name, "how the episodes of each agent ended")


def _bar(axes: Any, rows: Rows, i: int, start: float, width: float, colour: str) -> None:
    """A part of a stacked bar; hatched for adversaries."""
    adversary = rows.looks[i].kind == "adversary"
    if rows.looks[i].kind == "ceiling":  # the grid must not show through
        axes.barh(rows.middles[i], width, left=start, height=ROW * 0.62, color=tone("card"))
    axes.barh(
        rows.middles[i],
        width,
        left=start,
        height=ROW * 0.62,
        color=tone(colour),
        alpha=0.55 if rows.looks[i].kind == "ceiling" else 1.0,
        edgecolor=tone("card"),
        linewidth=0.7,
        hatch=_HATCH if adversary else None,
    )


def _legend_places(names: Sequence[str]) -> list[tuple[float, int]]:
    """For each name of a legend, where it begins, in units from the left, and its line."""
    places = []
    left, line = 0.0, 0
    for name in names:
        width = 6.2 * len(name) + 34
        if left and left + width > WIDTH:
            left, line = 0.0, line + 1
        places.append((left, line))
        left += width
    return places


def _legend_height(names: Sequence[str]) -> float:
    places = _legend_places(names)
    return _LEGEND_LINE * (places[-1][1] + 1) + 6 if places else 0.0


def _legend(axes: Any, tones: Mapping[str, str]) -> None:
    """Names beside squares of their colours, from the upper left corner of the figure."""
    from matplotlib.patches import Rectangle

    figure = axes.figure
    width, height = figure.get_size_inches() * 72
    side = 10.0
    for (left, line), (name, colour) in zip(_legend_places(list(tones)), tones.items(), strict=True):
        middle = height - 11 - _LEGEND_LINE * line
        corner = (left / width, (middle - side / 2) / height)
        figure.add_artist(Rectangle(corner, side / width, side / height, color=tone(colour), linewidth=0))
        figure.text((left + 15) / width, middle / height, name, color=tone("muted"), va="center_baseline")
