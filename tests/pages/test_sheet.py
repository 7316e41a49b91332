"""What pages share: a sheet that knows its colours, and a style sheet that has them in light and in dark."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from crs_gym.pages import Sheet, environment
from crs_gym.pages.svg import HUES


def test_a_colour_that_the_page_does_not_have_is_refused() -> None:
    sheet = Sheet(100.0, ("ink", "line"))
    assert sheet.tone("ink") != sheet.tone("line")
    with pytest.raises(KeyError):
        sheet.tone("card")


def test_colours_become_variables_of_the_style_sheet() -> None:
    sheet = Sheet(100.0, ("ink", "muted"))
    with sheet.canvas(50.0) as figure:
        sheet.place(figure, 5, 5, 5, 5).plot([0, 1], [0, 1], color=sheet.tone("ink"))
        svg = sheet.render(figure, "plot", "a line")
    assert "var(--ink)" in svg
    assert "#fe" not in svg
    assert 'viewBox="0 0 100 50"' in svg


def test_the_style_sheet_has_each_hue_in_light_and_in_dark() -> None:
    style = (resources.files("crs_gym.pages") / "templates" / "base.css").read_text(encoding="utf-8")
    light, dark = style.split("prefers-color-scheme: dark", 1)
    for number in range(HUES):
        assert f"--hue-{number}: #" in light
        assert f"--hue-{number}: #" in dark
    defined = set(re.findall(r"(--[\w-]+):", light))
    assert set(re.findall(r"var\((--[\w-]+)\)", style)) <= defined


@pytest.mark.parametrize("package", ["crs_gym.leaderboard", "crs_gym.fidelity"])
def test_every_page_can_take_the_style_sheet_and_escapes_what_it_shows(package: str) -> None:
    templates = environment(package)
    assert "--hue-0" in templates.get_template("base.css").render()
    assert templates.from_string("{{ words }}").render(words="<b>") == "&lt;b&gt;"
