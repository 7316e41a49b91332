"""`crs-gym list`: all that can be named on the command line."""

from __future__ import annotations

from dataclasses import dataclass

from crs_gym.cli.command import Plain


@dataclass(frozen=True)
class Listing(Plain):
    """List environments, simulators and agents.

    Those of other installed packages are among them.
    """

    def run(self) -> int:
        """Print three tables."""
        from rich.console import Console
        from rich.table import Table

        from crs_gym import ENV_IDS
        from crs_gym.agent import AGENTS
        from crs_gym.simulator import SIMULATORS

        actions = {
            "-Text-": "free text; titles become items",
            "-Discrete-": "numbers: a candidate to show first, or a question",
        }
        tables = {
            "Environments": [
                (env_id, next((told for view, told in actions.items() if view in env_id), "utterance and ranked items"))
                for env_id in ENV_IDS
            ],
            "Simulators": [(name, SIMULATORS[name].summary) for name in SIMULATORS],
            "Agents": [(name, AGENTS[name].summary) for name in AGENTS],
        }
        console = Console()
        for title, rows in tables.items():
            table = Table(title=title, title_justify="left", box=None, show_header=False, padding=(0, 2))
            table.add_column(no_wrap=True)  # a name is to be typed: it stays whole on a narrow terminal, too
            table.add_column()
            for row in rows:
                table.add_row(*row)
            console.print(table, "")
        return 0
