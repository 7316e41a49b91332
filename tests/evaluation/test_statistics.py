from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crs_gym import statistics

NAN = float("nan")


def groups(n: int) -> statistics.Groups:
    return np.arange(n, dtype=np.intp)


def test_means_leave_missing_values_out() -> None:
    table = np.array([[1.0, NAN, NAN], [3.0, 5.0, NAN]])
    out = statistics.bootstrap_means(table, groups(2))
    # (1 + 3) / 2 over two episodes; 5 over one; nothing over none.
    np.testing.assert_array_equal(out.estimate, [2.0, 5.0, NAN])
    np.testing.assert_array_equal(out.n, [2, 1, 0])
    # Samples of two: (1, 1), (1, 3), (3, 1), (3, 3): means 1, 2, 3 with 1/4, 1/2, 1/4, so the bounds are 1 and 3.
    assert (out.low[0], out.high[0]) == (1.0, 3.0)
    # A sample without the second episode has no mean of the second column and is left out.
    assert (out.low[1], out.high[1]) == (5.0, 5.0)
    assert np.isnan(out.low[2])


def test_bounds_are_those_of_a_plain_bootstrap() -> None:
    rng = np.random.default_rng(3)
    values = rng.gamma(2.0, size=60)
    plain = np.array([rng.choice(values, 60).mean() for _ in range(20_000)])
    out = statistics.bootstrap_means(values[:, None], groups(60))
    width = out.high[0] - out.low[0]
    assert out.low[0] == pytest.approx(np.quantile(plain, 0.025), abs=0.03 * width)
    assert out.high[0] == pytest.approx(np.quantile(plain, 0.975), abs=0.03 * width)


def test_trials_of_one_task_are_drawn_together() -> None:
    """Ten copies of each value tell no more than one: the interval must not shrink."""
    values = np.random.default_rng(1).normal(size=40)
    once = statistics.bootstrap_means(values[:, None], groups(40))
    tenfold = statistics.bootstrap_means(np.repeat(values, 10)[:, None], np.repeat(groups(40), 10))
    np.testing.assert_allclose(tenfold.low, once.low)
    np.testing.assert_allclose(tenfold.high, once.high)
    assert tenfold.n[0] == 400


def test_strata_keep_their_sizes() -> None:
    """Two strata without variance inside: every sample has the same mean."""
    out = statistics.bootstrap_means(
        np.array([[0.0], [0.0], [0.0], [1.0]]), groups(4), strata=np.array([0, 0, 0, 1], np.intp)
    )
    assert (out.low[0], out.estimate[0], out.high[0]) == (0.25, 0.25, 0.25)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """300 samples of 80 from an exponential distribution of mean 1: 95% intervals must hold 1 in about 95%."""
    rng = np.random.default_rng(11)
    table = rng.exponential(size=(80, 300))  # each column is one sample
    out = statistics.bootstrap_means(table, groups(80), resamples=2_000)
    coverage = np.mean((out.low <= 1) & (out.high >= 1))
    # Percentile intervals of a skewed sample of this size cover about 93%; 300 of them have a standard error of 1.5%.
    assert 0.89 <= coverage <= 0.98


def test_interquartile_mean_by_hand() -> None:
    # Of 8 values the middle 4: (3 + 4 + 5 + 6) / 4 = 4.5, however large the last.
    assert statistics.interquartile_mean(np.array([1.0, 2, 3, 4, 5, 6, 7, 1000])) == 4.5
    # Of 6 values a quarter is 1.5: half of the second, the third, the fourth, half of the fifth:
    # (0.5 * 2 + 3 + 4 + 0.5 * 10) / 3 = 13 / 3.
    assert statistics.interquartile_mean(np.array([1.0, 2, 3, 4, 10, 99])) == pytest.approx(13 / 3)
    # Weights are copies.
    assert statistics.interquartile_mean(np.array([1.0, 5, 9]), np.array([2.0, 1, 3])) == pytest.approx(
        statistics.interquartile_mean(np.array([1.0, 1, 5, 9, 9, 9]))
    )


def test_interquartile_mean_bootstrap_agrees_with_resampling_by_hand() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=50)
    plain = [statistics.interquartile_mean(rng.choice(values, 50)) for _ in range(8_000)]
    out = statistics.bootstrap_interquartile_mean(values, groups(50))
    width = out.high[0] - out.low[0]
    assert out.low[0] == pytest.approx(np.quantile(plain, 0.025), abs=0.04 * width)
    assert out.high[0] == pytest.approx(np.quantile(plain, 0.975), abs=0.04 * width)
    with_gaps = statistics.bootstrap_interquartile_mean(np.append(values, NAN), groups(51))
    assert with_gaps.estimate[0] == out.estimate[0]
    assert with_gaps.n[0] == 50


