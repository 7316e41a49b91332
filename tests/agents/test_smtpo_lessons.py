"""What the reasoning recommender is taught: made from labels and facets, on candidates as a new seeker gets them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from agent_play import Recorded, observe, recommender, user

from crs_agents.ease import EaseConfig, fit_ease
from crs_agents.smtpo.candidates import Candidates, scorer_of
from crs_agents.smtpo.encoding import IGNORED, encode, encode_all
from crs_agents.smtpo.grammar import Match, parse
from crs_agents.smtpo.held_out import HeldOutEase, Inserted
from crs_agents.smtpo.lessons import Curriculum, Lesson, make_lessons
from crs_agents.smtpo.options import PolicyOptions
from crs_agents.smtpo.preferences import PreferenceReader
from crs_agents.smtpo.reasoning import Reasoner
from crs_gym.agent import Observation, OracleObservation
from crs_gym.catalog import Catalog
from crs_gym.numeric import FloatArray
from crs_gym.questions import QUESTIONS
from crs_gym.task import Message
from crs_gym.worlds import World

FILMS = Catalog.from_rows(
    [
        ("a", "Cold Harbour", 1987, {"genre": ("horror",), "director": ("Ada Finch",)}),
        ("b", "Two Left Shoes", 1999, {"genre": ("comedy",), "director": ("Bo Lind",)}),
        ("c", "The Long Dock", 1984, {"genre": ("horror",), "director": ("Bo Lind",)}),
        ("d", "Paper Moons", 2003, {"genre": ("comedy", "romance"), "director": ("Cy Ode",)}),
        ("e", "Salt", 1985, {"genre": ("drama",), "director": ("Cy Ode",)}),
        *[(str(i), f"Filler {i}", 1960, {"genre": ("western",)}) for i in range(20)],
    ]
)


def names(facets: Sequence[int]) -> set[str]:
    return {FILMS.facet_names[facet] for facet in facets}


def test_preferences_are_what_was_said() -> None:
    read = PreferenceReader(FILMS)(observe(user("I love Cold Harbour (1987), but no romance please.", 0)))
    assert names(list(read.likes)) == {"horror", "Ada Finch", "1980s"}
    assert names(list(read.dislikes)) == {"romance"}


def test_a_refused_film_speaks_against_its_genres_alone() -> None:
    read = PreferenceReader(FILMS)(observe(user("Hi"), recommender("?", 1), user("I hated it."), turn=1))
    assert (names(list(read.likes)), names(list(read.dislikes))) == (set(), {"comedy"})


def thought_of(text: str, wanted: tuple[int, ...], *items: int, listed: int = 3):  # type: ignore[no-untyped-def]
    preference = PreferenceReader(FILMS)(observe(user(text, *items)))
    found = Candidates(items=(1, 2, 3, 4), fits=(9, 5, 4, 0), ranking=(1, 2, 3, 4))
    return Reasoner(FILMS, listed)(preference, found, wanted)


def test_the_wanted_film_comes_first_and_the_others_by_fit_and_facets() -> None:
    thought = thought_of("I love horror. No comedy please.", (4,))
    # fit + 1 a liked facet - 2 a disliked one: film 1: 9 - 2 = 7, film 2: 5 + 1 = 6, film 3: 4 - 2 = 2.
    assert thought.answer == (4, 1, 2)
    assert (thought.likes, thought.dislikes) == (("horror",), ("comedy",))
    assert thought.matches == (Match(4, ("drama",), 0), Match(1, ("comedy",), 9), Match(2, ("horror",), 5))


def test_without_the_wanted_film_facets_and_fit_decide() -> None:
    assert thought_of("I love horror. No comedy please.", (0,)).answer == (1, 2, 3)


def test_the_label_picks_among_what_the_dialogue_supports() -> None:
    said = "I love Cold Harbour (1987)."
    assert thought_of(said, (4,), 0).likes[0] == "1980s"  # what the wanted film shares with it
    assert thought_of(said, (2,), 0).likes[:2] == ("horror", "1980s")
    assert "Cy Ode" not in thought_of(said, (4,), 0).likes  # nothing told of this director
    assert thought_of("no drama", (4,)).dislikes == ()  # the seeker wanted one after all


def test_where_no_genre_was_named_the_wanted_films_tell_it() -> None:
    assert thought_of("Something skarry please", (2,)).likes == ("horror",)
    assert thought_of("Something skarry please", ()).likes == ()


SESSIONS = ((0, 1), (0, 1, 2), (2, 3), (1, 3, 4), (0, 4), (5, 6), (2, 6))


def test_train_seekers_are_scored_without_their_own_dialogue() -> None:
    world = Recorded(SESSIONS, 8)
    score = HeldOutEase(world)
    config = EaseConfig()
    for number in (1, 3):
        first = world.dialogues("train")[number].messages[:1]
        (found,) = score([Observation(first, 0, 5, 10, 50, 1)])
        model = fit_ease(world.without(number), 8, config.l2)
        (item,) = first[0].items
        expected = model.weights[model.rows[item]]
        prior = found - expected
        others = [i for i in range(8) if i != item]
        # What is left is the popularity prior alone, which is the same for all dialogues.
        usual = scorer_of("ease", world)([observe(Message("user", "hi"))])[0]
        np.testing.assert_allclose(prior[others], usual[others], atol=1e-6)


def test_other_observations_are_scored_as_ever() -> None:
    world = Recorded(SESSIONS, 8)
    others = [observe(user("never recorded", 2)), observe(), observe(user("dialogue 2", 2), user("and more", 3))]
    np.testing.assert_array_equal(HeldOutEase(world)(others[:2]), scorer_of("ease", world)(others[:2]))
    # The last one goes on from a recorded dialogue: the user of a task whose context held none of its words spoke.
    assert not np.array_equal(HeldOutEase(world)(others[2:]), scorer_of("ease", world)(others[2:]))


def ascending(observations: Sequence[Observation]) -> FloatArray:
    return np.tile(-np.arange(50, dtype=np.float32), (len(observations), 1))


def front(scores: FloatArray) -> list[int]:
    return np.argsort(-scores, kind="stable")[:10].tolist()


def asks(number: int, target: int, turn: int = 0) -> OracleObservation:
    return OracleObservation((user(f"seeker {number}"),), turn, 5, 10, 50, 1, targets=(target,))


def test_targets_are_inserted_where_they_are_not_recalled() -> None:
    inserting = Inserted(ascending, n=10, share=0.5, seed=3)
    unrecalled = [asks(number, 30) for number in range(400)]
    places = [front(row).index(30) if 30 in front(row) else None for row in inserting(unrecalled)]
    there = [place for place in places if place is not None]
    # 400 draws with probability 1/2: 200, with a standard deviation of 10.
    assert 160 < len(there) < 240
    # The chance of place p is proportional to 1 / (p + 2): 1/2 of a sum of 2.02, so a quarter of 200 at place 0.
    assert 30 < there.count(0) < 75
    assert set(there) == set(range(10))
    assert [front(row) for row in inserting(unrecalled)] == [front(row) for row in inserting(unrecalled)]


@pytest.mark.parametrize(
    "observation",
    [asks(1, 4), asks(1, 30, turn=1), observe(user("no oracle")), replace(asks(1, 30), messages=(user("x", 30),))],
)
def test_nothing_else_is_inserted(observation: Observation) -> None:
    inserting = Inserted(ascending, n=10, share=1.0, seed=3)
    np.testing.assert_array_equal(inserting([observation]), ascending([observation]))


@pytest.fixture(scope="module")
def lessons(sample: World) -> list[Lesson]:
    curriculum = Curriculum(
        episodes=60, moments=5, max_turns=3, user="agenda", inserted=0.5, without_target=0.2, seed=1
    )
    return make_lessons(sample, scorer_of("ease", sample), PolicyOptions(base=""), curriculum)


def test_lessons_are_in_the_grammar_and_end_with_a_target(lessons: list[Lesson]) -> None:
    assert len(lessons) > 20
    assert max(len(lesson.turns) for lesson in lessons) > 1
    for lesson in lessons:
        assert len(lesson.hits) == len(lesson.turns)
        assert lesson.hits[-1] or not any(lesson.hits)
        assert all(parse(text, 20).form == "right" for _, text in lesson.turns)
    assert 0 < sum(not any(lesson.hits) for lesson in lessons) < len(lessons) / 2


def test_the_number_of_the_wanted_film_is_no_clue(lessons: list[Lesson]) -> None:
    best = [
        parse(text, 20).thought.answer[0]
        for lesson in lessons
        for (_, text), hit in zip(lesson.turns, lesson.hits, strict=True)
        if hit
    ]
    # Uniform on 1 … 20: a mean of 10.5 with a standard error of 5.8 / sqrt(n).
    assert abs(np.mean(best) - 10.5) < 4 * 5.8 / np.sqrt(len(best))
    assert max(best.count(number) for number in set(best)) < len(best) / 3


def test_another_pass_gives_other_lessons(sample: World) -> None:
    def made(epoch: int) -> list[Lesson]:
        curriculum = Curriculum(
            episodes=4, moments=0, max_turns=1, user="agenda", inserted=0.0, without_target=1.0, seed=1
        )
        return make_lessons(sample, scorer_of("ease", sample), PolicyOptions(base=""), curriculum, epoch=epoch)

    assert made(0) == made(0)
    assert made(0) != made(1)


class Letters:
    """A tokenizer of letters."""

    def __call__(self, text: str, **options: bool) -> dict[str, list[int]]:
        assert options == {"add_special_tokens": False, "split_special_tokens": True}
        return {"input_ids": [ord(letter) for letter in text]}


LESSON = Lesson([("ask\n", "yes"), ("\nmore\n", "no")], [False, True])


def test_what_is_written_is_learned_and_what_is_read_is_not() -> None:
    row = encode(LESSON, Letters(), 100)  # type: ignore[arg-type]
    assert "".join(map(chr, row.input_ids)) == "ask\nyes\n\nmore\nno\n"
    assert "".join("." if label == IGNORED else chr(label) for label in row.labels) == "....yes\n......no\n"


def test_turns_that_do_not_fit_whole_are_left_out() -> None:
    (row,) = encode_all([LESSON], Letters(), 16)  # type: ignore[arg-type]
    assert "".join(map(chr, row.input_ids)) == "ask\nyes\n"
    assert encode_all([LESSON], Letters(), 7) == []  # type: ignore[arg-type]


def test_all_questions_are_taught_each_once_an_episode(lessons: list[Lesson]) -> None:
    asked = [[parse(text, 20).thought.ask for _, text in lesson.turns] for lesson in lessons]
    assert {kind for episode in asked for kind in episode} == {None, *QUESTIONS}
    for lesson, episode in zip(lessons, asked, strict=True):
        told = [parse(text, 20).thought.asked for _, text in lesson.turns]
        assert told == [tuple(kind for kind in episode[:turn] if kind is not None) for turn in range(len(lesson.turns))]
        kinds = [kind for kind in episode if kind is not None]
        assert len(set(kinds)) == len(kinds)
