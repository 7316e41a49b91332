"""The evaluation protocols: which settings they fix, and which tasks are played."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from crs_gym.config import EnvConfig
from crs_gym.errors import UnknownNameError
from crs_gym.randomness import derived_key, generator
from crs_gym.task import Split, Task
from crs_gym.worlds.world import World

DEFAULT_TASKS: Final[Mapping[str, int]] = {"sample": 500}
"""How many tasks are played where nobody says, in worlds that invent their seekers. Others are played whole."""

_LISTED: Final = 1_000_000
"""Splits of at most so many tasks are put in order as a whole; of others (the billions of invented seekers), single
tasks are drawn."""


@dataclass(frozen=True)
class Protocol:
    """A way to evaluate.

    Attributes:
        summary: One line for `--help`.
        fixed: The settings that it fixes, as fields of `EnvConfig`.
    """

    summary: str
    fixed: Mapping[str, Any] = field(default_factory=dict)


PROTOCOLS: Final[Mapping[str, Protocol]] = {
    "interactive": Protocol("whole dialogues with a simulated user", {"kind": "interactive"}),
    "next-item": Protocol(
        "one ranking for each film that the recorded recommender brings up, as in the published tables",
        {"kind": "next-item", "simulator": "silent", "k": 10, "max_turns": 1, "depth": 50},
    ),
}


def protocol_config(config: EnvConfig, protocol: str, split: Split) -> EnvConfig:
    """`config` with what the protocol fixes, on `split`.

    Raises:
        UnknownNameError: No such protocol.
    """
    if protocol not in PROTOCOLS:
        raise UnknownNameError("protocol", protocol, PROTOCOLS)
    return replace(config, split=split, **PROTOCOLS[protocol].fixed)


def choose_tasks(world: World, config: EnvConfig, n: int | None) -> list[Task]:
    """The tasks that are played: the first `n` of all in a fixed random order, the same for every seed and agent.

    More tasks go on where fewer ended, so `n=100` is a part of `n=500`.

    Args:
        world: Where they come from.
        config: Its `split` and `kind` say which.
        n: How many; by default those of `DEFAULT_TASKS`, or all.

    Raises:
        ValueError: `n` is not between 1 and the number of tasks, or there are none.
        WorldError: The world has no such split or kind.
    """
    tasks: Sequence[Task] = world.tasks(config.split, config.kind)
    if not len(tasks):
        raise ValueError(f"world {world.name!r} has no {config.kind} tasks in its {config.split} split")
    if n is None:
        n = min(DEFAULT_TASKS.get(world.name, len(tasks)), len(tasks))
    if not 1 <= n <= len(tasks):
        raise ValueError(
            f"tasks={n}: choose 1 to {len(tasks)}; world {world.name!r} has no more {config.kind} tasks in its "
            f"{config.split} split"
        )
    take = getattr(tasks, "take", None)  # several at once, where the world can make them cheaper
    order = _order(len(tasks), n, derived_key("evaluation tasks", config.split, config.kind))
    return list(take(order)) if take is not None else [tasks[i] for i in order]


def _order(total: int, n: int, key: int) -> list[int]:
    """The first `n` of `total` numbers in random order; a longer list begins with the shorter one."""
    if total <= _LISTED:
        return list(map(int, generator(key).permutation(total)[:n]))
    if n > total // 2:
        raise ValueError(f"tasks={n}: choose at most half of {total} invented seekers")
    found: dict[int, None] = {}
    draws = generator(key)
    while len(found) < n:
        found[int(draws.integers(total))] = None
    return list(found)
