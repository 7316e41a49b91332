"""Recommender and user as two agents of one PettingZoo environment; here the simulator plays the user.

python examples/both_sides.py
"""

from __future__ import annotations

from crs_gym.pettingzoo import SimulatorPolicy, conversation_v0

LINES = (
    "What genre are you in the mood for?",
    "How about Heat (1995), Alien (1979) or Memento (2000)?",
    "Then perhaps The Godfather (1972), Toy Story (1995) or The Matrix (1999)?",
)

env = conversation_v0.env(world="sample", text=True, max_turns=len(LINES))
user = SimulatorPolicy(env)
env.reset(seed=7)
returns = dict.fromkeys(env.agents, 0.0)
for agent in env.agent_iter():
    observation, reward, terminated, truncated, info = env.last()
    returns[agent] += float(reward)
    if terminated or truncated:
        env.step(None)
    elif agent == "user":
        env.step(user.act())  # any policy of yours may stand here: {"utterance": …, "decision": …}
    else:
        env.step(LINES[int(observation["turn"])])
    if agent == "recommender" and "outcome" in info:
        dialogue = observation["dialogue"]
        print(dialogue, f"\noutcome: {info['outcome']}, target shown: {info['success']}")
print("returns:", {agent: round(value, 2) for agent, value in returns.items()})
