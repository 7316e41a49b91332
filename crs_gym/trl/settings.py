"""The settings of a training by multi-turn GRPO. Importing this imports no torch; `training.py` does the work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from crs_gym.errors import TrainingError
from crs_gym.trl.credit import Credit, Scale


@dataclass(frozen=True, kw_only=True)
class GRPOSettings:
    """How a policy is trained. A run of the same settings goes on where the last one stopped."""

    out: Path
    """The folder for the adapter, the curves and the checkpoints."""
    base: str
    """The model that writes: a short name (`crs-gym models list`), a folder, or a name on the Hugging Face hub."""
    adapter: Path | None = None
    """A LoRA of that model to go on with, such as one of supervised fine-tuning; by default a new one."""
    seed: int = 0
    """Keys the users, their noise, the model's sampling and the adapter's first weights."""
    updates: int = 200
    """After how many updates it ends."""
    users: int = 8
    """Users whom a batch of episodes meets, over all devices together."""
    members: int = 8
    """Episodes with each of them: the group that is compared. At least 2."""
    credit: Credit = "turn"
    """turn: what is written at a turn is credited with the rewards from there on; next: with those behind it, which is
    exact where questions alone are learned; episode: with all of them."""
    gamma: float = 1.0
    """The discount of rewards a turn, from 0 to 1."""
    scale: Scale = "group"
    """What advantages are divided by: the standard deviation of their group, of the batch, or nothing (none)."""
    beta: float = 0.02
    """The weight of the KL to the model that the training began with; 0 saves its forward pass."""
    learning_rate: float = 2e-5
    """The learning rate, reached after `warm_up` updates and held."""
    warm_up: int = 5
    """Updates over which the learning rate rises."""
    iterations: int = 1
    """Updates from each batch of episodes; with more than one the ratio to the model that wrote is clipped."""
    epsilon: float = 0.2
    """Where that ratio is clipped, from 1 in both directions."""
    loss: Literal["dapo", "grpo", "dr_grpo"] = "dapo"
    """What a batch's loss is divided by, as trl names it: its written tokens, each sequence's own, or a constant."""
    rank: int = 32
    """The rank of a new adapter on all linear maps, scaled by 2 (alpha is twice the rank); 0 trains all weights."""
    accumulate: int = 16
    """In how many parts each device computes its share of a batch's gradient: more need less memory, and give the same.
    A small model needs about a GB for each episode of a part."""
    dtype: Literal["auto", "bf16", "fp32"] = "auto"
    """The numbers of the base model; the adapter's are always fp32. auto: bf16 where the processor computes in it."""
    checkpointing: bool = False
    """Compute activations twice instead of keeping them: needs less memory."""
    save_every: int = 10
    """Updates from one checkpoint to the next; a multiple of `iterations`. The last 2 are kept until the end."""
    report_to: tuple[str, ...] = ("none",)
    """Where curves are followed besides: what transformers knows, such as tensorboard or wandb; none for nowhere."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with, before anything heavy is loaded.

        Raises:
            TrainingError: A setting is out of its range; the message names it.
        """
        at_least = {"seed": 0, "updates": 1, "users": 1, "members": 2, "warm_up": 0, "iterations": 1, "rank": 0}
        at_least |= {"accumulate": 1, "save_every": 1}
        for name, least in at_least.items():
            value = getattr(self, name)
            if not value >= least:
                raise TrainingError(f"{name}={value}: must be at least {least}")
        if not 0.0 <= self.gamma <= 1.0:
            raise TrainingError(f"gamma={self.gamma}: a discount, from 0 to 1")
        if not 0.0 < self.learning_rate <= 1.0:
            raise TrainingError(f"learning_rate={self.learning_rate}: must be above 0, and at most 1")
        if not self.beta >= 0.0 or not 0.0 < self.epsilon < 1.0:
            raise TrainingError(f"beta={self.beta}, epsilon={self.epsilon}: at least 0, and between 0 and 1")
        if self.save_every % self.iterations:
            raise TrainingError(
                f"save_every={self.save_every} is no multiple of iterations={self.iterations}: a checkpoint between "
                "two updates from the same episodes could not go on to the same curve"
            )
        if self.adapter is not None and self.rank == 0:
            raise TrainingError("rank=0 trains all weights, and an adapter is named. Way out: leave one of them out")
