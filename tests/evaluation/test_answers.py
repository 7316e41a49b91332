"""How agents answer: figures by hand, and agents that answer badly on purpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest

from crs_gym.agent import NamedAgent, Observation
from crs_gym.answers import answer_of, answer_values, copies_order, identical_answers, n_words
from crs_gym.evaluation import Results, evaluate, results_from_traces
from crs_gym.evaluation.results import AgentResults
from crs_gym.evaluation.signs import length_drift, signs_of
from crs_gym.trace import Trace
from crs_gym.turns import AgentTurn

MakeTrace = Callable[..., Trace]


def with_turns(trace: Trace, turns: Sequence[AgentTurn]) -> Trace:
    """The trace with other turns of the agent."""
    replace = msgspec.structs.replace
    return replace(trace, turns=tuple([replace(old, agent=new) for old, new in zip(trace.turns, turns, strict=True)]))


# ---------------------------------------------------------------- by hand


def test_identical_answers_by_hand() -> None:
    # Turn 1 holds a, a, b, a of users 1, 1, 2, 3. Pairs of different users: (1,2) twice, (1,3) twice, (2,3): 5. The
    # same: a and a of 1 and 3, twice. Turn 2 holds c, c of users 2, 3: one pair, the same. Together 3 of 6.
    dialogues = [(1, ["a"]), (1, ["a"]), (2, ["b", "c"]), (3, ["a", "c"])]
    assert identical_answers(dialogues) == 3 / 6
    assert identical_answers(dialogues[:2]) is None  # one user
    assert identical_answers([]) is None


def test_an_answer_is_reasoning_or_else_the_slate_or_else_the_words() -> None:
    assert answer_of(AgentTurn("These.", (4, 5), reasoning="<answer>1</answer>")) == "<answer>1</answer>"
    assert answer_of(AgentTurn("These.", (4, 5))) == (4, 5)
    assert answer_of(AgentTurn("Which genre?")) == "Which genre?"


@pytest.mark.parametrize(
    ("reasoning", "copied"),
    [
        ("<think>likes horror; best 1</think><answer>1, 2, 3</answer>", True),
        ("<think>likes horror; best 2</think><answer>2, 1, 3</answer>", False),
        ("<answer>1</answer>", True),
        ("<answer> 1 2 3 </answer>", True),
        ("<answer>1, 3</answer>", False),
        ("<answer>3, 1</answer> no: <answer>1, 2</answer>", True),  # the last one counts
        ("<answer>none</answer>", None),
        ("<answer>1, 2, The Ring (2002)</answer>", None),
        ("<answer>1, 2", None),
        ("<answer>" + "9" * 5_000 + "</answer>", None),
        ("1, 2, 3", None),
        ("", None),
    ],
)
def test_copied_order_of_numbered_answers(reasoning: str, copied: bool | None) -> None:
    assert copies_order(AgentTurn("These.", (7, 8, 9), reasoning=reasoning)) is copied


def test_copied_order_of_slates_where_the_offer_is_known() -> None:
    assert copies_order(AgentTurn("These.", (7, 8)), offered=(7, 8, 9)) is True
    assert copies_order(AgentTurn("These.", (8, 7)), offered=(7, 8, 9)) is False
    assert copies_order(AgentTurn("Which genre?"), offered=(7, 8, 9)) is None
    # The slate is filled up behind the numbers, so the numbers count.
    assert copies_order(AgentTurn("These.", (7, 8, 4), reasoning="<answer>1, 2</answer>"), offered=(7, 8, 9)) is True


def test_a_long_text_is_searched_in_no_time() -> None:
    copies_order(AgentTurn("", reasoning="<answer>" + "1 , " * 100_000))
    copies_order(AgentTurn("", reasoning="<answer>1" * 100_000))


def test_values_of_an_episode_by_hand(make_trace: MakeTrace) -> None:
    turns = [
        AgentTurn("Watch these two films.", (1, 2), reasoning="<think>a b c</think><answer>1, 2</answer>"),
        AgentTurn("And this?", (3,), reasoning="<answer>4, 1</answer>", well_formed=False),
        AgentTurn("", (), understood=False),
        AgentTurn("Yes?", (5,), reasoning="garbage garbage"),
    ]
    trace = with_turns(make_trace([((), ())] * 4), turns)
    assert answer_values(trace, reasons=True) == {
        "well_formed": 2 / 4,  # the second was repaired, the third not understood
        "utterance_words": (4 + 2 + 0 + 1) / 4,
        "reasoning_words": (4 + 2 + 0 + 2) / 4,  # <think>a | b | c</think><answer>1, | 2</answer>
        "copied_order": 1 / 2,  # of the first two: the others have no numbered answer
        "first_listed": 1 / 2,
    }
    assert answer_values(trace, reasons=False)["reasoning_words"] is None
    assert n_words(" two\n words ") == 2


def test_an_errored_episode_has_no_value(make_trace: MakeTrace) -> None:
    errored = answer_values(make_trace([((1,), ())], errored=True), reasons=True)
    assert set(errored.values()) == {None}
    assert errored.keys() == answer_values(make_trace([((1,), ())]), reasons=True).keys()


# ---------------------------------------------------------------- agents that answer badly


class Writes:
    """Recommends what is new and differs from dialogue to dialogue; what it is said to have written is up to `text`."""

    def __init__(self, text: Callable[[Observation], str], *, well_formed: bool = True) -> None:
        self.text = text
        self.well_formed = well_formed

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        return [self.turn(observation) for observation in observations]

    def turn(self, observation: Observation) -> AgentTurn:
        items = tuple(map(int, observation.rng.permutation(200)[: observation.k]))
        return AgentTurn("Try these.", items, reasoning=self.text(observation), well_formed=self.well_formed)


class SaysTheSame:
    """The same words to everybody, and no film."""

    def act(self, observations: Sequence[Observation]) -> list[str]:
        return ["I am a helpful recommender."] * len(observations)


def ranks(observation: Observation) -> str:
    """Thoughts of one's own about each dialogue."""
    numbers = 1 + observation.rng.permutation(20)[:5]
    return f"<think>likes {observation.key}; best {numbers[0]}</think><answer>{', '.join(map(str, numbers))}</answer>"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    out = tmp_path_factory.mktemp("answers") / "run"
    agents = {
        "sound": Writes(ranks),
        "copies": Writes(lambda o: f"<think>likes {o.key}; best 1</think><answer>1, 2, 3</answer>"),
        "same thoughts": Writes(lambda o: "<think>likes all; best 2</think><answer>2, 1, 3, 4, 5</answer>"),
        "first": Writes(lambda o: f"<think>likes {o.key}; best 1</think><answer>1, 5, 3, 2, 9</answer>"),
        "garbage": Writes(lambda o: f"{o.key} 12 zzz zzz zzz zzz zzz <answer", well_formed=False),
        "rambles": Writes(lambda o: "well " * 30 + ranks(o)),
        "says the same": SaysTheSame(),
    }
    named = [NamedAgent(name, agent) for name, agent in agents.items()]
    found = evaluate("CRS-Sample-v0", named, tasks=12, trials=2, baseline="sound", out=out)
    assert results_from_traces(out) == found
    return found


