"""One training of the zoo, from its settings to a folder that `LEARNER:DIR` plays.

A training is a row of stretches of `eval_every` turns. At the beginning of each, all dialogues and all noise begin
anew, keyed by the seed and by how many turns were played; at its end stand an evaluation and a checkpoint. So a
training that was broken off and gone on with gives what an uninterrupted one gives, to the bit.
"""

from __future__ import annotations

import json
import math
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Final

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import KVWriter, Logger, TensorBoardOutputFormat
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from crs_agents.sb3.card import model_card
from crs_agents.sb3.checkpoint import load_checkpoint, save_checkpoint
from crs_agents.sb3.learners import callbacks_of, make_learner, policy_shape, turns_a_rollout
from crs_agents.sb3.progress import TurnsBar
from crs_agents.sb3.saved import CARD_FILE, CURVE_FILE, HISTORY_FILE, MANIFEST_FILE, Manifest, save_policy, write_whole
from crs_agents.sb3.trainer import LearnerTraining
from crs_agents.sb3.validation import Validation
from crs_gym.discrete.settings import DiscreteConfig
from crs_gym.discrete.vector import DiscreteVectorEnv
from crs_gym.errors import TrainingError, UnknownNameError
from crs_gym.randomness import derived_key
from crs_gym.registration import VIEWS
from crs_gym.sb3 import DiscreteVecEnv, make_vec_env
from crs_gym.seed_curves import Curve, draw_curves
from crs_gym.trainer import processor_name, training_folder, whole_checkpoints

NOT_OF_THE_RESULT: Final = ("out", "tensorboard")
"""Settings that change nothing about what is learned."""

LOGGED_DIALOGUES: Final = 1_000
"""Off policy, dialogues from one line of figures to the next."""


def train(settings: LearnerTraining) -> None:
    """Train as `LearnerTraining.run` says."""
    own: dict[str, Any] = {"candidates": settings.candidates, "n_candidates": settings.n_candidates}
    if settings.simulator is not None:
        own["simulator"] = settings.simulator
    envs = _dialogues(settings, own)
    chosen = {name: value for name, value in asdict(settings).items() if name not in NOT_OF_THE_RESULT}
    begun_with = {"learner": settings.learner, **chosen, "world_fingerprint": envs.envs.game.world.fingerprint}
    with training_folder(settings.out, begun_with):
        if (settings.out / MANIFEST_FILE).exists():
            print(f"{settings.out} holds this training, and it has ended: nothing is left to do.")
            return
        validation = Validation(settings.env, settings.valid_users, settings.learner, own)
        try:
            with _own_noise():
                _train(settings, envs, validation, begun_with)
        except OSError as error:
            raise TrainingError(
                f"cannot write to {settings.out}: {error}. Way out: make space, then run the same command again"
            ) from error
        finally:
            validation.close()
            envs.close()
    print(f"The policy is in {settings.out}: play it as {settings.learner}:{settings.out}")


def _train(
    settings: LearnerTraining, envs: DiscreteVecEnv, validation: Validation, begun_with: dict[str, object]
) -> None:
    out, rollout = settings.out, turns_a_rollout(settings)
    turns = math.ceil(settings.steps / rollout) * rollout
    stretch = math.ceil(settings.eval_every / rollout) * rollout
    set_random_seed(derived_key("sb3 first weights", settings.seed) % 2**32)
    model = make_learner(settings, TurnLimitEnds(envs), turns)
    history = load_checkpoint(model, out)
    model.set_logger(Logger(folder=None, output_formats=_writers(settings)))
    with TurnsBar(settings.learner, turns) as bar:
        while model.num_timesteps < turns:
            begun = time.monotonic()
            _begin_anew(model, envs, settings.seed)
            left = min(stretch, turns - model.num_timesteps)
            model.learn(
                left,
                callback=[bar, *callbacks_of(settings, turns)],
                reset_num_timesteps=False,
                log_interval=_log_interval(model),
            )
            learned = time.monotonic()
            figures = validation(model.policy)
            bar.evaluated(model.num_timesteps, figures)
            for name, value in figures.items():
                model.logger.record(f"valid/{name}", value)
            model.logger.dump(model.num_timesteps)
            before = history[-1]["seconds"] if history else 0.0
            seconds = {"seconds": round(before + learned - begun, 1)}
            history.append({"at": model.num_timesteps, **figures, **seconds})
            save_checkpoint(model, history, out)
            write_whole(out / HISTORY_FILE, json.dumps(history, indent=1) + "\n")
    model.logger.close()
    _write(settings, model, history, envs.envs, begun_with)


