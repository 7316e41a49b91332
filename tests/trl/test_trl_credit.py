"""Credit by turn and by episode, against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest

from crs_gym.trl.credit import SMALL, rewards_to_go, turn_advantages, without_spread

NAN = np.nan
REWARDS = np.array(
    [
        [1.0, 2.0, 4.0],  # a group of three: one plays on to the end,
        [3.0, 0.0, NAN],  # one ends at its second turn,
        [NAN, NAN, NAN],  # one errored;
        [0.5, NAN, NAN],  # a group that always gets the same
        [0.5, NAN, NAN],
        [0.5, NAN, NAN],
    ]
)


def test_rewards_to_go_by_hand() -> None:
    # 4; 2 + 0.5 * 4 = 4; 1 + 0.5 * 4 = 3     0; 3 + 0.5 * 0 = 3
    wanted = [[3.0, 4.0, 4.0], [3.0, 0.0, NAN], [NAN] * 3, *[[0.5, NAN, NAN]] * 3]
    np.testing.assert_array_equal(rewards_to_go(REWARDS, 0.5), wanted)


def test_credit_by_turn_by_hand() -> None:
    """At turn 0 both have 3: no advantage. At turn 1 4 and 0, mean 2. Only one reaches turn 2."""
    found = turn_advantages(REWARDS, 3, "turn", 0.5, "none")
    wanted = np.zeros((6, 3))
    wanted[0, 1], wanted[1, 1] = 2.0, -2.0
    np.testing.assert_array_equal(found, wanted)
    spread = np.sqrt((2.0**2 + 2.0**2) / (2 - 1))
    np.testing.assert_allclose(turn_advantages(REWARDS, 3, "turn", 0.5, "group"), wanted / (spread + SMALL), rtol=1e-12)


def test_credit_for_what_comes_next_by_hand() -> None:
    """Behind turn 0 there are 0.5 * 4 = 2 and 0.5 * 0 = 0; behind turn 1 there are 0.5 * 4 = 2, and nothing."""
    found = turn_advantages(REWARDS, 3, "next", 0.5, "none")
    wanted = np.zeros((6, 3))
    wanted[0, :2], wanted[1, :2] = 1.0, -1.0
    np.testing.assert_array_equal(found, wanted)


def test_a_turns_own_reward_is_no_credit_for_what_comes_next() -> None:
    rewards = REWARDS.copy()
    rewards[:, 0] = np.where(np.isnan(rewards[:, 0]), NAN, np.arange(6.0))
    found = turn_advantages(rewards, 3, "next", 0.9, "none")
    np.testing.assert_array_equal(found, turn_advantages(REWARDS, 3, "next", 0.9, "none"))
    assert not found[:, -1].any()


def test_credit_by_episode_by_hand() -> None:
    """Undiscounted sums 7 and 3, mean 5, standard deviation sqrt(8): each turn that there was has the same."""
    found = turn_advantages(REWARDS, 3, "episode", 1.0, "group")
    share = 2.0 / (np.sqrt(8.0) + SMALL)
    np.testing.assert_allclose(found[:2], [[share] * 3, [-share, -share, 0.0]], rtol=1e-12)
    np.testing.assert_array_equal(found[2:], 0.0)


def test_scaled_by_the_batch() -> None:
    """At turn 0: 7, 3, 0.5, 0.5, 0.5 less their groups' means 5 and 0.5, over the spread of all five."""
    found = turn_advantages(REWARDS, 3, "episode", 1.0, "batch")
    spread = np.std([7.0, 3.0, 0.5, 0.5, 0.5], ddof=1)
    np.testing.assert_allclose(found[:2, 0], np.array([2.0, -2.0]) / (spread + SMALL), rtol=1e-12)


def test_one_turn_is_plain_grpo() -> None:
    rewards = np.array([[0.1], [0.4], [0.2], [0.9]])
    by_turn = turn_advantages(rewards, 4, "turn", 0.9, "group")
    np.testing.assert_array_equal(by_turn, turn_advantages(rewards, 4, "episode", 1.0, "group"))
    np.testing.assert_allclose(by_turn, (rewards - 0.4) / (rewards.std(ddof=1) + SMALL), rtol=1e-12)


@pytest.mark.parametrize(("credit", "gamma", "share"), [("turn", 0.5, 0.5), ("episode", 0.5, 1.0), ("episode", 1, 0.5)])
def test_groups_without_spread(credit: str, gamma: float, share: float) -> None:
    """With a discount of 0.5 the first group's sums agree, though its second turns do not."""
    assert without_spread(REWARDS, 3, credit, gamma) == share  # type: ignore[arg-type]


def test_nothing_scored_has_no_share() -> None:
    assert without_spread(np.full((4, 2), NAN), 2, "turn", 1.0) is None
    assert not turn_advantages(np.full((4, 2), NAN), 2, "turn", 1.0, "group").any()
