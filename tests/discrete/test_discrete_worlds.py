"""The Discrete view on a recorded world, whose contexts are read: ReDial, where it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from discrete_play import choose, play_single, row_of, same_observations, same_records

from crs_gym import worlds

pytestmark = pytest.mark.data
ENV_ID = "CRS-Redial-Discrete-v0"
SETTINGS: dict[str, Any] = {"simulator": "agenda", "candidates": "popularity"}


@pytest.fixture(autouse=True, scope="module")
def _redial(real_data: Path, real_cache: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRS_GYM_DATA", str(real_data))
        patch.setenv("CRS_GYM_CACHE", str(real_cache))
        worlds._recorded.cache_clear()
        yield
        worlds._recorded.cache_clear()


def test_random_play_stays_in_its_space() -> None:
    envs: Any = gym.make_vec(ENV_ID, 32, "vector_entry_point", **SETTINGS)
    observations, _ = envs.reset(seed=0)
    rng = np.random.default_rng(0)
    stated = 0.0
    for _ in range(12):
        assert envs.observation_space.contains(observations)
        assert all(np.isfinite(values).all() for values in observations.values())
        stated = max(stated, float(observations["liked"].max()))
        observations = envs.step(rng.integers(0, 24, 32))[0]
    assert stated == 1.0


def test_vector_and_single() -> None:
    single, twin = (gym.make(ENV_ID, **SETTINGS) for _ in range(2))
    wide: Any = gym.make_vec(ENV_ID, 12, "vector_entry_point", **SETTINGS)
    observations, _ = wide.reset(seed=0)
    actions = np.array([choose(row_of(observations, i)) for i in range(12)])
    after = wide.step(actions)[0]
    for i in range(0, 12, 5):
        assert same_observations(single.reset(seed=i)[0], row_of(observations, i))
        assert same_observations(single.step(actions[i])[0], row_of(after, i))
        assert same_records(play_single(single, i), play_single(twin, i))
