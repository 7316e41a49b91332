"""The command line, `crs-gym …`: one module a command, each a typed dataclass whose fields are its options."""

from crs_gym.cli.main import main

__all__ = ["main"]
