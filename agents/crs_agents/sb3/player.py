"""A trained policy as an agent: it sees what the Discrete view shows, and speaks through its templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy

from crs_agents.sb3.learners import MASKED, RECURRENT
from crs_agents.sb3.saved import load_policy
from crs_gym.agent import Agent, Observation
from crs_gym.discrete.policy import DiscreteAgent
from crs_gym.numeric import FloatArray, IntArray
from crs_gym.turns import AgentTurn
from crs_gym.worlds.world import World

BLOCK: Final = 64
"""Dialogues that the network reads at once. Every block has this size, filled up where it must be, so that the sums of
a row have one order whatever stands beside it: a dialogue's turn does not depend on its batch."""

_States = tuple[NDArray[np.float32], NDArray[np.float32]]
"""What an LSTM remembers of each row: two of `(layers, n, width)`."""


def load_player(learner: str, directory: Path | str, world: World) -> Agent:
    """The agent that plays what `crs-gym train LEARNER --out DIR` left; it always takes the policy's best action.

    Raises:
        WeightsError: See `crs_agents.sb3.saved.load_policy`.
    """
    policy, manifest = load_policy(learner, Path(directory).expanduser(), world)
    if learner in RECURRENT:
        return ByLimits(RememberingAgent(world, policy, manifest.view))
    masked = learner in MASKED

    def choose(observations: dict[str, FloatArray], masks: NDArray[np.bool_]) -> IntArray:
        return _in_blocks(policy, observations, masks if masked else None)

    return ByLimits(DiscreteAgent(world, choose, **manifest.view))


class ByLimits:
    """Lets an agent that reads in columns meet observations of different limits: those of each kind by themselves."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn | str]:
        """One turn for each observation, in order."""
        alike: dict[tuple[int, int], list[int]] = {}
        for place, observation in enumerate(observations):
            alike.setdefault((observation.k, observation.max_turns), []).append(place)
        turns: dict[int, AgentTurn | str] = {}
        for places in alike.values():
            turns.update(zip(places, self._agent.act([observations[place] for place in places]), strict=True))
        return [turns[place] for place in range(len(observations))]


class RememberingAgent:
    """A policy with a memory. It holds nothing between turns: it goes through each dialogue again, from its beginning.

    Args:
        world: What the source of candidates learns from.
        policy: A recurrent policy of sb3-contrib.
        view: The settings of the Discrete view.
    """

    def __init__(self, world: World, policy: BasePolicy, view: Mapping[str, Any]) -> None:
        self._reader = DiscreteAgent(world, _unasked, **view)
        self._policy = policy

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        """One turn for each observation, in order; they all have the same limits."""
        if not observations:
            return []
        turns = self._reader.read(observations).turns(self._remembered_actions(observations))
        return [turns.turn(i) for i in range(len(observations))]

    def _remembered_actions(self, observations: Sequence[Observation]) -> IntArray:
        turns = np.array([observation.turn for observation in observations])
        actions = np.zeros(len(turns), np.int64)
        states: _States | None = None
        rows = np.arange(len(turns))
        for turn in range(int(turns.max()) + 1):
            going = turns[rows] >= turn
            rows = rows[going]
            if states is not None:
                states = (states[0][:, going], states[1][:, going])
            seen = self._reader.read([_after(observations[row], turn) for row in rows.tolist()]).observations()
            chosen, states = self._step(seen, states, len(rows))
            ends = turns[rows] == turn
            actions[rows[ends]] = chosen[ends]
        return actions

    def _step(self, seen: dict[str, FloatArray], states: _States | None, n: int) -> tuple[IntArray, _States]:
        """One turn of `n` rows, in blocks."""
        parts = []
        with torch.inference_mode():
            for start in range(0, n, BLOCK):
                part = slice(start, min(start + BLOCK, n))
                own = None if states is None else tuple([_filled(state[:, part], axis=1) for state in states])
                block = {name: _filled(values[part]) for name, values in seen.items()}
                begins = np.full(BLOCK, states is None)
                chosen, new = self._policy.predict(block, state=own, episode_start=begins, deterministic=True)
                assert new is not None
                width = part.stop - part.start
                parts.append((chosen[:width], new[0][:, :width], new[1][:, :width]))
        actions, hidden, cell = zip(*parts, strict=True)
        return np.concatenate(actions), (np.concatenate(hidden, axis=1), np.concatenate(cell, axis=1))


def _unasked(observations: dict[str, FloatArray], masks: NDArray[np.bool_]) -> IntArray:
    raise AssertionError("a policy with a memory chooses by itself")


def _after(observation: Observation, turn: int) -> Observation:
    """What was seen when `turn` turns were taken."""
    left_out = 2 * (observation.turn - turn)
    messages = observation.messages[: len(observation.messages) - left_out]
    return replace(observation, messages=messages, turn=turn)


def _in_blocks(policy: BasePolicy, seen: Mapping[str, FloatArray], masks: NDArray[np.bool_] | None) -> IntArray:
    n = len(next(iter(seen.values())))
    actions = np.zeros(n, np.int64)
    for start in range(0, n, BLOCK):
        part = slice(start, min(start + BLOCK, n))
        block = {name: _filled(values[part]) for name, values in seen.items()}
        own: dict[str, Any] = {} if masks is None else {"action_masks": _filled(masks[part])}
        actions[part] = policy.predict(block, deterministic=True, **own)[0][: part.stop - part.start]
    return actions


def _filled(values: NDArray[Any], axis: int = 0) -> NDArray[Any]:
    """`values` with its last row repeated up to a whole block."""
    missing = BLOCK - values.shape[axis]
    if not missing:
        return values
    return np.concatenate([values, np.repeat(values.take([-1], axis=axis), missing, axis=axis)], axis=axis)
