"""What can be trained with `crs-gym train NAME`, the registry that finds it by name, and the folder of one training."""

from __future__ import annotations

import json
import platform
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from crs_gym.errors import TrainingError
from crs_gym.plugins import PluginRegistry

SETTINGS_FILE: Final = "settings.json"
"""What a training was begun with; whoever goes on with it must say the same."""

_LOCK_FILE: Final = ".lock"


class Training(Protocol):
    """One training: a frozen dataclass of its settings, each with its unit and meaning below it; these are the help.

    Its module imports nothing heavy: `crs-gym train --help` loads it.
    """

    def run(self) -> None:
        """Train, going on from where an interrupted run of the same settings stopped.

        Raises:
            TrainingError: It cannot begin or go on; the message says what to do.
        """
        ...

    def after_interrupt(self) -> str:
        """How to go on after Ctrl-C: a sentence with a space before it; empty where there is nothing to say."""
        ...


@dataclass(frozen=True)
class TrainerEntry:
    """A trainer's registration.

    Attributes:
        settings: The dataclass that `crs-gym train NAME` fills from its options.
        summary: One line for `--help`.
    """

    settings: type[Training]
    summary: str


TRAINERS: PluginRegistry[TrainerEntry] = PluginRegistry("trainer", "crs_gym.trainers", TrainerEntry)
"""All trainers by name: this distribution's, those of other packages, and those added with `TRAINERS.register`."""


@contextmanager
def training_folder(directory: Path, begun_with: Mapping[str, object]) -> Iterator[None]:
    """Hold a folder for one training, and keep every other one out of it.

    Args:
        directory: The folder; made where it is missing.
        begun_with: All that the result depends on, as JSON holds it. It is kept in the folder, and a training that
            goes on there must give the same.

    Raises:
        TrainingError: Another training is running there, the folder holds one with other settings (the message names
            them) or something else, or it cannot be written to.
    """
    from filelock import FileLock, Timeout

    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(directory / _LOCK_FILE, timeout=0).acquire()
    except Timeout:
        raise TrainingError(
            f"another training is running in {directory}. Way out: wait until it ends, or choose another --out"
        ) from None
    except OSError as error:
        raise TrainingError(f"cannot write to {directory}: {error.strerror}. Way out: choose another --out") from error
    with lock:
        _claim(directory, begun_with)
        yield


def require_room(directory: Path, room: int) -> None:
    """Refuse a disk with less than `room` bytes left.

    Raises:
        TrainingError: It has less.
    """
    free = shutil.disk_usage(directory).free
    if free < room:
        raise TrainingError(
            f"the disk of {directory} has {free / 1e6:,.0f} MB left, and this training needs {room / 1e6:,.0f}. Way "
            "out: make space, or choose another --out"
        )


def whole_checkpoints(directory: Path) -> list[Path]:
    """The checkpoints of a folder that were written to their end, oldest first.

    What tells is the file that is written last, `trainer_state.json`: JSON that was cut off does not end with a brace.
    """
    found = [path for path in directory.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    return sorted((path for path in found if _is_whole(path)), key=lambda path: int(path.name.partition("-")[2]))


def kept_updates(directory: Path) -> str:
    """What an interrupted training tells: which update its folder keeps, and how to go on. Begins with a space."""
    whole = whole_checkpoints(directory)
    kept = (
        f"Update {whole[-1].name.partition('-')[2]} is kept in {directory}"
        if whole
        else "No checkpoint was written yet"
    )
    return f" {kept}: run the same command to go on."


def processor_name() -> str:
    """What the processor calls itself. Needs torch, as every training does."""
    import torch

    return str(torch.cpu.get_capabilities().get("cpu_name") or platform.machine())


def _is_whole(checkpoint: Path) -> bool:
    try:
        return (checkpoint / "trainer_state.json").read_bytes().endswith(b"\n}\n")
    except OSError:
        return False


def _claim(directory: Path, begun_with: Mapping[str, object]) -> None:
    """Write down what the training is begun with, or compare it with what is written there."""
    path = directory / SETTINGS_FILE
    now = json.loads(json.dumps(begun_with))  # as it reads back: tuples are lists
    try:
        if path.exists():
            before = json.loads(path.read_text("utf-8"))
            if not isinstance(before, dict):
                raise ValueError("it holds no settings")
            if differing := _differing(before, now):
                raise TrainingError(
                    f"{directory} holds a training with other settings: {differing}. Way out: choose another --out, or "
                    "go on with the settings that it was begun with"
                )
        elif strangers := [entry.name for entry in directory.iterdir() if entry.name != _LOCK_FILE]:
            raise TrainingError(
                f"{directory} holds {min(strangers)} and no training. Way out: choose an empty or a new --out"
            )
        else:
            draft = path.with_suffix(".draft")
            draft.write_text(json.dumps(now, indent=1) + "\n", "utf-8")
            draft.replace(path)
    except OSError as error:
        raise TrainingError(f"cannot write to {directory}: {error.strerror}. Way out: choose another --out") from error
    except ValueError as error:
        raise TrainingError(f"{path} is damaged: {error}. Way out: restore it, or choose another --out") from error


def _differing(before: Mapping[str, object], now: Mapping[str, object]) -> str:
    """The settings that differ, `name (before, now …)`, joined by commas; empty if none."""
    names = [*now, *(name for name in before if name not in now)]
    return ", ".join(
        f"{name} ({before.get(name)!r}, now {now.get(name)!r})" for name in names if before.get(name) != now.get(name)
    )
