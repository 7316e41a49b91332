"""An episode as a learner reads it, and what a view must answer to show one so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crs_gym.numeric import FloatArray
from crs_gym.trace import Trace

Columns = dict[str, Any]
"""From a key of a `Dict` space to its values over an episode: an array, or a list of texts."""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """One episode of T turns.

    Attributes:
        trace: Where it comes from.
        observations: The entries of the observation, `T + 1` of each: before every turn, and at the end.
        actions: `T` actions: columns of a `Dict` space, as those of the observation, or an `(T,)` array.
        exact: `(T,)` bool, whether the action, played again in its place, is the very turn that was recorded.
        expressible: Whether every turn has an action at all.
    """

    trace: Trace
    observations: Columns
    actions: Any
    exact: NDArray[np.bool_]
    expressible: bool = True

    @property
    def rewards(self) -> FloatArray:
        """`(T,)` float32, as recorded."""
        return np.array([turn.reward for turn in self.trace.turns], np.float32)


class EpisodeView(Protocol):
    """A way to see episodes: what is observed, and how actions are written."""

    @property
    def suffix(self) -> str:
        """What the ids of its environments end with, before the version."""
        ...

    @property
    def settings(self) -> dict[str, Any]:
        """What its environment is made with, besides the setting of the traces."""
        ...

    def steps(self, traces: Sequence[Trace]) -> Iterator[Steps]:
        """The episodes, in order."""
        ...

    def spaces(self, episodes: Sequence[Steps]) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
        """The spaces of observations and actions; they hold all that stands in `episodes`."""
        ...
