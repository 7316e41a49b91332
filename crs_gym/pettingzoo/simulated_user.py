"""What the simulator of an env's settings would answer in the dialogue that two policies hold."""

from __future__ import annotations

from crs_gym.engine import DialogueEngine, Episode, needs_opening
from crs_gym.errors import SimulatorError
from crs_gym.simulator import NamedSimulator, Seeker
from crs_gym.turns import AgentTurns, UserTurn, UserTurns


class SimulatedUser:
    """Hears every turn of the recommender, and answers each once, however often and by whomever it is asked.

    Args:
        simulator: Who answers.
        engine: Where the dialogue is held, in row 0; others play its users.
    """

    def __init__(self, simulator: NamedSimulator, engine: DialogueEngine) -> None:
        self._simulator = simulator
        self._engine = engine
        self._episode: Episode | None = None
        self._answered: AgentTurns | None = None
        self._answer: UserTurn | SimulatorError | None = None

    def answer(self) -> UserTurn | SimulatorError | None:
        """The answer to the turn that waits for one, or the first words; `None` where nothing waits for the user."""
        engine, rows, simulator = self._engine, self._engine.all_rows, self._simulator.simulator
        episode, waiting = engine.episode(0), engine.waiting
        if episode is not self._episode:
            targets = episode.task.targets if self._simulator.target_aware else ()
            seeker = Seeker(episode.task.context, episode.task.profile, episode.key, targets)
            simulator.reset(rows, [seeker])
            self._episode, self._answered, self._answer = episode, None, None
            if needs_opening(episode.task):
                self._answer = _single(simulator.open(rows))
        if waiting is not None and waiting is not self._answered:
            self._answered = waiting
            self._answer = _single(simulator.reply(rows, waiting))
        return self._answer


def _single(turns: UserTurns) -> UserTurn | SimulatorError:
    return turns.errors.get(0) or turns.turn(0)
