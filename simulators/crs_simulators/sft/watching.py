"""What is seen of a training while it runs, and how Ctrl-C ends it: callbacks of transformers' `Trainer`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column
from transformers import TrainerCallback

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

_SHOWN: Final = {
    "words_nll": "words",
    "answers_nll": "answers",
    "eval_words_nll": "valid words",
    "eval_answers_nll": "valid answers",
    "eval_view_auc": "AUC",
}
"""What the logs call a figure, and what it is called here."""


class Watching(TrainerCallback):
    """A bar of updates with the latest figures on a terminal; elsewhere one line an evaluation. On the error stream."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._figures: dict[str, float] = {}
        self._bar: Progress | None = None

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Draw the bar."""
        del args, control
        if not self._console.is_terminal:
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=self._console, expand=True)
        self._bar.add_task("update", total=state.max_steps, completed=state.global_step)
        self._bar.start()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Move it."""
        del args, control
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Show the latest figures."""
        del args, control
        self._figures |= {name: logs[name] for name in _SHOWN if logs and name in logs}
        shown = ", ".join(f"{_SHOWN[name]} {self._figures[name]:.3f}" for name in _SHOWN if name in self._figures)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], description=shown)
        elif logs and any(name.startswith("eval_") for name in logs):
            print(f"update {state.global_step} of {state.max_steps}: {shown}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class StopsGently(TrainerCallback):
    """Ctrl-C ends the training behind the update that runs, with a checkpoint; a second one ends it at once.

    Attributes:
        asked: Ctrl-C was pressed.
    """

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take Ctrl-C for this until the context ends.

        It is left alone outside the main thread, and where one of several processes would stop before the others.
        """
        alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
        if not alone or threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            signal.default_int_handler(number, frame)
        self.asked = True
        print("\ncrs-gym: stopping behind this update; press Ctrl-C again to stop at once", file=sys.stderr, flush=True)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Write a checkpoint and stop, if asked. What is logged next begins at the checkpoint, resumed or not."""
        del args, state
        if self.asked:
            control.should_save = control.should_training_stop = True
        control.should_log |= control.should_save
