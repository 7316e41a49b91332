"""The ids that `gymnasium.make` knows once `crs_gym` is imported; `gym.make("crs_gym:CRS-Redial-v0")` imports it."""

from __future__ import annotations

from typing import Any, Final

import gymnasium as gym

WORLDS: Final = {"Sample": "sample", "Redial": "redial", "Inspired": "inspired", "OpenDialKG": "opendialkg"}
SIMULATORS: Final = {"sample": "agenda"}
"""The user of a world's ids: rules where the world knows the seeker's taste exactly, else `DEFAULT_SIMULATOR`."""

DEFAULT_SIMULATOR: Final = "sft"
"""The user of recorded worlds: a language model that was fine-tuned on real dialogues."""

VIEWS: Final[dict[str, tuple[str, str, dict[str, Any]]]] = {
    "": ("crs_gym.env:ConversationEnv", "crs_gym.vector:ConversationVectorEnv", {"text": False}),
    "-Text": ("crs_gym.env:ConversationEnv", "crs_gym.vector:ConversationVectorEnv", {"text": True}),
    "-Discrete": ("crs_gym.discrete.env:DiscreteEnv", "crs_gym.discrete.vector:DiscreteVectorEnv", {}),
}
"""How actions are written: the single env, the vector env, and what both are made with."""

ENV_IDS: Final = tuple(f"CRS-{world}{view}-v0" for world in WORLDS for view in VIEWS)
"""Every id, in the order of the README's table."""


def register_envs() -> None:
    """Register every id of `ENV_IDS`, once."""
    for world, name in WORLDS.items():
        for view, (single, vector, own) in VIEWS.items():
            env_id = f"CRS-{world}{view}-v0"
            if env_id not in gym.registry:
                gym.register(
                    id=env_id,
                    entry_point=single,
                    vector_entry_point=vector,
                    kwargs={"world": name, **own, "simulator": SIMULATORS.get(name, DEFAULT_SIMULATOR)},
                )
