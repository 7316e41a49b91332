"""The PettingZoo face: recommender and user are two agents, and any policy may play either.

conversation_v0.py   what PettingZoo calls: `env`, `raw_env`, `parallel_env`
conversation.py      the environment
user_view.py         how the user's side is seen and written
user_reward.py       what a turn of the user is worth to it
simulated_user.py    what the simulator of the settings would answer
simulator_policy.py  a simulator as the user's policy
agent_policy.py      an agent as the recommender's policy

    from crs_gym.pettingzoo import AgentPolicy, SimulatorPolicy, conversation_v0

    env = conversation_v0.env(world="sample")

Nothing here is imported by `import crs_gym`.
"""

from crs_gym.pettingzoo import conversation_v0
from crs_gym.pettingzoo.agent_policy import AgentPolicy
from crs_gym.pettingzoo.simulator_policy import SimulatorPolicy
from crs_gym.pettingzoo.user_reward import LIKE_PEOPLE, TRUE_OUTCOME, USER_TERMS

__all__ = ["LIKE_PEOPLE", "TRUE_OUTCOME", "USER_TERMS", "AgentPolicy", "SimulatorPolicy", "conversation_v0"]
