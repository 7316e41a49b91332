from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crs_gym import metrics
from crs_gym.task import Task, Taste
from crs_gym.trace import Trace

MakeTask = Callable[..., Task]
MakeTrace = Callable[..., Trace]


def test_recall_ndcg_and_reciprocal_rank_by_hand() -> None:
    ranking, targets = (7, 3, 9, 5, 1), (3, 5, 8)
    # The first 4 places hold 3 and 5, two of three targets; the first 1 holds none.
    assert metrics.recall(ranking, targets, 4) == 2 / 3
    assert metrics.recall(ranking, targets, 1) == 0
    # DCG@4 = 1/log2(3) (rank 2) + 1/log2(5) (rank 4); ideal, 3 targets: 1/log2(2) + 1/log2(3) + 1/log2(4).
    dcg = 1 / math.log2(3) + 1 / math.log2(5)
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert metrics.ndcg(ranking, targets, 4) == pytest.approx(dcg / ideal)
    # With k=2 the ideal holds only 2 places: 1 + 1/log2(3); the ranking has rank 2.
    assert metrics.ndcg(ranking, targets, 2) == pytest.approx((1 / math.log2(3)) / (1 + 1 / math.log2(3)))
    assert metrics.reciprocal_rank(ranking, targets, 10) == 1 / 2
    assert metrics.reciprocal_rank(ranking, targets, 1) == 0


def test_items_named_or_shown_before_are_taken_out_of_rankings(make_task: MakeTask, make_trace: MakeTrace) -> None:
    task = make_task([3], context=[1])
    trace = make_trace([((2, 4), (1, 2, 4, 3)), ((6,), (2, 5, 4, 6, 3))], named=[[5], []])
    # Turn 1: 1 was named in the context. Turn 2: 2 and 4 were shown, 5 was named by the user.
    assert metrics.new_rankings(trace, task) == [(2, 4, 3), (6, 3)]
    values = metrics.episode_values(trace, task, n_items=100)
    assert values["recall@1"] == 0
    assert values["mrr@10"] == 1 / 3
    assert metrics.turn_values(trace, task)[1]["mrr@10"] == 1 / 2


def test_items_stand_in_where_no_ranking_is_given_and_a_question_finds_nothing(
    make_task: MakeTask, make_trace: MakeTrace
) -> None:
    task = make_task([3])
    values = metrics.turn_values(make_trace([((), ()), ((5, 3), ())]), task)
    assert [turn["recall@10"] for turn in values] == [0.0, 1.0]
    assert values[1]["recall@1"] == 0.0


def test_a_target_that_was_shown_is_no_target_at_later_turns(make_task: MakeTask, make_trace: MakeTrace) -> None:
    task = make_task([3, 4])
    values = metrics.turn_values(make_trace([((3,), (3, 9)), ((4,), (4, 3)), ((5,), (5,))]), task)
    assert values[0]["recall@1"] == 1 / 2
    assert values[1]["recall@1"] == 1.0  # only 4 is left, and it stands first
    assert values[2]["recall@1"] is None  # none is left


def test_cumulative_values_are_carried_forward_after_the_end(make_task: MakeTask, make_trace: MakeTrace) -> None:
    task = make_task([3, 4])
    trace = make_trace([((7, 8), ()), ((3, 9), ())], accepts=3, success=True, hit_rank=1)
    assert metrics.cumulative_values(trace, task) == [
        {"success": 0.0, "shown_recall": 0.0, "accepted": 0.0},
        {"success": 1.0, "shown_recall": 0.5, "accepted": 1.0},
        {"success": 1.0, "shown_recall": 0.5, "accepted": 1.0},  # the dialogue had ended
    ]
    assert len(metrics.turn_values(trace, task)) == 2  # but it is not counted at turn 3


def test_a_target_that_the_user_named_first_is_no_discovery(make_task: MakeTask, make_trace: MakeTrace) -> None:
    task = make_task([3])
    values = metrics.episode_values(make_trace([((7,), ()), ((3,), (3,))], named=[[3]]), task, n_items=10)
    assert values["shown_recall"] == 0.0
    assert values["any_turn_recall@10"] == 0.0


def test_any_turn_recall_and_equal_budget(make_task: MakeTask, make_trace: MakeTrace) -> None:
    task = make_task([3, 4])
    trace = make_trace([((3, 9), (3, 9, 8, 7, 6, 4)), ((4, 5), (4, 5))])
    values = metrics.episode_values(trace, task, n_items=100)
    assert values["any_turn_recall@1"] == 1.0  # 3 first on turn 1, 4 first on turn 2
    # T * k = 3 * 2 = 6 guesses at once find both.
    assert values["equal_budget_recall"] == 1.0
    shorter = make_trace([((3, 9), (3, 9, 8, 7, 6)), ((4, 5), (4, 5))])
    assert metrics.equal_budget_recall(shorter, task, n_items=100) is None  # its sixth guess is not known
    assert metrics.equal_budget_recall(shorter, task, n_items=5) == 1 / 2  # there was none to make


