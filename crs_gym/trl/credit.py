"""Which token is to be credited with which reward: GRPO's advantage, for a whole episode or for each of its turns."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from crs_gym.numeric import DoubleArray

Credit = Literal["turn", "next", "episode"]
Scale = Literal["group", "batch", "none"]

SMALL: Final = 1e-4
"""Added to a standard deviation before it divides, as trl does."""

ROUNDING: Final = 1e-9
"""Smaller differences to a mean are of rounding: Adam would make a step of them."""


def rewards_to_go(rewards: DoubleArray, gamma: float) -> DoubleArray:
    """What each turn and those behind it have earned.

    Args:
        rewards: `(episodes, turns)`; nan behind an episode's last turn, and in all turns of one that is not scored.
        gamma: The discount a turn.

    Returns:
        `(episodes, turns)`, nan where `rewards` is: $G_t = r_t + gamma * G_{t+1}$.
    """
    to_go = np.full_like(rewards, np.nan)
    later = np.zeros(len(rewards))
    for turn in range(rewards.shape[1] - 1, -1, -1):
        there = ~np.isnan(rewards[:, turn])
        later = np.where(there, np.nan_to_num(rewards[:, turn]) + gamma * later, 0.0)
        to_go[there, turn] = later[there]
    return to_go


def turn_advantages(rewards: DoubleArray, members: int, credit: Credit, gamma: float, scale: Scale) -> DoubleArray:
    """The advantage of what was written at each turn, among the members of a group.

    With `credit="turn"` a turn's reward-to-go is compared with that of the other members at the same turn; who has
    ended before is not among them, so a turn that only one member has reached has an advantage of 0. `credit="next"`
    compares what lies behind the turn, 0 behind the last one: for what has no part in its own turn's reward, as a
    question, which was asked once the slate was chosen. With `credit="episode"` all turns share the advantage of the
    first one's reward-to-go.

    Args:
        rewards: As in `rewards_to_go`; the members of a group stand one behind the other.
        members: Of a group.
        credit: See above.
        gamma: The discount a turn.
        scale: What divides the difference to the group's mean: the standard deviation of its members at that turn, of
            all episodes at that turn, or nothing.

    Returns:
        `(episodes, turns)`; 0 where there is no turn, or it is not scored.
    """
    to_go = rewards_to_go(rewards, gamma)
    compared = _behind(to_go, gamma) if credit == "next" else to_go if credit == "turn" else to_go[:, :1]
    groups = compared.reshape(-1, members, compared.shape[1])  # (groups, members, turns)
    advantages = groups - _mean(groups, 1)
    advantages[np.abs(advantages) < ROUNDING] = 0.0
    if scale == "group":
        advantages = advantages / (_spread(groups, 1) + SMALL)
    elif scale == "batch":
        advantages = advantages / (_spread(groups.reshape(1, -1, groups.shape[2]), 1) + SMALL)
    flat = np.broadcast_to(advantages.reshape(len(rewards), -1), rewards.shape)
    return np.where(np.isnan(to_go), 0.0, flat)


def without_spread(rewards: DoubleArray, members: int, credit: Credit, gamma: float) -> float | None:
    """The share of groups from which nothing can be learned: all advantages are 0. `None` where nothing is scored."""
    advantages = turn_advantages(rewards, members, credit, gamma, "none").reshape(-1, members * rewards.shape[1])
    scored = (~np.isnan(rewards)).reshape(advantages.shape).any(axis=1)
    if not scored.any():
        return None
    return float(np.isclose(advantages[scored], 0.0, atol=1e-8).all(axis=1).mean())


def _behind(to_go: DoubleArray, gamma: float) -> DoubleArray:
    """`(episodes, turns)` what the turns behind each have earned; nan where there is no turn."""
    later = np.zeros_like(to_go)
    later[:, :-1] = gamma * np.nan_to_num(to_go[:, 1:])
    return np.where(np.isnan(to_go), np.nan, later)


def _mean(values: DoubleArray, axis: int) -> DoubleArray:
    """Of what is there, kept as an axis; nan where nothing is."""
    n = (~np.isnan(values)).sum(axis=axis, keepdims=True)
    total = np.nansum(values, axis=axis, keepdims=True)
    return np.asarray(np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0))


def _spread(values: DoubleArray, axis: int) -> DoubleArray:
    """The standard deviation of what is there, with n - 1 as torch has it; 0 for a single value."""
    n = (~np.isnan(values)).sum(axis=axis, keepdims=True)
    squares = np.nansum((values - _mean(values, axis)) ** 2, axis=axis, keepdims=True)
    return np.asarray(np.sqrt(squares / np.maximum(n - 1, 1)))
