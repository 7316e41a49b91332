"""`scripted`: a user that says given lines. For tests, demonstrations and the study of single turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crs_gym.catalog import Catalog
from crs_gym.errors import SimulatorError
from crs_gym.numeric import IntArray
from crs_gym.simulator import Seeker, SimulatorEntry
from crs_gym.turns import AgentTurns, Decision, UserTurn, UserTurns

DEFAULT_SCRIPT: Final[tuple[UserTurn | SimulatorError, ...]] = (
    UserTurn("Tell me more."),
    UserTurn("What else is there?"),
    UserTurn("I'll think about it. Bye!", Decision.LEAVE),
)


class ScriptedSimulator:
    """Every seeker says the lines of one script, one a turn; behind its end the last line again.

    Args:
        catalog: Not used.
        num_dialogues: How many dialogues are played side by side.
        max_turns: Not used.
        script: A line a turn. An `ACCEPT` without an item accepts the first item shown (and goes on if none is). A
            `SimulatorError` fails there.
        opening: The first words.
    """

    revision = "scripted-1"

    def __init__(
        self,
        catalog: Catalog,
        *,
        num_dialogues: int,
        max_turns: int,
        script: Sequence[UserTurn | SimulatorError] = DEFAULT_SCRIPT,
        opening: str = "Hi!",
    ) -> None:
        del catalog, max_turns
        if not script or not all(isinstance(line, UserTurn | SimulatorError) for line in script):
            raise ValueError(
                "script: needs one line at least, and each a UserTurn or a SimulatorError (in Python only)"
            )
        self._script = tuple(script)
        self._opening = opening
        self._turn = [0] * num_dialogues

    def reset(self, rows: IntArray, seekers: Sequence[Seeker]) -> None:
        """Begin the script anew in each of `rows`."""
        del seekers
        for row in rows.tolist():
            self._turn[row] = 0

    def open(self, rows: IntArray) -> UserTurns:
        """The opening."""
        return UserTurns.of([UserTurn(self._opening) for _ in rows])

    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        """The next line in each of `rows`."""
        answers: list[UserTurn | SimulatorError] = []
        for i, row in enumerate(rows.tolist()):
            line = self._script[min(self._turn[row], len(self._script) - 1)]
            self._turn[row] += 1
            if isinstance(line, UserTurn) and line.decision is Decision.ACCEPT and line.accepted is None:
                shown = turns.shown(i)
                line = UserTurn(line.utterance, Decision.ACCEPT, shown[0]) if shown else UserTurn(line.utterance)
            answers.append(line)
        return UserTurns.of(answers)


SCRIPTED = SimulatorEntry(build=ScriptedSimulator, summary="says given lines: for tests and demonstrations")
