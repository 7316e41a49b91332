from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from results_by_hand import build_agent, build_results

from crs_gym.leaderboard.curves import budget_points
from crs_gym.leaderboard.labels import free_place, spread
from crs_gym.leaderboard.looks import looks_of
from crs_gym.leaderboard.rows import whiskers
from crs_gym.leaderboard.svg import canvas, clean, place, render, tone
from crs_gym.pages.svg import HUES


@settings(max_examples=15)
@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_name_gives_a_sound_svg(name: str) -> None:
    results = build_results(build_agent(name, success=0.5), build_agent(f"{name} none", success=None))
    svg = whiskers(results, looks_of([results]), "success", factor=100.0, places=1, unit="%", name="plot")
    ElementTree.fromstring(svg)
    assert "#fe" not in svg  # every stand-in became a colour of the style sheet


def test_svg_keeps_texts_and_names_its_parts() -> None:
    with canvas(100) as figure:
        axes = place(figure, 20, 20, 20, 20)
        axes.set_xlim(0, 1)
        axes.text(0.5, 0.5, "$x$ 1.234567 <b> DejaVu", color=tone("ink"))
        axes.plot([0, 1], [0, 1], "o", color=tone("hue-0"))
        svg = render(figure, "plot-7", 'what "it" shows')
    assert "$x$ 1.234567 &lt;b&gt; DejaVu" in svg
    assert "var(--ink)" in svg
    assert "var(--hue-0)" in svg
    assert "font-family" not in svg
    assert 'aria-label="what &quot;it&quot; shows"' in svg
    ids = re.findall(r'\bid="([^"]*)"', svg)
    assert ids
    assert all(name.startswith("plot-7-") for name in ids)
    assert not re.search(r"http|<metadata|<style|<!--|xlink", svg)


def test_not_an_svg_of_matplotlib_is_refused() -> None:
    with pytest.raises(ValueError, match="viewBox"):
        clean("<svg></svg>", "plot", "")


@given(st.lists(st.floats(-1e3, 1e3), max_size=20), st.floats(0.1, 50))
def test_labels_stand_apart_in_their_order(heights: list[float], gap: float) -> None:
    out = spread(heights, gap)
    in_order = sorted(range(len(heights)), key=lambda i: (heights[i], i))
    for below, above in pairwise(in_order):
        assert out[above] - out[below] >= gap - 1e-6
    assert sum(out) == pytest.approx(sum(heights), abs=1e-6)


@given(st.lists(st.integers(-20, 20), max_size=10, unique=True))
def test_labels_that_stand_apart_stay(places: list[int]) -> None:
    heights = [10.0 * place_at for place_at in places]
    assert spread(heights, 9.0) == pytest.approx(heights)


def test_labels_of_two_neighbours_do_not_overlap() -> None:
    points = [(100.0, 100.0), (103.0, 101.0)]
    boxes: list[tuple[float, float, float, float]] = []
    for point in points:
        free_place(point, 60.0, 400.0, points, boxes)
    (left, bottom, right, top), other = boxes
    assert right <= other[0] or other[2] <= left or top <= other[1] or other[3] <= bottom


def test_agent_keeps_its_look_in_every_run() -> None:
    one = build_results(build_agent("a"), build_agent("b"), build_agent("o (sees targets)", target_aware=True))
    two = build_results(build_agent("b"), build_agent("x", adversary=True), build_agent("c"))
    looks = looks_of([one, two])
    assert [(look.label, look.kind, look.tone) for look in looks.values()] == [
        ("a", "agent", "hue-0"),
        ("b", "agent", "hue-1"),
        ("o", "ceiling", "ceiling"),
        ("x", "adversary", "adversary"),
        ("c", "agent", "hue-2"),
    ]


def test_more_agents_than_colours_differ_in_their_markers() -> None:
    looks = looks_of([build_results(*(build_agent(f"agent {i}") for i in range(2 * HUES)))])
    assert len({(look.tone, look.marker) for look in looks.values()}) == 2 * HUES


def test_budget_has_no_point_without_both_figures() -> None:
    both = build_agent("both", shown_recall=0.5, equal_budget_recall=0.25)
    one = build_agent("one", shown_recall=0.5, equal_budget_recall=None)
    assert [(a.name, x, y) for a, x, y in budget_points(build_results(both, one))] == [("both", 25.0, 50.0)]
