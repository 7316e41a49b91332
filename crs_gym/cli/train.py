"""`crs-gym train NAME`: what can be trained is found by name, and its settings are its options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import tyro

from crs_gym.errors import UnknownNameError
from crs_gym.trainer import TRAINERS, Training

PROGRAM: Final = "crs-gym train"


@dataclass(frozen=True)
class Train:
    """Train a model; `crs-gym train --help` lists what can be trained."""

    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")]
    """What to train; `crs-gym train NAME --help` shows its options."""

    def run(self) -> int:
        """Not reached: `parse_training` finds what is named."""
        return parse_training([self.name]).run()

    def after_interrupt(self) -> str:
        """Nothing to say."""
        return ""


@dataclass(frozen=True)
class Begun:
    """A training as a command."""

    training: Training

    def run(self) -> int:
        """Train."""
        self.training.run()
        return 0

    def after_interrupt(self) -> str:
        """How to go on with it."""
        return self.training.after_interrupt()


def parse_training(arguments: Sequence[str]) -> Begun:
    """The training that the arguments behind `crs-gym train` ask for.

    Raises:
        UnknownNameError: No trainer is named so; the message suggests the nearest.
        SystemExit: The arguments are not understood, or ask for help; what there is to say is printed.
    """
    if not arguments or arguments[0].startswith("-"):
        tyro.cli(Train, prog=PROGRAM, description=_description(), args=arguments, config=(tyro.conf.OmitArgPrefixes,))
        raise UnknownNameError("trainer", arguments[0], TRAINERS)  # an option before the name, as tyro lets pass
    name, *rest = arguments
    entry = TRAINERS[name]
    training: Training = tyro.cli(
        entry.settings,
        prog=f"{PROGRAM} {name}",
        args=rest,
        config=(tyro.conf.DisallowNone,),
    )
    return Begun(training)


def _description() -> str:
    """What can be trained, one line each."""
    width = max(map(len, TRAINERS), default=0)
    listed = "\n".join(f"  {name:<{width}}  {TRAINERS[name].summary}" for name in TRAINERS)
    return f"Train a model. What can be trained:\n\n{listed or '  nothing: no trainer is installed'}"
