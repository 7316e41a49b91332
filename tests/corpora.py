"""Where the real corpora are, for tests that read them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REAL_DATA = Path(os.environ.get("CRS_GYM_DATA") or Path(__file__).parents[2] / "shared" / "data")


def need_corpora(*names: str) -> Path:
    """The folder of all corpora; skips where one of these is not in it."""
    missing = [name for name in names if not any(REAL_DATA.joinpath(name).glob("*"))]
    if missing:
        pytest.skip(f"the real {', '.join(missing)} is not in {REAL_DATA} (set CRS_GYM_DATA)")
    return REAL_DATA
