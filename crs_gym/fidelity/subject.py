"""The simulator under test, asked in batches, and its answers kept as they come."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import msgspec
import numpy as np

from crs_gym.catalog import Catalog
from crs_gym.errors import TraceError
from crs_gym.simulator import Likelihood, Likelihoods, NamedSimulator, Seeker
from crs_gym.trace_store import read_lines, torn_bytes
from crs_gym.turns import AgentTurn, AgentTurns, Decision

BATCH: Final = 64
"""How many questions a simulator is asked at once."""
QUESTION: Final = "How about this one?"
"""What is said to a simulator that has no likelihoods, beside the one film."""

T = TypeVar("T")
Q = TypeVar("Q")
Ask = Callable[[Sequence[Q]], Sequence[T]]


class Subject:
    """A simulator, with the two questions that a report asks of it.

    Args:
        named: The simulator, built for at least `BATCH` dialogues.
        catalog: The films.
    """

    def __init__(self, named: NamedSimulator, catalog: Catalog) -> None:
        self.named = named
        self._catalog = catalog
        simulator = named.simulator
        self.likelihoods: Likelihoods | None = simulator if isinstance(simulator, Likelihoods) else None

    def said(self, questions: Sequence[tuple[Seeker, str]]) -> list[Likelihood]:
        """How probable each utterance is.

        Raises:
            ValueError: The simulator has no likelihoods, or its answer is none.
        """
        if self.likelihoods is None:
            raise ValueError(f"simulator {self.named.name!r} does not answer how probable words are")
        answers = self.likelihoods.said([seeker for seeker, _ in questions], [text for _, text in questions])
        self._check("said", len(questions), len(answers))
        for answer in answers:
            if not math.isfinite(answer.log_likelihood) or answer.log_likelihood > 1e-6 or answer.tokens < 1:
                raise ValueError(
                    f"simulator {self.named.name!r}: said returned {answer}; a log-likelihood is finite and at most 0, "
                    "over 1 token at least"
                )
        return list(answers)

    def acceptance(self, questions: Sequence[tuple[Seeker, int]]) -> list[float | None]:
        """The probability that each seeker likes a film; of a simulator without likelihoods, 1 where it accepts the
        film when it is shown alone, 0 where it does not, and `None` where it fails.

        Raises:
            ValueError: The answer is no probability.
            SimulatorError: It fails for all of them.
        """
        seekers, items = [seeker for seeker, _ in questions], [item for _, item in questions]
        if self.likelihoods is None:
            return self._accepted(seekers, items)
        answers = np.asarray(self.likelihoods.acceptance(seekers, items), np.float64)
        self._check("acceptance", len(questions), len(answers))
        if not ((answers >= 0.0) & (answers <= 1.0)).all():
            raise ValueError(
                f"simulator {self.named.name!r}: acceptance returned values from {answers.min()} to {answers.max()}; "
                "they must be probabilities"
            )
        return list(answers.tolist())

    def _accepted(self, seekers: Sequence[Seeker], items: Sequence[int]) -> list[float | None]:
        rows = np.arange(len(seekers), dtype=np.int64)
        simulator = self.named.simulator
        simulator.reset(rows, seekers)
        turns = AgentTurns.of([AgentTurn(QUESTION, (item,)) for item in items], 1, len(self._catalog))
        answers = simulator.reply(rows, turns)
        if len(answers.errors) == len(rows):
            raise next(iter(answers.errors.values()))
        decisions = answers.decision.tolist()
        return [None if i in answers.errors else float(decisions[i] == Decision.ACCEPT) for i in range(len(rows))]

    def _check(self, what: str, asked: int, answered: int) -> None:
        if asked != answered:
            raise ValueError(f"simulator {self.named.name!r}: {what} gave {answered} answers to {asked} questions")


class Answers(Generic[Q, T]):
    """Answers to a list of questions, appended to a file batch by batch, so that a run that was killed goes on.

    Args:
        path: The file, one JSON value a line.
        kind: The type of an answer.
    """

    def __init__(self, path: Path, kind: Any) -> None:
        self._path = path
        self._kind = kind

    def to(
        self,
        questions: Sequence[Q],
        ask: Ask[Q, T],
        length: Callable[[Q], int],
        report: Callable[[int, int], object],
    ) -> list[T]:
        """The answers, `BATCH` at a time; those that the file holds are not asked for again.

        Args:
            questions: The same list each time that a run is resumed.
            ask: Called with a batch.
            length: Of a question. Those of equal length are asked together, the longest first: what is too long for the
                memory is known at once, and little is lost to padding.
            report: Called with how many are answered, and how many there are.

        Raises:
            TraceError: The file is damaged, belongs to other questions or cannot be written.
        """
        order = sorted(range(len(questions)), key=lambda i: -length(questions[i]))
        answers = self._kept()
        if len(answers) > len(questions):
            raise TraceError(f"{self._path} holds answers to other questions. Way out: delete it")
        report(len(answers), len(questions))
        for start in range(len(answers), len(questions), BATCH):
            new = list(ask([questions[i] for i in order[start : start + BATCH]]))
            self._append(new)
            answers += new
            report(len(answers), len(questions))
        by_question = dict(zip(order, answers, strict=True))
        return [by_question[i] for i in range(len(questions))]

    def _kept(self) -> list[T]:
        if not self._path.exists():
            return []
        try:
            if torn := torn_bytes(self._path):
                with self._path.open("rb+") as file:
                    file.truncate(self._path.stat().st_size - torn)
            return [msgspec.json.decode(line, type=self._kind) for _, line in read_lines(self._path)]
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise TraceError(f"{self._path} is damaged: {error}. Way out: delete it") from error

    def _append(self, answers: Iterable[T]) -> None:
        try:
            with self._path.open("ab") as file:
                file.write(b"".join([msgspec.json.encode(answer) + b"\n" for answer in answers]))
        except OSError as error:
            raise TraceError(
                f"cannot write {self._path}: {error.strerror}. Way out: make space, then run the same command again"
            ) from error
