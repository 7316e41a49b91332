"""One error class a cause. Each message names the cause and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CRSGymError(Exception):
    """Any error that crs-gym raises by itself, other than a `ValueError` for an unusable argument."""


class UnknownNameError(CRSGymError, KeyError):
    """A name that no registry holds."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        choices = sorted(known)
        close = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        super().__init__(f"no {what} is named {name!r}.{hint} Known: {', '.join(choices) or 'none'}.")

    def __str__(self) -> str:  # KeyError would print the message in quotes
        return str(self.args[0])


class WorldError(CRSGymError):
    """A world has no such split or kind of task, or its files do not hold what they should."""


class DataError(WorldError):
    """A corpus's file is missing, damaged or not in its published form."""


class SimulatorError(CRSGymError):
    """A simulator could not answer for one dialogue. It ends that episode as `errored`, and no other."""


class LanguageModelError(SimulatorError):
    """A language model could not answer one prompt: the server is gone, too slow or refuses. Others are not touched."""


class WeightsError(CRSGymError):
    """A model's weights, or the package that runs them, are not on this machine, or are not what they should be."""


class TrainingError(CRSGymError):
    """A training cannot begin or go on."""


class TraceError(CRSGymError):
    """A file of traces cannot be read or written, or belongs to another run."""


class EvaluationError(CRSGymError):
    """The evaluation of an agent stopped; the episodes that were played before are kept."""


class ConformanceError(CRSGymError, AssertionError):
    """A plug-in does not keep its contract; see `crs_gym.testing`.

    Attributes:
        check: The name of the check that it failed.
    """

    def __init__(self, subject: str, check: str, problem: str, way_out: str) -> None:
        super().__init__(f"{subject} fails the check {check!r}: {problem}. Way out: {way_out}")
        self.check = check
