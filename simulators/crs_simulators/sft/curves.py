"""The curves of a training as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from crs_gym.curves import Entry, draw_train_and_valid

_PANELS: Final = (
    ("Words", "words_nll", "nats a token"),
    ("Answers (views and decisions)", "answers_nll", "nats an answer"),
    ("Views: liked above not liked", "view_auc", "AUC"),
)


def draw_curves(history: Sequence[Entry], path: Path, title: str) -> None:
    """Draw train and valid curves over the updates: words, answers, and the AUC of the views.

    Args:
        history: What was logged, by transformers' names: `words_nll` of train, `eval_words_nll` of valid, ….
        path: The PNG.
        title: What stands above.

    Raises:
        OSError: The file cannot be written.
    """
    draw_train_and_valid(history, _PANELS, path, title, size=(11, 3.4), chance={"view_auc": 0.5})
