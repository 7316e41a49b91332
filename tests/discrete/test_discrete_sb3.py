"""The adapter for stable-baselines3: what its own checks want, what its loop over single envs gives, and masks."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from discrete_play import ENV_ID, choose, row_of, same_observations

pytest.importorskip("stable_baselines3", reason='needs pip install "crs-gym[sb3]"')
pytest.importorskip("sb3_contrib", reason='needs pip install "crs-gym[sb3]"')

from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from crs_gym.discrete.vector import DiscreteVectorEnv
from crs_gym.sb3 import DiscreteVecEnv, make_vec_env


def test_check_env() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*unconventional shape.*")  # a row for each candidate is what is meant
        check_env(gym.make(ENV_ID).unwrapped, skip_render_check=False)


def test_as_their_own_loop_over_single_envs() -> None:
    ours, theirs = make_vec_env(ENV_ID, 5, seed=7), DummyVecEnv([lambda: Monitor(gym.make(ENV_ID)) for _ in range(5)])
    theirs.seed(7)
    one: Any = ours.reset()
    two: Any = theirs.reset()
    ended = 0
    for _ in range(14):
        assert same_observations(one, two)
        assert np.array_equal(get_action_masks(ours), get_action_masks(theirs))
        actions = np.array([choose(row_of(one, i)) for i in range(5)])
        one, rewards, dones, infos = ours.step(actions)
        two, their_rewards, their_dones, their_infos = theirs.step(actions)
        assert np.array_equal(rewards, their_rewards)
        assert rewards.dtype == np.float32
        assert np.array_equal(dones, their_dones)
        for i in np.flatnonzero(dones).tolist():
            ended += 1
            assert same_observations(infos[i]["terminal_observation"], their_infos[i]["terminal_observation"])
            assert infos[i]["TimeLimit.truncated"] == their_infos[i]["TimeLimit.truncated"]
            assert infos[i]["episode"]["r"] == pytest.approx(their_infos[i]["episode"]["r"], abs=1e-5)
            assert infos[i]["episode"]["l"] == their_infos[i]["episode"]["l"]
            assert infos[i]["is_success"] == their_infos[i]["success"]
        assert all(not infos[i] for i in np.flatnonzero(~dones).tolist())
    assert ended > 5
    ours.close()


def test_masks_as_sb3_contrib_asks_for_them() -> None:
    envs = make_vec_env(ENV_ID, 3, seed=0)
    envs.reset()
    assert is_masking_supported(envs)
    masks = get_action_masks(envs)
    assert (masks.shape, masks.dtype) == ((3, 24), np.dtype(bool))
    assert np.array_equal([mask() for mask in envs.get_attr("action_masks")], masks)
    assert np.array_equal(envs.env_method("action_masks", indices=[2, 0]), masks[[2, 0]])
    assert np.array_equal(envs.env_method("action_masks", indices=1), masks[[1]])
    single = gym.make(ENV_ID)
    single.reset(seed=0)
    assert is_masking_supported(single)
    assert np.array_equal(get_action_masks(single), masks[0])


def test_what_a_vector_has_no_place_for_is_told() -> None:
    envs = make_vec_env(ENV_ID, 2, seed=0)
    assert envs.get_attr("num_envs", 0) == [2]
    assert envs.env_is_wrapped(Monitor) == [True, True]
    assert not envs.has_attr("nonsense")
    with pytest.raises(AttributeError, match="only action_masks"):
        envs.env_method("render")
    with pytest.raises(ValueError, match="share their attributes"):
        envs.set_attr("render_mode", None, indices=[0])
    envs.set_options({"task": 3})
    with pytest.raises(ValueError, match="options"):
        envs.reset()
    with pytest.raises(ValueError, match="same_step"):
        DiscreteVecEnv(DiscreteVectorEnv(2))
    with pytest.raises(ValueError, match="no Discrete id"):
        make_vec_env("CRS-Sample-v0", 2)


def test_masked_policy_learns_and_plays_what_is_allowed() -> None:
    envs = make_vec_env(ENV_ID, 16, seed=0, simulator="silent", max_turns=4)
    model = MaskablePPO("MultiInputPolicy", envs, n_steps=8, batch_size=64, n_epochs=1, seed=0, device="cpu")
    model.learn(256)
    assert model.num_timesteps >= 256
    returns, lengths = evaluate_policy(model, envs, n_eval_episodes=16, return_episode_rewards=True, warn=True)
    assert isinstance(returns, list)
    assert np.isfinite(returns).all()
    assert isinstance(lengths, list)
    assert max(lengths) <= 4
