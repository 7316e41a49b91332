"""The zoo of classical reinforcement learning: `maskable-ppo`, `ppo`, `dqn` and `recurrent-ppo` on the Discrete view.

Learned with stable-baselines3 and sb3-contrib (`pip install "crs-gym[sb3]"`), played as `maskable-ppo:DIR` and so on.

trainer.py     the settings, behind `crs-gym train maskable-ppo` …
learners.py    from settings to an algorithm of stable-baselines3
run.py         the training: stretches of turns, each ended by an evaluation and a checkpoint
validation.py  how a policy does with seekers of the valid split, while it learns
checkpoint.py  the state of an algorithm on disk
saved.py       a finished training on disk: weights, then the manifest
card.py        its model card
progress.py    what is seen of a training while it runs
player.py      a trained policy as an agent
curves.py      learning curves over seeds, with intervals
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crs_agents.sb3.trainer import MISSING_PACKAGE, is_ours
from crs_gym.agent import Agent, AgentEntry
from crs_gym.errors import WeightsError

if TYPE_CHECKING:
    from crs_gym.worlds.world import World


def build(learner: str, world: World, directory: str = "") -> Agent:
    """The agent `LEARNER:DIR` for a world.

    Args:
        learner: Which of the zoo, such as `maskable-ppo`.
        world: The world; its catalogue must be the one that the policy was trained on.
        directory: What `crs-gym train LEARNER --out DIR` left.

    Raises:
        ValueError: No folder is named.
        WeightsError: The folder holds no such policy, one of another catalogue, or a package is missing.
    """
    if not directory:
        raise ValueError(
            f"{learner} needs the folder of a training: {learner}:DIR. Way out: crs-gym train {learner} --out DIR"
        )
    try:
        from crs_agents.sb3.player import load_player
    except ImportError as error:
        if is_ours(error):
            raise
        raise WeightsError(f"{learner}:{directory} {MISSING_PACKAGE.format(error.name)}") from error
    return load_player(learner, directory, world)


def _entry(learner: str, summary: str) -> AgentEntry:
    return AgentEntry(lambda world, directory="": build(learner, world, directory), f"{summary} ({learner}:DIR)")


MASKABLE_PPO = _entry("maskable-ppo", "a policy over candidates and questions that MaskablePPO has learned")
PPO = _entry("ppo", "one that PPO has learned")
DQN = _entry("dqn", "one that DQN has learned")
RECURRENT_PPO = _entry("recurrent-ppo", "one with a memory that RecurrentPPO has learned")
