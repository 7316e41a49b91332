"""`crs-gym train simulator`: the settings of a training. Importing this imports no torch; `run.py` does the work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import tyro

from crs_gym.errors import TrainingError
from crs_gym.trainer import TrainerEntry, kept_updates

NO_HINT: Final = tyro.conf.arg(help_behavior_hint="")
"""For an option whose help says by itself what it is by default."""


@dataclass(frozen=True)
class SimulatorTraining:
    """Fine-tune a language model into a simulated user, from recorded dialogues.

    What comes out is a LoRA adapter. The same command goes on where it stopped.

    Several GPUs: accelerate launch -m crs_gym.cli train simulator --out DIR

    Example: crs-gym train simulator --out runs/user

    A try of some minutes on a CPU: add --dialogues 200 --eval-every 10
    """

    out: Path
    """The folder for the adapter, the curves and the checkpoints."""
    world: str = "redial"
    """The corpus: redial, opendialkg or inspired. Its train split is learned, its valid split shown in the curves."""
    base: str = "smollm2-135m-instruct"
    """The model to fine-tune: a short name (`crs-gym models list`), a folder, or a name on the Hugging Face hub."""
    seed: int = 0
    """Keys the examples that are drawn from the dialogues, their order, and the adapter's first weights."""
    epochs: int = 1
    """Passes over the dialogues, each with examples drawn anew."""
    updates: Annotated[int | None, NO_HINT] = None
    """After how many updates it ends; by default after all passes."""
    dialogues: Annotated[int | None, NO_HINT] = None
    """How many dialogues of the train split, evenly spread over it; by default all."""
    valid_dialogues: int = 64
    """How many dialogues of the valid split the evaluation reads; 0 for no evaluation."""
    feedback: float = 1.0
    """Examples of feedback generation made of each dialogue."""
    alignment: float = 0.3
    """Examples of attribute alignment and target prediction made of each dialogue; 0 trains on feedback alone."""
    max_length: int = 640
    """Tokens of an example; what is longer is cut."""
    batch_size: int = 8
    """Examples an update, over all devices together."""
    accumulate: int = 1
    """In how many parts each device works through its share of a batch: more need less memory, and give the same."""
    learning_rate: float = 5e-4
    """The highest learning rate: reached after 40 updates, held, and brought to 0 over the last part."""
    decay: float = 0.3
    """The share of the updates over which the learning rate falls to 0."""
    rank: int = 32
    """The rank of the adapter's matrices; it is scaled by 2 (alpha is twice the rank)."""
    layers: Literal["upper-half", "all"] = "upper-half"
    """Which layers of the model get an adapter."""
    dtype: Literal["auto", "bf16", "fp32"] = "auto"
    """The numbers of the base model; the adapter's are always fp32. auto: bf16 where the processor computes in it."""
    calibration: int = 500
    """Films of the valid split, each beside a match, on which the finished model's views are weighed; 0 for none."""
    eval_every: int = 100
    """Updates from one evaluation on the valid split to the next."""
    save_every: int = 100
    """Updates from one checkpoint to the next; the last 2 are kept until the training ends."""
    report_to: tuple[str, ...] = ("tensorboard",)
    """Where curves are followed besides: tensorboard, or what transformers knows, such as wandb; none for nowhere."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with, before anything heavy is loaded.

        Raises:
            TrainingError: A setting is out of its range; the message names it as an option.
        """
        at_least = {
            "seed": 0,
            "epochs": 1,
            "updates": 1,
            "dialogues": 1,
            "valid_dialogues": 0,
            "feedback": 0,
            "alignment": 0,
        }
        at_least |= {"max_length": 2, "batch_size": 1, "accumulate": 1, "rank": 1, "eval_every": 1, "save_every": 1}
        at_least |= {"valid_dialogues": 0, "calibration": 0}
        for name, least in at_least.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise TrainingError(f"{_option(name)} {value}: must be at least {least}")
        if not self.feedback + self.alignment > 0.0:
            raise TrainingError("--feedback and --alignment are both 0: there is nothing to learn")
        if not 0.0 < self.learning_rate <= 1.0:
            raise TrainingError(f"--learning-rate {self.learning_rate}: must be above 0, and at most 1")
        if not 0.0 <= self.decay <= 1.0:
            raise TrainingError(f"--decay {self.decay}: a share of the updates, from 0 to 1")

    def run(self) -> None:
        """Train, or go on; nothing is done where the training has ended already.

        Raises:
            TrainingError: It cannot begin or go on: a package is missing, the folder belongs to another training or
                cannot be written to, the world holds no recorded dialogues, the model cannot take an adapter.
            WeightsError: The base model is not on this machine.
        """
        try:
            from crs_simulators.sft.run import train
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("crs_gym", "crs_simulators"):
                raise
            raise TrainingError(
                f'training needs the package {error.name}. Way out: pip install "crs-gym[llm]"'
            ) from error
        train(self)

    def after_interrupt(self) -> str:
        """How to go on."""
        return kept_updates(self.out)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


SIMULATOR: Final = TrainerEntry(SimulatorTraining, "a language model that answers as the seekers of a corpus do")
