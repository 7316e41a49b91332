"""`crs-gym play` with piped input: a person at either side."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from commands import Said

Play = Callable[..., Said]
ENDING = re.compile(r"\nOutcome: (.+)\. The user wanted: .+\.\nSuccess: (yes|no)\. Return: [+-]\d+\.\d\d\.\n$")


@pytest.fixture
def play(command: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> Play:
    """Play a dialogue with such lines as input; it always comes to an end that is told."""

    def run(*arguments: str, lines: str = "") -> Said:
        monkeypatch.setattr("sys.stdin", io.StringIO(lines))
        said = command("play", *arguments)
        assert "Traceback" not in said.err
        return said

    return run


def outcome(said: Said) -> str:
    assert said.code == 0, said.err
    end = ENDING.search(said.out)
    assert end is not None, said.out
    return end.group(1)


@pytest.mark.parametrize("side", ["recommender", "user"])
def test_a_closed_keyboard_ends_it_at_once(play: Play, side: str) -> None:
    assert outcome(play("--as", side)) == "broken off"


def test_a_recommender_is_answered_scored_and_told_the_end(play: Play) -> None:
    said = play("--task", "3", lines="How about Heat (1995), Alien (1979) and Memento (2000)?\n")
    assert outcome(said) == "broken off"
    assert "Recommender: How about Heat (1995)" in said.out  # what came through the pipe stands in the transcript
    assert "  shown: Heat (1995); Alien (1979); Memento (2000)\n" in said.out
    assert re.search(r"^User: .*\n  reward [+-]0\.\d\d \(format 1\.00, recommend 0\.00, ", said.out, re.MULTILINE)


def test_a_recommender_who_names_the_target_succeeds(play: Play) -> None:
    wanted = re.search(r"The user wanted: (.+)\.\n", play("--task", "5").out)
    assert wanted is not None
    said = play("--task", "5", lines=f"You would love {wanted.group(1)}.\n")
    assert outcome(said) == "accepted"
    assert "Success: yes." in said.out


@pytest.mark.parametrize("lines", ["\x01\x02\n\n<think>\n", "²\n\n", "\ud800\n", "x" * 100_000 + "\n"])
@pytest.mark.parametrize("side", ["recommender", "user"])
def test_nonsense_is_played_on(play: Play, side: str, lines: str) -> None:
    assert outcome(play("--as", side, lines=lines)) in ("broken off", "left")


def test_a_user_accepts_by_number(play: Play) -> None:
    said = play("--as", "user", lines="1\n")
    assert outcome(said) == "accepted"
    first = re.search(r"^  1\. (.+)$", said.out, re.MULTILINE)
    assert first is not None


@pytest.mark.parametrize("number", ["0", "11", "99999999999999999999"])
def test_a_number_without_a_film_is_asked_again(play: Play, number: str) -> None:
    said = play("--as", "user", lines=f"{number}\n2\n")
    assert f"  There is no film {number}: choose 1 to 10.\n" in said.out
    assert outcome(said) == "accepted"


def test_a_number_where_nothing_is_shown_is_asked_again(play: Play) -> None:
    said = play("--as", "user", "--agent", "prober", lines="1\nbye\n")
    assert "  There is no film 1: none was shown.\n" in said.out
    assert outcome(said) == "left"


@pytest.mark.parametrize("word", ["bye", "Bye!", " bye "])
def test_a_user_leaves(play: Play, word: str) -> None:
    assert outcome(play("--as", "user", lines=f"I like drama\n{word}\n")) == "left"


def test_a_dialogue_as_user_ends_at_the_turn_limit(play: Play) -> None:
    assert outcome(play("--as", "user", lines="go on\n" * 5)) == "truncated"


def test_the_same_seed_is_the_same_dialogue(play: Play) -> None:
    lines = "What genre do you like?\nHow about Fargo (1996)?\n"
    assert play("--seed", "4", lines=lines).out == play("--seed", "4", lines=lines).out
    assert play("--seed", "4", lines=lines).out != play("--seed", "5", lines=lines).out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("CRS-Sampl-v0",), "Did you mean 'CRS-Sample-v0'?"),
        (("--simulator", "agend"), "Did you mean 'agenda'?"),
        (("--as", "user", "--agent", "bm"), "Did you mean 'bm25'?"),
        (("--task", "99999999999"), "a number from 0 to"),
        (("--task", "sample/tst/0"), "no task 'sample/tst/0'"),
    ],
)
def test_a_slip_gets_one_line(play: Play, arguments: tuple[str, ...], words: str) -> None:
    said = play(*arguments)
    assert said.code == 2
    assert words in said.complaint


def test_bytes_that_are_no_text_are_played_on(spawned: Callable[..., Said]) -> None:
    said = spawned("play", stdin=b"\xff\xfe\n", PYTHONUTF8="1")
    assert outcome(said) == "broken off"
