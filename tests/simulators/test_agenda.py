"""The rule-driven user: what it accepts, that it says what is true, and how its patience ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from crs_gym.agent import Observation
from crs_gym.catalog import FACET_KINDS, NO_ITEM, Catalog
from crs_gym.engine import Episode
from crs_gym.questions import NO_QUESTION, QUESTIONS, asked_facet
from crs_gym.randomness import derived_key, generator
from crs_gym.rollout import rollout
from crs_gym.simulator import Seeker, load_simulator
from crs_gym.task import Profile, Task, Taste
from crs_gym.turns import AgentTurn, AgentTurns, Decision, UserTurn, UserTurns
from crs_gym.worlds import load_world
from crs_gym.worlds.batch import Profiles
from crs_simulators.agenda import AgendaSimulator
from crs_simulators.agenda.taste import TOLD_PER_KIND, Tastes
from crs_simulators.agenda.wording import _ANSWERS, _FAREWELLS, _NO_PREFERENCE, _REACTIONS, Reaction

WORLD = load_world("sample")
CATALOG = WORLD.catalog
N = len(CATALOG)
TASKS = [WORLD.tasks("train")[i] for i in range(12)]


def seated(tasks: list[Task], turns: int = 12, key: int = 0, **options: float) -> AgendaSimulator:
    simulator = AgendaSimulator(CATALOG, num_dialogues=len(tasks), max_turns=turns, **options)  # type: ignore[arg-type]
    seekers = [Seeker(t.context, t.profile, derived_key(key, i, t.task_id)) for i, t in enumerate(tasks)]
    simulator.reset(np.arange(len(tasks)), seekers)
    return simulator


def reply(simulator: AgendaSimulator, *turns: AgentTurn) -> list[UserTurn]:
    users = simulator.reply(np.arange(len(turns)), AgentTurns.of(list(turns), 10, N))
    return [users.turn(i) for i in range(len(turns))]


def taste_of(task: Task) -> Taste:
    assert task.profile.taste is not None
    return task.profile.taste


def seen_by(task: Task) -> set[int]:
    return {*task.profile.likes, *task.profile.dislikes}


def liked(task: Task, kind: int) -> list[str]:
    """The facets of a kind that the seeker likes, best first."""
    taste = taste_of(task)
    best_first = np.argsort(-taste.weights, kind="stable").tolist()
    facets = [(taste.weights[i], int(taste.facets[i])) for i in best_first]
    return [CATALOG.facet_names[f] for weight, f in facets if weight > 0 and CATALOG.facet_kinds[f] == kind]


# ---------------------------------------------------------------- what it accepts


@pytest.mark.parametrize("task", TASKS[:6], ids=lambda task: task.task_id)
def test_it_accepts_the_targets_and_nothing_else(task: Task) -> None:
    answers = reply(seated([task] * N), *(AgentTurn("Look.", (item,)) for item in range(N)))
    accepted = {item for item, answer in enumerate(answers) if answer.decision is Decision.ACCEPT}
    assert accepted == set(task.targets)
    assert all(answers[item].accepted == item for item in accepted)


@pytest.mark.parametrize("task", TASKS[:6], ids=lambda task: task.task_id)
def test_full_noise_turns_every_verdict_round(task: Task) -> None:
    answers = reply(seated([task] * N, noise=1.0), *(AgentTurn("Look.", (item,)) for item in range(N)))
    accepted = {item for item, answer in enumerate(answers) if answer.decision is Decision.ACCEPT}
    assert accepted == set(range(N)) - set(task.targets) - seen_by(task)


def test_noise_is_the_share_of_wrong_verdicts() -> None:
    """4,000 draws at 0.2: 800 wrong ones are expected, with a standard deviation of sqrt(4000 * 0.2 * 0.8) = 25."""
    task = TASKS[0]
    n = 4000
    answers = reply(seated([task] * n, noise=0.2), *[AgentTurn("Look.", task.targets[:1])] * n)
    wrong = sum(answer.decision is not Decision.ACCEPT for answer in answers)
    assert abs(wrong - 800) < 4 * 25


def test_of_several_it_accepts_the_best() -> None:
    for task, simulator in ((task, seated([task])) for task in TASKS):
        best = max(task.targets, key=lambda target: taste_of(task).utility[target])
        (answer,) = reply(simulator, AgentTurn("Look.", (*task.profile.likes[:1], *reversed(task.targets))))
        assert (answer.decision, answer.accepted) == (Decision.ACCEPT, best)
        assert CATALOG.names[best] in answer.utterance


def test_it_never_accepts_what_it_has_seen_or_not_understood() -> None:
    for task in TASKS:
        for noise in (0.0, 1.0):
            known = task.profile.likes[:3]
            answers = [
                *reply(seated([task], noise=noise), AgentTurn("Look.", known)),
                *reply(seated([task], noise=noise), AgentTurn("Look.", task.targets, understood=False)),
                *reply(seated([task], noise=noise), AgentTurn("Look.")),
            ]
            assert all(answer.decision is Decision.CONTINUE for answer in answers)


# ---------------------------------------------------------------- what it says is true


def test_reactions_to_every_film() -> None:
    """Seen, liked, disliked: each said of the right films; the film is named as the catalogue names it."""
    task = TASKS[1]
    taste, mean = taste_of(task), {}
    answers = reply(seated([task] * N), *(AgentTurn("Look.", (item,)) for item in range(N)))
    for item, answer in enumerate(answers):
        assert answer.items == (item,)
        assert CATALOG.names[item] in answer.utterance
        kinds = [
            r for r in Reaction if any(_matches(words, answer.utterance, item) for words in _REACTIONS[r] if words)
        ]
        assert len(kinds) == 1, answer.utterance
        mean[item] = kinds[0]
    for item, reaction in mean.items():
        if item in task.profile.likes:
            assert reaction is Reaction.SEEN_LIKED
        elif item in task.profile.dislikes:
            assert reaction is Reaction.SEEN_DISLIKED
        elif item in task.targets:
            assert reaction is Reaction.ACCEPT
        else:
            assert reaction is (Reaction.LIKE if taste.utility[item] >= taste.like_bar else Reaction.DISLIKE)
    assert set(mean.values()) == set(Reaction) - {Reaction.NONE, Reaction.CONFUSED}


def _matches(words: str, utterance: str, item: int) -> bool:
    """Whether `utterance` begins with the template, whatever reason it gives."""
    before, _, after = words.format(item=CATALOG.names[item], reason="\0").partition("\0")
    return utterance.startswith(before) and after in utterance[len(before) :]


def test_reasons_are_true() -> None:
    """A facet that is given as the reason is one of the film's, and one that the seeker likes, or does not."""
    given = 0
    for task in TASKS:
        taste = taste_of(task)
        weights = dict(zip(taste.facets.tolist(), taste.weights.tolist(), strict=True))
        items = list(range(0, N, 3))
        answers = reply(seated([task] * len(items)), *(AgentTurn("Look.", (item,)) for item in items))
        for item, answer in zip(items, answers, strict=True):
            words = answer.utterance.replace(CATALOG.names[item], "{}")
            for sign, cues in (
                (1, ("because I like ", "as I enjoy ", "as I admire ")),
                (-1, ("because I don't like ",)),
            ):
                for cue in cues:
                    if cue in words:
                        reason = words.split(cue)[1]
                        facets = [
                            f
                            for f in CATALOG.facets_of(item).tolist()
                            if CATALOG.facet_names[f] in reason.split(".")[0]
                        ]
                        facets = facets or [
                            f for f in CATALOG.facets_of(item).tolist() if CATALOG.facet_names[f] in reason
                        ]
                        assert any(weights.get(f, 0) * sign > 0 for f in facets), (answer.utterance, task.task_id)
                        given += 1
    assert given > 300


