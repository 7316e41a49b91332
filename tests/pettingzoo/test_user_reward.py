"""What the user's turns are worth: each term against an answer made by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from chatter import ShyWorld

from crs_gym.errors import SimulatorError, UnknownNameError
from crs_gym.numeric import FloatArray, IntArray
from crs_gym.pettingzoo import LIKE_PEOPLE, USER_TERMS, AgentPolicy, SimulatorPolicy, conversation_v0
from crs_gym.rollout import rollout, trace_of
from crs_gym.simulator import Likelihood, Seeker, SimulatorEntry
from crs_gym.turns import AgentTurn, AgentTurns, Decision, UserTurn, UserTurns
from crs_gym.worlds import load_world

CATALOG = load_world("sample").catalog
N = len(CATALOG)
WATCHED = {name: 0.0 for name in USER_TERMS if name != "likelihood"}
BYE = {"utterance": "Bye.", "decision": 1}


def show(*items: int, words: str = "Have a look.") -> dict[str, Any]:
    return {"utterance": words, "items": np.array([*items, *[N] * (10 - len(items))])}


def terms_of(env: Any, *answers: tuple[Any, tuple[int, ...]]) -> dict[str, float]:
    """The terms of a fresh episode of answers, each to its slate. It must be over then."""
    env.reset(seed=1)
    for answer, slate in answers:
        assert "reward_terms" not in env.infos["user"]
        assert env.rewards["user"] == 0
        env.step(show(*slate))
        env.step(answer)
    return dict(env.infos["user"]["reward_terms"])


def say(words: str, decision: int = 0) -> dict[str, Any]:
    return {"utterance": words, "decision": decision}


@pytest.fixture(scope="module")
def env() -> Any:
    made = conversation_v0.env(user_reward=WATCHED)
    made.reset(seed=1)
    return made


def test_the_default_is_the_true_outcome_alone() -> None:
    env = conversation_v0.env()
    env.reset(seed=1)
    (target,) = env.unwrapped.engine.task(0).targets
    assert terms_of(env, (say("Hm."), (5,)), (say("Yes!", 2), (target,))) == {"outcome": 1.0}
    assert env.rewards["user"] == 1.0
    assert terms_of(env, (say("Yes!", 2), (5,))) == {"outcome": 0.0}


def test_the_weights_count() -> None:
    env = conversation_v0.env(user_reward={"outcome": 2.0, "success": 0.25, "agreement": 0.5, "truth": 0.5})
    env.reset(seed=1)
    (target,) = env.unwrapped.engine.task(0).targets
    hated = CATALOG.facet_names[int(taste_of(env).facets[-1])]
    # It accepts the target, as the simulator would, and says one thing, which is false: 2 + 0.25 + 0.5 + 0.
    assert terms_of(env, (say(f"I love {hated} films.", 2), (target,)))["truth"] == 0
    assert env.rewards["user"] == 2.75
    # It leaves, where the simulator would accept, and states nothing: a target was shown, and that is all.
    assert terms_of(env, (BYE, (target,))) == {"outcome": 0, "success": 1, "agreement": 0}
    assert env.rewards["user"] == 0.25
    assert LIKE_PEOPLE.keys() < set(USER_TERMS)


def test_agreement_is_with_what_the_simulator_would_decide(env: Any) -> None:
    env.reset(seed=1)
    (target,) = env.unwrapped.engine.task(0).targets
    dull = int(taste_of(env).utility.argmin())
    # The simulator accepts the target, which pleases its seeker best, and goes on at what pleases it least.
    for answers, expected in (
        ([(say("Yes!", 2), (target,))], 1),
        ([(BYE, (target,))], 0),
        ([(say("Yes!", 3), (target, dull))], 0),
        ([(say("Yes!", 2), (dull,))], 0),
        ([(say("Hm."), (dull,)), (say("Yes!", 2), (target,))], 1),
        ([(say("Hm."), (dull,)), (BYE, (target,))], 0.5),
    ):
        assert terms_of(env, *answers)["agreement"] == expected


def test_the_simulator_agrees_with_itself(env: Any) -> None:
    """Through whole dialogues, patience and all; and it is asked once a turn, whoever asks."""
    user, left = SimulatorPolicy(env), 0
    dull = int(taste_of(env).utility.argmin())
    for episode in range(30):
        env.reset(seed=episode)
        while not env.terminations["user"] and not env.truncations["user"]:
            env.step(show(dull))
            env.step(user.act())
        assert env.infos["user"]["reward_terms"]["agreement"] == 1
        left += env.infos["user"]["outcome"] == "left"
    assert left > 5


def test_truth_is_the_share_of_true_statements(env: Any) -> None:
    env.reset(seed=1)
    task, taste = env.unwrapped.engine.task(0), taste_of(env)
    genres = [f for f in taste.facets.tolist() if CATALOG.facet_kinds[f] == 0]
    liked = next(CATALOG.facet_names[f] for f in genres if taste.weights[taste.facets == f] > 0)
    hated = next(CATALOG.facet_names[f] for f in genres if taste.weights[taste.facets == f] < 0)
    film, bad = CATALOG.names[task.profile.likes[2]], CATALOG.names[task.profile.dislikes[0]]
    dull = int(taste.utility.argmin())
    for words, expected in (
        (f"I love {liked} films.", 1),
        (f"I don't like {liked} films.", 0),
        (f"I love {hated} films.", 0),
        (f"I don't like {hated} films.", 1),
        (f"I love {liked} films. I love {hated} films.", 0.5),
        (f"I loved {film}.", 1),
        (f"I hated {film}.", 0),
        (f"I loved {bad}.", 0),
        ("I loved them.", 0),  # those that were shown
        ("I hated them.", 1),
        ("What should I watch?", None),  # who states nothing says nothing true or false
    ):
        assert terms_of(env, (say(words, 1), (dull,))).get("truth") == expected, words
    two, one = say(f"I love {liked} films. I loved {film}."), say(f"I love {hated} films.", 1)
    assert terms_of(env, (two, (dull,)), (one, (5,)))["truth"] == pytest.approx(2 / 3)


def test_truth_where_the_true_taste_is_unknown() -> None:
    env = conversation_v0.env(world=ShyWorld(), user_reward={"truth": 1.0})
    for seed in range(40):
        env.reset(seed=seed)
        profile = env.unwrapped.engine.task(0).profile
        if profile.taste is None and profile.likes:
            break
    shares = {
        f: sum(f in CATALOG.facets_of(i) for i in profile.likes)
        - sum(f in CATALOG.facets_of(i) for i in profile.dislikes)
        for f in range(CATALOG.n_facets)
        if CATALOG.facet_kinds[f] == 0
    }
    best, worst = (CATALOG.facet_names[pick(shares, key=shares.__getitem__)] for pick in (max, min))
    unseen = next(i for i in range(N) if i not in (*profile.likes, *profile.dislikes))
    for words, expected in (
        (f"I love {best} films.", 1),
        (f"I don't like {best} films.", 0),
        (f"I love {worst} films.", 0),
        (f"I loved {CATALOG.names[unseen]}.", None),  # nobody knows
    ):
        env.reset(seed=seed)
        env.step(say("I love nothing."))
        env.step(show(5))
        env.step(say(words, 1))
        assert env.infos["user"]["reward_terms"].get("truth") == expected, words


class Letters:
    """Holds every letter to be as likely as every other, and remembers what it was asked. Fails when told `fail`."""

    revision = "letters-1"

    def __init__(self, catalog: Any, *, num_dialogues: int, max_turns: int) -> None:
        self.asked: list[tuple[Seeker, str]] = []

    def reset(self, rows: IntArray, seekers: Sequence[Seeker]) -> None:
        """Nothing is remembered."""

    def open(self, rows: IntArray) -> UserTurns:
        return UserTurns.of([UserTurn("Hi!")] * len(rows))

    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        return UserTurns.of([SimulatorError("out of order")] * len(rows))

    def acceptance(self, seekers: Sequence[Seeker], items: Sequence[int]) -> FloatArray:
        return np.full(len(items), 0.5, np.float32)

    def said(self, seekers: Sequence[Seeker], utterances: Sequence[str]) -> list[Likelihood]:
        if "fail" in utterances:
            raise SimulatorError("out of order")
        self.asked += zip(seekers, utterances, strict=True)
        return [Likelihood(-math.log(26) * len(text) ** 2, len(text)) for text in utterances]


def test_likelihood_is_that_of_its_words_in_this_dialogue() -> None:
    weights = {"likelihood": 2.0, "agreement": 1.0}
    env = conversation_v0.env(simulator=SimulatorEntry(Letters, "letters"), user_reward=weights)
    answers = [(say(words), (5,)) for words in ("a", "fail", "")] + [(say("no", 1), (6,))]
    # One token of 1/26, two of 1/26 ** 2 each; the others cannot be told. Who fails agrees with nobody.
    expected = (1 / 26 + 1 / 26**2) / 2
    assert terms_of(env, *answers) == {"likelihood": pytest.approx(expected)}
    assert env.rewards["user"] == pytest.approx(2 * expected)
    (first, *_, last) = env.unwrapped.game.simulator.simulator.asked
    assert first[0].context[-1].text == f"Have a look. [{CATALOG.names[5]}]"
    assert last[0].context[-2].text == ""
    assert first[0].targets == ()


def test_likelihood_under_a_language_model(tiny_model: Any) -> None:
    env = conversation_v0.env(simulator=tiny_model.spec, user_reward={"likelihood": 1.0})
    found = [terms_of(env, (say(words, 1), (5,)))["likelihood"] for words in ("I love comedy films.", "Zq zq zq zq!")]
    assert 0 < found[0] != found[1] < 1


def test_a_user_that_fails_is_not_scored(env: Any) -> None:
    never_shown = UserTurn("Yes!", Decision.ACCEPT, 7)
    for answer in (SimulatorError("gone"), never_shown):
        assert terms_of(env, (say("Hm."), (5,)), (answer, (6,))) == {}
        assert env.rewards["user"] == 0
        assert env.infos["user"]["outcome"] == "errored"


def test_unusable_weights() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'truth'"):
        conversation_v0.env(user_reward={"truthful": 1.0})
    for weights in (1.0, {"outcome": "1"}, {"outcome": True}, {"outcome": math.nan}):
        with pytest.raises(ValueError, match="user_reward"):
            conversation_v0.env(user_reward=weights)
    with pytest.raises(ValueError, match=r"'agenda' tells no likelihoods.*sft"):
        conversation_v0.env(user_reward={"likelihood": 1.0})


def taste_of(env: Any) -> Any:
    return env.unwrapped.engine.task(0).profile.taste


# ---------------------------------------------------------------- an agent as the recommender


@pytest.mark.parametrize("agent", ["ask-then-recommend", "ease"])
def test_an_agent_plays_as_in_a_rollout(agent: str) -> None:
    env = conversation_v0.env()
    recommender, user = AgentPolicy(env, agent), SimulatorPolicy(env)
    expected = rollout("CRS-Sample-v0", agent, episodes=8, seed=4)
    for trace in expected:
        env.reset(seed=4 if trace.episode == 0 else None)
        while not env.terminations["user"] and not env.truncations["user"]:
            env.step(recommender.act() if env.agent_selection == "recommender" else user.act())
        raw = env.unwrapped
        played = trace_of(raw.engine, 0, raw.game.setting, agent)
        assert [(t.agent.utterance, t.agent.items, t.user, t.reward) for t in played.turns] == [
            (t.agent.utterance, t.agent.items, t.user, t.reward) for t in trace.turns
        ]


def test_an_agent_that_writes_text() -> None:
    class Writer:
        def act(self, observations: Any) -> list[Any]:
            return ["<think>Hm.</think> How about Heat (1995)?" if o.turn == 0 else "<think>" for o in observations]

    env = conversation_v0.env()
    env.reset(seed=1)
    policy = AgentPolicy(env, Writer())
    action = policy.act()
    assert action["utterance"] == " How about Heat (1995)?".strip()
    assert CATALOG.names[action["items"][0]] == "Heat (1995)"
    env.step(action)
    with pytest.raises(ValueError, match="turn"):
        policy.act()
    env.step(say("No."))
    assert (policy.act()["items"] == N).all()


def test_agents_that_cannot_play_here() -> None:
    with pytest.raises(ValueError, match="conversation_v0"):
        AgentPolicy(None, "ease")
    with pytest.raises(ValueError, match="text=False"):
        AgentPolicy(conversation_v0.env(text=True), "ease")
    with pytest.raises(ValueError, match="targets"):
        AgentPolicy(conversation_v0.env(), "oracle")


def test_an_agent_waits_for_the_users_first_words() -> None:
    env = conversation_v0.env(world=ShyWorld())
    env.reset(seed=1)
    policy = AgentPolicy(env, FirstWords)
    with pytest.raises(ValueError, match="turn"):
        policy.act()
    env.step(say("Hi!"))
    assert policy.act()["utterance"] == "You said: Hi!"


class FirstWords:
    def act(self, observations: Any) -> list[AgentTurn]:
        return [AgentTurn(f"You said: {observation.messages[-1].text}") for observation in observations]
