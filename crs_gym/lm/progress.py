"""What is seen of a training by transformers' `Trainer` while it runs, on the error stream."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from crs_gym.progress import TerminalBar


class UpdatesBar(TerminalBar, TrainerCallback):
    """A bar of updates with the latest figures on a terminal; elsewhere a line for some of the logs.

    The bar stands still when the context ends, however it does.

    Args:
        shown: What the logs call a figure, and what it is called here; in the order in which they are shown.
        lines: A line is told for each log with a figure whose name in the logs begins so.
    """

    def __init__(self, shown: Mapping[str, str], lines: str = "eval_") -> None:
        super().__init__()
        self._shown = shown
        self._lines = lines
        self._figures: dict[str, float] = {}

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Draw the bar."""
        del args, control
        if self.bar is not None and state.is_world_process_zero:
            self.bar.add_task("update", total=state.max_steps, completed=state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Move it."""
        del args, control
        self._show(completed=state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Show the latest figures."""
        del args, control
        told = {name: float(value) for name, value in (logs or {}).items() if name in self._shown}
        self._figures |= told
        figures = [f"{words} {self._figures[name]:.3f}" for name, words in self._shown.items() if name in self._figures]
        said = ", ".join(figures)
        self._show(description=said or "update")
        if self.bar is None and state.is_world_process_zero and any(name.startswith(self._lines) for name in told):
            print(f"crs-gym: update {state.global_step} of {state.max_steps}: {said}", file=sys.stderr, flush=True)

    def _show(self, **changed: Any) -> None:
        if self.bar is not None and self.bar.task_ids:
            self.bar.update(self.bar.task_ids[0], **changed)
