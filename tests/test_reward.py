"""The reward terms, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rules import similarity, unit_vector

from crs_gym.catalog import Catalog
from crs_gym.config import DEFAULT_REWARD
from crs_gym.engine import DialogueEngine, Episode
from crs_gym.errors import UnknownNameError
from crs_gym.reward import DISCOUNT, REWARD_TERMS, RewardMix, TurnFacts
from crs_gym.task import Message, Profile, Task
from crs_gym.turns import AgentTurn, AgentTurns, UserTurn, UserTurns
from crs_gym.worlds import load_world

# Items 0 to 3; only genre and director, so a whole item's shares are 0.4 and 0.2 of 0.6: genre 2/3, director 1/3.
CATALOG = Catalog.from_rows(
    [
        ("a", "A", None, {"genre": ["drama"], "director": ["X"]}),
        ("b", "B", None, {"genre": ["drama"], "director": ["Y"]}),
        ("c", "C", None, {"genre": ["drama", "war"], "director": ["X"]}),
        ("d", "D", None, {"genre": ["comedy"], "director": ["Z"]}),
    ]
)


def terms_of(shown: tuple[int, ...], targets: tuple[int, ...], known: tuple[int, ...] = (), k: int = 3) -> Any:
    engine = DialogueEngine(CATALOG, None, num_dialogues=1, k=k, max_turns=5, reward=DEFAULT_REWARD)
    task = Task("t", "train", (Message("user", "Hi.", known),), Profile(), targets)
    engine.reset(engine.all_rows, [Episode(task, 0, 0)])
    engine.recommend(AgentTurns.of([AgentTurn("Look.", shown)], k, len(CATALOG)))
    result = engine.respond(UserTurns.of([UserTurn("Hm.")]))
    return {name: float(values[0]) for name, values in result.terms.items()}, float(result.rewards[0])


def test_discounts() -> None:
    """1/log2(2) = 1, 1/log2(3) = 0.63093, 1/log2(4) = 0.5."""
    assert DISCOUNT[:3].tolist() == pytest.approx([1.0, 0.63093, 0.5], abs=1e-5)


@pytest.mark.parametrize(
    ("shown", "targets", "gain"),
    [
        ((0,), (0,), 1.0),
        ((1, 0), (0,), 0.63093),
        ((1, 3, 0), (0,), 0.5),
        ((1, 3), (0,), 0.0),
        ((0, 3), (0, 1), 0.61315),  # 1 / (1 + 0.63093)
        ((0, 1), (0, 1), 1.0),
        ((3, 0, 1), (0, 1), 0.69343),  # (0.63093 + 0.5) / 1.63093
        ((0, 1, 2), (0, 1, 2, 3), 1.0),  # four targets, three places: 2.13093 / 2.13093
        ((), (0,), 0.0),
    ],
)
def test_recommend(shown: tuple[int, ...], targets: tuple[int, ...], gain: float) -> None:
    assert terms_of(shown, targets)[0]["recommend"] == pytest.approx(gain, abs=1e-5)


def test_similarity_by_hand() -> None:
    """A: drama sqrt(2/3), X sqrt(1/3). B: drama sqrt(2/3), Y sqrt(1/3). C: drama sqrt(1/3), war sqrt(1/3), X sqrt(1/3).

    A·A = 1. A·B = 2/3. A·C = sqrt(2/9) + 1/3 = 0.47140 + 0.33333 = 0.80474. A·D = 0.
    """
    expected = [1.0, 0.66667, 0.80474, 0.0]
    assert [similarity(CATALOG, 0, item) for item in range(4)] == pytest.approx(expected, abs=1e-5)
    centroid = CATALOG.centroid([0])
    engine_says = [(centroid[CATALOG.facet_table[i]] * CATALOG.facet_values[i]).sum() for i in range(4)]
    assert engine_says == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("shown", "known", "preference"),
    [
        # Target A. All four items are popular, so the floor is (1 + 0.66667 + 0.80474 + 0) / 4 = 0.61785.
        ((0,), (), 1.0),  # (1 - 0.61785) / (1 - 0.61785)
        ((2,), (), 0.48905),  # (0.80474 - 0.61785) / 0.38215
        ((1,), (), 0.12775),  # (0.66667 - 0.61785) / 0.38215
        ((3,), (), 0.0),
        ((), (), 0.0),
        # mean = (1 * 0.80474 + 0.63093 * 0.66667) / 1.63093 = 0.75132; (0.75132 - 0.61785) / 0.38215
        ((2, 1), (), 0.34926),
        # the known one counts 0: mean = 0.80474 / 1.63093 = 0.49342, below the floor
        ((2, 1), (1,), 0.0),
        # (1 * 1 + 0.63093 * 0 + 0.5 * 0.80474) / 2.13093 = 0.65810; (0.65810 - 0.61785) / 0.38215
        ((0, 3, 2), (), 0.10533),
    ],
)
def test_preference(shown: tuple[int, ...], known: tuple[int, ...], preference: float) -> None:
    assert terms_of(shown, (0,), known)[0]["preference"] == pytest.approx(preference, abs=2e-5)


@pytest.mark.parametrize(
    ("shown", "known", "novelty"),
    [((0, 1), (), 1.0), ((0, 1), (1,), 0.5), ((0, 1, 2), (0, 2), 0.33333), ((0,), (0,), 0.0), ((), (), 0.0)],
)
def test_novelty(shown: tuple[int, ...], known: tuple[int, ...], novelty: float) -> None:
    assert terms_of(shown, (3,), known)[0]["novelty"] == pytest.approx(novelty, abs=1e-5)


def test_the_mix_by_hand() -> None:
    """Target A, the slate (C, A): format 1, recommend 0.63093, novelty 1, turn_cost 1.

    preference: mean = (0.80474 + 0.63093) / 1.63093 = 0.88028; (0.88028 - 0.61785) / 0.38215 = 0.68671.
    reward = 0.1 + 0.63093 + 0.5 * 0.68671 + 0.05 - 0.2 = 0.92428.
    """
    terms, reward = terms_of((2, 0), (0,))
    assert terms["preference"] == pytest.approx(0.68671, abs=2e-5)
    assert reward == pytest.approx(0.92428, abs=2e-5)


def test_talking_without_recommending_does_not_pay() -> None:
    """0.1 for its form, 0.2 for the user's time: -0.1. New but useless items: 0.1 + 0.05 - 0.2 = -0.05."""
    assert terms_of((), (0,))[1] == pytest.approx(-0.1)
    assert terms_of((3,), (0,))[1] == pytest.approx(-0.05)


