"""`crs-gym train retriever`: the settings of a training. Importing this imports no torch; `run.py` does the work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from crs_gym.errors import TrainingError
from crs_gym.trainer import TrainerEntry


@dataclass(frozen=True)
class RetrieverTraining:
    """Train the dual-view retriever: a score for every item of the catalogue, from what the dialogue says and names.

    What comes out is played by the agent dual-view:DIR. It takes minutes on a CPU; an interrupted training begins anew,
    with the sentences that are encoded already.

    Example: crs-gym train retriever --world redial --out runs/retriever
    """

    out: Path
    """The folder for the weights, the curve and the model card."""
    world: str = "redial"
    """The world whose train split is learned; its valid split is measured at the end, where it has one."""
    encoder: str = "all-minilm-l6-v2"
    """The sentence encoder: a short name (`crs-gym models list`), a folder, or a name on the Hugging Face hub."""
    seed: int = 0
    """Keys first weights, dropout and the order of examples."""
    networks: int = 3
    """How many networks are trained, each from first weights of its own; their scores are averaged."""
    folds: int = 0
    """Into how many parts the train dialogues are divided, of which each network leaves one out: so each of them can be
    scored by a network that has not seen it, which whoever trains a policy on them needs. 0: all learn from all."""
    epochs: int = 4
    """Passes over the examples, for each network."""
    batch_size: int = 256
    """Examples an update."""
    learning_rate: float = 2e-3
    """The highest learning rate: reached after 100 updates, then a cosine."""
    weight_decay: float = 0.05
    """AdamW's, on matrices."""
    dropout: float = 0.2
    """The share of numbers that are left out while training."""
    dim: int = 128
    """The width of the network; a multiple of 4, its attention heads."""
    views: Literal["both", "semantic", "collaborative"] = "both"
    """Which views it has; one alone is for comparison."""
    cross_attention: bool = True
    """Whether each view attends to the other, too; without is for comparison."""
    episodes: int = 4000
    """Dialogues that are played to learn from, with the agent ask-then-recommend, in a world without recorded ones."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with, before anything heavy is loaded.

        Raises:
            TrainingError: A setting is out of its range; the message names it as an option.
        """
        at_least = {"seed": 0, "networks": 1, "epochs": 1, "batch_size": 1, "weight_decay": 0, "dim": 4, "episodes": 1}
        for name, least in at_least.items():
            if not getattr(self, name) >= least:
                raise TrainingError(f"--{name.replace('_', '-')} {getattr(self, name)}: must be at least {least}")
        if self.folds and not 2 <= self.folds <= self.networks:
            raise TrainingError(
                f"--folds {self.folds} --networks {self.networks}: 0, or at least 2 and a network for each of them"
            )
        if self.dim % 4:
            raise TrainingError(f"--dim {self.dim}: must be a multiple of 4")
        if not 0.0 < self.learning_rate <= 1.0:
            raise TrainingError(f"--learning-rate {self.learning_rate}: must be above 0, and at most 1")
        if not 0.0 <= self.dropout < 1.0:
            raise TrainingError(f"--dropout {self.dropout}: must be at least 0, and below 1")

    def run(self) -> None:
        """Train; nothing is done where the training has ended already.

        Raises:
            TrainingError: It cannot begin: a package is missing, the folder belongs to another training or cannot be
                written to, the world has no train dialogues on this machine.
            WeightsError: The sentence encoder is not on this machine.
        """
        try:
            from crs_agents.retriever.run import train
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("crs_gym", "crs_agents"):
                raise
            raise TrainingError(
                f'training needs the package {error.name}. Way out: pip install "crs-gym[llm]"'
            ) from error
        train(self)

    def after_interrupt(self) -> str:
        """How to go on."""
        return " The same command begins the training anew; sentences that are encoded already stay so."


RETRIEVER: Final = TrainerEntry(RetrieverTraining, "the dual-view retriever: scores the whole catalogue each turn")
