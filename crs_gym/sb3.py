"""The Discrete view for stable-baselines3: its `VecEnv` over our vector env, which it would else loop over.

Needs `pip install "crs-gym[sb3]"`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from crs_gym.discrete.vector import DiscreteVectorEnv

try:
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    raise ImportError(
        f'crs_gym.sb3 needs {error.name}, which is not installed. Way out: pip install "crs-gym[sb3]"', name=error.name
    ) from error

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

ACTION_MASKS: Final = "action_masks"
"""The name by which sb3-contrib asks for masks."""


def make_vec_env(env_id: str, num_envs: int, seed: int | None = None, **settings: Any) -> DiscreteVecEnv:
    """`num_envs` dialogues of a Discrete id as a `VecEnv`.

    Args:
        env_id: `CRS-*-Discrete-v0`.
        num_envs: How many dialogues.
        seed: Env `i` plays the episodes of `seed + i`; drawn from numpy's global generator, as stable-baselines3 does
            it, when left out.
        settings: As for `gymnasium.make_vec`.

    Raises:
        ValueError: `env_id` is no Discrete id.
    """
    envs = gym.make_vec(
        env_id, num_envs, vectorization_mode="vector_entry_point", autoreset_mode=AutoresetMode.SAME_STEP, **settings
    )
    if not isinstance(envs, DiscreteVectorEnv):
        raise ValueError(f"{env_id} is no Discrete id: stable-baselines3 can play CRS-*-Discrete-v0 only")
    return DiscreteVecEnv(envs, seed)


class DiscreteVecEnv(VecEnv):
    """A `DiscreteVectorEnv` as stable-baselines3 wants it, one step of NumPy for all dialogues.

    `infos` are empty but at an episode's end. There they hold `terminal_observation`, `TimeLimit.truncated`, `episode`
    (return `r`, length `l`, seconds since the start `t`: what a `Monitor` gives) and, where it was scored,
    `is_success`. `action_masks` can be had as sb3-contrib asks for it.

    Args:
        envs: The dialogues, in the autoreset mode `same_step`.
        seed: As in `make_vec_env`.

    Raises:
        ValueError: `envs` resets in another mode.
    """

    def __init__(self, envs: DiscreteVectorEnv, seed: int | None = None) -> None:
        mode = envs.metadata["autoreset_mode"]
        if mode is not AutoresetMode.SAME_STEP:
            raise ValueError(
                f"autoreset_mode={mode.value!r}: stable-baselines3 resets in the same step; use 'same_step'"
            )
        self.envs = envs
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)
        self._actions: NDArray[np.int64] = np.zeros(envs.num_envs, np.int64)
        self._returns = np.zeros(envs.num_envs, np.float64)
        self._lengths = np.zeros(envs.num_envs, np.int64)
        self._start = time.time()
        self.seed(seed)

    def reset(self) -> VecEnvObs:
        """Begin an episode everywhere: after `seed`, the first ones of the seeds, else the next ones."""
        if any(self._options):
            raise ValueError("options: a vector of dialogues takes none")
        observations, _ = self.envs.reset(seed=self._seeds)
        self._reset_seeds()
        self._returns[:] = 0
        self._lengths[:] = 0
        return observations

    def step_async(self, actions: NDArray[np.int64]) -> None:
        """Take note of the actions."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """One turn everywhere; who is at the end begins anew."""
        observations, rewards, terminated, truncated, played = self.envs.step(self._actions)
        self._returns += rewards
        self._lengths += 1
        done = terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        ended = np.flatnonzero(done).tolist()
        if ended:
            seconds = round(time.time() - self._start, 6)
            final = played["final_info"]
            for row in ended:
                infos[row] = {
                    "terminal_observation": played["final_obs"][row],
                    "TimeLimit.truncated": bool(truncated[row]),
                    "episode": {"r": float(self._returns[row]), "l": int(self._lengths[row]), "t": seconds},
                }
                if "success" in final and final["_success"][row]:
                    infos[row]["is_success"] = bool(final["success"][row])
            self._returns[done] = 0
            self._lengths[done] = 0
        return observations, rewards.astype(np.float32), done, infos

    def close(self) -> None:
        """Close the dialogues."""
        self.envs.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of the vector env, which its dialogues share, once for each of `indices`."""
        rows = self._rows(indices)
        if attr_name == ACTION_MASKS:
            return [self._mask_of(row) for row in rows]
        return [getattr(self.envs, attr_name)] * len(rows)

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the vector env.

        Raises:
            ValueError: For some dialogues only: they share all attributes.
        """
        if len(self._rows(indices)) != self.num_envs:
            raise ValueError(f"{attr_name}: the dialogues share their attributes; set it for all of them")
        setattr(self.envs, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """`action_masks`, one for each of `indices`.

        Raises:
            AttributeError: Another method: there are no single envs that could have one.
        """
        if method_name != ACTION_MASKS or method_args or method_kwargs:
            raise AttributeError(f"{method_name}: of the dialogues of a vector only {ACTION_MASKS}() can be called")
        return list(self.envs.action_masks()[self._rows(indices)])

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Whether the dialogues do what a wrapper does: `Monitor` only, since `infos` hold what it gives."""
        return [issubclass(Monitor, wrapper_class)] * len(self._rows(indices))

    # ---------------------------------------------------------------- inside

    def _rows(self, indices: VecEnvIndices) -> Sequence[int]:
        chosen: Iterable[int] = self._get_indices(indices)
        return list(chosen)

    def _mask_of(self, row: int) -> Callable[[], NDArray[np.bool_]]:
        def action_masks() -> NDArray[np.bool_]:
            mask: NDArray[np.bool_] = self.envs.action_masks()[row]
            return mask

        return action_masks
