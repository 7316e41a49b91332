"""`sft`: a user that a language model plays, fine-tuned on real dialogues (SMTPO, arXiv 2604.03671, first stage).

prompts.py      the one form in which the model reads a dialogue
examples.py     recorded dialogues as training examples of three tasks
training.py …   the training, behind `crs-gym train simulator`
decisions.py    from probabilities to what the user does
simulator.py    the user
adapters/       what comes with the package, each with its model card
"""

from crs_gym.simulator import SimulatorEntry
from crs_simulators.sft.simulator import SFTSimulator

SFT = SimulatorEntry(
    build=SFTSimulator,
    summary="a language model fine-tuned on real dialogues; options knows, base, adapter and others",
)

SFT_ORACLE = SimulatorEntry(
    build=SFTSimulator,
    summary="`sft` that is told its targets, behind a guard of their titles: an upper bound, not for comparison",
    target_aware=True,
)
