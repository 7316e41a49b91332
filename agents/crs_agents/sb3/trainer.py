"""`crs-gym train maskable-ppo` and the others of the zoo: their settings. Importing this imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final

import tyro

from crs_gym.errors import TrainingError
from crs_gym.trainer import TrainerEntry, whole_checkpoints

MISSING_PACKAGE: Final = 'needs the package {}, which is not installed. Way out: pip install "crs-gym[sb3]"'

NO_HINT: Final = tyro.conf.arg(help_behavior_hint="")
"""For an option whose help says by itself what it is by default."""


@dataclass(frozen=True)
class LearnerTraining:
    """What all learners of the zoo share. Their numbers were chosen on Sample's train and valid seekers."""

    learner: ClassVar[str]
    """The name, in the command line and in front of the agent's colon."""

    out: Path
    """The folder for the policy, its learning curve and the checkpoints."""
    env: str = "CRS-Sample-Discrete-v0"
    """The environment: a Discrete id (`crs-gym list` shows them). Its train split is learned."""
    seed: int = 0
    """Keys the users, first weights and exploration."""
    steps: int = 100_000
    """How many turns are played to learn from; rounded up to whole rollouts."""
    num_envs: int = 128
    """How many dialogues go on side by side."""
    simulator: Annotated[str | None, NO_HINT] = None
    """The user, with options behind a colon, such as agenda:noise=0.1; by default the id's."""
    candidates: str = "ask-then-recommend:questions=0"
    """Whose films are the candidates: an agent's name. ease is faster, and takes nothing off for films passed over."""
    n_candidates: int = 20
    """How many candidates there are."""
    hidden: tuple[int, ...] = (128, 128)
    """The widths of the network's hidden layers."""
    gamma: float = 0.8
    """What a reward of the next turn is worth now: below 1, who finds the film sooner gets more."""
    valid_users: int = 512
    """How many users of the valid split the policy plays with at each evaluation."""
    eval_every: int = 25_000
    """Turns from one evaluation, and one checkpoint, to the next; rounded up to whole rollouts."""
    tensorboard: bool = False
    """Whether losses and figures are written for TensorBoard, too: tensorboard --logdir DIR."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with, before anything heavy is loaded.

        Raises:
            TrainingError: A setting is out of its range; the message names it as an option.
        """
        least = {"seed": 0, "steps": 1, "num_envs": 1, "n_candidates": 1, "valid_users": 1, "eval_every": 1}
        self._at_least(least)
        self._above_0_up_to_1("gamma")
        if not self.hidden or min(self.hidden) < 1:
            raise TrainingError(f"--hidden {self.hidden}: must be widths of at least 1, such as --hidden 128 128")

    def run(self) -> None:
        """Train, or go on; nothing is done where the training has ended already.

        Raises:
            TrainingError: It cannot begin or go on: a package is missing, the id is no Discrete one, the folder belongs
                to another training or cannot be written to.
            WeightsError: The weights of the user, or of the source of candidates, are not on this machine.
        """
        try:
            from crs_agents.sb3.run import train
        except ImportError as error:
            if is_ours(error):
                raise
            raise TrainingError(f"training {MISSING_PACKAGE.format(error.name)}") from error
        train(self)

    def after_interrupt(self) -> str:
        """How to go on."""
        whole = whole_checkpoints(self.out)
        if not whole:
            return " No checkpoint was written yet: the same command begins anew."
        kept = int(whole[-1].name.partition("-")[2])
        return f" What was learned in {kept:,} turns is kept in {self.out}: run the same command to go on."

    # ---------------------------------------------------------------- inside

    def _at_least(self, bounds: Mapping[str, float]) -> None:
        for name, least in bounds.items():
            if not getattr(self, name) >= least:
                raise TrainingError(f"{_option(name)} {getattr(self, name)}: must be at least {least}")

    def _above_0_up_to_1(self, *names: str) -> None:
        for name in names:
            if not 0.0 < getattr(self, name) <= 1.0:
                raise TrainingError(f"{_option(name)} {getattr(self, name)}: must be above 0, and at most 1")


