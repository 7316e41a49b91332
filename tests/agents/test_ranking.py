from __future__ import annotations

import numpy as np
import pytest
from agent_play import HandMadeWorld, observe, user
from hypothesis import given
from hypothesis import strategies as st

from crs_agents.ranking import CHUNK, RankingAgent, best_new_items, first_new_items
from crs_agents.wording import NAMED_TITLES, RECOMMENDATIONS, question, recommendation
from crs_gym.agent import Observation
from crs_gym.catalog import FACET_KINDS, Catalog
from crs_gym.numeric import FloatArray
from crs_gym.questions import NO_QUESTION, asked_facet
from crs_gym.turns import MAX_UTTERANCE

N = 9
CATALOG = HandMadeWorld([[0, 1, 2], [1, 2], [2], [5, 2]], n_items=N).catalog
values = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-30, -1e-30, 0.5]) | st.floats(-1e6, 1e6, width=32)


@given(
    st.lists(st.lists(values, min_size=N, max_size=N), min_size=1, max_size=4),
    st.sets(st.integers(0, N - 1)),
    st.integers(1, 12),
)
def test_is_the_stable_sort_by_score_popularity_and_number(
    rows: list[list[float]], named: set[int], depth: int
) -> None:
    seen = [observe(user("", *named), k=1, depth=depth) for _ in rows]
    popularity = CATALOG.popularity.tolist()
    expected = [
        tuple(sorted((i for i in range(N) if i not in named), key=lambda i: (-row[i], -popularity[i], i))[:depth])
        for row in rows
    ]
    assert best_new_items(CATALOG, np.array(rows, np.float32), seen) == expected


@given(st.permutations(range(N)), st.sets(st.integers(0, N - 1)), st.integers(1, 12))
def test_first_new_items_walks_the_order(order: list[int], named: set[int], depth: int) -> None:
    expected = tuple([i for i in order if i not in named][:depth])
    o = observe(user("", *named), k=1, depth=depth)
    assert first_new_items(np.array(order, np.int64), o) == expected


def test_each_observation_gets_its_own_depth() -> None:
    scores = np.tile(np.arange(N, dtype=np.float32), (2, 1))
    assert best_new_items(CATALOG, scores, [observe(k=1, depth=2), observe(k=1, depth=3)]) == [(8, 7), (8, 7, 6)]


def test_long_batches_are_scored_in_chunks() -> None:
    sizes = []

    def by_key(observations: object) -> FloatArray:
        assert isinstance(observations, list)
        sizes.append(len(observations))
        return np.array([[float(i == o.key % N) for i in range(N)] for o in observations], np.float32)

    batch: list[Observation] = [observe(key=key) for key in range(CHUNK + 5)]
    turns = RankingAgent(CATALOG, by_key).act(batch)
    assert sizes == [CHUNK, 5]
    assert [turn.items[0] for turn in turns] == [key % N for key in range(CHUNK + 5)]


@given(st.lists(st.integers(0, N - 1), max_size=N, unique=True), st.integers(0, 2**128))
def test_a_recommendation_names_the_first_items_and_asks_nothing(items: list[int], key: int) -> None:
    text = recommendation(CATALOG, items, key)
    assert asked_facet(text) == NO_QUESTION
    assert [i for i in range(N) if CATALOG.names[i] in text] == sorted(items[:NAMED_TITLES])


def test_a_title_with_a_question_mark_asks_nothing() -> None:
    rows: list[tuple[str, str, int | None, dict[str, list[str]]]] = [
        ("a", "Is There a Star?", 1999, {}),
        ("b", "What Director?", None, {}),
        ("c", "Heat", 1995, {}),
    ]
    catalog = Catalog.from_rows(rows)
    for key in range(20):
        assert asked_facet(recommendation(catalog, (0, 1, 2), key)) == NO_QUESTION
        assert asked_facet(recommendation(catalog, (0, 1), key)) == NO_QUESTION
        assert "Heat (1995)" in recommendation(catalog, (0, 1, 2), key)


def test_the_key_alone_chooses_the_sentence() -> None:
    texts = [recommendation(CATALOG, (3,), key) for key in range(200)]
    assert texts == [recommendation(CATALOG, (3,), key) for key in range(200)]
    assert len(set(texts)) == len(RECOMMENDATIONS)


@pytest.mark.parametrize("kind", FACET_KINDS)
@pytest.mark.parametrize("items", [(), (1,), (0, 1, 2, 3)])
def test_a_question_is_read_as_the_question_that_it_is(kind: str, items: tuple[int, ...]) -> None:
    for key in range(20):
        assert asked_facet(question(kind, CATALOG, items, key)) == FACET_KINDS.index(kind)


def test_sentences_are_short_of_the_limit() -> None:
    catalog = Catalog.from_rows([(str(i), f"{i} " + "long " * 100, None, {}) for i in range(10)])
    assert len(recommendation(catalog, tuple(range(10)), 1)) < MAX_UTTERANCE
