"""Trainings of the zoo that are over in a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crs_agents.sb3.trainer import (
    DQNTraining,
    LearnerTraining,
    MaskablePPOTraining,
    OnPolicyTraining,
    PPOTraining,
    RecurrentPPOTraining,
)

LEARNERS: dict[str, type[LearnerTraining]] = {
    kind.learner: kind for kind in (MaskablePPOTraining, PPOTraining, DQNTraining, RecurrentPPOTraining)
}


def need_sb3() -> None:
    for package in ("stable_baselines3", "sb3_contrib"):
        pytest.importorskip(package, reason='needs pip install "crs-gym[sb3]"')


def small_settings(learner: str, out: Path, **changes: Any) -> LearnerTraining:
    """Two stretches of two rollouts."""
    settings = LEARNERS[learner](
        out, steps=128, num_envs=8, candidates="popularity", hidden=(16,), valid_users=6, eval_every=64
    )
    if isinstance(settings, OnPolicyTraining):
        settings = replace(settings, n_steps=4, batch_size=16, n_epochs=2)
    if isinstance(settings, RecurrentPPOTraining):
        settings = replace(settings, lstm=8)
    if isinstance(settings, DQNTraining):
        settings = replace(settings, learning_starts=16, buffer_size=80, batch_size=16, target_every=32)
    return replace(settings, **changes)
