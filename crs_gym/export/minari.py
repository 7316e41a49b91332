"""A dataset that Minari loads, of the episodes of run folders.

    import minari

    dataset = minari.load_dataset("crs-sample-ease-v0")

Needs `pip install "crs-gym[minari]"`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import gymnasium as gym
import msgspec
from gymnasium.envs.registration import EnvSpec

import crs_gym
from crs_gym.discrete.settings import DiscreteConfig
from crs_gym.evaluation.progress import ProgressCallback, reporting
from crs_gym.export.folder import dataset_folder, draft_of, reserve
from crs_gym.export.minari_episode import columns_of, facts_of, size_of
from crs_gym.export.numbers import DiscreteEpisodes
from crs_gym.export.recorded import SEES_TARGETS, Recorded, read_runs
from crs_gym.export.steps import EpisodeView, Steps
from crs_gym.export.structured import StructuredEpisodes
from crs_gym.registration import WORLDS
from crs_gym.worlds.world import World

View = Literal["auto", "discrete", "structured"]


@dataclass(frozen=True)
class Exported:
    """A dataset that has been written.

    Attributes:
        folder: Where it lies; Minari finds it where `MINARI_DATASETS_PATH` names the folder above.
        dataset_id: Its id.
        view: `discrete` or `structured`.
        episodes: How many episodes it holds.
        steps: How many turns.
        exact: How many of these turns the environment would play again just so from their actions.
        errored: How many episodes were left out because the user failed in them.
        inexpressible: How many were left out because a turn has no action.
    """

    folder: Path
    dataset_id: str
    view: str
    episodes: int
    steps: int
    exact: int
    errored: int
    inexpressible: int


def export_minari(
    runs: Sequence[Path | str],
    out: Path | str | None = None,
    *,
    agents: Sequence[str] = (),
    view: View = "auto",
    nearest: bool = False,
    discrete: DiscreteConfig | None = None,
    world: World | None = None,
    progress: ProgressCallback | bool = False,
) -> Exported:
    """Write the episodes of run folders as one dataset of Minari.

    The dataset appears whole or not at all: it is written under another name, and renamed in the end.

    Args:
        runs: Folders that `crs-gym evaluate --out` wrote, all played under one setting.
        out: The dataset's folder; its name is the dataset's id, such as `sample-ease-v0`. By default one in Minari's
            own folder.
        agents: Whose episodes; all agents' when left out.
        view: `discrete`: numbers and an action's number, as `CRS-*-Discrete-v0`. `structured`: text, utterance and
            items, as `CRS-*-v0`. `auto`: the first, if each turn is one of the Discrete view, else the second.
        nearest: With `view="discrete"`, write the nearest action where a turn is none of the view: the same question,
            or the first film shown that is a candidate. Episodes in which even that is missing are left out.
        discrete: The Discrete view's settings: those of the policy that played.
        world: The world itself, for one that is not found by name.
        progress: `True` for a bar, or a function called as `progress(what, done, total)`.

    Raises:
        ImportError: Minari is not installed; the message names the extra.
        ValueError: The arguments do not fit together, `out` is no id of a dataset, or a turn is none of the
            Discrete view.
        UnknownNameError: No agent of these runs has that name.
        TraceError: The runs cannot be read, have nothing to export or are of several games; `out` is there already,
            another export writes it, or it cannot be written.
    """
    _need_minari()
    if view not in get_args(View):
        raise ValueError(f"view={view!r}: must be one of {', '.join(get_args(View))}")
    if nearest and view != "discrete":
        raise ValueError(f"nearest: only with view='discrete'; view={view!r} needs no nearest actions")
    recorded = read_runs(runs, agents, world)
    players = [agent.removesuffix(SEES_TARGETS) for agent in recorded.agents]
    folder = dataset_folder(out, "-".join(["crs", recorded.setting.world, *players]))
    with draft_of(folder) as draft, reporting(progress) as report:
        episodes_view, episodes, left_out = _episodes(
            recorded,
            view,
            nearest,
            discrete or DiscreteConfig(),
            lambda done: report("read", done, len(recorded.traces)),
        )
        reserve(draft, sum(map(size_of, episodes)))
        _write(draft / "data", folder.name, recorded, episodes_view, episodes, report)
    return Exported(
        folder=folder,
        dataset_id=folder.name,
        view="discrete" if episodes_view.suffix else "structured",
        episodes=len(episodes),
        steps=sum(len(steps.exact) for steps in episodes),
        exact=sum(int(steps.exact.sum()) for steps in episodes),
        errored=recorded.errored,
        inexpressible=left_out,
    )


# ---------------------------------------------------------------- which episodes


def _episodes(
    recorded: Recorded, view: View, nearest: bool, discrete: DiscreteConfig, done: Callable[[int], object]
) -> tuple[EpisodeView, list[Steps], int]:
    """The episodes in the view that was asked for, and how many were left out."""
    structured = StructuredEpisodes(recorded.world, recorded.setting)
    if view == "structured":
        return structured, _read(structured, recorded, done), 0
    numbers = DiscreteEpisodes(recorded.world, recorded.setting, discrete)
    if view == "auto":
        exact = _read(numbers, recorded, done, stop_at=lambda steps: not steps.exact.all())
        if len(exact) == len(recorded.traces):
            return numbers, exact, 0
        return structured, _read(structured, recorded, done), 0
    episodes = _read(numbers, recorded, done)
    if nearest:
        kept = [steps for steps in episodes if steps.expressible]
        if not kept:
            raise ValueError("nearest: no episode has actions of the Discrete view. Way out: view='structured'")
        return numbers, kept, len(episodes) - len(kept)
    _need_exact(episodes, numbers)
    return numbers, episodes, 0


def _read(
    view: EpisodeView,
    recorded: Recorded,
    done: Callable[[int], object],
    stop_at: Callable[[Steps], bool] = lambda steps: False,
) -> list[Steps]:
    episodes: list[Steps] = []
    for steps in view.steps(recorded.traces):
        if stop_at(steps):
            break
        episodes.append(steps)
        done(len(episodes))
    return episodes


def _need_exact(episodes: Sequence[Steps], view: DiscreteEpisodes) -> None:
    """Refuse turns that are none of the view.

    Raises:
        ValueError: There are some; the message says whose, and how many.
    """
    other = [steps for steps in episodes if not steps.exact.all()]
    if not other:
        return
    turns = sum(len(steps.exact) for steps in episodes)
    wrong = sum(int((~steps.exact).sum()) for steps in other)
    agents = ", ".join(dict.fromkeys(steps.trace.agent for steps in other))
    settings = ", ".join(f"{name}={value}" for name, value in view.settings.items())
    raise ValueError(
        f"{wrong:,} of {turns:,} turns, of {agents}, are none that the Discrete view takes with {settings}. Way out: "
        "give the settings that the policy played with; or take the nearest actions (--nearest); or --view structured"
    )


# ---------------------------------------------------------------- what is written


def _write(
    data: Path,
    dataset_id: str,
    recorded: Recorded,
    view: EpisodeView,
    episodes: Sequence[Steps],
    report: ProgressCallback,
) -> None:
    from minari import __version__
    from minari.data_collector import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage

    observation_space, action_space = view.spaces(episodes)
    storage = MinariStorage.new(data, observation_space, action_space, env_spec(recorded, view))
    storage.update_metadata(
        {
            "dataset_id": dataset_id,
            "minari_version": __version__,
            "algorithm_name": ", ".join(recorded.agents),
            "description": f"Dialogues of {', '.join(recorded.agents)} with the user {recorded.setting.simulator} in "
            f"the world {recorded.setting.world}, recorded by crs-gym.",
            "requirements": [f"crs-gym=={crs_gym.__version__}"],
            "crs_gym_setting": msgspec.to_builtins(recorded.setting),
            "exact_turns": sum(int(steps.exact.sum()) for steps in episodes),
        }
    )

    def buffers() -> Iterator[EpisodeBuffer]:
        for done, steps in enumerate(episodes, start=1):
            yield EpisodeBuffer(**columns_of(steps))
            report("write", done, len(episodes))

    storage.update_episodes(buffers())
    storage.update_episode_metadata([facts_of(steps) for steps in episodes])


def env_spec(recorded: Recorded, view: EpisodeView) -> EnvSpec | None:
    """The environment in which the episodes were played, for `MinariDataset.recover_environment`.

    `None` where it cannot be made by name: a world or a user of one's own.
    """
    setting = recorded.setting
    prefix = next((prefix for prefix, name in WORLDS.items() if name == setting.world), None)
    if prefix is None or recorded.simulator == "custom":
        return None
    spec = copy.deepcopy(gym.spec(f"CRS-{prefix}{view.suffix}-v0"))
    spec.kwargs |= {
        "split": setting.split,
        "kind": setting.kind,
        "simulator": recorded.simulator,
        "k": setting.k,
        "max_turns": setting.max_turns,
        "depth": setting.depth,
        "reward": dict(setting.reward),
        **view.settings,
    }
    return spec


def _need_minari() -> None:
    try:
        import h5py  # noqa: F401  # Minari asks for it only when it writes
        import minari  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f'an export for Minari needs {error.name}, which is not installed. Way out: pip install "crs-gym[minari]"',
            name=error.name,
        ) from error