def _write(
    settings: LearnerTraining,
    model: BaseAlgorithm,
    history: list[dict[str, float]],
    envs: DiscreteVectorEnv,
    begun_with: dict[str, object],
) -> None:
    """What is left of a training that has ended."""
    out, game = settings.out, envs.game
    draw_curves([Curve(settings.learner, [history])], out / CURVE_FILE, settings.env)
    facts = {
        **begun_with,
        "valid": history[-1],
        "turns": model.num_timesteps,
        "seconds": history[-1]["seconds"],
        "hardware": f"{torch.get_num_threads()} threads of {processor_name()}",
        "packages": {name: version(name) for name in ("crs-gym", "torch", "stable-baselines3", "sb3-contrib")},
    }
    manifest = Manifest(
        learner=settings.learner,
        env=settings.env,
        catalog=game.world.catalog.fingerprint,
        view=asdict(DiscreteConfig(candidates=settings.candidates, n_candidates=settings.n_candidates)),
        k=game.config.k,
        max_turns=game.config.max_turns,
        shape=policy_shape(settings),
        facts=facts,
    )
    write_whole(out / CARD_FILE, model_card(settings, manifest))
    save_policy(model.policy, manifest, out)
    for checkpoint in whole_checkpoints(out):
        shutil.rmtree(checkpoint, ignore_errors=True)


class TurnLimitEnds(VecEnvWrapper):
    """A dialogue at its turn limit is over, and nothing comes after it.

    Gymnasium calls that truncated, and stable-baselines3 then adds the value of the turn after the last one, which it
    guesses: nobody was ever there. The limit is a rule of this game, and what is seen says how near it is.
    """

    def reset(self) -> VecEnvObs:
        """As the dialogues do it."""
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """As the dialogues do it, without the word of a time limit."""
        observations, rewards, dones, infos = self.venv.step_wait()
        for row in np.flatnonzero(dones).tolist():
            infos[row]["TimeLimit.truncated"] = False
        return observations, rewards, dones, infos


def _dialogues(settings: LearnerTraining, own: dict[str, Any]) -> DiscreteVecEnv:
    try:
        if gym.spec(settings.env).vector_entry_point != VIEWS["-Discrete"][1]:
            raise ValueError(f"{settings.env} is no Discrete id.")
        return make_vec_env(settings.env, settings.num_envs, seed=0, **own)
    except (ValueError, UnknownNameError, gym.error.Error) as error:
        raise TrainingError(
            f"{error} Way out: --env with a Discrete id, such as CRS-Sample-Discrete-v0, and --simulator, --candidates "
            "and --n-candidates as docs/discrete.md has them"
        ) from error


def _begin_anew(model: BaseAlgorithm, envs: DiscreteVecEnv, seed: int) -> None:
    """All dialogues and all noise begin anew, keyed by the seed and the turns so far."""
    key = derived_key("sb3 stretch", seed, model.num_timesteps) % 2**31
    set_random_seed(key)
    model.action_space.seed(key)
    envs.seed(key)
    model._last_obs = None  # so that `learn` resets the dialogues
    if isinstance(model, DQN):
        model.exploration_rate = model.exploration_schedule(model._current_progress_remaining)


@contextmanager
def _own_noise() -> Iterator[None]:
    """Leave the global generators, from which the libraries draw, as they were."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)


def _writers(settings: LearnerTraining) -> list[KVWriter]:
    if not settings.tensorboard:
        return []
    try:
        return [TensorBoardOutputFormat(str(settings.out / "tensorboard"))]
    except (ImportError, AssertionError) as error:
        raise TrainingError("--tensorboard needs the package tensorboard. Way out: pip install tensorboard") from error


def _log_interval(model: BaseAlgorithm) -> int:
    """How often figures go to TensorBoard: every rollout, or, off policy, every so many dialogues."""
    return LOGGED_DIALOGUES if isinstance(model, OffPolicyAlgorithm) else 1
