"""crs-gym: conversational recommendation as Gymnasium and PettingZoo environments.

import gymnasium as gym
import crs_gym

env = gym.make("CRS-Sample-v0")
"""

from crs_gym.registration import ENV_IDS, register_envs

__version__ = "0.1.0"
__all__ = ["ENV_IDS", "__version__"]

register_envs()
