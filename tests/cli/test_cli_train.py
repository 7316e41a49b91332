"""`crs-gym train`: what can be trained, its options, and what Ctrl-C says."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from commands import Said

from crs_gym.cli.train import Begun, parse_training
from crs_gym.errors import TrainingError, UnknownNameError
from crs_gym.trainer import TRAINERS, TrainerEntry, training_folder
from crs_simulators.sft.trainer import SIMULATOR, SimulatorTraining

TRAINED: list[int] = []


@dataclass(frozen=True)
class Counting:
    """Count to a number."""

    to: int
    """How far."""

    def run(self) -> None:
        if self.to < 0:
            raise TrainingError("--to: must be at least 0")
        if self.to == 0:
            raise KeyboardInterrupt
        TRAINED.append(self.to)

    def after_interrupt(self) -> str:
        return " Run the same command to go on."


@pytest.fixture(autouse=True)
def _trainers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer of another package besides."""
    monkeypatch.setattr(TRAINERS, "_registered", {})
    TRAINERS.register("counting", TrainerEntry(Counting, "counts"))
    if "simulator" not in TRAINERS:
        TRAINERS.register("simulator", SIMULATOR)
    TRAINED.clear()


def test_help_lists_what_can_be_trained(command: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = command("train", "--help")
    assert said.code == 0
    listed = dict(re.findall(r"^  (\S+) +(.+)$", said.out, re.MULTILINE))
    assert listed["counting"] == "counts"
    assert listed["simulator"] == SIMULATOR.summary
    assert max(map(len, said.out.splitlines())) <= 80


def test_help_of_a_training_says_what_every_setting_means(
    command: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = command("train", "simulator", "--help")
    assert said.code == 0
    assert "Fine-tune a language model into a simulated user" in said.out
    assert max(map(len, said.out.splitlines())) <= 80
    assert "None" not in said.out
    for name in SimulatorTraining.__dataclass_fields__:
        option = f"--{name.replace('_', '-')}"
        _, _, rest = said.out.partition("options")[2].partition(f" {option} ")
        assert len(rest.partition(" --")[0].split()) > 6, option  # more than its type


@pytest.mark.parametrize("arguments", [("train", "--help"), ("train", "simulator", "--help"), ("train", "simulater")])
def test_asking_loads_no_torch(arguments: tuple[str, ...]) -> None:
    code = (
        "import sys\n"
        "from crs_gym.cli.train import parse_training\n"
        "from crs_gym.trainer import TRAINERS\n"
        "from crs_simulators.sft.trainer import SIMULATOR\n"
        "TRAINERS.register('simulator', SIMULATOR)\n"
        "try:\n"
        f"    parse_training({arguments[1:]!r})\n"
        "except (SystemExit, KeyError):\n"
        "    pass\n"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60).returncode == 0


def test_options_fill_the_settings() -> None:
    begun = parse_training(["simulator", "--out", "x", "--dialogues", "20", "--layers", "all", "--report-to", "none"])
    assert begun == Begun(SimulatorTraining(out=Path("x"), dialogues=20, layers="all", report_to=("none",)))


def test_a_training_is_run(command: Callable[..., Said]) -> None:
    assert command("train", "counting", "--to", "3").code == 0
    assert TRAINED == [3]


def test_a_typo_is_answered_with_the_nearest_name(command: Callable[..., Said]) -> None:
    said = command("train", "simulater")
    assert said.code == 2
    assert said.complaint == (
        f"crs-gym: no trainer is named 'simulater'. Did you mean 'simulator'? Known: {', '.join(TRAINERS)}."
    )
    with pytest.raises(UnknownNameError):
        parse_training(["--", "counting"])


@pytest.mark.parametrize("arguments", [(), ("counting",), ("counting", "--too", "3"), ("counting", "--to", "far")])
def test_what_is_not_understood_is_wrong_usage(command: Callable[..., Said], arguments: tuple[str, ...]) -> None:
    said = command("train", *arguments)
    assert said.code == 2
    assert "crs-gym train" in said.err
    assert not TRAINED


def test_a_training_that_cannot_begin_is_told_in_one_line(command: Callable[..., Said]) -> None:
    said = command("train", "counting", "--to", "-1")
    assert (said.code, said.complaint) == (2, "crs-gym: --to: must be at least 0")
    said = command("train", "simulator", "--out", "x", "--rank", "0")
    assert (said.code, said.complaint) == (2, "crs-gym: --rank 0: must be at least 1")
    assert not Path("x").exists()


def test_ctrl_c_says_how_to_go_on(command: Callable[..., Said]) -> None:
    said = command("train", "counting", "--to", "0")
    assert (said.code, said.complaint) == (130, "crs-gym: interrupted. Run the same command to go on.")


# ---------------------------------------------------------------- the folder of a training


def test_a_folder_is_kept_for_one_training_and_its_settings() -> None:
    folder, begun_with = Path("deep/run"), {"seed": 0, "names": ("a",)}
    again = training_folder(folder, begun_with)
    with training_folder(folder, begun_with), pytest.raises(TrainingError, match="another training"), again:
        pass
    with training_folder(folder, begun_with):  # a tuple is what JSON reads as a list
        pass
    other = training_folder(folder, {"seed": 1, "names": ("a",), "rank": 4})
    expected = r"other settings: seed \(0, now 1\), rank \(None, now 4\)\. Way out"
    with pytest.raises(TrainingError, match=expected), other:
        pass


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", r"settings\.json is damaged: .* Way out: restore it"), ("[]", r"settings\.json is damaged")],
)
def test_a_folder_with_damaged_settings_is_refused(text: str, message: str) -> None:
    Path("run").mkdir()
    Path("run/settings.json").write_text(text)
    with pytest.raises(TrainingError, match=message), training_folder(Path("run"), {"seed": 0}):
        pass


def test_a_process_that_dies_lets_go_of_its_folder() -> None:
    code = (
        "import pathlib, time\n"
        "from crs_gym.trainer import training_folder\n"
        "with training_folder(pathlib.Path('run'), {'seed': 0}):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(TrainingError, match="another training"), training_folder(Path("run"), {"seed": 0}):
            pass
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with training_folder(Path("run"), {"seed": 0}):
        pass
