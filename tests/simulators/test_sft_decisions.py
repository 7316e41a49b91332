"""From probabilities to what the learned user does: by hand, and by counting."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sft_play import logs_of

from crs_gym.randomness import derived_key
from crs_gym.turns import Decision
from crs_simulators.sft import prompts
from crs_simulators.sft.decisions import WORDS, Choice, choose, pleasing, view_probabilities

EVEN = logs_of(accept=0.2, like=0.2, dislike=0.2, answer=0.2, leave=0.2)
KEYS = [derived_key("user", number) for number in range(2_000)]


def decided(key: int, views: dict[int, tuple[float, float, float]], *, turn: int = 1, eagerness: float = 0.0) -> Choice:
    """The choice among films of which the seeker thinks so."""
    return choose(list(views), np.array(list(views.values())).reshape(-1, 3), EVEN, key, turn, eagerness)


def near(count: int, share: float, of: int = len(KEYS)) -> bool:
    """Whether a count is within four standard deviations of its mean."""
    return bool(abs(count - share * of) < 4 * np.sqrt(of * share * (1 - share)))


# ---------------------------------------------------------------- views


def test_all_words_are_read_once() -> None:
    """` seen` is a view and a decision."""
    assert WORDS == (" yes", " seen", " no", " accept", " like", " dislike", " answer", " leave")


def test_views_by_hand() -> None:
    """Yes 0.3, seen 0.1, no 0.2: odds of 0.4 to 0.2 that it pleases, so 2/3, of which 3/4 for yes."""
    logs = np.stack([logs_of(yes=0.3, seen=0.1, no=0.2)])
    assert pleasing(logs) == pytest.approx([np.log(2.0)])
    assert view_probabilities(logs, pleasing(logs))[0] == pytest.approx([0.5, 1 / 6, 1 / 3])


def test_other_odds_keep_what_is_seen_of_what_pleases() -> None:
    """Odds of 1 to 3: a quarter pleases, of which 3/4 for yes."""
    logs = np.stack([logs_of(yes=0.3, seen=0.1, no=0.2)])
    assert view_probabilities(logs, np.array([np.log(1 / 3)]))[0] == pytest.approx([0.1875, 0.0625, 0.75])


@given(st.lists(st.tuples(*[st.floats(-60, 0)] * 3), min_size=1, max_size=5))
def test_views_are_probabilities(rows: list[tuple[float, float, float]]) -> None:
    logs = np.full((len(rows), len(WORDS)), -5.0)
    logs[:, :3] = rows
    odds = pleasing(logs)
    views = view_probabilities(logs, odds)
    assert (views >= 0).all()
    assert views.sum(axis=1) == pytest.approx(1)
    shares = np.exp(logs[:, :3] - logs[:, :3].max(axis=1, keepdims=True))
    assert views == pytest.approx(shares / shares.sum(axis=1, keepdims=True), abs=1e-9)  # as the model holds them


# ---------------------------------------------------------------- choices


def test_frequencies_of_one_film() -> None:
    """Yes 0.3, half of which takes it; seen 0.2; no 0.5, half of which leaves."""
    choices = [decided(key, {7: (0.3, 0.2, 0.5)}) for key in KEYS]
    shares = {" accept": 0.15, " like": 0.15, " seen": 0.2, " dislike": 0.25, " leave": 0.25}
    for word, share in shares.items():
        assert near(sum(choice.word == word for choice in choices), share), word
    assert all(
        (choice.item, choice.number) == ((None, None) if choice.word == " leave" else (7, 1)) for choice in choices
    )


def test_frequencies_where_nothing_is_shown() -> None:
    turn = logs_of(answer=0.6, leave=0.2)
    words = [choose([], np.empty((0, 3)), turn, key, 1, 0.0).word for key in KEYS]
    assert set(words) == {" answer", " leave"}
    assert near(words.count(" leave"), 0.25)  # 0.2 of the 0.8 that are left


@pytest.mark.parametrize("eagerness", [-1.5, 0.0, 2.0])
def test_eagerness_is_a_log_odds_of_taking(eagerness: float) -> None:
    words = [decided(key, {7: (1.0, 0.0, 0.0)}, eagerness=eagerness).word for key in KEYS]
    assert near(words.count(" accept"), 1 / (1 + np.exp(-eagerness)))
    assert set(words) == {" accept", " like"}


def test_eagerness_moves_no_other_choice() -> None:
    for views in ({7: (0.0, 1.0, 0.0)}, {7: (0.0, 0.0, 1.0)}, {}):
        for key in KEYS[:50]:
            assert decided(key, views, eagerness=9.0) == decided(key, views)


def test_what_it_does_with_a_film_is_the_engines_word() -> None:
    assert [Choice(word).decision for word in prompts.DECISIONS] == [
        Decision.ACCEPT,
        *[Decision.CONTINUE] * 4,
        Decision.LEAVE,
    ]


def test_the_same_film_pleases_whatever_else_is_shown() -> None:
    """Alone, each film gets its view; of a slate the one that pleases most is taken, in any order and company."""
    views = {3: (0.5, 0.1, 0.4), 5: (0.4, 0.2, 0.4), 8: (0.3, 0.3, 0.4), 9: (0.2, 0.0, 0.8)}
    taken = 0
    for key in KEYS[:60]:
        alone = {item: decided(key, {item: view}, eagerness=99.0).word for item, view in views.items()}
        for size in (2, 3, 4):
            for slate in [order for chosen in combinations(views, size) for order in permutations(chosen)]:
                choice = decided(key, {item: views[item] for item in slate}, eagerness=99.0)
                liked = [item for item in slate if alone[item] == " accept"]
                seen = [item for item in slate if alone[item] == " seen"]
                if liked or seen:
                    best = (
                        max(liked, key=lambda item: views[item][0]) if liked else max(seen, key=lambda i: views[i][1])
                    )
                    assert (choice.item, choice.number) == (best, slate.index(best) + 1)
                    assert choice.word == (" accept" if liked else " seen")
                    taken += 1
                else:
                    assert choice.word in (" dislike", " leave")
    assert taken > 500


def test_turns_and_users_have_luck_of_their_own() -> None:
    view = {7: (0.5, 0.0, 0.5)}
    pleased = [
        [decided(key, view, turn=turn, eagerness=99.0).word == " accept" for key in KEYS[:200]] for turn in (1, 2)
    ]
    assert 60 < sum(a != b for a, b in zip(*pleased, strict=True)) < 140  # half of 200, if they are independent