@pytest.mark.parametrize("kind", range(len(FACET_KINDS)))
def test_it_answers_a_question_about_a_facet_truthfully(kind: int) -> None:
    """The favourite first, then the next ones, and then that there is no other."""
    for task in TASKS:
        simulator = seated([task], patience=50)
        expected = liked(task, kind)[:TOLD_PER_KIND]
        for value in expected:
            (answer,) = reply(simulator, AgentTurn(QUESTIONS[FACET_KINDS[kind]]))
            assert answer.utterance in [words.format(facet=value) for words in _ANSWERS[FACET_KINDS[kind]]]
            assert answer.items == ()
        (answer,) = reply(simulator, AgentTurn(QUESTIONS[FACET_KINDS[kind]]))
        assert answer.utterance in [words.format(kind=FACET_KINDS[kind]) for words in _NO_PREFERENCE]


def test_it_reacts_and_answers_in_one_turn() -> None:
    task = TASKS[2]
    item = next(i for i in range(N) if i not in task.targets and i not in seen_by(task))
    (answer,) = reply(seated([task]), AgentTurn(f"How about this? {QUESTIONS['genre']}", (item,)))
    assert CATALOG.names[item] in answer.utterance
    assert any(answer.utterance.endswith(words.format(facet=liked(task, 0)[0])) for words in _ANSWERS["genre"])


