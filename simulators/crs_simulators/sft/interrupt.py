"""How Ctrl-C ends a training: a callback of transformers' `Trainer`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments


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
