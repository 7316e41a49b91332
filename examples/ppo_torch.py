"""PPO in one file, torch only: the Discrete view as numbers, with action masks.

python examples/ppo_torch.py --turns 200000

After CleanRL's ppo.py (Huang et al., JMLR 2022; Schulman et al. 2017, arXiv 1707.06347). Departures: all dialogues step
at once in one vector env; what the mask forbids has no probability (Huang and Ontañón 2022, arXiv 2006.14171); a
dialogue at its turn limit is over and is not bootstrapped, since the limit is a rule of the game; the value's loss is
not clipped.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, fields

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor, nn
from torch.distributions import Categorical

import crs_gym  # noqa: F401  # registers the ids
from crs_gym.agent import NamedAgent
from crs_gym.discrete.policy import DiscreteAgent
from crs_gym.evaluation import evaluate
from crs_gym.evaluation.tables import print_results
from crs_gym.worlds import load_world

Observations = dict[str, np.ndarray]


@dataclass(frozen=True)
class Config:
    """Every field is an option."""

    turns: int = 100_000  # played to learn from
    num_envs: int = 256
    n_steps: int = 8  # turns in each dialogue between two updates
    minibatches: int = 4
    epochs: int = 4
    learning_rate: float = 1e-3  # at the beginning; it falls to 0
    gamma: float = 0.99
    gae_lambda: float = 0.95
    clip: float = 0.2
    entropy: float = 0.01
    value: float = 0.5  # the weight of the value's loss
    hidden: int = 128
    seed: int = 0
    tasks: int = 200  # test users of the evaluation at the end


class ActorCritic(nn.Module):
    """Two small networks over all numbers of an observation, side by side."""

    def __init__(self, n_numbers: int, n_actions: int, hidden: int) -> None:
        super().__init__()
        self.actor = _layers(n_numbers, hidden, n_actions, last_gain=0.01)
        self.critic = _layers(n_numbers, hidden, 1, last_gain=1.0)

    def forward(self, numbers: Tensor, masks: Tensor) -> tuple[Categorical, Tensor]:
        """From `(n, n_numbers)` and `(n, n_actions)` bool to a distribution over actions, and `(n,)` values."""
        logits = self.actor(numbers).masked_fill(~masks, -torch.inf)
        return Categorical(logits=logits), self.critic(numbers).squeeze(-1)


def _layers(n_in: int, hidden: int, n_out: int, last_gain: float) -> nn.Sequential:
    layers = [nn.Linear(n_in, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, n_out)]
    for layer, gain in zip(layers[::2], (2**0.5, 2**0.5, last_gain), strict=True):
        nn.init.orthogonal_(layer.weight, gain)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def as_numbers(observations: Observations) -> Tensor:
    """`(n, n_numbers)` float32: all entries side by side."""
    return torch.from_numpy(np.concatenate([v.reshape(len(v), -1) for v in observations.values()], axis=1))


def train(config: Config) -> ActorCritic:
    """Learn on the train split."""
    torch.manual_seed(config.seed)
    n, steps = config.num_envs, config.n_steps
    envs = gym.make_vec("CRS-Sample-Discrete-v0", num_envs=n, autoreset_mode=AutoresetMode.SAME_STEP)
    n_numbers = gym.spaces.flatdim(envs.single_observation_space)
    n_actions = int(envs.single_action_space.n)
    network = ActorCritic(n_numbers, n_actions, config.hidden)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, eps=1e-5)

    seen = torch.zeros(steps, n, n_numbers)  # (T, N, numbers)
    masks = torch.zeros(steps, n, n_actions, dtype=torch.bool)  # (T, N, actions)
    actions = torch.zeros(steps, n, dtype=torch.int64)  # (T, N), as all below
    log_probs, rewards, dones, values = (torch.zeros(steps, n) for _ in range(4))

    observations, _ = envs.reset(seed=config.seed)
    next_seen, next_mask = as_numbers(observations), torch.from_numpy(envs.action_masks())
    updates = max(config.turns // (n * steps), 1)
    begun, ended = time.monotonic(), []
    running = np.zeros(n)
    for update in range(updates):
        optimizer.param_groups[0]["lr"] = config.learning_rate * (1 - update / updates)
        for t in range(steps):
            seen[t], masks[t] = next_seen, next_mask
            with torch.no_grad():
                distribution, values[t] = network(next_seen, next_mask)
                actions[t] = distribution.sample()
                log_probs[t] = distribution.log_prob(actions[t])
            observations, reward, terminated, truncated, _ = envs.step(actions[t].numpy())
            done = terminated | truncated
            rewards[t], dones[t] = torch.from_numpy(reward), torch.from_numpy(done).float()
            next_seen, next_mask = as_numbers(observations), torch.from_numpy(envs.action_masks())
            running += reward
            ended += running[done].tolist()
            running[done] = 0.0

        # Advantages (Schulman et al. 2016, arXiv 1506.02438): what a turn brought beyond what was expected.
        advantages, after = torch.zeros(steps, n), torch.zeros(n)
        with torch.no_grad():
            next_value = network(next_seen, next_mask)[1]
        for t in reversed(range(steps)):
            goes_on = 1.0 - dones[t]
            surprise = rewards[t] + config.gamma * goes_on * next_value - values[t]
            advantages[t] = after = surprise + config.gamma * config.gae_lambda * goes_on * after
            next_value = values[t]
        returns = advantages + values

        batch = [part.flatten(0, 1) for part in (seen, masks, actions, log_probs, advantages, returns)]
        for _ in range(config.epochs):
            for rows in torch.randperm(n * steps).chunk(config.minibatches):
                learn(network, optimizer, config, *(part[rows] for part in batch))
        if update % 10 == 9 or update + 1 == updates:
            speed = (update + 1) * n * steps / (time.monotonic() - begun)
            mean = np.mean(ended[-1_000:])
            print(f"turns {(update + 1) * n * steps:7,}: return {mean:+.3f} ({speed:,.0f} turns/s)", flush=True)
    envs.close()
    return network


def learn(
    network: ActorCritic,
    optimizer: torch.optim.Optimizer,
    config: Config,
    seen: Tensor,
    masks: Tensor,
    actions: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    returns: Tensor,
) -> None:
    """One step on the clipped objective."""
    distribution, values = network(seen, masks)
    ratio = (distribution.log_prob(actions) - old_log_probs).exp()
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    clipped = ratio.clamp(1 - config.clip, 1 + config.clip)
    policy_loss = -torch.min(advantages * ratio, advantages * clipped).mean()
    value_loss = 0.5 * (values - returns).square().mean()
    loss = policy_loss + config.value * value_loss - config.entropy * distribution.entropy().mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 0.5)
    optimizer.step()


def as_agent(network: ActorCritic) -> NamedAgent:
    """The policy that always takes its best action, as an agent with words."""

    @torch.inference_mode()
    def choose(observations: Observations, masks: np.ndarray) -> np.ndarray:
        return network(as_numbers(observations), torch.from_numpy(masks))[0].probs.argmax(dim=1).numpy()

    return NamedAgent("ppo_torch", DiscreteAgent(load_world("sample"), choose))


def options() -> Config:
    """The fields of `Config` from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in fields(Config):
        name = f"--{field.name.replace('_', '-')}"
        parser.add_argument(name, type=type(field.default), default=field.default, help=f"default {field.default}")
    return Config(**vars(parser.parse_args()))


if __name__ == "__main__":
    config = options()
    agents = [as_agent(train(config)), "ease", "ask-then-recommend"]
    print_results(evaluate("CRS-Sample-v0", agents, tasks=config.tasks, baseline="ease"))