def test_sign_flip_p_values_by_hand() -> None:
    # Three equal differences: of the 8 sign patterns only +++ and --- reach the sum 3, so p = 2/8. Zeros: p = 1.
    differences = np.array([[1.0, 0.0, NAN]] * 3)
    p = statistics.sign_flip_p_values(differences, groups(3))
    assert p[0] == pytest.approx(0.25, abs=0.02)
    assert p[1] == 1.0
    assert np.isnan(p[2])
    # Ten equal ones: 2 / 1024, and never 0.
    assert statistics.sign_flip_p_values(np.ones((10, 1)), groups(10))[0] == pytest.approx(2 / 1024, abs=0.001)
    assert statistics.sign_flip_p_values(np.ones((40, 1)), groups(40))[0] == pytest.approx(1 / 10_001)


def test_sign_flip_p_values_flip_tasks_and_not_trials() -> None:
    """Five trials of one task all agree: that is one task, whose sign says nothing."""
    assert statistics.sign_flip_p_values(np.ones((5, 1)), np.zeros(5, np.intp))[0] == 1.0


def test_sign_flip_p_values_are_uniform_without_a_difference() -> None:
    table = np.random.default_rng(2).normal(size=(30, 400))
    p = statistics.sign_flip_p_values(table, groups(30), resamples=1_000)
    assert 0.02 <= np.mean(p <= 0.05) <= 0.09  # 5% expected; standard error 1.1%


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.04 times 3, 2, 1 are 0.03, 0.04, 0.04; NaN is not counted.
    np.testing.assert_allclose(statistics.holm(np.array([0.04, NAN, 0.01, 0.02])), [0.04, NAN, 0.03, 0.04])
    # Sorted 0.3, 0.4 times 2, 1 are 0.6 and 0.4, raised to 0.6; 0.9 times 2 is cut at 1.
    np.testing.assert_allclose(statistics.holm(np.array([0.4, 0.3])), [0.6, 0.6])
    np.testing.assert_allclose(statistics.holm(np.array([0.9, 0.9])), [1.0, 1.0])


def test_many_columns_are_drawn_in_blocks_of_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """All columns share their draws, so a column's interval is the same wherever it stands."""
    rng = np.random.default_rng(9)
    table = rng.normal(size=(12, 40))
    table[rng.random(table.shape) < 0.3] = NAN
    table[:, 7] = NAN
    at_once = statistics.bootstrap_means(table, groups(12), resamples=300)
    monkeypatch.setattr(statistics, "_COLUMNS", 9)
    in_blocks = statistics.bootstrap_means(table, groups(12), resamples=300)
    for one, other in zip(
        (at_once.estimate, at_once.low, at_once.high, at_once.n),
        (in_blocks.estimate, in_blocks.low, in_blocks.high, in_blocks.n),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_thousand_turns_of_metrics_need_little_memory() -> None:
    table = np.random.default_rng(0).random((10, 6_000))
    tracemalloc.start()
    try:
        statistics.bootstrap_means(table, groups(10), resamples=4_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # All 4,000 x 6,000 means at once are 192 MB, and their sorted copy as much again.
    assert peak < 100e6


def test_bounds_of_one_value_are_that_value() -> None:
    """Also of one so small that its parts do not add up to it again."""
    for value in (-6.197956292521474e-215, 0.1, 5e-324):
        out = statistics.bootstrap_means(np.array([[value]]), groups(1), resamples=200)
        assert out.low[0] == out.estimate[0] == out.high[0] == value


def test_an_empty_table_has_no_estimates() -> None:
    out = statistics.bootstrap_means(np.empty((0, 2)), groups(0))
    assert np.isnan(out.estimate).all()
    assert out.n.tolist() == [0, 0]


@settings(max_examples=25)
@given(
    values=st.lists(st.tuples(st.text(max_size=3), st.floats(-10, 10)), min_size=1, max_size=20),
    order=st.randoms(use_true_random=False),
)
def test_intervals_do_not_depend_on_the_order_of_episodes(values: list[tuple[str, float]], order: object) -> None:
    shuffled = list(values)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    outs = []
    for rows in (values, shuffled):
        table = np.array([[value] for _, value in rows])
        outs.append(
            statistics.bootstrap_means(table, statistics.group_numbers([label for label, _ in rows]), resamples=200)
        )
    np.testing.assert_allclose(outs[0].low, outs[1].low, atol=1e-9)
    np.testing.assert_allclose(outs[0].high, outs[1].high, atol=1e-9)
    assert outs[0].low[0] <= outs[0].high[0]
