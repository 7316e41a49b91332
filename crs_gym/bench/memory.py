"""The peak resident memory of this process. Imports next to nothing, so that looking changes little."""

from __future__ import annotations

import sys
from pathlib import Path


def peak_resident_mb() -> float:
    """The peak resident memory of this process in MB (2**20 bytes).

    Linux keeps it for each program. Elsewhere `getrusage` does, whose peak a child takes over from the process that
    started it, so a small child of a large parent looks as large.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10  # given in KiB
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
