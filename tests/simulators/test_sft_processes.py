"""Training the learned user in processes of their own: killed in the middle, and in two at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sft_corpus import adapter_of, history_of, same_but_for_rounding

from crs_gym.errors import TrainingError
from crs_gym.trainer import whole_checkpoints
from crs_simulators.sft.trainer import SimulatorTraining

pytest.importorskip("trl", reason='needs pip install "crs-gym[llm]"')

pytestmark = pytest.mark.usefixtures("place")


def command(settings: SimulatorTraining, *start: str) -> list[str]:
    """The command line of a training."""
    options = ["--out", settings.out, "--base", settings.base, "--epochs", settings.epochs, "--valid-dialogues", 2]
    options += ["--max-length", 192, "--batch-size", 4, "--rank", 4, "--dtype", "fp32", "--eval-every", 10]
    options += ["--save-every", 5, "--report-to", "none"]
    return [sys.executable, *start, "-m", "crs_gym.cli", "train", "simulator", *map(str, options)]


def test_a_training_that_was_killed_goes_on_to_the_same_adapter(settings: SimulatorTraining, undisturbed: Path) -> None:
    process = subprocess.Popen(command(settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        while not whole_checkpoints(settings.out):
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        with pytest.raises(TrainingError, match=r"another training is running in .* Way out: wait until it ends"):
            settings.run()
    finally:
        process.kill()
        said = process.communicate()[1].decode()
    assert process.returncode == -signal.SIGKILL
    assert not (settings.out / "manifest.json").exists()
    assert said.startswith("crs-gym: update 0 of ")
    assert all(line.isprintable() for line in said.split("\n"))  # a pipe gets lines alone
    settings.run()
    assert adapter_of(settings.out) == adapter_of(undisturbed)
    assert history_of(settings.out) == history_of(undisturbed)
    assert not list(settings.out.glob("checkpoint-*"))


def test_two_processes_give_what_one_gives(settings: SimulatorTraining, undisturbed: Path) -> None:
    """Gradients are averaged over both, so that each learns from the whole batch."""
    launch = ("-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--main_process_port", "0")
    done = subprocess.run(command(settings, *launch), capture_output=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr.decode()
    same_but_for_rounding(settings.out, undisturbed)
