"""What is seen of a training while it runs, on the error stream: a bar on a terminal, else a line an evaluation."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from stable_baselines3.common.callbacks import BaseCallback

from crs_gym.progress import bar_on_terminal


class TurnsBar(BaseCallback):
    """Shows how many turns have been played, and the last evaluation.

    Args:
        name: What learns.
        turns: How many turns the training has.
    """

    def __init__(self, name: str, turns: int) -> None:
        super().__init__()
        self._name = name
        self._turns = turns
        self._bar = bar_on_terminal()
        if self._bar is not None:
            self._task = self._bar.add_task(name, total=turns)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def evaluated(self, turns: int, figures: dict[str, float]) -> None:
        """Say how the policy does after so many turns."""
        said = f"success {figures['success']:.3f}, {figures['turns']:.2f} turns, return {figures['return']:+.3f}"
        if self._bar is not None:
            self._bar.update(self._task, completed=turns, description=f"{self._name}, {said}")
        else:
            print(f"crs-gym: {self._name}: {turns:,} of {self._turns:,} turns: {said}", file=sys.stderr, flush=True)

    def _on_step(self) -> bool:
        if self._bar is not None:
            self._bar.update(self._task, completed=self.num_timesteps)
        return True
