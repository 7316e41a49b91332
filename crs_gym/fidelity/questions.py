"""The questions about recorded dialogues that are put to a simulator, and how long they take."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from crs_gym.errors import TraceError
from crs_gym.evaluation.progress import ProgressCallback
from crs_gym.fidelity.findings import Settings
from crs_gym.fidelity.recorded import SeekerTurn, seeker_turns
from crs_gym.fidelity.subject import Answers, Subject
from crs_gym.fidelity.taste import Probe, probes_of
from crs_gym.randomness import derived_key
from crs_gym.simulator import Likelihood, Seeker
from crs_gym.task import Dialogue, Profile
from crs_gym.trace_store import read_file, write_file
from crs_gym.worlds.world import World


@dataclass(frozen=True)
class Questions:
    """What a simulator is asked: each time it knows the dialogue so far, an empty profile, and no targets.

    Attributes:
        recorded: The dialogues of the split.
        probes: Films to accept or not.
        turns: People's turns, each with the number of its dialogue.
        seed: Keys the noise; a film and its match are asked about with the same.
    """

    recorded: Sequence[Dialogue]
    probes: list[Probe]
    turns: list[tuple[int, SeekerTurn]]
    seed: int

    @classmethod
    def of(cls, world: World, recorded: Sequence[Dialogue], drawn: Sequence[int], settings: Settings) -> Questions:
        """All questions about the drawn dialogues."""
        return cls(
            recorded,
            probes_of(recorded, drawn, settings.all_dislikes, world.catalog, settings.seed),
            [(number, turn) for number in drawn for turn in seeker_turns(recorded[number].messages)],
            settings.seed,
        )

    def answered(
        self, subject: Subject, folder: Path, clock: Clock, report: ProgressCallback
    ) -> tuple[list[float | None], list[Likelihood] | None]:
        """Acceptance of each film, and likelihood of each turn (`None` of a simulator that has none).

        What the folder holds already is not asked for again.
        """
        with clock.runs("taste"):
            accepted = Answers[Probe, float | None](folder / "acceptance.jsonl", float | None).to(
                self.probes,
                lambda probes: subject.acceptance([(self._seeker(p.dialogue, p.start), p.item) for p in probes]),
                lambda probe: self._length(probe.dialogue, probe.start),
                lambda done, total: report("acceptance of films", done, total),
            )
        if subject.likelihoods is None or not self.turns:
            return accepted, None
        with clock.runs("words"):
            likelihoods = Answers[tuple[int, SeekerTurn], Likelihood](folder / "said.jsonl", Likelihood).to(
                self.turns,
                lambda turns: subject.said([(self._seeker(number, turn.start), turn.text) for number, turn in turns]),
                lambda turn: self._length(turn[0], turn[1].start) + len(turn[1].text),
                lambda done, total: report("people's words", done, total),
            )
        return accepted, likelihoods

    def _length(self, number: int, start: int) -> int:
        """Characters of the dialogue before a message."""
        return sum(len(message.text) for message in self.recorded[number].messages[:start])

    def _seeker(self, number: int, start: int) -> Seeker:
        dialogue = self.recorded[number]
        key = derived_key("fidelity", self.seed, dialogue.dialogue_id, start)
        return Seeker(dialogue.messages[:start], Profile(), key)


class Clock:
    """Seconds that each part has taken, over all sittings of a run.

    Args:
        path: The file that keeps them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seconds: dict[str, float] = {}
        if path.exists():
            with suppress(msgspec.DecodeError):  # only times stand in it
                self.seconds = msgspec.json.decode(read_file(path), type=dict[str, float])

    @contextmanager
    def runs(self, part: str) -> Iterator[None]:
        """Add the time until the context ends."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] = round(self.seconds.get(part, 0.0) + time.perf_counter() - start, 1)
            with suppress(TraceError):  # on a full disk, what the writer of answers says is the error to be read
                write_file(self._path, msgspec.json.encode(self.seconds))
