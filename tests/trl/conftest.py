"""A tiny model to train."""

from __future__ import annotations

from pathlib import Path

import pytest
from trl_play import write_tiny

from crs_gym.worlds import load_world


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model without a chat format. Nothing is to be written into it."""
    for package in ("trl", "peft"):
        pytest.importorskip(package, reason='needs pip install "crs-gym[llm]"')
    return write_tiny(tmp_path_factory.mktemp("trl") / "base", load_world("sample").catalog)