@dataclass(frozen=True)
class OnPolicyTraining(LearnerTraining):
    """What the PPOs share (Schulman et al. 2017, arXiv 1707.06347)."""

    n_steps: int = 16
    """Turns in each dialogue between two updates: a rollout is num_envs times as many."""
    batch_size: int = 512
    """Turns in a minibatch."""
    n_epochs: int = 4
    """Passes over a rollout."""
    learning_rate: float = 1e-3
    """Adam's at the beginning; it falls to a twentieth, linearly."""
    gae_lambda: float = 0.95
    """The trade of bias for variance in the advantages (Schulman et al. 2016, arXiv 1506.02438)."""
    clip_range: float = 0.2
    """How far the probability of an action may move in an update: its ratio stays within 1 ± this."""
    ent_coef: float = 0.02
    """The weight of the policy's entropy at the beginning, which keeps it exploring; it falls to 0, linearly."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        super().__post_init__()
        self._at_least({"n_steps": 1, "batch_size": 2, "n_epochs": 1, "ent_coef": 0})
        self._above_0_up_to_1("learning_rate", "gae_lambda", "clip_range")
        if self.n_steps * self.num_envs < 2:
            raise TrainingError("--n-steps 1 --num-envs 1: a rollout must hold at least 2 turns")


@dataclass(frozen=True)
class MaskablePPOTraining(OnPolicyTraining):
    """Learn what to ask and what to recommend with MaskablePPO, which never tries what the mask forbids.

    What comes out is played by the agent maskable-ppo:DIR. The same command goes on where it stopped.

    Example: crs-gym train maskable-ppo --env CRS-Sample-Discrete-v0 --out runs/maskable-ppo
    """

    learner: ClassVar[str] = "maskable-ppo"


@dataclass(frozen=True)
class PPOTraining(OnPolicyTraining):
    """Learn what to ask and what to recommend with PPO, which knows no masks: what they forbid falls back.

    What comes out is played by the agent ppo:DIR. The same command goes on where it stopped.

    Example: crs-gym train ppo --env CRS-Sample-Discrete-v0 --out runs/ppo
    """

    learner: ClassVar[str] = "ppo"


@dataclass(frozen=True)
class RecurrentPPOTraining(OnPolicyTraining):
    """Learn with RecurrentPPO: an LSTM that remembers the dialogue; slower, for what an observation leaves out.

    What comes out is played by the agent recurrent-ppo:DIR. The same command goes on where it stopped.

    Example: crs-gym train recurrent-ppo --env CRS-Sample-Discrete-v0 --out runs/recurrent-ppo
    """

    learner: ClassVar[str] = "recurrent-ppo"

    lstm: int = 64
    """The width of the LSTM, one for the policy and one for the value."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        super().__post_init__()
        self._at_least({"lstm": 1})


@dataclass(frozen=True)
class DQNTraining(LearnerTraining):
    """Learn the value of asking and of recommending with DQN (Mnih et al. 2015), which knows no masks.

    What comes out is played by the agent dqn:DIR. The same command goes on where it stopped.

    Example: crs-gym train dqn --env CRS-Sample-Discrete-v0 --out runs/dqn
    """

    learner: ClassVar[str] = "dqn"

    learning_rate: float = 5e-4
    """Adam's at the beginning; it falls to a twentieth, linearly."""
    batch_size: int = 256
    """Turns in a minibatch."""
    buffer_size: int = 50_000
    """How many turns are remembered to learn from."""
    learning_starts: int = 5_000
    """Turns that are played at random before anything is learned."""
    gradient_steps: int = 8
    """Updates after each step of all dialogues."""
    target_every: int = 2_000
    """Turns after which the target network is brought up to date."""
    explore: float = 0.5
    """The share of the training over which random actions become rare."""
    explore_least: float = 0.05
    """The share of random actions at the end of that."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        super().__post_init__()
        self._at_least({"batch_size": 1, "learning_starts": 0, "gradient_steps": 1, "target_every": 1})
        self._at_least({"buffer_size": self.num_envs, "explore_least": 0})
        self._above_0_up_to_1("learning_rate", "explore")
        if self.explore_least > 1:
            raise TrainingError(f"--explore-least {self.explore_least}: must be at most 1")


def is_ours(error: ImportError) -> bool:
    """Whether it is a module of this distribution that is missing: a fault here, and no missing extra."""
    return (error.name or "").partition(".")[0] in ("crs_gym", "crs_agents")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


MASKABLE_PPO: Final = TrainerEntry(MaskablePPOTraining, "what to ask and recommend, by MaskablePPO; Discrete ids")
PPO: Final = TrainerEntry(PPOTraining, "the same by PPO, without masks")
DQN: Final = TrainerEntry(DQNTraining, "the same by DQN, without masks")
RECURRENT_PPO: Final = TrainerEntry(RecurrentPPOTraining, "the same by PPO with an LSTM, without masks")
