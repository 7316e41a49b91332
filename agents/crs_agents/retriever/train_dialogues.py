"""Which train dialogue an observation goes on from: whoever was fitted to it must not score it as if it were new."""

from __future__ import annotations

from crs_agents.history import own_start
from crs_gym.agent import Observation
from crs_gym.task import Message
from crs_gym.worlds.world import World


class TrainDialogues:
    """Finds train dialogues by their beginnings.

    Args:
        world: With recorded train dialogues.
    """

    def __init__(self, world: World) -> None:
        self._numbers: dict[tuple[Message, ...], int | None] = {}
        for number, dialogue in enumerate(world.dialogues("train")):
            for place in range(1, len(dialogue.messages) + 1):
                beginning = tuple(dialogue.messages[:place])
                # Who begins alike has said little yet ("Hi"), and named nothing that a model would know it by.
                self._numbers[beginning] = None if beginning in self._numbers else number

    def of(self, observation: Observation) -> int | None:
        """The number of the dialogue in the train split; `None` where it is of no train dialogue, or of several."""
        context = tuple(observation.messages[: own_start(observation)])
        return self._numbers.get(context, self._numbers.get(context[:-1]))  # a simulator may open the game
