"""`zero-shot`: an untrained chat model that is asked to play the seeker.

A baseline beside the learned user, and a user that nothing was trained on: what it decides is read from the model's
probabilities of three words, one question a shown film, and its words are written behind the decision. It sees no
target.

    prompts.py   what the model is told and asked
    views.py     from the model's probabilities to a decision
    wording.py   from what the model writes to one safe line
    simulator.py the user
"""

from crs_gym.simulator import SimulatorEntry
from crs_simulators.zero_shot.simulator import ZeroShotSimulator

ZERO_SHOT = SimulatorEntry(
    build=ZeroShotSimulator,
    summary="prompted chat model, untrained; options model, knows (history or profile), temperature, threshold",
)
