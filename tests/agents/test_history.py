"""Which films of a dialogue stand for the user."""

from __future__ import annotations

import numpy as np
from agent_play import observe, recommender, user
from hypothesis import given
from hypothesis import strategies as st

from crs_agents.feedback import FeedbackReader
from crs_agents.history import history_matrix, own_start, wanted_items
from crs_gym.worlds import World


def test_the_agent_s_part_begins_with_its_first_turn() -> None:
    context = [user("a"), recommender("b"), user("c"), user("d")]
    assert own_start(observe(*context)) == 4
    assert own_start(observe(*context, recommender("e"), user("f"), turn=1)) == 4
    assert own_start(observe(*context, recommender("e"), user("f"), recommender("g"), user("h"), turn=2)) == 4
    assert own_start(observe()) == 0
    assert own_start(observe(recommender("e"), user("f"), turn=1)) == 0


def test_in_the_recorded_context_every_film_counts_the_latest_first(sample: World) -> None:
    reader = FeedbackReader(sample.catalog)
    context = [user("a", 3, 4), recommender("b", 5), user("No, I hate that."), user("d", 3)]
    assert wanted_items(observe(*context), reader) == (3, 5, 4)


def test_what_the_agent_showed_counts_only_if_the_user_spoke_for_it(sample: World) -> None:
    reader, names = FeedbackReader(sample.catalog), sample.catalog.names
    context = [user("I loved it.", 3)]
    shown = recommender("Try these.", 5, 6, 7)
    liked = user(f"{names[6]} comes close.", 6)
    assert wanted_items(observe(*context, shown, liked, turn=1), reader) == (6, 3)
    disliked = user(f"No, not {names[6]}.", 6)
    assert wanted_items(observe(*context, shown, disliked, turn=1), reader) == (3,)
    silent = user("What else?")
    assert wanted_items(observe(*context, shown, silent, turn=1), reader) == (3,)
    pointing = user("I loved those!")
    assert wanted_items(observe(*context, shown, pointing, turn=1), reader) == (7, 6, 5, 3)
    against_context = user(f"I don't like {names[3]} any more.", 3)
    assert wanted_items(observe(*context, shown, against_context, turn=1), reader) == ()


@given(st.lists(st.lists(st.integers(0, 6), max_size=5, unique=True), max_size=5), st.sampled_from([1.0, 0.5]))
def test_a_history_is_a_row_of_falling_weights(histories: list[list[int]], decay: float) -> None:
    expected = np.zeros((len(histories), 7))
    for row, items in zip(expected, histories, strict=True):
        for place, item in enumerate(items):
            row[item] = decay**place
    assert (history_matrix([tuple(h) for h in histories], 7, decay).toarray() == expected).all()
