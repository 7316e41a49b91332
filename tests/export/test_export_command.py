"""`crs-gym export`: what it says, and what it asks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import tyro

from crs_gym.cli.export import Export
from crs_gym.errors import CRSGymError


def test_it_says_how_to_load_what_it_wrote(discrete_run: Path, tmp_path: Path, capsys: Any) -> None:
    options = ["--candidates", "popularity", "--n-candidates", "7", "--out", str(tmp_path / "asker-v0")]
    assert tyro.cli(Export, args=["minari", str(discrete_run), *options]).run() == 0
    out = capsys.readouterr().out
    assert "asker-v0: 12 episodes, " in out
    assert " steps, discrete view, in " in out
    assert f"MINARI_DATASETS_PATH={tmp_path} and minari.load_dataset('asker-v0')" in out
    assert "left out" not in out


def test_it_says_what_is_not_exact(mixed_run: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "random-v0"
    Export("minari", (mixed_run,), out, agent=("random",), view="discrete", nearest=True, n_candidates=900).run()
    assert "actions are not the very turn that was played" in capsys.readouterr().out


def test_a_missing_package_is_an_error_of_ours(
    discrete_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    command = Export("minari", (discrete_run,), tmp_path / "asker-v0")
    with pytest.raises(CRSGymError, match=r'pip install "crs-gym\[minari\]"'):
        command.run()
    assert command.after_interrupt() == " Nothing was written: run the same command again."
