"""One training of the learned user, from its settings to an adapter in a folder."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from peft.helpers import disable_input_dtype_casting
from transformers.integrations.integration_utils import TensorBoardCallback

from crs_gym.errors import TrainingError
from crs_gym.lm.adapters import save_adapter, trained_bytes
from crs_gym.lm.allocator import keep_freed_memory
from crs_gym.lm.progress import UpdatesBar
from crs_gym.lm.quiet import quiet_libraries
from crs_gym.lm.transformers_model import native_dtype
from crs_gym.lm.weights import find_weights, weights_revision
from crs_gym.trainer import processor_name, require_room, training_folder, whole_checkpoints
from crs_gym.worlds import World, load_world
from crs_simulators.sft import prompts
from crs_simulators.sft.calibration import calibrate
from crs_simulators.sft.curves import draw_curves
from crs_simulators.sft.interrupt import StopsGently
from crs_simulators.sft.preparation import KEPT_CHECKPOINTS, prepared
from crs_simulators.sft.trainer import SimulatorTraining
from crs_simulators.sft.training import SimulatorTrainer

MANIFEST_FILE: Final = "manifest.json"
"""Written last: a folder that holds it holds a training that has ended."""

HISTORY_FILE: Final = "history.json"
CURVE_FILE: Final = "curve.png"

_SHOWN: Final = {
    "words_nll": "words",
    "answers_nll": "answers",
    "eval_words_nll": "valid words",
    "eval_answers_nll": "valid answers",
    "eval_view_auc": "AUC",
}
"""What the logs call a figure, and what it is called here."""

_OF_NO_EFFECT: Final = ("out", "report_to")
"""Settings on which the result does not depend."""


def train(settings: SimulatorTraining) -> None:
    """Train as `SimulatorTraining.run` says."""
    quiet_libraries()
    first = int(os.environ.get("RANK", "0")) == 0  # of several processes, one owns the folder
    folder = find_weights(settings.base)
    world = load_world(settings.world)
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    dtype = {"auto": native_dtype(device), "bf16": torch.bfloat16, "fp32": torch.float32}[settings.dtype]
    facts = {
        "world_fingerprint": world.fingerprint,
        "base_revision": weights_revision(folder),
        "prompt_version": prompts.VERSION,
        "dtype": str(dtype).removeprefix("torch."),
    }
    chosen = {name: value for name, value in asdict(settings).items() if name not in _OF_NO_EFFECT}
    with training_folder(settings.out, {**chosen, **facts}) if first else contextlib.nullcontext():
        if (settings.out / MANIFEST_FILE).exists():
            if first:
                print(f"{settings.out} holds this training, and it has ended: nothing is left to do.")
            return
        if device.type == "cpu":
            keep_freed_memory()
        if first and sys.stderr.isatty():
            print("crs-gym: making examples of the dialogues, and loading the model", file=sys.stderr, flush=True)
        trainer = prepared(settings, folder, dtype, world)
        if first:
            require_room(settings.out, _room(trainer.adapted))
        _go_on(trainer, settings)
        if first:
            _finish(trainer, settings, facts, folder, world)


def _room(model: torch.nn.Module) -> int:
    """Bytes that the training writes at most: one checkpoint more than are kept, with two moments a weight; some MB."""
    return (KEPT_CHECKPOINTS + 1) * 3 * trained_bytes(model) + (64 << 20)


def _go_on(trainer: SimulatorTrainer, settings: SimulatorTraining) -> None:
    """Train from the last whole checkpoint to the end.

    Raises:
        KeyboardInterrupt: Ctrl-C ended it before.
        TrainingError: The disk is full.
    """
    out = settings.out
    whole = whole_checkpoints(out)
    if trainer.is_world_process_zero():
        for torn in set(out.glob("checkpoint-*")) - set(whole):  # a kill came while it was written
            shutil.rmtree(torn)
    if whole:
        history = json.loads((whole[-1] / "trainer_state.json").read_text("utf-8"))["log_history"]
        trainer.clock_from(max((entry.get("seconds", 0.0) for entry in history), default=0.0))
    bar, stops = UpdatesBar(_SHOWN), StopsGently()
    trainer.add_callback(stops)
    trainer.remove_callback(transformers.PrinterCallback)
    if trainer.is_world_process_zero():
        trainer.add_callback(bar)
        if "tensorboard" in settings.report_to:
            trainer.add_callback(_tensorboard(out / "tensorboard"))
    try:
        with bar, stops.listening(), disable_input_dtype_casting(trainer.adapted):
            trainer.train(resume_from_checkpoint=str(whole[-1]) if whole else None)
    except Exception as error:  # torch and safetensors have classes of their own for it
        if shutil.disk_usage(out).free > _room(trainer.adapted) // (KEPT_CHECKPOINTS + 1):
            raise
        raise TrainingError(
            f"the disk of {out} is full: {error}. Way out: make space, then run the same command to go on"
        ) from error
    if trainer.state.global_step < trainer.state.max_steps:
        raise KeyboardInterrupt


def _tensorboard(directory: Path) -> TensorBoardCallback:
    """Curves for TensorBoard.

    Raises:
        TrainingError: It is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise TrainingError(
            'the package tensorboard is missing. Way out: pip install "crs-gym[llm]", or --report-to none'
        ) from error
    return TensorBoardCallback(SummaryWriter(str(directory)))  # type: ignore[no-untyped-call]


