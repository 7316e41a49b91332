"""From arguments to a command, and from errors to a message and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Final

import tyro

from crs_gym.cli.bench import Bench
from crs_gym.cli.command import Command
from crs_gym.cli.data import Data
from crs_gym.cli.demo import Demo
from crs_gym.cli.evaluate import Evaluate
from crs_gym.cli.listing import Listing
from crs_gym.cli.play import Play
from crs_gym.cli.report import Report
from crs_gym.cli.verify import Verify
from crs_gym.errors import CRSGymError

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130

_Any = (
    Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Report, tyro.conf.subcommand("report")]
    | Annotated[Verify, tyro.conf.subcommand("verify")]
    | Annotated[Play, tyro.conf.subcommand("play")]
    | Annotated[Listing, tyro.conf.subcommand("list")]
    | Annotated[Data, tyro.conf.subcommand("data")]
    | Annotated[Bench, tyro.conf.subcommand("bench")]
    | Annotated[Demo, tyro.conf.subcommand("demo")]
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code: 0 well, 1 a check failed, 2 wrong usage or data, 130 Ctrl-C."""
    command: Command = tyro.cli(
        _Any,
        prog="crs-gym",
        description="Conversational recommendation as a reinforcement-learning problem.",
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes, tyro.conf.DisallowNone),
    )
    sys.path.insert(0, "")  # so that module:attribute finds a module in the folder where one works, as `python -m` does
    try:
        code = command.run()
    except (CRSGymError, ValueError) as error:
        print(f"crs-gym: {error}", file=sys.stderr)
        code = USAGE
    except KeyboardInterrupt:
        print(f"\ncrs-gym: interrupted.{command.after_interrupt()}", file=sys.stderr)
        code = INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as `crs-gym list | head` does
        sys.stderr.close()
        code = FAILED
    sys.exit(code)
