"""A check: a name, what it wants, and the way out for what fails it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from crs_gym.errors import ConformanceError, WorldError
from crs_gym.task import SPLITS, Task
from crs_gym.worlds.world import World

Subject = TypeVar("Subject")


class BrokenError(Exception):
    """What is wrong; `run_checks` says whose and which check."""


@dataclass(frozen=True)
class Check(Generic[Subject]):
    """One check.

    Attributes:
        run: Raises if the subject fails.
        way_out: What its author should do.
    """

    run: Callable[[Subject], None]
    way_out: str


def run_checks(checks: Mapping[str, Check[Subject]], subject: Subject, label: str) -> None:
    """Run all checks, in order.

    Raises:
        ConformanceError: The first that fails.
    """
    for name, check in checks.items():
        try:
            with global_generators_kept():
                check.run(subject)
        except BrokenError as broken:
            raise ConformanceError(label, name, str(broken), check.way_out) from broken.__cause__
        except Exception as error:
            raise ConformanceError(label, name, f"{type(error).__name__}: {error}", check.way_out) from error


@contextmanager
def global_generators_kept() -> Iterator[None]:
    """Put the global generators back where they were, since checks tamper with them."""
    numpys, pythons = np.random.get_state(), random.getstate()  # noqa: NPY002  # the global one is meant
    try:
        yield
    finally:
        np.random.set_state(numpys)  # noqa: NPY002
        random.setstate(pythons)


def scramble_global_generators(seed: int) -> None:
    """Change what a subject would draw if it drew from a global generator."""
    np.random.seed(seed)  # noqa: NPY002  # the global one is meant
    random.seed(seed)


def first_tasks(world: World) -> Sequence[Task]:
    """The interactive tasks of the first split that the world has: train, where its files are all there."""
    for split in SPLITS:
        try:
            return world.tasks(split)
        except WorldError:
            continue
    raise BrokenError(f"world {world.name!r} has no interactive tasks")


def require(holds: object, problem: str) -> None:
    """Raise `BrokenError` with `problem` unless `holds`."""
    if not holds:
        raise BrokenError(problem)


def same(one: Any, other: Any) -> bool:
    """Whether two observations, pieces of information or turns are equal, types and arrays included."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return (
            isinstance(one, np.ndarray)
            and isinstance(other, np.ndarray)
            and one.shape == other.shape
            and one.dtype == other.dtype
            and all(map(same, one.ravel().tolist(), other.ravel().tolist()))
        )
    if type(one) is not type(other):
        return False
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float | np.floating) and np.isnan(one):
        return bool(np.isnan(other))
    return bool(one == other)
