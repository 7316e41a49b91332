"""From arguments to a command, and from errors to a message and an exit code."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Final

import tyro

from crs_gym.cli.bench import Bench
from crs_gym.cli.command import Command
from crs_gym.cli.data import Data
from crs_gym.cli.demo import Demo
from crs_gym.cli.evaluate import Evaluate
from crs_gym.cli.export import Export
from crs_gym.cli.fidelity import Fidelity
from crs_gym.cli.listing import Listing
from crs_gym.cli.models import Models
from crs_gym.cli.play import Play
from crs_gym.cli.report import Report
from crs_gym.cli.train import Train, parse_training
from crs_gym.cli.verify import Verify
from crs_gym.errors import CRSGymError, EvaluationError, UnknownNameError

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130

_Any = (
    Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Report, tyro.conf.subcommand("report")]
    | Annotated[Verify, tyro.conf.subcommand("verify")]
    | Annotated[Fidelity, tyro.conf.subcommand("fidelity")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Play, tyro.conf.subcommand("play")]
    | Annotated[Listing, tyro.conf.subcommand("list")]
    | Annotated[Data, tyro.conf.subcommand("data")]
    | Annotated[Models, tyro.conf.subcommand("models")]
    | Annotated[Bench, tyro.conf.subcommand("bench")]
    | Annotated[Demo, tyro.conf.subcommand("demo")]
)
_NAMES: Final = (
    "evaluate",
    "report",
    "verify",
    "fidelity",
    "export",
    "train",
    "play",
    "list",
    "data",
    "models",
    "bench",
    "demo",
)


def parse(arguments: Sequence[str]) -> Command:
    """The command that the arguments ask for.

    Raises:
        UnknownNameError: No command is named so; the message suggests the nearest.
        SystemExit: The arguments are not understood, or ask for help; what there is to say is printed.
    """
    if arguments and not arguments[0].startswith("-") and arguments[0] not in _NAMES:
        raise UnknownNameError("command", arguments[0], _NAMES)  # tyro calls it an option, and suggests nothing
    if arguments and arguments[0] == "train":  # its options are those of what is trained
        return parse_training(arguments[1:])
    command: Command = tyro.cli(
        _Any,
        prog="crs-gym",
        description="Conversational recommendation as a reinforcement-learning problem.",
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes, tyro.conf.DisallowNone),
    )
    return command


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code: 0 well, 1 a check failed, 2 wrong usage or data, 130 Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # "?" for a letter that the terminal does not know, not an error
            stream.reconfigure(errors="replace")
    command: Command | None = None
    try:
        command = parse(sys.argv[1:] if arguments is None else arguments)
        if "" not in sys.path:  # so that module:attribute finds a module in the folder where one works
            sys.path.insert(0, "")
        code = command.run()
        sys.stdout.flush()  # here, where a reader that has gone or a full disk can still be told from success
    except BrokenPipeError:  # the reader of our output has gone, as `crs-gym list | head` does
        _drop_output()
        code = FAILED
    except EvaluationError as error:
        _show_where(error.__cause__)
        code = _complain(error)
    except (CRSGymError, ValueError) as error:
        code = _complain(error)
    except OSError as error:
        code = _complain(error)
        _drop_output()
    except MemoryError as error:
        code = _complain(f"not enough memory: {error}. Way out: fewer --num-envs, --max-turns or --tasks")
    except KeyboardInterrupt:
        code = _complain(f"interrupted.{command.after_interrupt() if command else ''}", INTERRUPTED)
    sys.exit(code)


def _complain(about: object, code: int = USAGE) -> int:
    print(f"crs-gym: {about}", file=sys.stderr)
    return code


def _show_where(cause: BaseException | None) -> None:
    """Print the traceback of what an agent or a simulator raised by itself: its author wants to see where."""
    frames = list(traceback.walk_tb(cause.__traceback__)) if cause is not None else []
    if frames and not frames[-1][0].f_globals.get("__name__", "").startswith("crs_gym."):
        traceback.print_exception(cause)


def _drop_output() -> None:
    """Send what cannot be written nowhere: Python would fail on it once more when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
