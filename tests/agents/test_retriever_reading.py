"""What the retriever reads: documents, messages without titles, contexts, moments, signals, EASE without a dialogue."""

from __future__ import annotations

import numpy as np
import pytest
from agent_play import HandMadeWorld, observe, recommender, user
from hypothesis import given, settings
from hypothesis import strategies as st

from crs_agents.ease import EaseConfig, EaseScorer
from crs_agents.retriever.contexts import NOTHING, ContextReader
from crs_agents.retriever.documents import TITLE_STANDS_AS, TitleRemover, item_documents
from crs_agents.retriever.examples import recorded_moments
from crs_agents.retriever.leave_one_out import LeaveOneOut
from crs_agents.retriever.signals import Signals
from crs_gym.agent import Observation
from crs_gym.catalog import Catalog
from crs_gym.task import Dialogue
from crs_gym.worlds import World

N = 7
sessions = st.lists(st.lists(st.integers(0, N - 1), min_size=1, max_size=5, unique=True), min_size=2, max_size=10)


def test_a_document_holds_title_year_and_facets() -> None:
    facets = {"genre": ("crime", "drama"), "director": ("Michael Mann",), "star": ("Al Pacino",)}
    catalog = Catalog.from_rows([("1", "Heat", 1995, facets), ("2", "Up", None, {})])
    assert item_documents(catalog) == [
        "Heat (1995). crime, drama movie. from the 1990s. directed by Michael Mann. starring Al Pacino",
        "Up",
    ]


def test_titles_are_taken_out_whole_words_only() -> None:
    catalog = Catalog.from_rows([("1", "It", 2017, {}), ("2", "Heat", 1995, {}), ("3", "Heat 2", None, {})])
    without = TitleRemover(catalog).without_titles
    text = "Bits of it\nscare me, but It (2017) and HEAT are fine"
    assert without(text, (0, 1)) == f"Bits of it scare me, but {TITLE_STANDS_AS} and {TITLE_STANDS_AS} are fine"
    assert without("Heat 2 beats Heat", (1, 2)) == f"{TITLE_STANDS_AS} beats {TITLE_STANDS_AS}"
    assert without("Heat?", ()) == "Heat?"


def test_a_context_reads_from_the_last_message() -> None:
    world = HandMadeWorld([[0, 1]], n_items=N)
    messages = (user("I loved Film 1 (2001).", 1), recommender("Film 2 (2002)?", 2), user("I hated Film 2 (2002).", 2))
    context = ContextReader(world.catalog)([Observation(messages, 0, 5, 10, 50, 0)])
    texts = [context.texts[number] for number in context.messages[0][:3]]
    assert texts == [f"I hated {TITLE_STANDS_AS}.", f"{TITLE_STANDS_AS}?", f"I loved {TITLE_STANDS_AS}."]
    assert context.messages[0][3] == NOTHING
    assert context.message_roles[0][:3].tolist() == [1, 0, 1]
    assert context.films[0][:3].tolist() == [2, 1, NOTHING]
    assert context.film_roles[0][:2].tolist() == [1, 1]  # the user named film 2 last
    assert context.film_ages[0][:2].tolist() == [0, 2]
    assert context.film_opinions[0][:2].tolist() == [0, 2]
    assert context.wanted == [(2, 1)]  # in the recorded part every film counts


def test_of_the_agent_s_own_slate_only_judged_films_are_read() -> None:
    world = HandMadeWorld([[0, 1]], n_items=N)
    slate = recommender("Film 2 (2002), Film 3 (2000), Film 4 (2001).", 2, 3, 4)
    messages = (user("I like Film 1 (2001).", 1), slate, user("Film 3 (2000) was terrible.", 3))
    context = ContextReader(world.catalog)([Observation(messages, 1, 5, 10, 50, 0)])
    assert [film for film in context.films[0].tolist() if film != NOTHING] == [3, 1]
    weights = dict(context.judged[0])
    assert weights[1] > 0 > weights[3]
    assert weights[2] == weights[4] < 0  # passed over
    assert context.wanted == [(1,)]


