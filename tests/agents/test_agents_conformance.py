"""What every registered agent must answer, adversaries included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from agent_play import HandMadeWorld, observe, user, without_targets

from crs_gym.agent import AGENTS, Agent, AgentEntry, NamedAgent, Observation, OracleObservation, load_agent
from crs_gym.turns import AgentTurn, AgentTurns
from crs_gym.worlds import World

OURS = (
    "random", "popularity", "copy-mention", "bm25", "item-knn", "ease", "ask-then-recommend", "oracle",
    "parrot", "dumper", "manipulator", "repeater", "prober",
)  # fmt: skip
SPECS = (*OURS, "ease:decay=1,prior=0", "ask-then-recommend:show=false")
SHOWS_NAMED = {"copy-mention", "parrot", "repeater", "prober"}
RANKS = [spec for spec in SPECS if not (spec.partition(":")[0] in AGENTS and AGENTS[spec.partition(":")[0]].adversary)]


@pytest.fixture(scope="module", params=SPECS)
def agent(request: pytest.FixtureRequest, sample: World) -> NamedAgent:
    return load_agent(str(request.param), sample)


def seen_by(agent: NamedAgent, observations: Sequence[OracleObservation]) -> list[Observation]:
    return [o if agent.target_aware else without_targets(o) for o in observations]


def act(agent: NamedAgent, observations: Sequence[Observation]) -> list[AgentTurn]:
    turns = list(agent.agent.act(observations))
    assert all(isinstance(turn, AgentTurn) for turn in turns)
    return [turn for turn in turns if isinstance(turn, AgentTurn)]


@pytest.mark.parametrize("name", OURS)
def test_is_registered_under_its_name(name: str) -> None:
    entry = AGENTS[name]
    assert isinstance(entry, AgentEntry)
    assert entry.summary
    assert entry.target_aware == (name == "oracle")
    assert entry.adversary == (name in ("parrot", "dumper", "manipulator", "repeater", "prober"))


def test_every_turn_fits_its_observation(
    agent: NamedAgent, sample: World, observations: list[OracleObservation]
) -> None:
    seen = seen_by(agent, observations)
    turns = act(agent, seen)
    assert isinstance(agent.agent, Agent)
    assert len(turns) == len(seen)
    for turn, o in zip(turns, seen, strict=True):
        assert turn.utterance.strip()
        assert len(turn.items) <= o.k
        assert len(turn.ranking) <= o.depth
        assert len(set(turn.items)) == len(turn.items)
        assert len(set(turn.ranking)) == len(turn.ranking)
        assert all(type(item) is int and 0 <= item < len(sample.catalog) for item in (*turn.items, *turn.ranking))
        if turn.items and turn.ranking:
            assert turn.items == turn.ranking[: o.k]
    AgentTurns.of(turns, 10, len(sample.catalog))  # the engine's own check


def test_a_batch_in_any_order_gives_the_turns_of_single_calls(
    agent: NamedAgent, observations: list[OracleObservation]
) -> None:
    seen = seen_by(agent, observations)
    assert len(seen) == 32
    single = [act(agent, [o])[0] for o in seen]
    order = np.random.default_rng(3).permutation(len(seen)).tolist()
    shuffled = act(agent, [seen[i] for i in order])
    assert shuffled == [single[i] for i in order]


def test_a_second_agent_says_the_same(
    agent: NamedAgent, sample: World, observations: list[OracleObservation], request: pytest.FixtureRequest
) -> None:
    seen = seen_by(agent, observations)
    spec = request.node.callspec.params["agent"]
    assert act(load_agent(spec, sample), seen) == act(agent, seen)


def test_an_empty_batch_is_no_error(agent: NamedAgent) -> None:
    assert act(agent, []) == []


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec not in SHOWS_NAMED])
def test_shows_nothing_that_was_named_before(spec: str, sample: World, observations: list[OracleObservation]) -> None:
    agent = load_agent(spec, sample)
    for turn, o in zip(act(agent, seen_by(agent, observations)), observations, strict=True):
        assert not set(o.named_items()) & {*turn.items, *turn.ranking}


@pytest.mark.parametrize("spec", [spec for spec in RANKS if spec != "copy-mention"])
@pytest.mark.parametrize("depth", [10, 50, 200])
def test_ranks_as_deep_as_it_is_asked(
    spec: str, depth: int, sample: World, observations: list[OracleObservation]
) -> None:
    agent = load_agent(spec, sample)
    for turn in act(agent, seen_by(agent, [replace(o, depth=depth) for o in observations])):
        assert len(turn.ranking) == depth


@pytest.mark.parametrize("spec", [spec for spec in RANKS if spec != "copy-mention"])
def test_a_catalogue_that_runs_out_gives_what_is_left(spec: str) -> None:
    world = HandMadeWorld([[0, 1, 2], [1, 2, 3], [3, 4]], n_items=6)
    agent = load_agent(spec, world)
    o = OracleObservation((user("Film 1 (2001), Film 2 (2002) and Film 3.", 1, 2, 3),), 4, 5, 10, 50, 7, targets=(0,))
    [turn] = act(agent, seen_by(agent, [o]))
    assert set(turn.items) == {0, 4, 5}


@pytest.mark.parametrize("spec", SPECS)
def test_a_dialogue_that_named_everything_is_no_error(spec: str) -> None:
    world = HandMadeWorld([[0, 1, 2]], n_items=3)
    agent = load_agent(spec, world)
    o = OracleObservation((user("All of them.", 0, 1, 2),), 0, 5, 10, 50, 7, targets=(0,))
    [turn] = act(agent, seen_by(agent, [o]))
    assert turn.utterance.strip()


def test_random_depends_on_the_key_alone(sample: World) -> None:
    agent = load_agent("random", sample)
    first, same, other = act(agent, [observe(key=1), observe(user("Hi!"), key=1), observe(key=2)])
    assert first.ranking == same.ranking
    assert first.ranking != other.ranking


def test_random_is_uniform_over_new_items() -> None:
    world = HandMadeWorld([], n_items=5)
    agent = load_agent("random", world)
    turns = act(agent, [observe(user("Film 0.", 0), k=1, depth=1, key=key) for key in range(4000)])
    counts = np.bincount([turn.items[0] for turn in turns], minlength=5)
    # 4 new items, 4,000 draws: 1,000 each, standard deviation sqrt(4000 * 1/4 * 3/4) = 27; within 4 of them.
    assert counts[0] == 0
    assert (abs(counts[1:] - 1000) < 110).all()


def test_popularity_is_the_catalogue_s_order(sample: World) -> None:
    order = sample.catalog.by_popularity.tolist()
    [turn] = act(load_agent("popularity", sample), [observe(user("I like it.", order[1]))])
    assert turn.ranking == (order[0], *order[2:51])


def test_copy_mention_ranks_the_last_mention_first(sample: World) -> None:
    agent = load_agent("copy-mention", sample)
    [turn] = act(agent, [observe(user("a", 5, 6), user("b", 7), user("c", 5))])
    assert turn.items == (5, 7, 6)


def test_oracle_shows_the_targets_then_what_is_most_like_them(sample: World) -> None:
    catalog = sample.catalog
    agent = load_agent("oracle", sample)
    [turn] = act(agent, [OracleObservation((user("a", 900),), 0, 5, 3, 4, 7, targets=(800, 900, 801))])
    alike = catalog.centroid([800, 900, 801])
    likeness = [float(alike[catalog.facet_table[item]] @ catalog.facet_values[item]) for item in range(len(catalog))]
    others = [item for item in range(len(catalog)) if item not in (800, 801, 900)]
    best = sorted(likeness[item] for item in others)[-2:]
    assert turn.ranking[:2] == (800, 801)
    assert [likeness[item] for item in turn.ranking[2:]] == pytest.approx(best[::-1])
    assert turn.items == turn.ranking[:3]
    with pytest.raises(ValueError, match="target_aware"):
        agent.agent.act([observe()])


def test_bm25_finds_the_user_s_words(sample: World) -> None:
    catalog = sample.catalog
    heat = catalog.names.index("Heat (1995)")
    agent = load_agent("bm25", sample)
    [turn, unknown] = act(agent, [observe(user("The one with Al Pacino, heat I think")), observe(user("xyzzy!"))])
    assert turn.items[0] == heat
    assert unknown.ranking == tuple(catalog.by_popularity[:50].tolist())


@pytest.mark.parametrize(
    "spec",
    ["ease:l2=0", "ease:decay=2", "ease:prior=-1", "ease:lambda=3", "ease:l2=x", "ask-then-recommend:show=2",
     "ask-then-recommend:questions=half", "ask-then-recommend:ask=1", "ask-then-recommend:questions=-1"],
)  # fmt: skip
def test_an_unusable_setting_is_named(spec: str) -> None:
    world = HandMadeWorld([[0, 1]], n_items=3)
    with pytest.raises(ValueError, match=spec.partition(":")[2].partition("=")[0]):
        load_agent(spec, world)
