"""`ScriptedModel`: deterministic by key, and it fails where it is told to."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crs_gym.errors import LanguageModelError
from crs_gym.lm import READ, Chat, ChatMessage, Generation, LanguageModel, Prompt, Sampling
from crs_gym.lm.scripted import ScriptedModel

CHAT = Chat((ChatMessage("user", "Hi"),))
PROMPT = Prompt(("User,", READ, " yes", READ, ":"))


def texts(rows: list[Generation | LanguageModelError]) -> list[str]:
    assert all(isinstance(row, Generation) for row in rows), rows
    return [row.text for row in rows if isinstance(row, Generation)]


def test_it_is_a_language_model() -> None:
    model = ScriptedModel(revision="r")
    assert isinstance(model, LanguageModel)
    assert model.revision == "r"
    model.forget([0])


@given(st.lists(st.integers(0, 2**128 - 1), min_size=1, max_size=8))
def test_a_row_depends_on_its_key_alone(keys: list[int]) -> None:
    together = texts(ScriptedModel().generate([CHAT] * len(keys), Sampling(), keys))
    assert together == [texts(ScriptedModel().generate([CHAT], Sampling(), [key]))[0] for key in keys]


def test_every_line_is_said() -> None:
    assert set(texts(ScriptedModel(["a", "b", "c"]).generate([CHAT] * 64, Sampling(), range(64)))) == {"a", "b", "c"}


def test_a_function_writes_what_it_likes() -> None:
    model = ScriptedModel(lambda prompt: prompt.text if isinstance(prompt, Prompt) else prompt.messages[-1].content)
    assert texts(model.generate([CHAT, PROMPT], Sampling(), [1, 2])) == ["Hi", "User, yes:"]
    assert model.asked == [(CHAT, PROMPT)]


def test_stop_strings_and_length_end_a_text() -> None:
    model = ScriptedModel(["one two three\nfour"])

    def said(**how: object) -> list[Generation | LanguageModelError]:
        return model.generate([CHAT], Sampling(**how), [0])  # type: ignore[arg-type]

    assert said(stop=("\n", "four")) == [Generation("one two three", True)]
    assert said(max_tokens=2) == [Generation("one two", False)]
    assert said(max_tokens=2, stop=(" three",)) == [Generation("one two", True)]


def test_odds() -> None:
    words = [" yes", " no"]
    (row, chat) = ScriptedModel().read([PROMPT, CHAT], words)
    assert np.exp(row) == pytest.approx(np.full((2, 2), 0.5))
    assert np.exp(chat) == pytest.approx(np.full((1, 2), 0.5))
    assert row.dtype == np.float64
    given_odds = ScriptedModel(odds={" yes": 0.7}).read([CHAT], words)[0]
    assert np.exp(given_odds) == pytest.approx(np.array([[0.7, 0.0]]))
    assert np.isfinite(given_odds).all()
    by_prompt = ScriptedModel(odds=lambda prompt, _: [0.1, 0.2] if isinstance(prompt, Chat) else [0.3, 0.4])
    assert [np.exp(row)[0].tolist() for row in by_prompt.read([CHAT, PROMPT], words)] == [
        pytest.approx([0.1, 0.2]),
        pytest.approx([0.3, 0.4]),
    ]
    assert ScriptedModel().read([Prompt(("no place",))], words)[0].shape == (0, 2)


def test_it_fails_where_it_is_told_to() -> None:
    model = ScriptedModel(failing={1: [0, 2], 2: None})
    calls = [
        model.read([CHAT] * 3, [" a", " b"]),
        model.generate([CHAT] * 3, Sampling(), [1, 2, 3]),
        model.read([CHAT] * 3, [" a", " b"]),
        model.generate([CHAT] * 3, Sampling(), [1, 2, 3]),
    ]
    failed = [[isinstance(row, LanguageModelError) for row in rows] for rows in calls]
    assert failed == [[False] * 3, [True, False, True], [True] * 3, [False] * 3]
    assert str(calls[1][2]) == "scripted to fail: row 2 of call 1"


def test_unusable_arguments() -> None:
    for lines in ([], "a text"):
        with pytest.raises(ValueError, match="lines"):
            ScriptedModel(lines)
    for odds in ({" a": 0.7, " b": 0.7}, {" a": -0.1}, {" a": float("nan")}, lambda *_: [0.1]):
        with pytest.raises(ValueError, match="no probabilities"):
            ScriptedModel(odds=odds).read([CHAT], [" a", " b"])
    with pytest.raises(ValueError, match="first tokens"):
        ScriptedModel().read([CHAT], [" a", " a"])
    with pytest.raises(ValueError, match="zip"):
        ScriptedModel().generate([CHAT], Sampling(), [])


def test_neither_it_nor_the_endpoint_imports_what_is_heavy() -> None:
    code = (
        "import sys, crs_gym.lm.scripted, crs_gym.lm.endpoint\n"
        "print(sorted({'torch', 'transformers', 'httpx2', 'openai'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_missing_package_is_named_with_its_extra() -> None:
    code = (
        "import sys; sys.modules['httpx2'] = None\n"
        "from crs_gym.lm.endpoint import EndpointModel\n"
        "try: EndpointModel('http://localhost/v1', 'm')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("WeightsError")
    assert "httpx2" in said
    assert 'pip install "crs-gym[endpoint]"' in said
