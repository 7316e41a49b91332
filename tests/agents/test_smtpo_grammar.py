"""What the reasoning recommender writes: read back exactly, and any other text repaired or given up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crs_agents.smtpo.grammar import Match, Thought, parse, write
from crs_gym.questions import QUESTIONS

NAMES = (
    st.text("abcdefghij 019.'é-", min_size=1, max_size=12)
    .map(str.strip)
    .filter(lambda name: name not in ("", "anything", "nothing"))
)
FACETS = st.lists(NAMES, max_size=3, unique=True).map(tuple)
PARTS = (
    "<think>",
    "</think>",
    "<answer>",
    "</answer>",
    "likes ",
    "; dislikes ",
    "; 9 #1 ",
    "; #2 ",
    "; best ",
    "; asked ",
    "genre, ",
    "; ask ",
    "none",
    "star",
    "horror",
)
LIKELY = st.lists(st.sampled_from([*PARTS, *"<>/;,. 0129\n"]), max_size=25).map("".join)


@st.composite
def thoughts(draw: st.DrawFn, n: int = 20) -> Thought:
    numbers = st.integers(1, n)
    match = st.builds(Match, numbers, FACETS, st.one_of(st.none(), st.integers(0, 9)))
    matches = draw(st.lists(match, min_size=1, max_size=3, unique_by=lambda match: match.number).map(tuple))
    ask = draw(st.sampled_from([None, *QUESTIONS]))
    asked = draw(st.one_of(st.none(), st.lists(st.sampled_from(sorted(QUESTIONS)), max_size=4).map(tuple)))
    return Thought(draw(FACETS), draw(FACETS), matches, tuple([match.number for match in matches]), ask, asked)


@given(thoughts())
def test_what_is_written_is_read_back(thought: Thought) -> None:
    read = parse(write(thought), 20)
    assert (read.form, read.thought) == ("right", thought)


@given(st.one_of(st.text(max_size=300), LIKELY), st.integers(0, 20))
def test_any_text_is_read_without_an_error(text: str, n: int) -> None:
    read = parse(text, n)
    answer = read.thought.answer
    assert all(1 <= number <= n for number in answer)
    assert len(set(answer)) == len(answer)
    assert (read.form == "unreadable") == (not answer) or (read.form == "right" and n == 0)
    if read.form == "right":
        assert parse(write(read.thought), n) == read


@given(thoughts(), st.integers(0, 200), LIKELY)
def test_a_damaged_text_is_repaired_or_means_what_it_says(thought: Thought, place: int, damage: str) -> None:
    whole = write(thought)
    read = parse(whole[:place] + damage + whole[place:], 20)
    if read.form == "right":
        assert parse(write(read.thought), 20) == read


RIGHT = (
    "<think>likes horror; dislikes nothing; 7 #2 horror; 3 #1 nothing; best 2; ask star</think><answer>2, 1</answer>"
)


@pytest.mark.parametrize(
    ("text", "form", "answer"),
    [
        (RIGHT, "right", (2, 1)),
        (f" {RIGHT}\n", "right", (2, 1)),
        (RIGHT.replace("7 #2", "#2"), "right", (2, 1)),  # where no fit is told
        (RIGHT.replace("7 #2", "7 2"), "repaired", (2, 1)),
        (RIGHT.removesuffix("</answer>"), "repaired", (2, 1)),  # cut by the most tokens
        (RIGHT.replace("2, 1<", "2, 2, 1<"), "repaired", (2, 1)),
        (RIGHT.replace("2, 1<", "2, 7, 1<"), "repaired", (2, 1)),  # there is no candidate 7
        (RIGHT.replace("ask star", "ask price"), "repaired", (2, 1)),
        (RIGHT.replace("; ask star", ""), "repaired", (2, 1)),
        (RIGHT.replace("; ask star", "; asked genre, star, genre; ask star"), "right", (2, 1)),
        (RIGHT.replace("; ask star", "; asked nothing; ask star"), "right", (2, 1)),
        (RIGHT.replace("; ask star", "; asked price; ask star"), "repaired", (2, 1)),
        (RIGHT.replace("; ask star", "; asked nothing, star; ask star"), "repaired", (2, 1)),
        (RIGHT.replace("best 2", "best 1"), "repaired", (2, 1)),  # the verdict contradicts the answer
        (RIGHT.replace("#2", "#9"), "repaired", (2, 1)),  # there is no candidate 9
        (RIGHT.replace("; 3 #1 nothing", ""), "repaired", (2, 1)),  # an answer without a thought
        (RIGHT.replace("2, 1<", "2<"), "repaired", (2,)),
        (RIGHT.replace("likes horror", "likes horror, horror"), "repaired", (2, 1)),
        (RIGHT.replace("#2 horror", "#2 horror, horror"), "repaired", (2, 1)),
        (RIGHT.replace("; best", "; 7 #2 horror; best"), "repaired", (2, 1)),  # a model that goes in circles
        (RIGHT.partition("<answer>")[0], "repaired", (2,)),  # the verdict is all there is
        ("I would take number 3.", "unreadable", ()),
        ("<answer>everything</answer>", "unreadable", ()),
        ("<answer>99999999999999999999</answer>", "unreadable", ()),
        ("", "unreadable", ()),
    ],
)
def test_forms(text: str, form: str, answer: tuple[int, ...]) -> None:
    read = parse(text, 3)
    assert (read.form, read.thought.answer) == (form, answer)


def test_facets_are_read_off_a_damaged_text() -> None:
    read = parse("likes horror, 1980s; dislikes comedy; <answer>1", 3)
    assert (read.thought.likes, read.thought.dislikes) == (("horror", "1980s"), ("comedy",))


def test_without_candidates_the_right_answer_is_none() -> None:
    text = write(Thought())
    assert text == "<think>likes anything; dislikes nothing; best none; ask nothing</think><answer>none</answer>"
    assert parse(text, 0).form == "right"
    assert parse(text, 5).form == "unreadable"


def test_a_very_long_text_is_read_in_no_time() -> None:
    assert parse("<think>likes " + "a, " * 100_000, 20).form == "unreadable"
