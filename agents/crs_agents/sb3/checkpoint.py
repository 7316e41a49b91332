"""The state of a training on disk, as numbers and JSON: nothing that is loaded runs.

`stable_baselines3`'s own `save` pickles; a folder from elsewhere would be a program.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from crs_gym.errors import TrainingError
from crs_gym.trainer import whole_checkpoints

TENSORS_FILE: Final = "state.safetensors"
STATE_FILE: Final = "trainer_state.json"
"""Written last: a checkpoint that holds it is whole."""

_COUNTS: Final = ("num_timesteps", "_n_updates", "_n_calls", "_episode_num")
"""What an algorithm counts; those that it has."""


def save_checkpoint(model: BaseAlgorithm, history: list[dict[str, float]], directory: Path) -> None:
    """Write `checkpoint-<turns>`, then remove older ones.

    Raises:
        OSError: It cannot be written.
    """
    draft = directory / "checkpoint.draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    save_file(_tensors(model), draft / TENSORS_FILE)
    counts = {name: getattr(model, name) for name in _COUNTS if hasattr(model, name)}
    (draft / STATE_FILE).write_text(json.dumps({"counts": counts, "history": history}, indent=1) + "\n", "utf-8")
    path = directory / f"checkpoint-{model.num_timesteps}"
    shutil.rmtree(path, ignore_errors=True)
    draft.replace(path)
    for older in whole_checkpoints(directory):
        if older != path:
            shutil.rmtree(older, ignore_errors=True)


def load_checkpoint(model: BaseAlgorithm, directory: Path) -> list[dict[str, float]]:
    """Bring an algorithm to where the last checkpoint of a folder left it.

    Returns:
        The history so far; empty where there is no checkpoint.

    Raises:
        TrainingError: The checkpoint is damaged.
    """
    whole = whole_checkpoints(directory)
    if not whole:
        return []
    try:
        state = json.loads((whole[-1] / STATE_FILE).read_text("utf-8"))
        _put_tensors(model, load_file(whole[-1] / TENSORS_FILE))
        for name, value in state["counts"].items():
            if name not in _COUNTS:
                raise ValueError(f"it counts {name!r}")
            setattr(model, name, int(value))
        history: list[dict[str, float]] = list(state["history"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, SafetensorError) as error:
        raise TrainingError(
            f"{whole[-1]} is damaged: {error}. Way out: delete it, then the same command goes on from before, or anew"
        ) from error
    return history


# -------------------------------------------------------------------- tensors by name


def _tensors(model: BaseAlgorithm) -> dict[str, torch.Tensor]:
    tensors = {f"policy.{name}": _own(weight) for name, weight in model.policy.state_dict().items()}
    for number, moments in _optimizer(model).state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": _own(torch.as_tensor(value)) for name, value in moments.items()}
    if isinstance(model, OffPolicyAlgorithm):
        tensors |= {f"replay.{name}": torch.from_numpy(values) for name, values in _replay(model).items()}
    return tensors


def _put_tensors(model: BaseAlgorithm, tensors: Mapping[str, torch.Tensor]) -> None:
    model.policy.load_state_dict(_below(tensors, "policy."))
    optimizer = _optimizer(model)
    state = optimizer.state_dict()
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in _below(tensors, "optimizer.").items():
        number, _, of = name.partition(".")
        moments.setdefault(int(number), {})[of] = value
    optimizer.load_state_dict({**state, "state": moments})
    if isinstance(model, OffPolicyAlgorithm):
        buffer: Any = model.replay_buffer
        kept = {name: value.numpy() for name, value in _below(tensors, "replay.").items()}
        buffer.pos, buffer.full = int(kept.pop("pos")), bool(kept.pop("full"))
        rows = buffer.buffer_size if buffer.full else buffer.pos
        for name, values in kept.items():
            _array(buffer, name)[:rows] = values


def _replay(model: OffPolicyAlgorithm) -> dict[str, np.ndarray[Any, Any]]:
    """The filled part of the memory of turns."""
    buffer: Any = model.replay_buffer
    rows = buffer.buffer_size if buffer.full else buffer.pos
    names = [f"{part}.{key}" for part in ("observations", "next_observations") for key in buffer.observations]
    arrays = {name: _array(buffer, name)[:rows] for name in (*names, "actions", "rewards", "dones", "timeouts")}
    return {**arrays, "pos": np.array(buffer.pos), "full": np.array(int(buffer.full))}


def _array(buffer: Any, name: str) -> np.ndarray[Any, Any]:
    part, _, key = name.partition(".")
    array: np.ndarray[Any, Any] = getattr(buffer, part)[key] if key else getattr(buffer, part)
    return array


def _below(tensors: Mapping[str, torch.Tensor], start: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _own(tensor: torch.Tensor) -> torch.Tensor:
    """In memory of its own: safetensors refuses tensors that share some."""
    return tensor.detach().clone().contiguous()


def _optimizer(model: BaseAlgorithm) -> torch.optim.Optimizer:
    optimizer: torch.optim.Optimizer = model.policy.optimizer
    return optimizer
