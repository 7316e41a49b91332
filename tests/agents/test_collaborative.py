"""EASE against an independent computation, item-knn by hand, and both on the real corpus."""

from __future__ import annotations

import numpy as np
import pytest
from agent_play import HandMadeWorld, observe, user
from hypothesis import given, settings
from hypothesis import strategies as st

from crs_agents.ease import EaseConfig, EaseScorer, ease_model, fit_ease, popularity_share
from crs_agents.item_knn import ItemKnnScorer, item_similarity
from crs_gym.agent import Observation, load_agent
from crs_gym.turns import AgentTurn
from crs_gym.worlds import World
from crs_gym.worlds.world import Sessions

N = 7
sessions = st.lists(st.lists(st.integers(0, N - 1), min_size=1, max_size=5, unique=True), min_size=1, max_size=12)


def ridge_without_itself(lists: list[list[int]], l2: float) -> np.ndarray:
    """Each item's best prediction from the others: one ridge regression a column, its own column left out."""
    x = np.zeros((len(lists), N))
    for row, items in zip(x, lists, strict=True):
        row[items] = 1
    weights = np.zeros((N, N))
    for j in range(N):
        others = [i for i in range(N) if i != j]
        a = np.vstack([x[:, others], np.sqrt(l2) * np.eye(N - 1)])  # ridge as least squares with l2 rows more
        b = np.concatenate([x[:, j], np.zeros(N - 1)])
        weights[others, j] = np.linalg.lstsq(a, b, rcond=None)[0]
    return weights


@settings(max_examples=60)
@given(sessions, st.sampled_from([0.5, 3.0, 200.0]))
def test_ease_is_a_ridge_regression_for_each_item_on_the_others(lists: list[list[int]], l2: float) -> None:
    model = fit_ease(HandMadeWorld(lists, N).sessions(), N, l2)
    np.testing.assert_allclose(model.weights[model.rows], ridge_without_itself(lists, l2), atol=2e-6)


def test_ease_scores_add_up_with_decay_and_prior() -> None:
    lists = [[0, 1, 2], [1, 2], [2, 3, 0], [4, 0]]
    world = HandMadeWorld(lists, N)
    scores = EaseScorer(world, EaseConfig(l2=2.0, decay=0.5, prior=0.1)).of_histories([(2, 0), (), (6,)])
    weights = ridge_without_itself(lists, 2.0)
    # popularity is the number of sessions: 3, 2, 3, 1, 1, 0, 0 of 4 sessions
    prior = 0.1 * np.array([3, 2, 3, 1, 1, 0, 0]) / 4
    np.testing.assert_allclose(scores[0], weights[2] + 0.5 * weights[0] + prior, atol=1e-6)
    np.testing.assert_allclose(scores[1], prior, atol=1e-7)
    np.testing.assert_allclose(scores[2], prior, atol=1e-7)  # item 6 is in no session
    np.testing.assert_allclose(popularity_share(world), prior * 10, atol=1e-6)


def test_ease_without_sessions_falls_back_to_popularity() -> None:
    world = HandMadeWorld([], N)
    assert EaseScorer(world, EaseConfig()).of_histories([(1,)]).tolist() == [[0.0] * N]
    [turn] = load_agent("ease", world).agent.act([observe(user("x", 1))])
    assert isinstance(turn, AgentTurn)
    assert turn.ranking == (0, 2, 3, 4, 5, 6)


def test_two_agents_over_one_world_share_the_model() -> None:
    world = HandMadeWorld([[0, 1], [1, 2]], N)
    first = ease_model(world, 3.0)
    assert ease_model(HandMadeWorld([[0, 1], [1, 2]], N), 3.0) is first
    assert ease_model(world, 4.0) is not first
    assert ease_model(HandMadeWorld([[0, 1], [1, 3]], N), 3.0) is not first


def test_item_knn_by_hand() -> None:
    # sessions {0, 1}, {0, 1, 2}, {0}, {2}: item 0 in 3, item 1 in 2, item 2 in 2 of them
    world = HandMadeWorld([[0, 1], [1, 0, 2], [0], [2]], N)
    similarity = item_similarity(world.sessions(), N, 1.0).toarray()
    assert similarity[0, 1] == pytest.approx(2 / (np.sqrt(3 * 2) + 1))  # together twice
    assert similarity[0, 2] == pytest.approx(1 / (np.sqrt(3 * 2) + 1))  # once
    assert similarity[1, 2] == pytest.approx(1 / (np.sqrt(2 * 2) + 1))  # once: 1/3
    assert (similarity == similarity.T).all()
    assert not similarity.diagonal().any()
    assert not similarity[3:].any()
    scores = ItemKnnScorer(world, shrink=1.0, decay=0.5)([observe(user("a", 0), user("b", 1)), observe()])
    # item 1 was named last: weight 1; item 0 before it: weight 0.5
    assert scores[0, 2] == pytest.approx(1 / 3 + 0.5 / (np.sqrt(6) + 1))
    assert not scores[1].any()


@settings(max_examples=30)
@given(sessions)
def test_item_knn_is_the_cosine_when_nothing_shrinks(lists: list[list[int]]) -> None:
    x = np.zeros((len(lists), N))
    for row, items in zip(x, lists, strict=True):
        row[items] = 1
    norms = np.sqrt((x**2).sum(axis=0))
    expected = (x.T @ x) / np.maximum(np.outer(norms, norms), 1e-9) * (1 - np.eye(N))
    world_sessions: Sessions = HandMadeWorld(lists, N).sessions()
    np.testing.assert_allclose(item_similarity(world_sessions, N, 0.0).toarray(), expected, atol=1e-6)


@pytest.mark.data
def test_recall_of_new_items_on_redial(redial: World) -> None:
    at_least = {
        # measured: 4.03 / 17.86 / 33.16, 4.39 / 17.86 / 33.51, 4.61 / 19.51 / 37.43; less what rounding may turn
        "ease": (3.9, 17.6, 32.9),
        "item-knn": (4.2, 17.6, 33.2),
        "ask-then-recommend": (4.4, 19.2, 37.1),
    }
    tasks = list(redial.tasks("test", "next-item"))
    assert len(tasks) > 4400
    observations = [Observation(t.context, 0, 5, 10, 50, i) for i, t in enumerate(tasks)]
    agents = {name: load_agent(name, redial).agent for name in at_least}
    for name, agent in agents.items():
        places = []
        for task, turn in zip(tasks, agent.act(observations), strict=True):
            assert isinstance(turn, AgentTurn)
            places.append(min((turn.ranking.index(t) for t in task.targets if t in turn.ranking), default=10**6))
        recall = [100 * float(np.mean(np.array(places) < k)) for k in (1, 10, 50)]
        assert all(got >= wanted for got, wanted in zip(recall, at_least[name], strict=True)), (name, recall)