def test_what_it_volunteers_is_true() -> None:
    """Unasked, and where nothing pleased, half of the seekers say what they would like."""
    n, task = 400, TASKS[3]
    poor = [i for i in range(N) if taste_of(task).utility[i] < taste_of(task).like_bar and i not in seen_by(task)]
    answers = reply(seated([task] * n), *[AgentTurn("Look.", (poor[0],))] * n)
    told = [
        [FACET_KINDS[kind], value]
        for answer in answers
        for kind in range(len(FACET_KINDS))
        for value in liked(task, kind)[:1]
        if any(answer.utterance.endswith(words.format(facet=value)) for words in _ANSWERS[FACET_KINDS[kind]])
    ]
    silent = [answer for answer in answers if answer.utterance.count(".") - CATALOG.names[poor[0]].count(".") == 1]
    assert 0.35 * n < len(told) < 0.65 * n
    assert len(silent) > 0.3 * n
    assert {kind for kind, _ in told} == {name for kind, name in enumerate(FACET_KINDS) if liked(task, kind)}


def test_it_never_names_a_target_before_it_is_shown() -> None:
    for seed in range(3):
        for trace in rollout("CRS-Sample-v0", TargetFree(), episodes=60, seed=seed, simulator="agenda:noise=0.3"):
            targets = set(trace.targets)
            for turn in trace.turns:
                assert turn.user is not None
                unseen = targets - set(turn.agent.items)
                assert not unseen & set(turn.user.items)
                assert not any(CATALOG.names[target] in turn.user.utterance for target in unseen)
                targets -= set(turn.agent.items)


class TargetFree:
    """Shows random films and asks, without any knowledge of targets."""

    def act(self, observations: list[Observation]) -> Iterator[AgentTurn]:
        return [  # type: ignore[return-value]
            AgentTurn(QUESTIONS[FACET_KINDS[o.turn % 4]], tuple(o.rng.choice(N, 5, replace=False).tolist()))
            for o in observations
        ]


def test_the_label_changes_nothing() -> None:
    """The same profile with other targets gives the same user, word for word."""
    entry = load_simulator("agenda", CATALOG, num_dialogues=1, max_turns=5)
    assert not entry.target_aware
    from crs_gym.config import DEFAULT_REWARD
    from crs_gym.engine import DialogueEngine

    for task in TASKS:
        heard = []
        for targets in (task.targets, tuple(range(700, 705)), (1,)):
            simulator = load_simulator("agenda", CATALOG, num_dialogues=1, max_turns=5)
            engine = DialogueEngine(CATALOG, simulator, num_dialogues=1, k=10, max_turns=5, reward=DEFAULT_REWARD)
            engine.reset(engine.all_rows, [Episode(replace(task, targets=targets), 0, 0)])
            rng = generator(5)
            while engine.active[0]:
                slate = tuple(rng.choice(N, 10, replace=False).tolist())
                engine.step(AgentTurns.of([AgentTurn("And these?", slate)], 10, N))
            heard.append([record.user() for record in engine.log(0)])
        assert heard[0] == heard[1] == heard[2]


# ---------------------------------------------------------------- patience, confusion, first words


@pytest.mark.parametrize("patience", [1, 3, 6])
def test_patience(patience: int) -> None:
    """A turn that brings nothing costs one; seekers have `patience`, one more or one less, a third of them each."""
    n = 300
    simulator = seated([TASKS[i % 12] for i in range(n)], patience=patience)
    left = np.zeros(n, int)
    for turn in range(1, patience + 2):
        answers = reply(simulator, *[AgentTurn("", understood=False)] * n)
        for i, answer in enumerate(answers):
            if answer.decision is Decision.LEAVE and not left[i]:
                left[i] = turn
                assert any(answer.utterance.endswith(words) for words in _FAREWELLS)
    lengths, counts = np.unique(left, return_counts=True)
    assert lengths.tolist() == sorted({max(patience - 1, 1), patience, patience + 1})
    assert counts.min() > n / 5


def test_what_helps_costs_no_patience() -> None:
    task = next(task for task in TASKS if len(liked(task, 0)) >= 2)
    taste = taste_of(task)
    good = [i for i in range(N) if taste.like_bar <= taste.utility[i] < taste.bar and i not in seen_by(task)]
    simulator = seated([task], patience=1)
    for turn in (AgentTurn("Look.", good[:1]), AgentTurn(QUESTIONS["genre"]), AgentTurn("Look.", good[1:2])):  # type: ignore[arg-type]
        assert reply(simulator, turn)[0].decision is Decision.CONTINUE
    leaves = [reply(simulator, AgentTurn("Well."))[0].decision is Decision.LEAVE for _ in range(3)]
    assert leaves[-1]


def test_it_says_that_it_did_not_understand() -> None:
    for task in TASKS:
        (answer,) = reply(seated([task]), AgentTurn(QUESTIONS["genre"], task.targets, understood=False))
        assert answer.utterance in _REACTIONS[Reaction.CONFUSED]
        assert (answer.decision, answer.items) == (Decision.CONTINUE, ())


