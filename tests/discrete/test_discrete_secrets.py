"""No observation, mask or candidate rests on a target: twins whose targets alone differ see the same."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from discrete_play import ENV_ID, OtherTargets, choose, row_of, same_observations
from gymnasium.vector import AutoresetMode

from crs_gym.agent import Observation
from crs_gym.discrete.vector import DiscreteVectorEnv
from crs_gym.discrete.view import DiscreteView
from crs_gym.testing import check_env
from crs_gym.testing.check import BrokenError
from crs_gym.testing.env_checks import EnvSubject, check_secrets


def test_conformance() -> None:
    check_env(ENV_ID)


@pytest.mark.parametrize(
    "settings",
    [
        {"candidates": "ask-then-recommend", "n_candidates": 30},
        {"simulator": "silent", "show_while_asking": False},
        {"k": 1, "max_turns": 2, "candidates": "popularity"},
    ],
)
def test_conformance_of_settings(settings: dict[str, Any]) -> None:
    check_env(lambda: gym.make(ENV_ID, **settings))


def test_the_check_of_secrets_looks_at_numbers() -> None:
    """A view that leaks must fail it, or that ours passes it means nothing."""

    class Leaking(gym.Wrapper[Any, Any, Any, Any]):
        def reset(self, **kwargs: Any) -> Any:
            observation, info = self.env.reset(**kwargs)
            return {**observation, "hint": np.array(self.unwrapped.engine.task(0).targets)}, info  # type: ignore[attr-defined]

    with pytest.raises(BrokenError, match="holds the number of a target"):
        check_secrets(EnvSubject(lambda: Leaking(gym.make(ENV_ID))))


@pytest.mark.parametrize("simulator", ["agenda", "agenda:noise=0.2", "silent"])
@pytest.mark.parametrize("candidates", ["ease", "popularity", "ask-then-recommend"])
def test_twins_with_other_targets_see_the_same(simulator: str, candidates: str) -> None:
    worlds = [OtherTargets(0), OtherTargets(1), OtherTargets(400)]
    vectors: list[Any] = [
        DiscreteVectorEnv(16, world, simulator=simulator, candidates=candidates, autoreset_mode=AutoresetMode.DISABLED)
        for world in worlds
    ]
    views = [envs.reset(seed=3)[0] for envs in vectors]
    rewards = []
    for _ in range(12):
        for other, envs in zip(views[1:], vectors[1:], strict=True):
            assert same_observations(views[0], other)
            assert np.array_equal(vectors[0].action_masks(), envs.action_masks())
        actions = np.array([choose(row_of(views[0], i)) for i in range(16)])
        steps = [envs.step(actions) for envs in vectors]
        rewards.append([step[1] for step in steps])
        over = steps[0][2] | steps[0][3]
        views = [step[0] for step in steps]
        if over.any():
            views = [envs.reset(options={"reset_mask": over})[0] for envs in vectors]
    assert not np.array_equal(*np.stack(rewards, axis=1)[:2]), "the targets should differ"


def test_agents_that_rank_see_what_any_agent_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Observation] = []
    observe = DiscreteView._observation

    def kept(view: DiscreteView, row: int) -> Observation:
        seen.append(observe(view, row))
        return seen[-1]

    monkeypatch.setattr(DiscreteView, "_observation", kept)
    env = gym.make(ENV_ID, candidates="item-knn")
    env.reset(seed=0)
    assert seen
    assert all(type(observation) is Observation for observation in seen)
