"""A place to train the learned user in, for the tests that use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sft_corpus import small_settings, training_in, write_base, write_corpus

from crs_simulators.sft.trainer import SimulatorTraining


@pytest.fixture(scope="session")
def corpus_and_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small corpus and a small model."""
    folder = tmp_path_factory.mktemp("sft")
    write_corpus(folder / "data")
    write_base(folder / "llama")
    return folder


@pytest.fixture(scope="module")
def place(corpus_and_model: Path) -> Iterator[Path]:
    """The same, where a training looks for it."""
    with training_in(corpus_and_model):
        yield corpus_and_model


@pytest.fixture
def settings(place: Path, tmp_path: Path) -> SimulatorTraining:
    """Of a training that is yet to begin."""
    return small_settings(place, tmp_path / "out")


@pytest.fixture(scope="session")
def undisturbed(corpus_and_model: Path) -> Path:
    """The folder of a training that no one stopped."""
    chosen = small_settings(corpus_and_model, corpus_and_model / "undisturbed")
    with training_in(corpus_and_model):
        chosen.run()
    return chosen.out
