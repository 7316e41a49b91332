"""Sixty-four dialogues at once with a policy that writes text: `gym.make_vec`, as for any other environment.

python examples/vector_rollout.py
"""

from __future__ import annotations

import gymnasium as gym
import numpy as np

import crs_gym  # noqa: F401  # registers the ids

NUM_ENVS, EPISODES = 64, 256


def policy(dialogue: str) -> str:
    """Ask once, then name films that many like."""
    if "Recommender:" not in dialogue:
        return "What genre are you in the mood for?"
    if "thriller" in dialogue or "crime" in dialogue:
        return "How about Heat (1995), Se7en (1995) or The Departed (2006)?"
    return "How about The Matrix (1999), Toy Story (1995) or Pulp Fiction (1994)?"


envs = gym.make_vec("CRS-Sample-Text-v0", num_envs=NUM_ENVS, vectorization_mode="vector_entry_point")
observations, infos = envs.reset(seed=0)
running = np.zeros(NUM_ENVS)
finished: list[float] = []
while len(finished) < EPISODES:
    actions = tuple(policy(dialogue) for dialogue in observations["dialogue"])
    observations, rewards, terminated, truncated, infos = envs.step(actions)
    running += rewards  # the step after an episode's end resets it: its action is ignored, its reward 0
    done = terminated | truncated
    finished += running[done].tolist()
    running[done] = 0.0
envs.close()
print(f"mean return of {len(finished)} episodes: {np.mean(finished):+.3f}")