def test_only_progress_is_paid() -> None:
    """Target A. Slates B, C, A: closeness 0.12775, 0.48905, 1. Paid: 0.12775, 0.36130, 0.51095, which add up to 1."""
    engine = DialogueEngine(CATALOG, None, num_dialogues=1, k=1, max_turns=5, reward=DEFAULT_REWARD)
    engine.reset(engine.all_rows, [Episode(Task("t", "train", (), Profile(), (0,)), 0, 0)])
    paid = []
    for item in (1, 2, 0):
        engine.recommend(AgentTurns.of([AgentTurn("Look.", (item,))], 1, 4))
        paid.append(engine.respond(UserTurns.of([UserTurn("Hm.")])).terms["preference"][0])
    assert paid == pytest.approx([0.12775, 0.36130, 0.51095], abs=4e-5)


def test_unit_vectors_have_length_one() -> None:
    catalog = load_world("sample").catalog
    lengths = np.square(catalog.facet_values.astype(np.float64)).sum(axis=1)
    assert lengths == pytest.approx(np.ones(len(catalog)), abs=1e-6)
    vector = unit_vector(catalog, 17)
    by_name = dict(zip(vector, [v for v in catalog.facet_values[17].tolist() if v], strict=True))
    assert by_name == pytest.approx(vector, abs=1e-6)


