"""The configured simulator as a policy for the user's side of the PettingZoo face."""

from __future__ import annotations

from typing import Any

from crs_gym.errors import SimulatorError
from crs_gym.pettingzoo.conversation import conversation_behind
from crs_gym.turns import UserTurn


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
        self._env = conversation_behind(env, "SimulatorPolicy")

    def act(self) -> UserTurn | SimulatorError:
        """The user's action in the env's present state; asked twice, the same.

        A simulator that fails gives its `SimulatorError`, which is an action, too: it ends the episode as errored.

        Raises:
            ValueError: It is not the user's turn.
        """
        env = self._env
        answer = env.simulated_user.answer() if env.agent_selection == "user" and env.engine.active[0] else None
        if answer is None:
            raise ValueError("it is not the user's turn")
        return answer
