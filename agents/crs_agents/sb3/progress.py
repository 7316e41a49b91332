"""What is seen of a training while it runs, on the error stream: a bar on a terminal, else a line an evaluation."""

from __future__ import annotations

import sys

from stable_baselines3.common.callbacks import BaseCallback

from crs_gym.progress import TerminalBar


class TurnsBar(TerminalBar, BaseCallback):
    """Shows how many turns have been played, and the last evaluation.

    Args:
        name: What learns.
        turns: How many turns the training has.
    """

    def __init__(self, name: str, turns: int) -> None:
        TerminalBar.__init__(self)
        BaseCallback.__init__(self)
        self._name = name
        self._turns = turns
        if self.bar is not None:
            self._task = self.bar.add_task(name, total=turns)

    def evaluated(self, turns: int, figures: dict[str, float]) -> None:
        """Say how the policy does after so many turns."""
        said = f"success {figures['success']:.3f}, {figures['turns']:.2f} turns, return {figures['return']:+.3f}"
        if self.bar is not None:
            self.bar.update(self._task, completed=turns, description=f"{self._name}, {said}")
        else:
            print(f"crs-gym: {self._name}: {turns:,} of {self._turns:,} turns: {said}", file=sys.stderr, flush=True)

    def _on_step(self) -> bool:
        if self.bar is not None:
            self.bar.update(self._task, completed=self.num_timesteps)
        return True