def mean_of(agent: AgentResults, metric: str) -> float | None:
    return agent.metrics[metric].mean


def test_a_sound_agent_shows_no_sign(results: Results) -> None:
    sound = results.agent("sound")
    assert signs_of(sound, sound) == []
    assert sound.diversity.identical_answers == 0.0
    assert (mean_of(sound, "well_formed"), mean_of(sound, "utterance_words")) == (1.0, 2.0)
    assert mean_of(sound, "reasoning_words") == 8.0  # <think>likes | key; | best | 1</think><answer>1, | and four more
    assert sound.metrics["copied_order"].n == 24


@pytest.mark.parametrize(
    ("name", "signs"),
    [
        ("copies", ["100% of answers copy the order of the candidates"]),
        ("first", ["100% of answers begin with the first candidate"]),
        ("same thoughts", ["100% identical answers"]),
        ("garbage", ["0.0% of turns well-formed"]),
        ("rambles", ["thoughts 4.75 times as long as the baseline's"]),
        ("says the same", ["100% identical answers"]),
    ],
)
def test_each_bad_agent_is_found(results: Results, name: str, signs: list[str]) -> None:
    assert signs_of(results.agent(name), results.agent("sound")) == signs


def test_what_was_not_measured_is_none(results: Results) -> None:
    silent = results.agent("says the same")
    assert mean_of(silent, "reasoning_words") is None
    assert mean_of(silent, "copied_order") is mean_of(silent, "first_listed") is None
    assert length_drift(silent, results.agent("sound")) is None
    assert mean_of(results.agent("garbage"), "copied_order") is None


def test_drift_is_measured_against_the_baseline_in_pairs(results: Results) -> None:
    longer = results.agent("rambles")
    assert length_drift(longer, results.agent("sound")) == 38 / 8  # thirty words more
    assert longer.versus_baseline["reasoning_words"].difference == 30.0
    assert length_drift(results.agent("sound"), results.agent("sound")) is None


def test_nearly_all_well_formed_is_not_said_to_be_all(results: Results) -> None:
    sound = results.agent("sound")
    figure = msgspec.structs.replace(sound.metrics["well_formed"], mean=0.9999)
    nearly = msgspec.structs.replace(sound, metrics={**sound.metrics, "well_formed": figure})
    assert signs_of(nearly) == ["99.9% of turns well-formed"]
