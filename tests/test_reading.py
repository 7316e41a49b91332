"""Free text as a turn."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crs_gym.reading import MAX_TEXT, read_text
from crs_gym.turns import MAX_UTTERANCE, AgentTurn
from crs_gym.worlds import load_world

CATALOG = load_world("sample").catalog
HEAT, FARGO = (CATALOG.names.index(name) for name in ("Heat (1995)", "Fargo (1996)"))


def read(text: str, k: int = 3) -> AgentTurn:
    return read_text(text, CATALOG, k)


@pytest.mark.parametrize(
    ("text", "said", "items", "reasoning"),
    [
        ("Try Heat (1995).", "Try Heat (1995).", (HEAT,), ""),
        ("Fargo (1996), then Heat (1995), or Fargo (1996) again", None, (FARGO, HEAT), ""),
        ("What genre do you like?", "What genre do you like?", (), ""),
        ("<think>He likes crime.</think>Try Heat (1995).", "Try Heat (1995).", (HEAT,), "He likes crime."),
        ("  <think> Hm. </think>\n Try it. ", "Try it. ", (), "Hm."),
        ("<answer>Try Heat (1995).</answer>", "Try Heat (1995).", (HEAT,), ""),
        ("<think>Fargo (1996)?</think> <answer>Heat (1995)</answer>\n", "Heat (1995)", (HEAT,), "Fargo (1996)?"),
        ("<think></think>Hello", "Hello", (), ""),
        ("<think>a < b, <b>bold</b></think>I <3 films", "I <3 films", (), "a < b, <b>bold</b>"),
        ("a <br> b", "a <br> b", (), ""),
    ],
)
def test_what_is_understood(text: str, said: str | None, items: tuple[int, ...], reasoning: str) -> None:
    turn = read(text)
    assert turn == AgentTurn(text if said is None else said, items, reasoning=reasoning)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n ",
        "<think>Hm.</think>",
        "<think>Hm.</think> \n",
        "<answer></answer>",
        "<answer> </answer>",
        "<think>Hm.",
        "Hm.</think>",
        "<answer>Heat (1995)",
        "Heat (1995)</answer>",
        "First words. <think>Hm.</think> Heat (1995)",
        "<answer>Heat (1995)</answer> and Fargo (1996)",
        "<answer>a</answer><answer>b</answer>",
        "<think>a</think><think>b</think>c",
        "<think>a<think>b</think></think>c",
        "<answer>a</answer><think>b</think>",
        "</answer><answer>",
    ],
)
def test_what_is_not_understood(text: str) -> None:
    turn = read(text)
    assert not turn.understood
    assert turn.items == ()


def test_more_titles_than_places_are_not_understood() -> None:
    names = [CATALOG.names[i] for i in (HEAT, FARGO, 0, 1)]
    assert read(", ".join(names[:3])).understood
    assert not read(", ".join(names)).understood
    assert read(", ".join(names), k=4).items[:2] == (HEAT, FARGO)


def test_length() -> None:
    assert read("x " * (MAX_TEXT // 2)).understood  # the engine cuts what is said, and tells so by its format term
    assert read("x" * (MAX_TEXT + 1)) == AgentTurn("x" * MAX_UTTERANCE, understood=False)
    thought = "y" * (MAX_TEXT - 100)
    assert read(f"<think>{thought}</think>Hello").reasoning == thought


@pytest.mark.parametrize(
    "text",
    [
        " " * 31_000 + "<answer>",
        "<think>" + " " * 31_000 + "</answer>",
        "<" * MAX_TEXT,
        "<think>" * 4_000,
        "<think></think>" + "\n " * 15_000 + "</think>",
        "Heat (1995) " * 2_600,
        "the " * 8_000,
        "(" * MAX_TEXT,
        '"' * MAX_TEXT,
        "1995 " * 6_000,
        "The The, Heat " * 2_000,
        "M. " * 10_000,
    ],
)
def test_eight_times_the_text_takes_about_eight_times_the_time(text: str) -> None:
    """Quadratic work would take sixty-four times as long. The best of several runs: a busy machine does not count."""

    def seconds(part: str) -> float:
        start = time.process_time()
        read(part)
        return time.process_time() - start

    read("")  # builds the resolver
    bound = 24 * min(seconds(text[: len(text) // 8]) for _ in range(3)) + 0.05
    assert any(seconds(text) < bound for _ in range(3))


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from(["<think>", "</think>", "<answer>", "</answer>", "<", ">", " ", "\n", "Heat (1995)", "é\ud800"])
    )
)
def test_any_text_can_be_read(parts: list[str]) -> None:
    text = "".join(parts)
    turn = read(text)
    tags = [part for part in parts if part in ("<think>", "</think>", "<answer>", "</answer>")]
    well_formed = tags in (
        [],
        ["<think>", "</think>"],
        ["<answer>", "</answer>"],
        ["<think>", "</think>", "<answer>", "</answer>"],
    )
    if turn.understood:
        assert well_formed
        assert "<think>" not in turn.utterance
        assert turn.utterance.strip()
    elif not tags:
        assert not text.strip()
