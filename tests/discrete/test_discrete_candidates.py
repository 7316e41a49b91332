"""Candidates against an independent ranking of all films; sources in columns, and by rankings."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from chatter import Chatter
from discrete_play import ENV_ID

from crs_agents.ease import EaseConfig, EaseScorer
from crs_agents.feedback import FeedbackReader
from crs_gym.agent import CandidateSource, Histories, Observation, load_agent
from crs_gym.catalog import Catalog
from crs_gym.discrete.belief import Belief
from crs_gym.discrete.candidates import Candidates
from crs_gym.discrete.env import DiscreteEnv
from crs_gym.discrete.heard import Heard
from crs_gym.discrete.likeness import Likeness
from crs_gym.discrete.source import HistorySource, RankingSource
from crs_gym.rollout import observation_of
from crs_gym.task import Message
from crs_gym.turns import AgentTurn
from crs_gym.worlds import load_world


def made(**settings: Any) -> DiscreteEnv:
    env = gym.make(ENV_ID, **settings).unwrapped
    assert isinstance(env, DiscreteEnv)
    return env


def test_ease_in_columns_is_ease() -> None:
    world = load_world("sample")
    scorer = EaseScorer(world, EaseConfig())
    assert isinstance(scorer, CandidateSource)
    lists = [(3, 1, 4), (), (100,), (5, 9, 2, 6, 900)]
    histories = Histories(np.cumsum([0, *map(len, lists)]), np.array([item for items in lists for item in items]))
    log_scores = scorer.log_scores(histories)
    scores = scorer.of_histories(lists)
    assert log_scores.dtype == np.float32
    assert np.isfinite(log_scores).all()
    for one, other in zip(log_scores, scores, strict=True):  # the floor is the same for all films
        floor = np.exp(one) - np.maximum(other, 0)
        assert floor == pytest.approx(np.full(len(floor), floor[0]), abs=1e-6)
    for items, among_others in zip(lists, log_scores, strict=True):  # to the bit, whoever stands beside it
        [alone] = scorer.log_scores(Histories(np.array([0, len(items)]), np.array(items, np.int64)))
        assert alone.tobytes() == among_others.tobytes()


def test_popularity_in_columns_is_popularity() -> None:
    source = load_agent("popularity", load_world("sample")).agent.candidates  # type: ignore[attr-defined]
    scores = source.log_scores(Histories(np.array([0, 0, 1]), np.array([7])))
    order = np.argsort(-scores, axis=1, kind="stable")
    assert order.tolist() == [load_world("sample").catalog.by_popularity.tolist()] * 2


def test_without_evidence_candidates_are_the_agents_own_ranking() -> None:
    world = load_world("sample")
    agent: Any = load_agent("ease", world).agent
    belief, candidates = Belief(world.catalog, 1), Candidates(world.catalog, HistorySource(agent.candidates), 1, 50)
    row = np.zeros(1, np.int64)
    for named in ((3, 200), (), (7, 8, 9, 600)):
        belief.begin(row, Heard.of([[]], [[]], [named]))
        candidates.find(row, belief)
        [turn] = agent.act([Observation((Message("user", "Hello", named),), 0, 5, 10, 50, 0)])
        assert tuple(candidates.items[0].tolist()) == turn.ranking


def test_what_was_said_moves_films() -> None:
    """Against a plain loop: every film's score from the dialogue's facts, sorted."""
    env = made(n_candidates=100)
    catalog = env.catalog
    scorer = EaseScorer(env.world, EaseConfig())
    unit = np.zeros((len(catalog), catalog.n_facets + 1))
    unit[np.arange(len(catalog))[:, None], catalog.facet_table] = catalog.facet_values
    beyond = np.where(unit > 0, unit - catalog.popular_centroid, 0)
    judging = 0
    for seed in range(10):
        env.reset(seed=seed)
        _, _, terminated, _, _ = env.step(100 + seed % 4)
        if terminated:
            continue
        scores = scorer.log_scores(env.view._board.belief.histories(np.zeros(1, np.int64)))[0].astype(np.float64)
        opinions = FeedbackReader(catalog).opinions(env.engine.messages(0))
        for facet, balance in opinions.facets.items():
            scores += 2 * balance * (unit[:, facet] > 0)
        for sign, weight in ((1, 4), (-1, -1)):
            films = [item for item, balance in opinions.items.items() if balance * sign > 0]
            judging += len(films)
            if films:
                scores += weight * (unit @ beyond[films].T).mean(axis=1)
        known = {item for message in env.engine.messages(0) for item in message.items}
        order = sorted((item for item in range(len(catalog)) if item not in known), key=lambda item: -scores[item])
        found = list(env.view.candidates(0))
        assert not known & set(found)
        assert scores[found] == pytest.approx(scores[order[:100]], abs=1e-4)
    assert judging > 10


@pytest.mark.parametrize("name", ["bm25", "item-knn", "random", "ask-then-recommend"])
def test_candidates_by_ranking(name: str) -> None:
    env = made(candidates=name, n_candidates=15)
    agent = load_agent(name, env.world).agent
    env.reset(seed=2)
    [turn] = agent.act([observation_of(env.engine, 0, env.game, False)])
    assert isinstance(turn, AgentTurn)
    assert env.view.candidates(0) == turn.ranking[:15]
    env.step(0)


def test_an_agent_that_writes_text_can_be_a_source() -> None:
    env = made()
    source = RankingSource(Chatter(env.catalog, text=True), "writer", env.catalog, lambda _: observation)
    ranked = set()
    for key in range(8):
        observation = Observation((Message("user", f"Hello {key}"),), 0, 5, 10, 50, key)
        scores = source.scores(np.zeros(1, np.int64), env.view._board.belief)
        ranked.add(int(np.isfinite(scores).sum()))
    assert max(ranked) > 1


def test_a_source_may_have_no_candidates() -> None:
    """`copy-mention` ranks what was named, and that is no candidate any more."""
    env = made(candidates="copy-mention")
    observation, _ = env.reset(seed=2)
    assert env.view.candidates(0) == ()
    assert not observation["candidates"].any()
    assert env.action_masks().tolist() == [False] * 20 + [True] * 4
    assert env.step(0)[-1]["shown"] == ()


def test_a_ranking_outside_the_catalogue_is_refused() -> None:
    class Wild:
        def act(self, observations: Any) -> list[AgentTurn]:
            return [AgentTurn("x", (10**6,)) for _ in observations]

    observation = Observation((), 0, 5, 10, 50, 0)
    source = RankingSource(Wild(), "wild", load_world("sample").catalog, lambda _: observation)
    with pytest.raises(ValueError, match=r"candidates='wild'.*1000000"):
        source.scores(np.zeros(1, np.int64), None)  # type: ignore[arg-type]


def test_likeness_by_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crs_gym.discrete.likeness.MOST_KEPT", 3)
    catalog: Catalog = load_world("sample").catalog
    unit = np.zeros((len(catalog), catalog.n_facets + 1), np.float32)
    unit[np.arange(len(catalog))[:, None], catalog.facet_table] = catalog.facet_values
    likeness = Likeness(catalog)
    beyond = np.where(unit > 0, unit - catalog.popular_centroid, 0)
    for items in ([5, 5, 1], [2, 3], [1, 4, 7, 9], [9]):  # more than are kept, too
        wanted = np.pad(beyond[items] @ unit.T, ((0, 0), (0, 1)))
        assert np.stack(likeness.of(np.array(items))) == pytest.approx(wanted, abs=1e-6)