def test_an_item_without_facets_is_like_nothing() -> None:
    """No division by zero, and no reward for it."""
    bare = Catalog.from_rows([("a", "A", None, {}), ("b", "B", None, {"genre": ["war"]})])
    engine = DialogueEngine(bare, None, num_dialogues=1, k=1, max_turns=5, reward=DEFAULT_REWARD)
    engine.reset(engine.all_rows, [Episode(Task("t", "train", (), Profile(), (0,)), 0, 0)])
    engine.recommend(AgentTurns.of([AgentTurn("Look.", (1,))], 1, 2))
    result = engine.respond(UserTurns.of([UserTurn("Hm.")]))
    assert result.terms["preference"][0] == 0
    assert np.isfinite(result.rewards).all()


def test_a_target_like_all_popular_items() -> None:
    """The floor is 1 where every popular item is like the target: nothing can be above it, and nothing breaks."""
    alike = Catalog.from_rows([(str(i), f"Film {i}", None, {"genre": ["war"]}) for i in range(3)])
    engine = DialogueEngine(alike, None, num_dialogues=1, k=1, max_turns=5, reward=DEFAULT_REWARD)
    engine.reset(engine.all_rows, [Episode(Task("t", "train", (), Profile(), (0,)), 0, 0)])
    engine.recommend(AgentTurns.of([AgentTurn("Look.", (1,))], 1, 3))
    result = engine.respond(UserTurns.of([UserTurn("Hm.")]))
    assert 0 <= result.terms["preference"][0] <= 1


@given(st.lists(st.integers(0, 3), max_size=4, unique=True), st.sets(st.integers(0, 3)), st.integers(0, 3))
def test_terms_stay_between_0_and_1(shown: list[int], known: set[int], target: int) -> None:
    terms, _ = terms_of(tuple(shown), (target,), tuple(known), k=4)
    assert all(0 <= value <= 1 for value in terms.values())


# ---------------------------------------------------------------- the mix


def test_weights_are_checked() -> None:
    with pytest.raises(UnknownNameError, match=r"no reward term is named 'recomend'. Did you mean 'recommend'\?"):
        RewardMix({"recomend": 1.0})
    for weight in (float("nan"), float("inf"), "1", None, True):
        with pytest.raises(ValueError, match=r"reward\['novelty'\]"):
            RewardMix({"novelty": weight})  # type: ignore[dict-item]


def test_a_term_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def brevity(facts: TurnFacts) -> Any:
        return (facts.n_shown == 1) * 1.0

    monkeypatch.setitem(REWARD_TERMS, "brevity", brevity)
    for n in (1, 2):
        engine = DialogueEngine(CATALOG, None, num_dialogues=n, k=3, max_turns=5, reward={"brevity": 2.0})
        tasks = [Task("t", "train", (), Profile(), (0,))] * n
        engine.reset(engine.all_rows, [Episode(task, 0, i) for i, task in enumerate(tasks)])
        turns = [AgentTurn("Look.", (1,)), AgentTurn("Look.", (1, 2))][:n]
        engine.recommend(AgentTurns.of(turns, 3, len(CATALOG)))
        result = engine.respond(UserTurns.of([UserTurn("Hm.")] * n))
        assert result.rewards.tolist() == [2.0, 0.0][:n]
        assert list(result.terms) == ["brevity"]


def test_no_terms_no_reward() -> None:
    engine = DialogueEngine(CATALOG, None, num_dialogues=2, k=1, max_turns=5, reward={})
    tasks = [Task("t", "train", (), Profile(), (0,))] * 2
    engine.reset(engine.all_rows, [Episode(task, 0, i) for i, task in enumerate(tasks)])
    engine.recommend(AgentTurns.of([AgentTurn("Look.", (0,))] * 2, 1, len(CATALOG)))
    assert engine.respond(UserTurns.of([UserTurn("Hm.")] * 2)).rewards.tolist() == [0.0, 0.0]
