"""How a policy does with users of the valid split: the same users each time, who are never learned from."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.policies import BasePolicy

from crs_agents.sb3.learners import MASKED, RECURRENT
from crs_gym.discrete.vector import DiscreteVectorEnv
from crs_gym.errors import TrainingError
from crs_gym.randomness import derived_key


class Validation:
    """Plays one episode with each of `users` users, all side by side.

    Args:
        env_id: The Discrete id.
        users: How many.
        learner: Which of the zoo plays: whether it is handed masks, and remembers.
        settings: The env's.
    """

    def __init__(self, env_id: str, users: int, learner: str, settings: dict[str, Any]) -> None:
        envs = gym.make_vec(
            env_id,
            users,
            vectorization_mode="vector_entry_point",
            autoreset_mode=AutoresetMode.NEXT_STEP,
            **{**settings, "split": "valid"},
        )
        assert isinstance(envs, DiscreteVectorEnv)
        self.envs = envs
        self._learner = learner
        self._seed = derived_key("sb3 validation") % 2**31

    def __call__(self, policy: BasePolicy) -> dict[str, float]:
        """The figures of the policy that always takes its best action.

        Returns:
            `success`, `turns` and `return`, means over the `n` users whose simulator answered to the end.

        Raises:
            TrainingError: It answered nobody to the end.
        """
        policy.set_training_mode(False)
        n = self.envs.num_envs
        observations, _ = self.envs.reset(seed=self._seed)
        running = np.ones(n, bool)
        turns, returns, success = np.zeros(n), np.zeros(n), np.full(n, np.nan)
        states: Any = None
        starts = np.ones(n, bool)
        while running.any():
            options: dict[str, Any] = {}
            if self._learner in MASKED:
                options["action_masks"] = self.envs.action_masks()
            if self._learner in RECURRENT:
                options |= {"state": states, "episode_start": starts}
            actions, states = policy.predict(observations, deterministic=True, **options)
            observations, rewards, terminated, truncated, infos = self.envs.step(actions)
            returns[running] += rewards[running]
            turns[running] += 1
            done = (terminated | truncated) & running
            if done.any() and "success" in infos:
                scored = done & infos["_success"]
                success[scored] = infos["success"][scored].astype(float)
            running &= ~done
            starts = ~running
        scored = ~np.isnan(success)
        if not scored.any():
            raise TrainingError(
                "the user failed in every dialogue of the evaluation. Way out: crs-gym evaluate with the same "
                "--simulator says why"
            )
        means = {"success": success, "turns": turns, "return": returns}
        return {**{name: float(values[scored].mean()) for name, values in means.items()}, "n": int(scored.sum())}

    def close(self) -> None:
        """Close the dialogues."""
        self.envs.close()
