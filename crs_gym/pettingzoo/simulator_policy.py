"""The configured simulator as a policy for the user's side of the PettingZoo face."""

from __future__ import annotations

from typing import Any

from crs_gym.engine import Episode, needs_opening
from crs_gym.errors import SimulatorError
from crs_gym.pettingzoo.conversation import ConversationAEC
from crs_gym.simulator import Seeker
from crs_gym.turns import AgentTurns, UserTurn, UserTurns


class SimulatorPolicy:
    """Plays the user as the simulator of the env's settings would.

    With it, and the same seeds and recommender, the PettingZoo env plays the same episodes as
    `crs_gym.env.ConversationEnv`, trace for trace.

    Args:
        env: A `conversation_v0` environment, AEC or parallel, wrapped or not.

    Raises:
        ValueError: `env` is something else.
    """

    def __init__(self, env: Any) -> None:
        raw = getattr(env, "unwrapped", None)
        if not isinstance(raw, ConversationAEC):
            raise ValueError(f"SimulatorPolicy plays in conversation_v0 environments, not in a {type(env).__name__}")
        self._env = raw
        self._simulator = raw.game.simulator
        self._episode: Episode | None = None
        self._answered: AgentTurns | None = None
        self._answer: UserTurn | SimulatorError | None = None

    def act(self) -> UserTurn | SimulatorError:
        """The user's action in the env's present state; asked twice, the same.

        A simulator that fails gives its `SimulatorError`, which is an action, too: it ends the episode as errored.

        Raises:
            ValueError: It is not the user's turn.
        """
        engine, rows = self._env.engine, self._env.engine.all_rows
        if self._env.agent_selection != "user" or not engine.active[0]:
            raise ValueError("it is not the user's turn")
        episode, waiting = engine.episode(0), engine.waiting
        if episode is not self._episode:
            targets = episode.task.targets if self._simulator.target_aware else ()
            seeker = Seeker(episode.task.context, episode.task.profile, episode.key, targets)
            self._simulator.simulator.reset(rows, [seeker])
            self._episode, self._answered, self._answer = episode, None, None
            if needs_opening(episode.task):
                self._answer = _single(self._simulator.simulator.open(rows))
        if waiting is not None and waiting is not self._answered:
            self._answered = waiting
            self._answer = _single(self._simulator.simulator.reply(rows, waiting))
        if self._answer is None:
            raise ValueError("it is not the user's turn")
        return self._answer


def _single(turns: UserTurns) -> UserTurn | SimulatorError:
    return turns.errors.get(0) or turns.turn(0)
