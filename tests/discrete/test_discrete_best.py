"""The best of each row, against a plain sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crs_gym.catalog import NO_ITEM, Catalog
from crs_gym.discrete.best import Best, reached
from crs_gym.numeric import FloatArray

LEVELS = np.array([-np.inf, -30.5, -1.0, -0.25, 0.0, 1e-30, 0.5, 7.0], np.float32)


def catalog_of(popularity: list[float]) -> Catalog:
    return Catalog.from_rows([(str(i), f"Film {i}", 1990, {}) for i in range(len(popularity))], popularity)


def sorted_rows(scores: FloatArray, popularity: list[float], count: int) -> list[list[int]]:
    rows = []
    for own in scores.tolist():
        order = sorted(range(len(own)), key=lambda item: (-own[item], -popularity[item], item))
        rows.append([item if own[item] > -np.inf else NO_ITEM for item in order][:count])
    return rows


@given(st.data())
def test_best_of_each_row(data: st.DataObject) -> None:
    n_items = data.draw(st.integers(1, 60))
    count = data.draw(st.integers(1, min(n_items, 12)))
    rows = st.lists(st.integers(0, len(LEVELS) - 1), min_size=n_items, max_size=n_items)
    scores = LEVELS[np.array(data.draw(st.lists(rows, min_size=1, max_size=5)), np.int64)]  # many ties
    popularity = data.draw(st.lists(st.sampled_from([1.0, 2.0, 3.0]), min_size=n_items, max_size=n_items))
    best = Best(catalog_of(popularity), count)
    items, values = best.of([best.contenders(scores)])
    halves = best.of([best.contenders(half) for half in np.array_split(scores, 2) if len(half)])
    assert [column.tolist() for column in halves] == [items.tolist(), values.tolist()]
    assert items.tolist() == sorted_rows(scores, popularity, count)
    for own, chosen, found in zip(scores, items, values, strict=True):
        assert found.tolist() == [own[item] if item != NO_ITEM else -np.inf for item in chosen.tolist()]


def test_few_places_contend_for_the_best() -> None:
    """What is reached lies close below the last of the best: else nothing would be saved."""
    scores = np.random.default_rng(0).standard_normal((50, 1000)).astype(np.float32)
    contenders = (scores >= reached(scores, 20)).sum(axis=1)
    assert contenders.min() >= 20
    assert contenders.mean() == pytest.approx(24, abs=3)