def _finish(
    trainer: SimulatorTrainer, settings: SimulatorTraining, facts: Mapping[str, object], folder: Path, world: World
) -> None:
    """Write the adapter, its views' weights, the history, the curves and, last, the manifest; drop the checkpoints."""
    out, base = settings.out, base_name(settings.base)
    history = trainer.state.log_history
    try:
        save_adapter(trainer.adapted, out, base)
        if settings.calibration:
            calibrate(out, folder, world, settings.calibration)
        _write(out / HISTORY_FILE, history)
        draw_curves(history, out / CURVE_FILE, f"{base} on {settings.world}, seed {settings.seed}")
        _write(out / MANIFEST_FILE, _manifest(trainer, settings, facts))
    except OSError as error:
        raise TrainingError(
            f"cannot write to {out}: {error}. Way out: make space, then run the same command to go on"
        ) from error
    for checkpoint in out.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    print(f"The adapter is in {out}, with {CURVE_FILE}, {HISTORY_FILE} and {MANIFEST_FILE}.")


def _manifest(trainer: SimulatorTrainer, settings: SimulatorTraining, facts: Mapping[str, object]) -> dict[str, Any]:
    """What was trained, from what, on what, and what came out."""
    history = trainer.state.log_history
    evaluated = [entry for entry in history if "eval_loss" in entry]
    figures = ("eval_words_nll", "eval_answers_nll", "eval_view_auc")
    packages = ("crs-gym", "torch", "transformers", "trl", "peft")
    return {
        "trainer": "simulator",
        **{name: value for name, value in asdict(settings).items() if name not in _OF_NO_EFFECT},
        "base": base_name(settings.base),
        **facts,
        "examples": trainer.examples,
        "updates": trainer.state.global_step,
        "tokens": trainer.state.num_input_tokens_seen,
        "seconds": max(entry.get("seconds", 0.0) for entry in history),
        "hardware": _hardware(trainer),
        "packages": {name: version(name) for name in packages},
        "valid": {name.removeprefix("eval_"): evaluated[-1].get(name) for name in figures} if evaluated else None,
    }


def base_name(base: str) -> str:
    """The name of a base model in what is handed on: of a folder its last part, for its place is this machine's."""
    return Path(base).expanduser().resolve().name if Path(base).expanduser().is_dir() else base


def _hardware(trainer: SimulatorTrainer) -> str:
    processes = trainer.args.world_size
    if trainer.args.device.type == "cuda":
        return f"{processes} x {torch.cuda.get_device_name()}"
    cores = f"{processes} x {torch.get_num_threads()} threads"
    return f"{cores} of {processor_name()} ({trainer.args.device.type})"


def _write(path: Path, content: object) -> None:
    """Replace a file by `content` as JSON, as a whole or not at all."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    draft.replace(path)
