"""The zoo of stable-baselines3: trained policies as agents."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from agent_play import HandMadeWorld
from sb3_play import LEARNERS, need_sb3, small_settings

import crs_agents.sb3 as zoo
from crs_agents.sb3 import build
from crs_gym.agent import AgentEntry, Observation, OracleObservation
from crs_gym.errors import WeightsError
from crs_gym.rollout import rollout
from crs_gym.testing import check_agent
from crs_gym.worlds import World

need_sb3()

from crs_agents.sb3.player import BLOCK, load_player  # noqa: E402
from crs_agents.sb3.saved import MANIFEST_FILE, WEIGHTS_FILE, load_policy  # noqa: E402
from crs_agents.sb3.validation import Validation  # noqa: E402

ENTRIES = {
    "maskable-ppo": zoo.MASKABLE_PPO,
    "ppo": zoo.PPO,
    "dqn": zoo.DQN,
    "recurrent-ppo": zoo.RECURRENT_PPO,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("players")
    for learner in LEARNERS:
        small_settings(learner, folder / learner, steps=64, learning_rate=0.02).run()
    return {learner: folder / learner for learner in LEARNERS}


@pytest.mark.parametrize("learner", ["maskable-ppo", "recurrent-ppo"])  # with masks, and with a memory
def test_the_agent_keeps_the_contract(trained: dict[str, Path], learner: str) -> None:
    entry = ENTRIES[learner]
    check_agent(AgentEntry(lambda world: entry.build(world, str(trained[learner])), "a trained one"))


@pytest.mark.parametrize("learner", LEARNERS)
def test_it_plays_what_it_played_while_it_learned(trained: dict[str, Path], sample: World, learner: str) -> None:
    """From words, one by one, the same episodes as from numbers, all side by side: what an LSTM remembers included."""
    policy, _ = load_policy(learner, trained[learner], sample)
    users = 7
    validation = Validation("CRS-Sample-Discrete-v0", users, learner, {"candidates": "popularity"})
    numbers = validation(policy)
    agent = load_player(learner, trained[learner], sample)
    traces = [
        rollout("CRS-Sample-v0", agent, episodes=1, seed=validation._seed + user, split="valid")[0]
        for user in range(users)
    ]
    assert np.mean([len(trace.turns) for trace in traces]) == numbers["turns"]
    returns = [sum(turn.reward or 0.0 for turn in trace.turns) for trace in traces]
    assert np.mean(returns) == pytest.approx(numbers["return"], abs=1e-6)
    assert all(turn.agent.utterance for trace in traces for turn in trace.turns)


@pytest.mark.parametrize("learner", ["maskable-ppo", "dqn", "recurrent-ppo"])
def test_a_turn_does_not_depend_on_its_batch(
    trained: dict[str, Path], sample: World, observations: list[OracleObservation], learner: str
) -> None:
    agent = load_player(learner, trained[learner], sample)
    chosen: list[Observation] = [*observations, *observations, *observations][: BLOCK + 5]
    together = agent.act(chosen)
    for row in range(0, len(chosen), 9):
        assert agent.act([chosen[row]])[0] == together[row]
    assert agent.act([]) == []


@pytest.mark.parametrize("learner", ["ppo", "recurrent-ppo"])
def test_different_limits_in_one_batch(trained: dict[str, Path], sample: World, learner: str) -> None:
    agent = load_player(learner, trained[learner], sample)
    observations = [Observation((), 0, most, k, 50, 0) for most, k in ((5, 10), (6, 10), (5, 3), (5, 10))]
    assert agent.act(observations) == [agent.act([observation])[0] for observation in observations]


def test_a_folder_is_named(sample: World, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="crs-gym train dqn --out DIR"):
        build("dqn", sample)
    with pytest.raises(WeightsError, match=r"holds no trained policy.*crs-gym train dqn"):
        build("dqn", sample, str(tmp_path))
    (tmp_path / "settings.json").write_text("{}")
    with pytest.raises(WeightsError, match="has not ended"):
        build("dqn", sample, str(tmp_path))


def test_another_learner_or_world_is_refused(trained: dict[str, Path], sample: World) -> None:
    with pytest.raises(WeightsError, match=r"that dqn has learned, not ppo.*play it as dqn:"):
        build("ppo", sample, str(trained["dqn"]))
    with pytest.raises(WeightsError, match="not that of world 'hand-made'"):
        build("ppo", HandMadeWorld([[0, 1]], 30), str(trained["ppo"]))


def test_nothing_that_is_loaded_runs(trained: dict[str, Path], sample: World, tmp_path: Path) -> None:
    """Pickles in the place of weights are refused as damaged; torn manifests and other formats, too."""

    class Program:
        def __reduce__(self) -> tuple[object, ...]:
            return (pytest.fail, ("it ran",))

    folder = tmp_path / "copy"
    folder.mkdir()
    manifest = json.loads((trained["ppo"] / MANIFEST_FILE).read_text())
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest))
    (folder / WEIGHTS_FILE).write_bytes(pickle.dumps(Program()))
    with pytest.raises(WeightsError, match="damaged"):
        build("ppo", sample, str(folder))
    for content in ("{", "[]", "{}", json.dumps({**manifest, "shape": {"net_arch": [3]}})):
        (folder / MANIFEST_FILE).write_text(content)
        with pytest.raises(WeightsError, match="damaged"):
            build("ppo", sample, str(folder))
    (folder / MANIFEST_FILE).write_text(json.dumps({**manifest, "format": 99}))
    with pytest.raises(WeightsError, match="format 99"):
        build("ppo", sample, str(folder))
