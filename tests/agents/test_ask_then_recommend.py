from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from agent_play import Game, observe, recommender, user
from hypothesis import given
from hypothesis import strategies as st

from crs_agents.ask_then_recommend import AskConfig, AskThenRecommendAgent, build
from crs_agents.belief import item_facet_matrix
from crs_agents.information_gain import InformationGain
from crs_gym.agent import Observation, load_agent
from crs_gym.catalog import FACET_KINDS, Catalog
from crs_gym.questions import NO_QUESTION, QUESTIONS, asked_facet
from crs_gym.worlds import World

GENRE, DIRECTOR, STAR, DECADE = range(4)


def asked_now(agent: AskThenRecommendAgent, observation: Observation) -> int:
    return asked_facet(agent.act([observation])[0].utterance)


def test_the_gain_by_hand() -> None:
    catalog = Catalog.from_rows(
        [
            ("0", "A", 1990, {"genre": ["a"], "director": ["x"]}),
            ("1", "B", 1991, {"genre": ["a", "b"], "director": ["y"]}),
            ("2", "C", 1992, {"genre": ["b"]}),
            ("3", "D", 1993, {"genre": ["b"], "director": ["z"]}),
        ]
    )
    gains = InformationGain(catalog)(np.arange(4, dtype=np.int64), np.zeros(4, np.float32))
    # Each item has 1/4. genre: P(a) = 1/4 + 1/8 = 3/8, P(b) = 5/8, H = 0.954434 bits; item B alone leaves 1 bit of
    # doubt about the answer, so H(answer | item) = 1/4: the gain is 0.704434.
    assert gains[GENRE] == pytest.approx(0.954434 - 0.25, abs=1e-6)
    assert gains[DIRECTOR] == pytest.approx(2.0)  # x, y, z or none: four answers of 1/4, each known from the item
    assert gains[STAR] == 0.0  # nobody has one: the answer is always "none"
    assert gains[DECADE] == 0.0  # all from the 1990s
    sure = InformationGain(catalog)(np.arange(4, dtype=np.int64), np.array([50, 0, 0, 0], np.float32))
    assert sure == pytest.approx(np.zeros(4), abs=1e-6)  # nothing is left to ask


@given(
    st.lists(st.lists(st.sampled_from("abcde"), max_size=4, unique=True), min_size=1, max_size=6),
    st.lists(st.floats(-5, 5, width=32), min_size=6, max_size=6),
)
def test_the_gain_is_the_fall_in_entropy(genres: list[list[str]], scores: list[float]) -> None:
    """Computed the other way round: H(item) minus the expected entropy of the belief after each answer."""
    catalog = Catalog.from_rows([(str(i), f"F{i}", None, {"genre": g}) for i, g in enumerate(genres)])
    s = np.array(scores[: len(genres)], np.float32)
    p = np.exp(s.astype(np.float64)) / np.exp(s.astype(np.float64)).sum()

    def entropy(q: np.ndarray) -> float:
        q = q[q > 0]
        return float(-(q * np.log2(q)).sum())

    answers = [*"abcde", None]
    says = np.array([[(a in g) / len(g) if g else float(a is None) for a in answers] for g in genres])  # (item, answer)
    joint = says * p[:, None]
    after = sum(joint[:, a].sum() * entropy(joint[:, a] / joint[:, a].sum()) for a in range(6) if joint[:, a].sum() > 0)
    gains = InformationGain(catalog)(np.arange(len(genres), dtype=np.int64), s)
    assert gains[GENRE] == pytest.approx(entropy(p) - after, abs=1e-6)


def test_the_sparse_facets_are_the_catalogue_s(sample: World) -> None:
    catalog = sample.catalog
    dense = item_facet_matrix(catalog).toarray()
    assert dense.shape == (len(catalog), catalog.n_facets)
    np.testing.assert_allclose((dense**2).sum(axis=1), 1.0, atol=1e-5)
    for item in range(0, len(catalog), 97):
        assert set(np.flatnonzero(dense[item]).tolist()) == set(catalog.facets_of(item).tolist())
        np.testing.assert_allclose(dense[item], catalog.centroid([item])[:-1], atol=1e-7)


