"""How long it takes until one can begin, and how much memory, in fresh processes."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

RUNS: Final = 5
"""How many fresh interpreters start each thing; the median counts."""

RECORDED: Final = "redial"
"""The recorded world whose start is measured: the largest."""

_TIMED: Final = """
import time
start = time.perf_counter()
{code}
seconds = time.perf_counter() - start
from crs_gym.bench.memory import peak_resident_mb
print(seconds, peak_resident_mb())
"""


@dataclass(frozen=True)
class Start:
    """Something that is started.

    Attributes:
        name: What it is.
        code: The program.
        wanted_s: Within how many seconds it should be there.
        wanted_mb: With less than how many MB of resident memory at its peak; `None` where nothing is set.
    """

    name: str
    code: str
    wanted_s: float
    wanted_mb: float | None = None


@dataclass(frozen=True)
class StartFigure:
    """What a start took: the median of `RUNS`, and the highest peak of resident memory among them in MB."""

    start: Start
    seconds: float
    peak_mb: float


STARTS: Final = (
    Start("import crs_gym", "import crs_gym", 0.5),
    Start(
        'gym.make("CRS-Sample-v0"), reset',
        "import gymnasium, crs_gym; gymnasium.make('CRS-Sample-v0').reset(seed=0)",
        1.0,
    ),
)
"""What every machine can start."""

RECORDED_START: Final = Start(
    f'load_world("{RECORDED}"), first task',
    f"from crs_gym.worlds import load_world; load_world({RECORDED!r}).tasks('test')[0]",
    1.0,
    400.0,
)
"""Once the corpus has been parsed."""


def measure_startup() -> Iterator[StartFigure]:
    """Measure `STARTS`, and `RECORDED_START` where the corpus can be had without a download."""
    from crs_gym.worlds.files.store import is_at_hand

    for start in STARTS:
        yield _measured(start)
    if is_at_hand(RECORDED):
        _run(RECORDED_START)  # parses the corpus, if no one has so far
        yield _measured(RECORDED_START)


def _measured(start: Start) -> StartFigure:
    runs = [_run(start) for _ in range(RUNS)]
    return StartFigure(start, statistics.median(seconds for seconds, _ in runs), max(peak for _, peak in runs))


def _run(start: Start) -> tuple[float, float]:
    """Seconds and peak MB of one fresh interpreter."""
    program = _TIMED.format(code=start.code)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    seconds, peak = done.stdout.split()[-2:]
    return float(seconds), float(peak)
