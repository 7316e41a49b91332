"""`conversation_v0`, as PettingZoo names its environments: `env`, `raw_env`, `parallel_env`."""

from __future__ import annotations

from typing import Any

from pettingzoo.utils import OrderEnforcingWrapper
from pettingzoo.utils.conversions import turn_based_aec_to_parallel

from crs_gym.pettingzoo.conversation import ConversationAEC
from crs_gym.worlds.world import World

raw_env = ConversationAEC
"""The environment without wrappers; see `crs_gym.pettingzoo.conversation.ConversationAEC`."""


def env(world: str | World = "sample", **settings: Any) -> OrderEnforcingWrapper[str, Any, Any]:
    """The environment, guarded against calls out of order.

    Args:
        world: The world.
        settings: `text`, `render_mode`, `user_reward`, and the settings of `crs_gym.config.EnvConfig`.
    """
    return OrderEnforcingWrapper(raw_env(world, **settings))


def parallel_env(world: str | World = "sample", **settings: Any) -> Any:
    """The same dialogue through PettingZoo's parallel API, by its own `turn_based_aec_to_parallel`.

    Recommender and user still take turns: one `step` is one agent's move. `infos[…]["active_agent"]` names the agent
    whose turn it is; only its action counts, and the other's may be left out.

    Args:
        world: The world.
        settings: As in `env`.
    """
    return turn_based_aec_to_parallel(env(world, **settings))