def test_asks_no_kind_twice_and_never_on_the_last_turn(sample: World) -> None:
    agent = AskThenRecommendAgent(sample, AskConfig(least_gain=0.0))
    messages = [user("Hi!")]
    kinds = []
    for turn in range(5):
        [said] = agent.act([observe(*messages, turn=turn)])
        kinds.append(asked_facet(said.utterance))
        messages += [recommender(said.utterance, *said.items), user("I don't know.")]
    assert sorted(kinds[:4]) == [GENRE, DIRECTOR, STAR, DECADE]
    assert kinds[4] == NO_QUESTION


def test_a_question_in_the_recorded_context_is_not_its_own(sample: World) -> None:
    agent = AskThenRecommendAgent(sample, AskConfig())
    first = asked_now(agent, observe(user("Hi!")))
    context = (user("Hi!"), recommender(QUESTIONS[FACET_KINDS[first]]), user("Hm."))
    assert asked_now(agent, observe(*context)) == first
    assert asked_now(agent, observe(*context, turn=1)) != first


def test_settings_limit_the_questions(sample: World) -> None:
    o = observe(user("Hi!"))
    assert asked_now(build(sample, "questions=0"), o) == NO_QUESTION
    assert asked_now(build(sample, "least_gain=99"), o) == NO_QUESTION
    shows, hides = build(sample).act([o])[0], build(sample, "show=false").act([o])[0]
    assert len(shows.items) == 10
    assert hides.items == ()
    assert hides.utterance in QUESTIONS.values()
    assert shows.ranking == hides.ranking
    late = observe(user("Hi!"), recommender("a"), user("b"), recommender("c"), user("d"), turn=2)
    assert asked_now(build(sample, "show=false"), late) == NO_QUESTION  # two of five turns are for asking
    assert asked_now(build(sample), late) != NO_QUESTION


@pytest.mark.parametrize("own", [True, False])
def test_what_is_said_moves_the_ranking(own: bool, sample: World) -> None:
    catalog, agent = sample.catalog, build(sample)
    greeting = (user("Hi!"), recommender("Hm?")) if own else (user("Hi!"),)

    def share(name: str, text: str) -> float:
        facet = catalog.facet_names.index(name)
        [turn] = agent.act([observe(*greeting, user(text), turn=int(own))])
        return float(np.mean([facet in catalog.facets_of(item) for item in turn.ranking]))

    for facet in ("horror", "comedy", "1980s"):
        neutral = share(facet, "Okay.")
        assert share(facet, f"I love {facet} films.") > neutral + 0.2
        assert share(facet, f"I don't like {facet} films.") <= neutral
    assert share("Al Pacino", "I love Al Pacino.") > share("Al Pacino", "Okay.")


def test_liked_and_disliked_films_move_the_ranking(sample: World) -> None:
    catalog, agent = sample.catalog, build(sample)
    film = catalog.names.index("The Conjuring (2013)") if "The Conjuring (2013)" in catalog.names else 0
    facets = set(catalog.facets_of(film).tolist())

    def likeness(text: str) -> float:
        said = (user("Hi!"), recommender("Try it.", film), user(text.format(catalog.names[film]), film))
        [turn] = agent.act([observe(*said, turn=1)])
        return float(np.mean([len(facets.intersection(catalog.facets_of(item).tolist())) for item in turn.items]))

    assert likeness("{} comes close.") > likeness("What about {}?") - 1e-9 > likeness("No, not {}.")


def returns_and_successes(world: World, specs: Sequence[str], n: int) -> dict[str, tuple[float, float]]:
    tasks = world.tasks("test")[:n]
    out = {}
    for spec in specs:
        game = Game(world, list(tasks))
        game.play(load_agent(spec, world))
        out[spec] = (float(game.returns.mean()), float(game.engine.success.mean()))
    return out


ADVERSARIES = ("parrot", "dumper", "manipulator", "repeater", "prober")


def test_in_the_sample_game_asking_pays_and_tricks_do_not(sample: World) -> None:
    specs = ("popularity", "ask-then-recommend", "ask-then-recommend:questions=0", "oracle", *ADVERSARIES)
    results = returns_and_successes(sample, specs, 256)
    reward, success = results["popularity"]
    asks = results["ask-then-recommend"]
    assert asks[0] > reward + 0.1
    assert asks[1] > success + 0.1
    assert asks[0] > results["ask-then-recommend:questions=0"][0]
    assert results["oracle"][0] > asks[0]
    assert results["oracle"][1] == 1.0
    for spec in ADVERSARIES:
        assert results[spec][0] < reward, spec
        assert results[spec][1] < success, spec
