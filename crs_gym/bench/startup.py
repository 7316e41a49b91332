"""How long it takes until one can begin, in fresh processes."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

STARTS: Final = {
    "import crs_gym": ("import crs_gym", 0.5),
    'gym.make("CRS-Sample-v0"), reset': (
        "import gymnasium, crs_gym; gymnasium.make('CRS-Sample-v0').reset(seed=0)",
        1.0,
    ),
}
"""What is started, and within how many seconds it should be there."""

RUNS: Final = 5

_TIMED: Final = """
import time
start = time.perf_counter()
{code}
print(time.perf_counter() - start)
"""


def measure_startup() -> Iterator[tuple[str, float, float]]:
    """`(what, median seconds, wanted seconds)`, each in `RUNS` fresh interpreters."""
    for name, (code, wanted) in STARTS.items():
        seconds = []
        for _ in range(RUNS):
            done = subprocess.run(
                [sys.executable, "-c", _TIMED.format(code=code)], capture_output=True, text=True, check=True
            )
            seconds.append(float(done.stdout.splitlines()[-1]))
        yield name, statistics.median(seconds), wanted
