"""The PettingZoo face: recommender and user are two agents, and any policy may play either.

    from crs_gym.pettingzoo import SimulatorPolicy, conversation_v0

    env = conversation_v0.env(world="sample")

Nothing here is imported by `import crs_gym`.
"""

from crs_gym.pettingzoo import conversation_v0
from crs_gym.pettingzoo.simulator_policy import SimulatorPolicy

__all__ = ["SimulatorPolicy", "conversation_v0"]
