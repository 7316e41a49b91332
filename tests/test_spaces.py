"""The space of utterances, alone and through gymnasium's machinery."""

from __future__ import annotations

import multiprocessing
import pickle
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector.utils import (
    batch_space,
    concatenate,
    create_empty_array,
    create_shared_memory,
    iterate,
    read_from_shared_memory,
    write_to_shared_memory,
)
from hypothesis import given
from hypothesis import strategies as st

from crs_gym.spaces import Utterance

TEXTS = ["", " ", "Amélie", "🎬 שלום", "a\nb\x00c", "\u202e", "\ud800", "Try Heat (1995)!"]


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_is_inside(text: str) -> None:
    assert Utterance(40).contains(text)
    assert text in Utterance(len(text) or 1)


def test_what_is_outside() -> None:
    space = Utterance(5)
    assert space.contains("x" * 5)
    for other in ("x" * 6, b"x", 3, None, ["x"], np.array("x")):
        assert not space.contains(other)


def test_samples_are_inside_and_seeded() -> None:
    one, two, other = Utterance(400, seed=1), Utterance(400, seed=1), Utterance(400, seed=2)
    samples = [one.sample() for _ in range(50)]
    assert all(sample in one and sample for sample in samples)
    assert samples == [two.sample() for _ in range(50)]
    assert samples != [other.sample() for _ in range(50)]
    assert len(Utterance(1).sample()) == 1
    for refused in ({"mask": 1}, {"probability": 1}):
        with pytest.raises(ValueError, match="no mask"):
            one.sample(**refused)


def test_equality_hash_and_repr() -> None:
    assert Utterance(5) == Utterance(5, seed=3)
    assert Utterance(5) != Utterance(6)
    assert Utterance(5) != spaces.Text(5)
    assert hash(Utterance(5)) == hash(Utterance(5))
    assert repr(Utterance(5)) == "Utterance(5)"


def test_pickling_keeps_the_generator() -> None:
    space = Utterance(40, seed=4)
    space.sample()
    copy = pickle.loads(pickle.dumps(space))
    assert copy == space
    assert [copy.sample() for _ in range(5)] == [space.sample() for _ in range(5)]
    assert len(pickle.dumps(space)) < 2000  # no table of all characters


def test_json() -> None:
    space = Utterance(40)
    assert space.from_jsonable(space.to_jsonable(TEXTS)) == TEXTS


def test_flattening_keeps_the_text_apart() -> None:
    """`flatten` turns a Text into the numbers of its characters."""
    space = Utterance(8)
    flat = spaces.flatten(space, "Amélie")
    assert flat[:6].tolist() == [ord(c) for c in "Amélie"]


def test_batches() -> None:
    space = spaces.Dict({"dialogue": Utterance(40), "turn": spaces.Discrete(3)})
    batch = batch_space(space, 2)
    items = [{"dialogue": "Hi.", "turn": np.int64(0)}, {"dialogue": "Amélie 🎬", "turn": np.int64(2)}]
    joined = concatenate(space, items, create_empty_array(space, 2))
    assert batch.contains(joined)
    assert [dict(one) for one in iterate(batch, joined)] == items


@given(st.lists(st.text(max_size=30), min_size=2, max_size=2), st.lists(st.text(max_size=30), min_size=2, max_size=2))
def test_shared_memory(first: list[str], second: list[str]) -> None:
    """What is written is read, and what was read before is not changed by what is written later."""
    space = Utterance(30)
    memory = create_shared_memory(space, 2, multiprocessing.get_context())
    texts: Any = read_from_shared_memory(space, memory, 2)
    for i, text in enumerate(first):
        write_to_shared_memory(space, i, text, memory)
    assert list(texts) == first
    kept = texts.__deepcopy__({})
    for i, text in enumerate(second):
        write_to_shared_memory(space, i, text, memory)
    assert kept == tuple(first)
    assert (texts[0], texts[1], len(texts)) == (second[0], second[1], 2)


def test_shared_memory_holds_lone_surrogates() -> None:
    memory = create_shared_memory(Utterance(4), 1, multiprocessing.get_context())
    write_to_shared_memory(Utterance(4), 0, "\ud800x", memory)
    assert list(read_from_shared_memory(Utterance(4), memory, 1)) == ["\ud800x"]
