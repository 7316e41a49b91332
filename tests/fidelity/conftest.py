"""One small report, and a way to make others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_people import Known, Leaky, PeopleWorld, known

from crs_gym.fidelity import Report, fidelity
from crs_gym.simulator import SIMULATORS, SimulatorEntry

Measure = Callable[..., tuple[Report, list[Known]]]
AGENTS = ("random", "popularity")


@pytest.fixture(scope="session")
def world() -> PeopleWorld:
    return PeopleWorld()


@pytest.fixture(scope="session", autouse=True)
def _leaky() -> None:
    SIMULATORS.register("leaky-test", SimulatorEntry(build=Leaky, summary="leaks", target_aware=True))


@pytest.fixture(scope="session", autouse=True)
def _no_corpora(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CRS_GYM_DATA", raising=False)
        patch.setenv("CRS_GYM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def measure(world: PeopleWorld) -> Measure:
    """A report on a `Known` simulator with some options, and the simulators that were built for it."""

    def made(out: Path, tasks: int = 8, **options: str) -> tuple[Report, list[Known]]:
        entry, built = known(**options)
        SIMULATORS.register("known-test", entry)
        return fidelity("known-test", world=world, out=out, tasks=tasks, agents=AGENTS), built

    return made


@pytest.fixture(scope="session")
def report(measure: Measure, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Of a simulator whose every figure can be told."""
    return measure(tmp_path_factory.mktemp("known"))[0]


@pytest.fixture(scope="session")
def obedient(measure: Measure, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Of one that takes anything, and talks like a page."""
    return measure(tmp_path_factory.mktemp("all"), likes="all", words="<script>alert(1)</script> hm")[0]
