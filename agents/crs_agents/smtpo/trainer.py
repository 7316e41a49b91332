"""`crs-gym train smtpo`: the training as a command. Importing this imports no torch; a module for each stage works."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Final, Literal

from crs_agents.retriever.trainer import RetrieverTraining
from crs_agents.smtpo.options import MOST_CANDIDATES, OWN_RETRIEVER
from crs_agents.smtpo.settings import NO_HINT, FineTuning, Reinforcement, require_at_least
from crs_gym.config import EnvConfig
from crs_gym.errors import TrainingError, WorldError
from crs_gym.rollout import config_of
from crs_gym.trainer import TrainerEntry, kept_updates
from crs_gym.worlds import load_world

Stage = Literal["retriever", "sft", "grpo", "all"]


@dataclass(frozen=True)
class SmtpoTraining:
    """Train the reasoning recommender: its retriever, then fine-tuning on reasoning, then learning from users.

    What comes out is played by the agent smtpo:DIR. The same command goes on where it stopped. Options of one stage
    begin with its name; an ended stage is not asked for its own again.

    Example: crs-gym train smtpo --env CRS-Redial-v0 --out runs/smtpo --stage all

    A try of some minutes on a CPU: add --env CRS-Sample-v0 --n 6 --sft.episodes 200 --grpo.updates 4 --grpo.users 4
    --grpo.members 4
    """

    out: Path
    """The folder; each stage has a folder of its own in it."""
    stage: Stage = "all"
    """What is trained: retriever, sft, grpo; or all, one after the other."""
    env: str = "CRS-Redial-v0"
    """The environment, whose train split is learned; `crs-gym list` shows them all."""
    base: str = "smollm2-135m-instruct"
    """The model to fine-tune: a short name (`crs-gym models list`), a folder, a name on the Hugging Face hub; or
    scratch: a small one for CPUs that can copy and nothing else, with --sft.rank 0."""
    candidates: Annotated[str, NO_HINT] = ""
    """Who recalls candidates: ease, bm25, dual-view:FOLDER; by default DIR's own retriever if it has one, else ease."""
    n: int = 20
    """How many candidates the model reads each turn."""
    listed: int = 5
    """How many of them an answer lists; the others follow in the order of their recall."""
    fit: bool = True
    """Whether a candidate's line tells how far in front it was recalled."""
    asked: bool = True
    """Whether what the user was asked about so far is repeated before each question."""
    seed: int = 0
    """Keys the lessons, the users, the order of all, and the first weights."""
    dtype: Literal["auto", "bf16", "fp32"] = "auto"
    """The numbers of the base model; what is trained is always fp32. auto: bf16 where the processor computes in it."""
    report_to: tuple[str, ...] = ("none",)
    """Where curves are followed besides: what transformers knows, such as tensorboard or wandb."""
    sft: FineTuning = field(default_factory=FineTuning)
    """Lessons, and how they are learned."""
    grpo: Reinforcement = field(default_factory=Reinforcement)
    """Users, and how is learned from them."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with, before anything heavy is loaded.

        Raises:
            TrainingError: A setting is out of its range; the message names it as an option.
        """
        for name, least in {"n": 1, "listed": 1, "seed": 0}.items():
            require_at_least("", name, getattr(self, name), least)
        if self.n > MOST_CANDIDATES or self.listed > self.n:
            raise TrainingError(
                f"--n {self.n} --listed {self.listed}: at most {MOST_CANDIDATES} candidates, and no more listed than n"
            )
        if self.base == SCRATCH and self.sft.rank:
            raise TrainingError("--base scratch has no weights that an adapter could stand on. Way out: --sft.rank 0")

    def run(self) -> None:
        """Train, or go on; nothing is done where a stage has ended already.

        Raises:
            TrainingError: It cannot begin or go on: a package is missing, a folder belongs to another training or
                cannot be written to, the world has nobody to learn from, the model cannot take an adapter, the stage
                before was not trained.
            WeightsError: The base model, or that of the simulated user, is not on this machine.
            UnknownNameError: No such environment, user or agent.
        """
        if self.stage != "grpo" and int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise TrainingError(
                f"--stage {self.stage} takes one process. Way out: without accelerate launch; then --stage grpo in as "
                "many as there are devices"
            )
        try:
            if self.stage in ("retriever", "all"):
                self._retriever().run()
            if self.stage in ("sft", "all"):
                from crs_agents.smtpo import sft

                sft.train(self)
            if self.stage in ("grpo", "all"):
                from crs_agents.smtpo import grpo

                grpo.train(self)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("crs_gym", "crs_agents"):
                raise
            raise TrainingError(
                f'training needs the package {error.name}. Way out: pip install "crs-gym[llm]"'
            ) from error

    def _retriever(self) -> RetrieverTraining:
        """The training of a retriever that can score the seekers of lessons and rollouts as new ones."""
        plain = RetrieverTraining(out=self.out / OWN_RETRIEVER, world=self.world, seed=self.seed)
        try:
            recorded = len(load_world(self.world).dialogues("train"))
        except WorldError:
            return plain  # which says that nothing is there
        return replace(plain, networks=FOLDS, folds=FOLDS) if recorded else plain

    def after_interrupt(self) -> str:
        """How to go on."""
        begun = [self.out / stage for stage in ("grpo", "sft") if (self.out / stage).is_dir()]
        return kept_updates(begun[0]) if begun else " Run the same command to go on."

    @property
    def config(self) -> EnvConfig:
        """The environment's settings, on its train split.

        Raises:
            UnknownNameError: There is no such environment.
        """
        return config_of(self.env, split="train")

    @property
    def world(self) -> str:
        """The name of the environment's world."""
        world = self.config.world
        return world if isinstance(world, str) else world.name

    def recalling(self) -> str:
        """Who recalls candidates, as `PolicyOptions.candidates` names it."""
        if self.candidates:
            return self.candidates
        return OWN_RETRIEVER if (self.out / OWN_RETRIEVER).is_dir() or self.stage == "all" else "ease"


FOLDS: Final = 5
"""Of its own retriever (our choice: without a fifth of the train dialogues it loses half a point of recall at 10)."""

SCRATCH: Final = "scratch"
"""As `base`: a small model made for the lessons; see `scratch.py`."""

SMTPO: Final = TrainerEntry(SmtpoTraining, "the recommender that reasons: fine-tuned, then taught by users")
