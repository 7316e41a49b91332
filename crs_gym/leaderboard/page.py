"""One HTML file from run folders: no network, no other file, the same bytes for the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crs_gym.errors import TraceError
from crs_gym.leaderboard.control import Control, controls
from crs_gym.leaderboard.dialogues import Scene, scenes
from crs_gym.leaderboard.guards import Guard, guards_of
from crs_gym.leaderboard.looks import Look, looks_of
from crs_gym.leaderboard.plots import plots_of
from crs_gym.leaderboard.reproduce import Recipe, recipe
from crs_gym.leaderboard.runs import Run, leading_metric, read_run, short_name
from crs_gym.leaderboard.standings import Standings, columns_for_lead, cross_table, standings
from crs_gym.leaderboard.trainings import Curve, curves_of
from crs_gym.pages import Plot, environment
from crs_gym.trace_store import write_file

_CONTROLS: Final = {
    code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000)) if code != 0x0A
}
_BIDIRECTIONAL: Final = dict.fromkeys((0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "")
_REPLACED: Final[dict[int, str]] = {**_CONTROLS, 0x09: " ", 0x0D: " ", **_BIDIRECTIONAL}


@dataclass(frozen=True)
class Section:
    """One run as the page shows it."""

    id: str
    title: str
    subtitle: str
    run: Run
    facts: list[tuple[str, str]]
    recipe: Recipe
    standings: Standings
    plots: list[Plot]
    scenes: list[Scene]
    guards: list[Guard]
    control: Control | None


def write_report(
    run_dirs: Sequence[Path | str],
    out: Path | str,
    *,
    trainings: Sequence[Path | str] = (),
    note: Callable[[str], object] | None = None,
) -> Path:
    """Write run folders as one page, as a whole or not at all.

    Args:
        run_dirs: Folders that `evaluate(out=…)` wrote, each with its `results.json`.
        out: The HTML file; its folder is made where it is missing.
        trainings: Folders of trainings, whose learning curves the page shows.
        note: Told of each thing that the page lacks, such as traces that are gone; the page says so, too.

    Returns:
        `out`.

    Raises:
        TraceError: A folder holds no results, no curve or a damaged file, or `out` cannot be written.
        ValueError: No folder is named, or one of them twice.
    """
    directories = [Path(directory) for directory in run_dirs]
    out = Path(out)
    if not directories:
        raise ValueError("name at least one run folder")
    if len({directory.resolve() for directory in directories}) < len(directories):
        raise ValueError(f"a run folder is named twice: {', '.join(map(str, directories))}")
    runs = [read_run(directory) for directory in directories]
    html = render(runs, curves_of([Path(directory) for directory in trainings]))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TraceError(f"cannot make the folder {out.parent}: {error.strerror}") from error
    write_file(out, html.encode())
    for run in runs:
        for lack in (*run.lacks, *([f"items have no titles: {run.world_missing}"] if run.world_missing else [])):
            if note is not None:
                note(f"{run.folder.directory}: {lack}")
    return out


def render(runs: Sequence[Run], curves: Sequence[Curve] = ()) -> str:
    """The page of runs, and of the curves of what was trained for them."""
    looks = looks_of(run.results for run in runs)
    found = {id(control.talking): control for control in controls(runs)}
    titles = _titles(runs)
    sections = [
        _section(f"run-{i}", title, run, looks, found.get(id(run)))
        for i, (title, run) in enumerate(zip(titles, runs, strict=True), start=1)
    ]
    cross = cross_table(runs, looks) if len(runs) > 1 else []
    leads = [columns_for_lead(run.results).heading for run in runs]
    templates = environment("crs_gym.leaderboard")
    templates.filters["short"] = short_name
    templates.globals["leading_metric"] = leading_metric
    return (
        plain(
            templates.get_template("report.html.j2").render(sections=sections, cross=cross, leads=leads, curves=curves)
        )
        + "\n"
    )


def _section(name: str, title: str, run: Run, looks: Mapping[str, Look], control: Control | None) -> Section:
    results, setting = run.results, run.results.setting
    return Section(
        id=name,
        title=title,
        subtitle=f"{results.protocol} protocol, {setting.split} split of {setting.world}, user {setting.simulator}",
        run=run,
        facts=[
            ("World", f"{setting.world}, {results.n_items:,} items"),
            ("Fingerprint", setting.world_fingerprint),
            ("Split", setting.split),
            ("Protocol", results.protocol),
            ("User", f"{setting.simulator} (revision {setting.simulator_revision})"),
            (
                "Episodes",
                f"{results.tasks:,} tasks × {_count(results.trials, 'trial')}, {_count(len(results.agents), 'agent')}",
            ),
            ("Game", f"up to {setting.max_turns} turns of {setting.k} items" if setting.max_turns > 1 else "one turn"),
            ("Seed", str(results.seed)),
            ("Baseline", short_name(results.baseline) if results.baseline else "none"),
            ("Version", f"crs-gym {results.version}"),
        ],
        recipe=recipe(run.config, f"runs/{run.folder.directory.resolve().name}"),
        standings=standings(results, looks),
        plots=plots_of(run, looks, name),
        scenes=scenes(run, looks),
        guards=guards_of(run),
        control=control,
    )


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _titles(runs: Sequence[Run]) -> list[str]:
    """What tells the runs apart: world and user, or world and protocol; the folder's name where that is not enough."""
    titles = []
    for run in runs:
        setting = run.results.setting
        interactive = run.results.protocol == "interactive"
        titles.append(f"{setting.world} · {setting.simulator if interactive else run.results.protocol}")
    return [
        title if titles.count(title) == 1 else f"{title} · {run.folder.directory.resolve().name}"
        for title, run in zip(titles, runs, strict=True)
    ]


def plain(text: str) -> str:
    """`text` without what no page can hold (control characters) and what would turn the words beside it around."""
    return text.translate(_REPLACED)
