"""`crs-gym export`: recorded dialogues for other libraries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from crs_gym.cli.command import NO_HINT


@dataclass(frozen=True)
class Export:
    """Write the dialogues of one or more evaluations as a dataset for offline learners.

    Example: crs-gym export minari runs/first --agent ease --out datasets/sample-ease-v0
    """

    form: Annotated[tyro.conf.Positional[Literal["minari"]], tyro.conf.arg(metavar="minari")]
    """minari: a dataset of Minari, the format of the Farama Foundation for offline reinforcement learning."""
    runs: Annotated[
        tyro.conf.Positional[tuple[Path, ...]],
        tyro.conf.arg(metavar="DIR [DIR ...]", help_behavior_hint="(at least one)"),
    ]
    """Folders that `crs-gym evaluate --out` wrote, all played under one setting."""
    out: Annotated[Path | None, NO_HINT] = None
    """The dataset's folder. Its name is the dataset's id, such as sample-ease-v0; by default one in Minari's own
    folder (MINARI_DATASETS_PATH, or ~/.minari/datasets)."""
    agent: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(aliases=["-a"], help_behavior_hint="(default: all)")
    ] = ()
    """Whose dialogues. Once for each."""
    view: Literal["auto", "discrete", "structured"] = "auto"
    """discrete: numbers, as in CRS-*-Discrete-v0. structured: texts and items, as in CRS-*-v0. auto: the first, if each
    turn is one of the Discrete view, else the second."""
    nearest: bool = False
    """With --view discrete: take the nearest action where a turn is none of the Discrete view."""
    candidates: str = "ease"
    """The Discrete view's candidates, as the policy had them."""
    n_candidates: int = 20
    """How many candidates there were."""
    show_while_asking: bool = True
    """Whether a turn that asks showed the best candidates, too."""
    encode: Literal["belief", "minilm"] = "belief"
    """How the Discrete view's observations are encoded; any will do, whatever the policy had."""

    def run(self) -> int:
        """Export, and say how to load it."""
        from crs_gym.discrete.settings import DiscreteConfig
        from crs_gym.errors import CRSGymError
        from crs_gym.export import export_minari

        try:
            made = export_minari(
                self.runs,
                self.out,
                agents=self.agent,
                view=self.view,
                nearest=self.nearest,
                discrete=DiscreteConfig(
                    candidates=self.candidates,
                    n_candidates=self.n_candidates,
                    show_while_asking=self.show_while_asking,
                    encode=self.encode,
                ),
                progress=True,
            )
        except ImportError as error:
            raise CRSGymError(str(error)) from error
        print(
            f"{made.dataset_id}: {made.episodes:,} episodes, {made.steps:,} steps, {made.view} view, in {made.folder}"
        )
        if made.exact < made.steps:
            print(f"{made.steps - made.exact:,} actions are not the very turn that was played; see docs/export.md.")
        for n, why in (
            (made.errored, "in which the user failed"),
            (made.inexpressible, "with a turn that no action comes near"),
        ):
            if n:
                print(f"{n:,} episodes were left out, {why}.")
        print(
            f"Load it with MINARI_DATASETS_PATH={made.folder.parent} and minari.load_dataset({made.dataset_id!r}), "
            f"or with minari.MinariDataset({str(made.folder / 'data')!r})."
        )
        return 0

    def after_interrupt(self) -> str:
        """Nothing is kept of an export that was stopped."""
        return " Nothing was written: run the same command again."
