"""From settings to an algorithm of stable-baselines3, and from a policy's shape to a policy without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gymnasium import spaces
from sb3_contrib import MaskablePPO, RecurrentPPO
from sb3_contrib.common.maskable.policies import MaskableMultiInputActorCriticPolicy
from sb3_contrib.common.recurrent.policies import RecurrentMultiInputActorCriticPolicy
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy, MultiInputActorCriticPolicy
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.dqn.policies import MultiInputPolicy as DQNPolicy

from crs_agents.sb3.trainer import DQNTraining, LearnerTraining, OnPolicyTraining, RecurrentPPOTraining

LEAST_RATE: Final = 0.05
"""What is left of the learning rate at the end."""

_ALGORITHMS: Final[Mapping[str, type[BaseAlgorithm]]] = {
    "maskable-ppo": MaskablePPO,
    "ppo": PPO,
    "dqn": DQN,
    "recurrent-ppo": RecurrentPPO,
}
_POLICIES: Final[Mapping[str, type[BasePolicy]]] = {
    "maskable-ppo": MaskableMultiInputActorCriticPolicy,
    "ppo": MultiInputActorCriticPolicy,
    "dqn": DQNPolicy,
    "recurrent-ppo": RecurrentMultiInputActorCriticPolicy,
}
MASKED: Final = ("maskable-ppo",)
"""Those that are handed masks."""
RECURRENT: Final = ("recurrent-ppo",)
"""Those that remember."""


def make_learner(settings: LearnerTraining, envs: VecEnv, turns: int) -> BaseAlgorithm:
    """The algorithm of a training, on the processor: its networks are too small for anything else to pay.

    Args:
        settings: What is asked for.
        envs: The dialogues.
        turns: How many turns the training has; the learning rate falls over them.
    """
    model: BaseAlgorithm

    def share_left(_: float) -> float:
        """Of the whole training; stable-baselines3 itself knows of the next stretch only."""
        return max(1.0 - model.num_timesteps / turns, 0.0)

    def learning_rate(progress: float) -> float:
        return settings.learning_rate * max(share_left(progress), LEAST_RATE)  # type: ignore[attr-defined,no-any-return]

    options: dict[str, Any] = {
        "policy_kwargs": policy_shape(settings),
        "gamma": settings.gamma,
        "device": "cpu",
        "_init_setup_model": False,  # it asks for the learning rate, which asks for the model
    }
    if isinstance(settings, OnPolicyTraining):
        for name in ("n_steps", "n_epochs", "gae_lambda", "clip_range", "ent_coef"):
            options[name] = getattr(settings, name)
        options["batch_size"] = min(settings.batch_size, settings.n_steps * settings.num_envs)
    else:
        assert isinstance(settings, DQNTraining)
        for name in ("batch_size", "buffer_size", "learning_starts", "gradient_steps"):
            options[name] = getattr(settings, name)
        options |= {"train_freq": 1, "target_update_interval": max(settings.target_every, settings.num_envs)}
    model = _ALGORITHMS[settings.learner](_POLICIES[settings.learner], envs, learning_rate=learning_rate, **options)
    model._setup_model()
    if isinstance(settings, DQNTraining):
        assert isinstance(model, DQN)
        model.exploration_schedule = _exploration(settings, share_left)
    return model


class FallingEntropy(BaseCallback):
    """Lets the weight of the policy's entropy fall to 0 over a training: what is played are the most probable actions.

    Args:
        weight: At the beginning.
        turns: How many turns the training has.
    """

    def __init__(self, weight: float, turns: int) -> None:
        super().__init__()
        self._weight = weight
        self._turns = turns

    def _on_rollout_end(self) -> None:
        left = max(1.0 - self.num_timesteps / self._turns, 0.0)
        self.model.ent_coef = self._weight * left  # type: ignore[attr-defined]

    def _on_step(self) -> bool:
        return True


def callbacks_of(settings: LearnerTraining, turns: int) -> list[BaseCallback]:
    """What goes on beside the learning of a training of so many turns."""
    return [FallingEntropy(settings.ent_coef, turns)] if isinstance(settings, OnPolicyTraining) else []


def make_policy(
    learner: str, observations: spaces.Dict, actions: spaces.Discrete, shape: Mapping[str, Any]
) -> BasePolicy:
    """A policy with first weights, without an algorithm around it."""
    return _POLICIES[learner](observations, actions, lambda _: 0.0, **shape)


def policy_shape(settings: LearnerTraining) -> dict[str, Any]:
    """What a policy's weights depend on, as JSON holds it."""
    shape: dict[str, Any] = {"net_arch": list(settings.hidden)}
    if isinstance(settings, RecurrentPPOTraining):
        shape |= {"lstm_hidden_size": settings.lstm, "n_lstm_layers": 1}
    return shape


def turns_a_rollout(settings: LearnerTraining) -> int:
    """How many turns are played between two updates: a training has whole rollouts."""
    return settings.num_envs * (settings.n_steps if isinstance(settings, OnPolicyTraining) else 1)


def _exploration(settings: DQNTraining, share_left: Callable[[float], float]) -> Callable[[float], float]:
    def rate(progress: float) -> float:
        done = min((1.0 - share_left(progress)) / settings.explore, 1.0)
        return 1.0 + done * (settings.explore_least - 1.0)

    return rate
