"""For all tests: language models, tiny and real; the real corpora; how properties are checked and Ctrl-C is heard."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from corpora import need_corpora
from hypothesis import HealthCheck, settings
from tiny_models import need_transformers, write_chat_model, write_user_adapter, write_user_model

from crs_gym.cache_folder import cache_folder
from crs_gym.errors import WeightsError

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a process in the background: Ctrl-C is under test here
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is, not what the code does.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("any machine")

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
    base = write_user_model(folder / "base")
    model = TinyModel(base, write_user_adapter(folder / "adapter", base))
    loaded = load_language_model(str(model.base), adapter=model.adapter)
    yield model
    del loaded


@pytest.fixture(scope="session")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model with a chat format. Nothing is to be written into it."""
    need_transformers()
    return write_chat_model(tmp_path_factory.mktemp("chat"))


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
def real_data() -> Path:
    """The folder of the real corpora, all three."""
    return need_corpora("redial", "opendialkg", "inspired")


@pytest.fixture(scope="session")
def real_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which a real corpus is parsed once for all tests that read it, in all processes of pytest-xdist.

    It holds the models of the ordinary cache, too, so that they are not converted anew.
    """
    base = tmp_path_factory.getbasetemp()
    cache = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "real-cache"
    models = ORDINARY_CACHE / "models"
    with contextlib.suppress(OSError):  # another process was first; or else they are converted again
        models.mkdir(parents=True, exist_ok=True)
        cache.mkdir(parents=True, exist_ok=True)
        (cache / "models").symlink_to(models, target_is_directory=True)
    return cache


def is_missing(error: WeightsError) -> bool:
    """Whether weights, or what runs them, are not there; else they are not what they should be."""
    return any(words in str(error) for words in ("not on this machine", "not installed"))
