"""What a training of `smtpo` is told, by stage. Importing this imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Annotated, Final, Literal

import tyro

from crs_agents.smtpo.options import Explore
from crs_gym.config import DEFAULT_REWARD
from crs_gym.errors import TrainingError
from crs_gym.trl.credit import Credit, Scale

NO_HINT: Final = tyro.conf.arg(help_behavior_hint="")
"""For an option whose help says by itself what it is by default."""


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """The stage sft: lessons, and how they are learned."""

    user: str = "agenda"
    """The simulated user of the lessons."""
    episodes: Annotated[int | None, NO_HINT] = None
    """How many interactive tasks are played for lessons, evenly spread over the train split; by default all."""
    moments: int = 4000
    """How many next-item tasks become lessons of one turn, likewise; worlds with invented seekers have none."""
    turns: int = 3
    """The turn limit of a lesson."""
    inserted: float = 0.25
    """In how many dialogues whose targets are not recalled one of them is put among the candidates."""
    without_target: float = 0.1
    """How many lessons are kept in which no target is ever among the candidates."""
    epochs: int = 1
    """Passes over the tasks, each with lessons drawn anew."""
    updates: Annotated[int | None, NO_HINT] = None
    """After how many updates it ends; by default after all passes."""
    valid_episodes: int = 32
    """How many interactive tasks of the valid split the curves show; 0 for none."""
    max_length: int = 2048
    """Tokens of a lesson; turns that do not fit whole are left out."""
    batch_size: int = 8
    """Lessons an update."""
    at_once: int = 1
    """Lessons that are computed at once; a batch is worked through in parts of this size."""
    learning_rate: float = 5e-4
    """The highest learning rate: reached after 20 updates, then a cosine. For a base from scratch 1e-3."""
    rank: int = 16
    """The rank of the adapter's matrices; it is scaled by 2 (alpha is twice the rank). 0 trains all weights, as a base
    from scratch needs it."""
    layers: Literal["upper-half", "all"] = "upper-half"
    """Which layers of the model get an adapter."""
    eval_every: int = 50
    """Updates from one evaluation on the valid split to the next."""
    save_every: int = 25
    """Updates from one checkpoint to the next; the last 2 are kept until the training ends."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with; see `SmtpoTraining`."""
        ones = "turns epochs updates episodes max_length batch_size at_once eval_every save_every"
        at_least = {**dict.fromkeys(ones.split(), 1), "moments": 0, "valid_episodes": 0, "rank": 0}
        for name, least in at_least.items():
            require_at_least("sft", name, getattr(self, name), least)
        for name in ("inserted", "without_target"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise TrainingError(f"{option('sft', name)} {getattr(self, name)}: a share, from 0 to 1")
        if not 0.0 < self.learning_rate <= 1.0:
            raise TrainingError(f"--sft.learning-rate {self.learning_rate}: must be above 0, and at most 1")
        if self.batch_size % self.at_once:
            raise TrainingError(
                f"--sft.batch-size {self.batch_size} cannot be worked through in parts of --sft.at-once {self.at_once}"
            )


@dataclass(frozen=True, kw_only=True)
class Reinforcement:
    """The stage grpo: users, and how is learned from them; `crs_gym.trl` says more of each."""

    user: Annotated[str, NO_HINT] = ""
    """The simulated user; by default the environment's own."""
    turns: Annotated[int | None, NO_HINT] = None
    """The turn limit of an episode; by default the environment's own. 1 is single-turn GRPO."""
    weights: Annotated[dict[str, float], NO_HINT] = field(default_factory=dict)
    """Reward terms with their weights in training, as in: format 0.5 turn_cost -0.6; by default the environment's own.
    What a turn earns by its form must be less than it costs, or talking on pays."""
    updates: int = 100
    """After how many updates it ends."""
    users: int = 8
    """Users whom a batch of episodes meets."""
    members: int = 8
    """Episodes with each of them: the group that is compared. At least 2."""
    credit: Credit = "turn"
    """turn: what is written at a turn is credited with the rewards from there on; next: with those behind it, which is
    exact where questions alone are learned; episode: with all of them."""
    gamma: float = 1.0
    """The discount of rewards a turn, from 0 to 1."""
    scale: Scale = "group"
    """What advantages are divided by: the standard deviation of their group, of the batch, or nothing."""
    beta: float = 0.02
    """The weight of the KL to the fine-tuned model; 0 saves its forward pass."""
    learning_rate: float = 2e-5
    """The learning rate, reached after 5 updates and held."""
    temperature: float = 1.0
    """Divides the logits of what is written in rollouts."""
    explore: Explore = "all"
    """What is drawn in rollouts, and learned: every choice, or the question alone, while all others are the most
    probable: rewards tell more of what is asked where nothing else differs."""
    max_tokens: int = 160
    """The longest text of a turn."""
    iterations: int = 1
    """Updates from each batch of episodes."""
    accumulate: int = 16
    """In how many parts a batch's gradient is computed: more need less memory, and give the same."""
    save_every: int = 10
    """Updates from one checkpoint to the next; the last 2 are kept until the training ends."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with; what `crs_gym.trl` refuses, it says by itself."""
        for name in ("turns", "updates", "users", "max_tokens", "iterations", "accumulate", "save_every"):
            require_at_least("grpo", name, getattr(self, name), 1)
        require_at_least("grpo", "members", self.members, 2)
        if not 0.0 < self.temperature <= 10.0:
            raise TrainingError(f"--grpo.temperature {self.temperature}: above 0, and at most 10")
        for term, weight in self.weights.items():
            if term not in DEFAULT_REWARD:
                raise TrainingError(f"--grpo.weights {term}: no reward term; known: {', '.join(DEFAULT_REWARD)}")
            if not isfinite(weight):
                raise TrainingError(f"--grpo.weights {term} {weight}: must be a number")


def require_at_least(stage: str, name: str, value: float | None, least: float) -> None:
    """Refuse a number that is too small; `None` passes.

    Raises:
        TrainingError: It is.
    """
    if value is not None and not value >= least:
        raise TrainingError(f"{option(stage, name)} {value}: must be at least {least}")


def option(stage: str, name: str) -> str:
    """A setting as people write it; `stage` is empty for those of all stages."""
    return f"--{stage}{'.' if stage else ''}{name.replace('_', '-')}"
