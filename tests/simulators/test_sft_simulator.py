"""The learned user: what the model is given to read, what comes of its answers, and that no row minds another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sft_play import (
    ALIEN,
    CATALOG,
    HEAT,
    JAWS,
    KNOWN,
    MATRIX,
    PLAIN,
    UP,
    WORLD,
    Opinions,
    rendered,
    reply,
    seated,
    seeker,
)

from crs_gym.config import DEFAULT_REWARD
from crs_gym.engine import DialogueEngine, Episode
from crs_gym.errors import LanguageModelError, SimulatorError, UnknownNameError
from crs_gym.lm.scripted import ScriptedModel
from crs_gym.simulator import Likelihoods, Simulator, SimulatorEntry, load_simulator
from crs_gym.task import Message
from crs_gym.testing import check_simulator
from crs_gym.turns import MAX_UTTERANCE, AgentTurn, AgentTurns, Decision, UserTurn, UserTurns
from crs_simulators.sft import SFT, SFT_ORACLE, prompts
from crs_simulators.sft.decisions import WORDS
from crs_simulators.sft.simulator import CONFUSED, MAX_READ, SFTSimulator

YES, SEEN, NO = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
STAYS = {" like": 0.5, " dislike": 0.5}
"""It takes nothing and does not leave."""


def by_turn(*lines: str) -> Any:
    """A script: what the user says on its first, second, … turn, told by how often the recommender has spoken."""
    return lambda prompt: lines[prompt.text.count("\nRecommender:") - 1]


def test_it_is_a_simulator_that_tells_likelihoods() -> None:
    user = seated(ScriptedModel())
    assert isinstance(user, Simulator)
    assert isinstance(user, Likelihoods)


# ---------------------------------------------------------------- what the model reads

TOLD = "User: Hi, something with robots?\n"
TURNS = (
    (
        AgentTurn("Have you seen these?", (HEAT, UP)),
        "1. Heat (1995), action, crime, drama:<?>\n"
        "2. Up (2009), animation, adventure, family:<?>\n"
        "Recommender: Have you seen these?\n"
        "User,<?>",
        " seen 1:",
        " Yes, a great film! Jaws (1975) too.\n",
        UserTurn("Yes, a great film! Jaws (1975) too.", items=(JAWS,)),
    ),
    (  # Heat was shown before, and the user has named Jaws itself: neither has a line
        AgentTurn("Then The Matrix (1999)\n, or Jaws?", (HEAT, MATRIX, JAWS)),
        "1. The Matrix (1999), action, sci-fi:<?>\nRecommender: Then The Matrix (1999) , or Jaws?\nUser,<?>",
        " dislike 1:",
        " No.\n",
        UserTurn("No."),
    ),
    (
        AgentTurn("What do you like?"),
        "Recommender: What do you like?\nUser,<?>",
        " answer:",
        " Robots.\n",
        UserTurn("Robots."),
    ),
    (
        AgentTurn("Last try", (ALIEN,)),
        "1. Alien (1979), horror, sci-fi:<?>\nRecommender: Last try\nUser,<?>",
        " accept 1:",
        " I'll watch that one, thanks!\n",
        UserTurn("I'll watch that one, thanks!", Decision.ACCEPT, ALIEN),
    ),
)
"""Turn by turn: what the recommender does; what is read; what the user decides, and says; and its turn."""


def test_the_transcript_line_by_line() -> None:
    """Of earlier turns nothing is read again; where the model has no words, the user has."""
    says = by_turn("  Yes, a\tgreat film! Jaws (1975) too. \nUser: I accept", "No.", "Robots.", " \n")
    model = Opinions({HEAT: SEEN, ALIEN: YES}, {" accept": 0.3, " dislike": 0.3, " answer": 0.3}, lines=says)
    user, told = seated(model), TOLD
    for number, (turn, read, decision, words, answer) in enumerate(TURNS):
        assert reply(user, turn) == [answer]
        (asked,), (continued,) = model.asked[2 * number :]
        assert rendered(asked) == told + read
        told += read.replace("<?>", "") + decision
        assert rendered(continued) == told
        told += words


def test_the_words_that_are_read_for() -> None:
    asked: list[Sequence[str]] = []

    def odds(prompt: Any, words: Sequence[str]) -> list[float]:
        asked.append(words)
        return [0.1] * len(words)

    reply(seated(ScriptedModel(odds=odds)), AgentTurn("Look", (UP,)))
    assert asked == [WORDS]


def test_first_words() -> None:
    model = Opinions(lines=["Hello, a film please"])
    user = seated(model, seeker(context=()), seeker(1, context=(Message("recommender", "Welcome!"),)))
    opened = user.open(np.array([0, 1]))
    assert [opened.turn(i) for i in (0, 1)] == [UserTurn("Hello, a film please")] * 2
    assert [prompt.text for prompt in model.wrote] == ["User:", "Recommender: Welcome!\nUser:"]
    reply(user, AgentTurn("Look", (UP,)), AgentTurn("Look", (UP,)))
    assert rendered(model.asked[1][0]).startswith("User: Hello, a film please\n1. Up (2009)")


@pytest.mark.parametrize(
    "context",
    [
        (Message("user", "I like Heat (1995)", (HEAT,)),),
        (Message("user", "Hi"), Message("recommender", "Try Heat (1995)", (HEAT,))),
    ],
)
def test_a_film_that_was_named_before_has_no_line_and_is_not_taken(context: tuple[Message, ...]) -> None:
    model = Opinions({HEAT: YES}, {" accept": 1.0, " answer": 1e-9, " leave": 0.0})
    (answer,) = reply(seated(model, seeker(context=context)), AgentTurn("Heat!", (HEAT,)))
    assert answer.decision is Decision.CONTINUE
    assert "1. Heat" not in rendered(model.asked[0][0])
    assert rendered(model.asked[0][0]).count("<?>") == 1


def test_no_utterance_makes_a_line() -> None:
    model = Opinions(does={" dislike": 1.0})
    words = "Look!\nUser: I accept\r\nUser, accept 1: yes\u2028User: yes\x85User: yes\x0b1. Heat (1995):"
    reply(seated(model), AgentTurn(words, (UP,)))
    lines = model.wrote[0].text.split("\n")
    assert [line.split(" ")[0] for line in lines] == ["User:", "1.", "Recommender:", "User,"]
    assert all(line.isprintable() for line in lines)


# ---------------------------------------------------------------- the profile


def test_the_profile_stands_above_the_dialogue() -> None:
    model = Opinions(does=STAYS)
    reply(seated(model, seeker(profile=KNOWN), knows="profile"), AgentTurn("Well?"))
    assert model.wrote[0].text == (
        "Likes: The Matrix (1999); Alien (1979)\n"
        "Dislikes: Up (2009)\n"
        "User: Hi, something with robots?\n"
        "Recommender: Well?\n"
        f"User,{model.wrote[0].text.rpartition('User,')[2]}"
    )


def test_history_only_knows_no_profile() -> None:
    model = Opinions(does=STAYS)
    reply(seated(model, seeker(profile=KNOWN)), AgentTurn("Well?"))
    assert model.wrote[0].text.startswith("User: Hi, something with robots?\nRecommender: Well?\n")


@pytest.mark.parametrize("knows", ["history", "profile"])
def test_targets_change_nothing(knows: str) -> None:
    """Of two tasks that differ in their targets alone, the whole conversation is the same."""
    found = []
    for targets in ((MATRIX,), (JAWS, HEAT)):
        model = Opinions(other=(0.05, 0.1, 0.85), does={" accept": 0.1, " like": 0.4, " dislike": 0.4, " answer": 0.1})
        simulator = load_simulator("sft", CATALOG, num_dialogues=3, max_turns=5, model=model, knows=knows)
        engine = DialogueEngine(CATALOG, simulator, num_dialogues=3, k=10, max_turns=5, reward=DEFAULT_REWARD)
        tasks = [replace(WORLD.tasks("train")[i], targets=targets) for i in range(3)]
        engine.reset(engine.all_rows, [Episode(task, 1, 0) for task in tasks])
        rows = engine.all_rows
        for turn in range(5):
            slate = tuple(range(40 * turn, 40 * turn + 9))
            step = engine.step(
                AgentTurns.of([AgentTurn(f"Turn {turn}", (HEAT, *slate))] * len(rows), 10, len(CATALOG)), rows
            )
            rows = rows[~(step.terminated | step.truncated)]
            if not len(rows):
                break
        asked = [[rendered(prompt) for prompt in call] for call in model.asked]
        found.append((asked, [engine.messages(row) for row in range(3)]))
    assert found[0] == found[1]


def test_a_profile_never_holds_a_target() -> None:
    for task in (WORLD.tasks("train")[i] for i in range(40)):
        model = Opinions()
        reply(seated(model, seeker(context=task.context, profile=task.profile), knows="profile"), AgentTurn("Well?"))
        assert not any(f" {CATALOG.names[target]}" in model.wrote[0].text for target in task.targets)


# ---------------------------------------------------------------- the oracle


def oracle(model: Any, *targets: int) -> Any:
    named = load_simulator("sft-oracle", CATALOG, num_dialogues=1, max_turns=5, model=model, **PLAIN)
    named.simulator.reset(np.arange(1), [seeker(targets=targets)])
    return named


def test_the_oracle_says_what_it_sees() -> None:
    named = oracle(Opinions(), MATRIX)
    assert named.name.startswith("sft-oracle")
    assert named.name.endswith(" (sees targets)")
    assert named.target_aware
    assert SFT_ORACLE.target_aware
    assert not SFT.target_aware


def test_the_oracle_reads_its_targets_and_likes_them() -> None:
    model = Opinions(other=(0.01, 0.0, 0.99), does={" accept": 1.0})
    user = oracle(model, MATRIX).simulator
    taken = []
    for number in range(60):
        user.reset(np.arange(1), [seeker(number, targets=(MATRIX,))])
        taken.append(reply(user, AgentTurn("These?", (UP, MATRIX)))[0].accepted)
    assert model.wrote[0].text.startswith("Likes: The Matrix (1999)\nUser: Hi")
    assert taken.count(UP) <= 4  # 1% of what it would have taken
    assert taken.count(MATRIX) > 45  # the model says no to all: it takes what it is told to like


def test_the_oracle_names_no_target_before_it_is_shown() -> None:
    says = "Something like The Matrix (1999), or the matrix, I think."
    user = oracle(Opinions(does={" like": 1.0, " dislike": 0.5, " answer": 0.5}, lines=[says]), MATRIX).simulator
    before = [reply(user, AgentTurn("Well?", (film,)))[0] for film in (UP, HEAT)]
    for answer in before:
        assert "atrix" not in answer.utterance
        assert MATRIX not in answer.items
        assert answer.utterance.startswith("Something like that film")
    assert "atrix" not in user._model.wrote[-1].text.partition("\n")[2]  # behind what it is told: it stays unsaid
    (after,) = reply(user, AgentTurn("This?", (MATRIX,)))
    assert after.utterance == says


def test_the_oracle_opens_without_its_target() -> None:
    user = oracle(Opinions(lines=["The Matrix (1999) please"]), MATRIX).simulator
    user.reset(np.arange(1), [seeker(context=(), targets=(MATRIX,))])
    assert user.open(np.arange(1)).turn(0) == UserTurn("That film please")


# ---------------------------------------------------------------- turns that are not understood, long ones, failures


def test_a_turn_that_is_not_understood_costs_nothing() -> None:
    """It is answered without the model, and the dialogue goes on as if it had not been."""
    found = []
    for confused in (0, 2):
        model = Opinions(other=(0.3, 0.3, 0.4), does={" like": 0.5, " dislike": 0.5}, lines=["A.", "B.", "C.", "D."])
        user = seated(model)
        for _ in range(confused):
            assert reply(user, AgentTurn("", (HEAT,), understood=False)) == [UserTurn(CONFUSED)]
        assert not [prompt for call in model.asked for prompt in call]
        found.append((reply(user, AgentTurn("Look", (HEAT, UP))), model.wrote))
    assert found[0] == found[1]


def test_a_turn_that_is_not_understood_beside_others() -> None:
    model = Opinions({UP: SEEN}, lines=["I did."])
    user = seated(model, *map(seeker, range(3)))
    turns = [AgentTurn("Look", (UP,)), AgentTurn("", understood=False), AgentTurn("Look", (UP,))]
    assert reply(user, *turns) == [UserTurn("I did."), UserTurn(CONFUSED), UserTurn("I did.")]
    assert [len(call) for call in model.asked] == [2, 2]


def test_a_long_utterance_is_read_in_part() -> None:
    model = Opinions(does=STAYS)
    user = seated(model)
    reply(user, AgentTurn("long " * (MAX_UTTERANCE // 5), (HEAT,)))
    line = next(line for line in model.wrote[0].text.split("\n") if line.startswith("Recommender"))
    assert len(line) <= len("Recommender: ") + MAX_READ
    assert "1. Heat (1995)" in model.wrote[0].text  # what is shown stands above the words, and is read in full


@pytest.mark.parametrize("call", [0, 1])
def test_a_failure_stays_in_its_row(call: int) -> None:
    """Whether reading or writing fails: one row has the reason, the others answer what they would have."""
    found: list[UserTurns] = []
    for failing in ({}, {call: [1]}):
        model = Opinions(other=(0.3, 0.3, 0.4), lines=["A.", "B.", "C."], failing=failing)
        user = seated(model, *map(seeker, range(4)))
        turns = AgentTurns.of([AgentTurn("Look", (HEAT, UP))] * 4, 10, len(CATALOG))
        found.append(user.reply(np.arange(4), turns))
    well, spoilt = found
    assert not well.errors
    assert list(spoilt.errors) == [1]
    assert isinstance(spoilt.errors[1], LanguageModelError)
    assert [spoilt.turn(i) for i in (0, 2, 3)] == [well.turn(i) for i in (0, 2, 3)]


def test_all_rows_fail_and_the_next_seekers_are_answered() -> None:
    model = Opinions({UP: SEEN}, failing={0: None})
    user = seated(model, seeker(0), seeker(1))
    users = user.reply(np.arange(2), AgentTurns.of([AgentTurn("Look", (UP,))] * 2, 10, len(CATALOG)))
    assert all(isinstance(users.errors[i], SimulatorError) for i in (0, 1))
    user.reset(np.arange(2), [seeker(2), seeker(3)])
    assert reply(user, *[AgentTurn("Look", (UP,))] * 2) == [UserTurn("Hm.")] * 2


def test_who_has_no_seat_cannot_answer() -> None:
    user = SFTSimulator(CATALOG, num_dialogues=1, max_turns=5, model=Opinions())
    with pytest.raises(ValueError, match="call reset"):
        reply(user, AgentTurn("Look"))


# ---------------------------------------------------------------- options


def chance(view: Sequence[float], **options: Any) -> float:
    """How likely a film pleases that the model thinks so of."""
    user = seated(Opinions({UP: (view[0], view[1], view[2])}), **options)
    return float(user.acceptance([seeker()], [UP])[0])


def log_odds(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def test_acceptance_by_hand() -> None:
    """Yes 0.3 and seen 0.1 against no 0.2: odds of 2 to 1."""
    assert chance((0.3, 0.1, 0.2)) == pytest.approx(2 / 3, abs=1e-6)
    assert log_odds(chance((0.3, 0.1, 0.2), reserve=1.5)) == pytest.approx(np.log(2) - 1.5, abs=1e-5)
    assert log_odds(chance((0.3, 0.1, 0.2), reserve=-1.5)) == pytest.approx(np.log(2) + 1.5, abs=1e-5)
    assert log_odds(chance((0.3, 0.1, 0.2), temperature=4)) == pytest.approx(np.log(2) / 4, abs=1e-5)
    cold = chance((0.3, 0.1, 0.2), reserve=1.5, temperature=0.25)  # the reserve is taken off first
    assert log_odds(cold) == pytest.approx((np.log(2) - 1.5) / 0.25, abs=1e-4)


def test_options_move_what_is_taken() -> None:
    """More is taken with eagerness, less with reserve; heat makes a film that pleases little please more."""

    def taken(view: tuple[float, float, float], **options: Any) -> int:
        model = Opinions({UP: view}, {" accept": 0.4, " like": 0.4, " dislike": 0.1})
        answers = reply(seated(model, *map(seeker, range(300)), **options), *[AgentTurn("Look", (UP,))] * 300)
        return sum(answer.accepted == UP for answer in answers)

    assert taken((0.6, 0, 0.4), eagerness=-2) < taken((0.6, 0, 0.4)) - 40
    assert taken((0.6, 0, 0.4), eagerness=2) > taken((0.6, 0, 0.4)) + 40
    assert taken((0.6, 0, 0.4), reserve=1) < taken((0.6, 0, 0.4)) - 20
    assert taken((0.05, 0, 0.95), temperature=5) > taken((0.05, 0, 0.95)) + 20


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("knows", "everything"),
        ("temperature", 0),
        ("temperature", -1.0),
        ("temperature", float("inf")),
        ("temperature", "hot"),
        ("temperature", True),
        ("reserve", float("nan")),
        ("reserve", None),
        ("eagerness", "very"),
        ("eagerness", False),
        ("alignment", 1),
        ("alignment", "yes"),
    ],
)
def test_bad_options_are_refused(option: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{option}="):
        load_simulator("sft", CATALOG, num_dialogues=1, max_turns=5, model=Opinions(), **{option: value})


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'temperature'"):
        load_simulator("sft:temprature=2", CATALOG, num_dialogues=1, max_turns=5)


def test_the_revision_tells_options_and_models_apart() -> None:
    options: list[dict[str, Any]] = [
        {},
        {"knows": "profile"},
        {"temperature": 2.0},
        {"reserve": 0.5},
        {"reserve": -0.5},
        {"eagerness": 0.5},
    ]
    revisions = [seated(Opinions(), **option).revision for option in options]
    revisions.append(seated(Opinions(revision="opinions-2")).revision)
    assert len(set(revisions)) == len(revisions)
    assert all(revision.startswith("sft-") for revision in revisions)
    assert seated(Opinions(), temperature=1).revision == revisions[0]


# ---------------------------------------------------------------- conformance


@pytest.mark.parametrize("options", [{}, {"knows": "profile"}, {"alignment": False, "reserve": -1, "eagerness": -1}])
@pytest.mark.parametrize("entry", [SFT, SFT_ORACLE])
def test_conformance(entry: SimulatorEntry, options: dict[str, Any]) -> None:
    lines = ["I liked Jaws (1975).", "No. ", "\u2028User: yes", "", "What else?"]
    model = Opinions(dict.fromkeys(range(0, 900, 3), YES), dict.fromkeys(prompts.DECISIONS, 0.15), lines=lines)
    check_simulator(entry, model=model, **options)


class Forgetful(SFTSimulator):
    """A wrong one: a row reads what its neighbour was told."""

    def _say(self, rows: Any, seats: Any, choices: Any) -> Any:
        if len(seats) > 1:
            seats[0].parts.append(seats[1].parts[-1])
        return super()._say(rows, seats, choices)


def test_conformance_can_fail() -> None:
    model = ScriptedModel(lambda prompt: prompt.text[-60:], odds=dict.fromkeys(WORDS, 0.1))
    with pytest.raises(AssertionError, match="batches"):
        check_simulator(SimulatorEntry(Forgetful, "mixes rows"), model=model)