def test_first_words() -> None:
    simulator = seated(TASKS)
    users = simulator.open(np.arange(len(TASKS)))
    for i, task in enumerate(TASKS):
        turn = users.turn(i)
        assert turn.items == task.profile.likes[:1]
        assert CATALOG.names[task.profile.likes[0]] in turn.utterance
        assert users.volunteered is not None
        assert users.volunteered[i].tolist() == [task.profile.likes[0]]
    nobody = AgendaSimulator(CATALOG, num_dialogues=1, max_turns=3)
    nobody.reset(np.array([0]), [Seeker((), Profile(), 1)])
    opening: UserTurns = nobody.open(np.array([0]))
    assert opening.turn(0).items == ()
    assert opening.volunteered is not None
    assert opening.volunteered.tolist() == [[NO_ITEM]]


def test_without_a_taste_it_judges_by_films_it_knows() -> None:
    """It likes what shares the facets of its likes better than what shares those of its dislikes; of nothing known, it
    accepts nothing."""
    likes = [i for i in range(N) if "horror" in CATALOG[i].facets["genre"]]
    dislikes = [i for i in range(N) if "musical" in CATALOG[i].facets["genre"] and i not in likes]
    profile = Profile(tuple(likes[:8]), tuple(dislikes[:4]))
    task = replace(TASKS[0], profile=profile, context=())

    def pleased(items: list[int]) -> int:
        answers = reply(seated([task] * len(items)), *(AgentTurn("Look.", (item,)) for item in items))
        words = [text for reaction in (Reaction.LIKE, Reaction.ACCEPT) for text in _REACTIONS[reaction]]
        said = zip(items, answers, strict=True)
        return sum(any(_matches(text, answer.utterance, item) for text in words) for item, answer in said)

    assert pleased(likes[8:28]) > pleased(dislikes[4:24])
    blank = replace(task, profile=Profile())
    answers = reply(seated([blank] * N), *(AgentTurn("Look.", (item,)) for item in range(N)))
    assert not any(answer.decision is Decision.ACCEPT for answer in answers)


# ---------------------------------------------------------------- wording and questions


def test_question_templates_are_read_as_what_they_are() -> None:
    for kind, question in QUESTIONS.items():
        assert FACET_KINDS[asked_facet(question)] == kind
        assert FACET_KINDS[asked_facet(f"You might enjoy Heat (1995). {question}")] == kind
    assert asked_facet("You might enjoy Heat (1995).") == NO_QUESTION
    assert asked_facet("Do you like it?") == NO_QUESTION
    first, second = QUESTIONS["genre"], QUESTIONS["decade"]
    assert FACET_KINDS[asked_facet(f"{first} {second}")] == "decade"


def test_its_own_words_ask_nothing_about_facets() -> None:
    """Else an agent that quotes the user would be taken to ask."""
    for words in (*_FAREWELLS, *(text for texts in _REACTIONS.values() for text in texts)):
        assert asked_facet(words.format(item="Heat (1995)", reason="")) == NO_QUESTION


def test_articles() -> None:
    """`a` never stands before a vowel."""
    for values in _ANSWERS.values():
        for words in values:
            for facet in ("action", "Ang Lee", "1980s", "drama"):
                assert not any(f" a {vowel}" in words.format(facet=facet).lower() for vowel in "aeiou")


def test_no_rounding_moves_an_item_across_a_bar() -> None:
    """The bar is the estimated utility of the third best of 1,024 items: it and all that share its facets reach it."""
    rng = generator(5)
    genres = [("drama",), ("comedy",), ("drama", "crime"), ("comedy", "crime", "war"), ("war",)]
    rows = [(str(i), f"F {i}", 1990 + int(rng.integers(30)), {"genre": genres[rng.integers(5)]}) for i in range(1024)]
    catalog = Catalog.from_rows(rows)
    tastes = Tastes(catalog, 1)
    for _ in range(20):
        likes = tuple(rng.choice(1024, 3, replace=False).tolist())
        tastes.seat(np.array([0]), Profiles.of([Profile(likes=likes)], catalog.n_facets))
        items = np.array([item for item in range(1024) if item not in likes])
        accepted = tastes.utility(np.array([0]), items[None])[0] >= tastes.bar[0]
        by_facets: dict[tuple[int, ...], set[bool]] = {}
        for item, verdict in zip(items.tolist(), accepted.tolist(), strict=True):
            by_facets.setdefault(tuple(sorted(catalog.facets_of(item).tolist())), set()).add(verdict)
        assert all(len(verdicts) == 1 for verdicts in by_facets.values())
        assert accepted.any()
