"""Language models for tests: a tiny one, made here, and the real weights, where they are installed."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny_models import need_transformers, write_tiny_adapter, write_tiny_model

from crs_gym.cache_folder import cache_folder
from crs_gym.errors import WeightsError

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a process in the background: Ctrl-C is under test here
    signal.signal(signal.SIGINT, signal.default_int_handler)

ORDINARY_CACHE = cache_folder()
"""As it is outside the tests, of which many have a cache of their own."""


@dataclass(frozen=True)
class TinyModel:
    """A model and an adapter that `sft` runs on in tests.

    Attributes:
        base: The model's folder.
        adapter: The adapter's.
    """

    base: Path
    adapter: Path

    @property
    def spec(self) -> str:
        """The user that they play."""
        return f"sft:base={self.base},adapter={self.adapter}"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyModel]:
    """It stays loaded, so that each simulator that asks for it gets the same one."""
    need_transformers()
    from crs_gym.lm.loading import load_language_model

    folder = tmp_path_factory.mktemp("tiny")
    base = write_tiny_model(folder / "base")
    model = TinyModel(base, write_tiny_adapter(folder / "adapter", base))
    loaded = load_language_model(str(model.base), adapter=model.adapter)
    yield model
    del loaded


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2-135M-Instruct, converted once into the ordinary cache (a minute), where every later session finds it."""
    need_transformers()
    from crs_gym.lm.weights import find_weights

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRS_GYM_CACHE", str(ORDINARY_CACHE))
        try:
            return find_weights("smollm2-135m-instruct")
        except WeightsError as error:
            if is_missing(error):
                pytest.skip(str(error))
            raise


@pytest.fixture(scope="session")
def share_models() -> Callable[[Path], None]:
    """Lets a test's own cache hold the models of the ordinary one, so that they are not converted anew."""

    def share(cache: Path) -> None:
        models = ORDINARY_CACHE / "models"
        with contextlib.suppress(OSError):  # then they are converted again
            models.mkdir(parents=True, exist_ok=True)
            cache.mkdir(parents=True, exist_ok=True)
            (cache / "models").symlink_to(models, target_is_directory=True)

    return share


def is_missing(error: WeightsError) -> bool:
    """Whether weights, or what runs them, are not there; else they are not what they should be."""
    return any(words in str(error) for words in ("not on this machine", "not installed"))