def test_the_agent_s_own_words_are_not_heard_and_push_nothing_out() -> None:
    world = HandMadeWorld([[0, 1]], n_items=N)
    recorded = (user("I want a comedy"), recommender("Old or new?"), user("Old"))
    own = tuple(message for turn in range(4) for message in (recommender(f"slate {turn}"), user(f"answer {turn}")))
    context = ContextReader(world.catalog)([Observation((*recorded, *own), 4, 5, 10, 50, 0)])
    texts = [context.texts[number] for number in context.messages[0][:7]]
    assert texts == [*(f"answer {turn}" for turn in (3, 2, 1, 0)), "Old", "Old or new?", "I want a comedy"]
    assert context.messages[0][7] == NOTHING
    assert context.message_roles[0][:7].tolist() == [1, 1, 1, 1, 1, 0, 1]


def test_an_empty_dialogue_is_a_context() -> None:
    world = HandMadeWorld([[0, 1]], n_items=N)
    context = ContextReader(world.catalog)([observe()])
    assert context.texts == []
    assert (context.messages == NOTHING).all()
    assert (context.films == NOTHING).all()


def test_rows_of_contexts_keep_their_texts() -> None:
    world = HandMadeWorld([[0, 1]], n_items=N)
    contexts = ContextReader(world.catalog)([observe(user("one")), observe(user("two", 1))])
    second = contexts.rows([1, 1])
    assert [second.texts[number] for number in second.messages[:, 0]] == ["two", "two"]
    assert second.wanted == [(1,), (1,)]


def test_moments_are_new_films_of_the_recommender() -> None:
    messages = (user("a", 0), recommender("b", 0, 1, 2), user("c", 3), recommender("d", 2), recommender("e", 3, 4))
    moments = list(recorded_moments([Dialogue("x", messages)]))
    assert [(len(o.messages), targets, number) for o, targets, number in moments] == [(1, (1, 2), 0), (4, (4,), 0)]


@pytest.mark.data
def test_moments_are_those_of_the_next_item_tasks(redial: World) -> None:
    tasks = redial.tasks("valid", "next-item")
    expected = {(repr(task.context), target) for task in tasks for target in task.targets}
    moments = recorded_moments(redial.dialogues("valid"))
    found = {(repr(observation.messages), target) for observation, targets, _ in moments for target in targets}
    assert expected <= found
    assert len(found) < 1.01 * len(expected)  # the tasks leave out films that stand in the table a second time


@settings(max_examples=40, deadline=None)
@given(sessions, st.integers(0, 9), st.sampled_from([1.0, 20.0]))
def test_leaving_a_dialogue_out_is_a_fit_without_it(lists: list[list[int]], left: int, l2: float) -> None:
    left %= len(lists)
    history = tuple(lists[left][:3])
    found = LeaveOneOut(HandMadeWorld(lists, N), EaseConfig(l2=l2)).scores(history, left)
    others = HandMadeWorld([items for number, items in enumerate(lists) if number != left], N)
    expected = EaseScorer(others, EaseConfig(l2=l2, prior=0.0)).of_histories([history])[0]
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_signals_by_hand() -> None:
    world = HandMadeWorld([[0, 1], [0, 1], [2, 3]], n_items=N)  # odd items: drama and comedy; even ones: drama
    signals = Signals(world)
    reader = ContextReader(world.catalog)
    ease, stated, likeness = signals(reader([observe(user("I want comedy, like Film 1 (2001)", 1)), observe()]))
    assert ease[0].argmax() == 0  # named together with film 1
    assert not ease[1].any()
    assert stated[0].tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert not stated[1].any()
    assert likeness[0, 1] == likeness[0].max() > 0 > likeness[0, 0]
    assert not likeness[1].any()


def test_signals_of_one_dialogue_do_not_depend_on_others() -> None:
    world = HandMadeWorld([[0, 1, 2], [1, 2], [3, 4]], n_items=N)
    observations = [observe(user("comedy", 1)), observe(user("no drama, I hated Film 2 (2002)", 2, 3)), observe()]
    signals, reader = Signals(world), ContextReader(world.catalog)
    together = signals(reader(observations))
    for row, observation in enumerate(observations):
        np.testing.assert_array_equal(signals(reader([observation]))[:, 0], together[:, row])
