"""A policy of your own in torch: trained by REINFORCE on numbers, then compared with baselines as an agent with words.

python examples/own_torch_policy.py [UPDATES]
"""

from __future__ import annotations

import sys

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import nn
from torch.distributions import Categorical

import crs_gym  # noqa: F401  # registers the ids
from crs_gym.agent import NamedAgent
from crs_gym.discrete.policy import DiscreteAgent
from crs_gym.evaluation import evaluate
from crs_gym.evaluation.tables import print_results
from crs_gym.worlds import load_world

UPDATES, NUM_ENVS = int(sys.argv[1]) if len(sys.argv) > 1 else 150, 256
torch.manual_seed(0)
envs = gym.make_vec("CRS-Sample-Discrete-v0", num_envs=NUM_ENVS, autoreset_mode=AutoresetMode.NEXT_STEP)
n_numbers = gym.spaces.flatdim(envs.single_observation_space)
network = nn.Sequential(nn.Linear(n_numbers, 128), nn.Tanh(), nn.Linear(128, int(envs.single_action_space.n)))
optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)


def policy(observations: dict[str, np.ndarray], masks: np.ndarray) -> Categorical:
    """A distribution over the actions that the mask allows."""
    numbers = torch.from_numpy(np.concatenate([v.reshape(len(v), -1) for v in observations.values()], axis=1))
    return Categorical(logits=network(numbers).masked_fill(~torch.from_numpy(masks), -torch.inf))


for update in range(UPDATES):  # one dialogue everywhere, then a step against the gradient of the returns
    observations, _ = envs.reset(seed=0 if update == 0 else None)
    going, log_probs, rewards, alive = np.ones(NUM_ENVS, bool), [], [], []
    while going.any():
        distribution = policy(observations, envs.action_masks())
        actions = distribution.sample()
        observations, reward, terminated, truncated, _ = envs.step(actions.numpy())
        log_probs.append(distribution.log_prob(actions) + 0.01 * distribution.entropy())
        rewards.append(np.where(going, reward, 0.0))
        alive.append(going)
        going = going & ~(terminated | truncated)
    to_go = np.cumsum(rewards[::-1], axis=0)[::-1]  # (turns, NUM_ENVS) what was still to come at each turn
    means = [row[on].mean() for row, on in zip(to_go, alive, strict=True)]
    advantages = torch.tensor(np.where(alive, to_go - np.array(means)[:, None], 0.0), dtype=torch.float32)
    loss = -(torch.stack(log_probs) * advantages).sum() / NUM_ENVS
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

world = load_world("sample")
mine = NamedAgent("mine", DiscreteAgent(world, lambda seen, masks: policy(seen, masks).probs.argmax(dim=1).numpy()))
print_results(evaluate("CRS-Sample-v0", [mine, "ease", "ask-then-recommend"], tasks=200, baseline="ease"))