def test_return_reward_terms_turns_and_agreement(make_task: MakeTask, make_trace: MakeTrace) -> None:
    trace = make_trace([((1,), ()), ((2,), ())], rewards=[0.25, 0.5], accepts=2, success=False)
    values = metrics.episode_values(trace, make_task([3]), n_items=10)
    assert values["return"] == 0.75
    assert values["reward/format"] == 2.0  # 1 on each of two turns, before the weight
    assert values["reward/recommend"] == 0.5
    assert values["turns"] == 2
    assert (values["success"], values["accepted"], values["agreement"]) == (0.0, 1.0, 0.0)


def test_regret_in_standard_deviations(make_task: MakeTask, make_trace: MakeTrace) -> None:
    utility = np.array([0.0, 1.0, 2.0, 3.0, 10.0], np.float32)
    taste = Taste(np.array([], np.int64), np.array([], np.float32), utility, bar=2.5, like_bar=2.0)
    task = make_task([3], taste=taste, likes=[4])
    # 4 is known to the seeker, so the best new item is 3, and the best shown new one is 1: regret (3 - 1) / std.
    # mean 3.2; squares 10.24 + 4.84 + 1.44 + 0.04 + 46.24 = 62.8; std = sqrt(62.8 / 5) = 3.5440…
    assert metrics.regret(make_trace([((1, 4), ())]), task) == pytest.approx(2 / math.sqrt(62.8 / 5))
    assert metrics.regret(make_trace([((), ())]), task) == pytest.approx(3 / math.sqrt(62.8 / 5))  # held to item 0
    assert metrics.regret(make_trace([((1,), ())]), make_task([3])) is None


def test_repetition_and_identical_lists(make_task: MakeTask, make_trace: MakeTrace) -> None:
    task = make_task([9], context=[1])
    # Places: 1 (named before), 2, then 2 (shown before), 3: two of four repeat.
    assert metrics.repetition(make_trace([((1, 2), ()), ((2, 3), ())]), task) == 0.5
    assert metrics.repetition(make_trace([((), ())]), task) is None
    one = make_trace([((1, 2), ()), ((1, 2), ())], task_id="a")
    two = make_trace([((1, 2), ()), ((2, 1), ())], task_id="b")
    # Lists: (1, 2) twice in a and once in b, (2, 1) once in b: three of four were shown in another dialogue.
    assert metrics.identical_share(metrics.shown_lists([one, two])) == 0.75
    assert metrics.identical_share(metrics.shown_lists([one])) == 0.0  # twice in one dialogue is repetition, not this


def test_an_errored_episode_has_no_value_and_the_same_names(make_task: MakeTask, make_trace: MakeTrace) -> None:
    task = make_task([3])
    turns = [((3,), (3,))]
    errored = metrics.episode_values(make_trace(turns, errored=True), task, n_items=10)
    assert set(errored.values()) == {None}
    assert errored.keys() == metrics.episode_values(make_trace(turns), task, n_items=10).keys()
    assert metrics.turn_values(make_trace(turns, errored=True), task) == []
    assert metrics.cumulative_values(make_trace(turns, errored=True), task) == []


rankings = st.lists(st.integers(0, 80), max_size=60, unique=True).map(tuple)


@given(ranking=rankings, targets=st.sets(st.integers(0, 80), min_size=1, max_size=12), k=st.integers(1, 60))
def test_ranking_metrics_are_bounded_and_agree(ranking: tuple[int, ...], targets: set[int], k: int) -> None:
    values = [f(ranking, targets, k) for f in metrics.RANKING_METRICS.values()]
    assert all(0 <= value <= 1 + 1e-12 for value in values)
    assert len({value > 0 for value in values}) == 1  # all see a target within k, or none does
    assert metrics.recall(ranking, targets, k) <= metrics.recall(ranking, targets, k + 1)
    assert metrics.reciprocal_rank(ranking, targets, k) <= metrics.reciprocal_rank(ranking, targets, k + 1)


@given(
    ranking=rankings,
    targets=st.sets(st.integers(0, 80), min_size=1, max_size=12),
    k=st.integers(1, 60),
    place=st.integers(0, 58),
)
def test_moving_a_target_up_never_lowers_a_metric(
    ranking: tuple[int, ...], targets: set[int], k: int, place: int
) -> None:
    if place + 1 >= len(ranking) or ranking[place + 1] not in targets:
        return
    better = list(ranking)
    better[place], better[place + 1] = better[place + 1], better[place]
    for metric in metrics.RANKING_METRICS.values():
        assert metric(better, targets, k) >= metric(ranking, targets, k) - 1e-12
