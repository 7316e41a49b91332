"""`crs-gym train smtpo`: the settings of a training. Importing this imports no torch; `sft.py` does the work."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Final, Literal

import tyro

from crs_agents.smtpo.options import MOST_CANDIDATES, OWN_RETRIEVER
from crs_gym.errors import TrainingError
from crs_gym.trainer import TrainerEntry, kept_updates

NO_HINT: Final = tyro.conf.arg(help_behavior_hint="")
"""For an option whose help says by itself what it is by default."""

Stage = Literal["retriever", "sft", "grpo", "all"]

GRPO: Final = "crs_agents.smtpo.grpo"
"""The module of the last stage; it holds `train(settings)`."""


@dataclass(frozen=True)
class SmtpoTraining:
    """Train the reasoning recommender: its retriever, then fine-tuning on reasoning, then learning from users.

    What comes out is played by the agent smtpo:DIR. The same command goes on where it stopped.

    Example: crs-gym train smtpo --out runs/smtpo --stage sft

    A try of some minutes on a CPU: add --episodes 60 --moments 0 --updates 10
    """

    out: Path
    """The folder; each stage has a folder of its own in it."""
    stage: Stage = "sft"
    """What is trained: retriever, sft, grpo; or all, one after the other."""
    world: str = "redial"
    """The world whose train split is learned."""
    base: str = "smollm2-135m-instruct"
    """The model to fine-tune: a short name (`crs-gym models list`), a folder, or a name on the Hugging Face hub."""
    candidates: str = ""
    """Who recalls candidates: ease, bm25, dual-view:FOLDER; by default DIR's own retriever if it has one, else ease."""
    n: int = 20
    """How many candidates the model reads each turn."""
    listed: int = 5
    """How many of them an answer lists; the others follow in the order of their recall."""
    fit: bool = True
    """Whether a candidate's line tells by a digit how far in front it was recalled."""
    seed: int = 0
    """Keys the lessons, their order, and the adapter's first weights."""
    user: str = "agenda"
    """The simulated user of the lessons."""
    episodes: Annotated[int | None, NO_HINT] = None
    """How many interactive tasks are played for lessons, evenly spread over the train split; by default all."""
    moments: int = 4000
    """How many next-item tasks become lessons of one turn, likewise; worlds with invented seekers have none."""
    lesson_turns: int = 3
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
    """The highest learning rate: reached after 20 updates, then a cosine."""
    rank: int = 16
    """The rank of the adapter's matrices; it is scaled by 2 (alpha is twice the rank)."""
    layers: Literal["upper-half", "all"] = "upper-half"
    """Which layers of the model get an adapter."""
    dtype: Literal["auto", "bf16", "fp32"] = "auto"
    """The numbers of the base model; the adapter's are always fp32. auto: bf16 where the processor computes in it."""
    eval_every: int = 50
    """Updates from one evaluation on the valid split to the next."""
    save_every: int = 25
    """Updates from one checkpoint to the next; the last 2 are kept until the training ends."""
    report_to: tuple[str, ...] = ("none",)
    """Where curves are followed besides: what transformers knows, such as tensorboard or wandb."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with, before anything heavy is loaded.

        Raises:
            TrainingError: A setting is out of its range; the message names it as an option.
        """
        ones = "n listed lesson_turns epochs updates episodes max_length batch_size at_once rank eval_every save_every"
        at_least = {**dict.fromkeys(ones.split(), 1), "seed": 0, "moments": 0, "valid_episodes": 0}
        for name, least in at_least.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise TrainingError(f"{option(name)} {value}: must be at least {least}")
        for name in ("inserted", "without_target"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise TrainingError(f"{option(name)} {getattr(self, name)}: a share, from 0 to 1")
        if not 0.0 < self.learning_rate <= 1.0:
            raise TrainingError(f"--learning-rate {self.learning_rate}: must be above 0, and at most 1")
        if self.n > MOST_CANDIDATES or self.listed > self.n:
            raise TrainingError(
                f"--n {self.n} --listed {self.listed}: at most {MOST_CANDIDATES} candidates, and no more listed than n"
            )
        if self.batch_size % self.at_once:
            raise TrainingError(
                f"--batch-size {self.batch_size} cannot be worked through in parts of --at-once {self.at_once}"
            )

    def run(self) -> None:
        """Train, or go on; nothing is done where a stage has ended already.

        Raises:
            TrainingError: It cannot begin or go on: a package is missing, a folder belongs to another training or
                cannot be written to, the world has nobody to learn from, the model cannot take an adapter.
            WeightsError: The base model is not on this machine.
        """
        try:
            if self.stage in ("retriever", "all"):
                from crs_agents.retriever.trainer import RetrieverTraining

                RetrieverTraining(out=self.out / OWN_RETRIEVER, world=self.world, seed=self.seed).run()
            if self.stage in ("sft", "all"):
                from crs_agents.smtpo.sft import train

                train(self)
            if self.stage in ("grpo", "all"):
                self._grpo()
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("crs_gym", "crs_agents"):
                raise
            raise TrainingError(
                f'training needs the package {error.name}. Way out: pip install "crs-gym[llm]"'
            ) from error

    def _grpo(self) -> None:
        """The last stage.

        Raises:
            TrainingError: This version has none.
        """
        try:
            stage = import_module(GRPO)
        except ModuleNotFoundError as error:
            if error.name != GRPO:
                raise
            raise TrainingError(
                "--stage grpo is not part of this version. Way out: --stage sft, whose policy smtpo:DIR plays"
            ) from None
        stage.train(self)

    def after_interrupt(self) -> str:
        """How to go on."""
        folder = self.out / "sft"
        return kept_updates(folder)

    def recalling(self) -> str:
        """Who recalls candidates, as `PolicyOptions.candidates` names it."""
        if self.candidates:
            return self.candidates
        return OWN_RETRIEVER if (self.out / OWN_RETRIEVER).is_dir() or self.stage == "all" else "ease"


def option(name: str) -> str:
    """A setting as people write it."""
    return f"--{name.replace('_', '-')}"


SMTPO: Final = TrainerEntry(SmtpoTraining, "the recommender that reasons: retriever, fine-tuning, learning from users")
