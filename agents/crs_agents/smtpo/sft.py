"""The stage `sft`: fine-tuning on lessons, through trl's `SFTTrainer` and peft's LoRA, from settings to a folder.

Ours, not of SMTPO (arXiv 2604.03671): the reasoning is made from labels and facets (`reasoning.py`), one example is a
played episode with all of its turns, and the LoRA stands on the upper half of a small model by default.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Final, cast

import torch
import transformers
from peft import PeftModel
from peft.helpers import disable_input_dtype_casting
from transformers import PreTrainedModel
from trl.trainer.sft_trainer import SFTTrainer

from crs_agents.smtpo.options import OWN_WEIGHTS, PolicyOptions, write_options
from crs_agents.smtpo.preparation import prepared
from crs_agents.smtpo.report import CURVE_FILE, draw_curves, hardware, model_card
from crs_agents.smtpo.trainer import SCRATCH, SmtpoTraining
from crs_gym.errors import TrainingError
from crs_gym.lm.adapters import save_adapter, save_weights
from crs_gym.lm.allocator import keep_freed_memory
from crs_gym.lm.progress import UpdatesBar
from crs_gym.lm.quiet import quiet_libraries
from crs_gym.lm.transformers_model import native_dtype
from crs_gym.lm.weights import find_weights, weights_revision
from crs_gym.trainer import training_folder, whole_checkpoints
from crs_gym.worlds import load_world

MANIFEST_FILE: Final = "manifest.json"
"""Written last: a folder that holds it holds a stage that has ended."""

HISTORY_FILE: Final = "history.json"
CARD_FILE: Final = "README.md"

_SHOWN: Final = {"loss": "loss", "eval_loss": "valid loss", "eval_mean_token_accuracy": "valid tokens as taught"}
"""What the logs call a figure, and what it is called here."""

_OF_NO_EFFECT: Final = ("out", "stage", "report_to", "grpo")
"""Settings on which the result does not depend."""


def train(settings: SmtpoTraining) -> None:
    """Train as `SmtpoTraining.run` says."""
    quiet_libraries()
    out = settings.out / "sft"
    base = None if settings.base == SCRATCH else find_weights(settings.base)
    world = load_world(settings.world)
    options = PolicyOptions(
        base=settings.base if settings.sft.rank else OWN_WEIGHTS,
        candidates=settings.recalling(),
        n=settings.n,
        listed=settings.listed,
        fit=settings.fit,
        asked=settings.asked,
    )
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    dtype = {"auto": native_dtype(device), "bf16": torch.bfloat16, "fp32": torch.float32}[settings.dtype]
    chosen = {name: value for name, value in asdict(settings).items() if name not in _OF_NO_EFFECT}
    chosen["sft"].pop("at_once")
    facts = {
        "candidates": options.candidates,
        "world_fingerprint": world.fingerprint,
        "base_revision": SCRATCH if base is None else weights_revision(base),
        "prompt_version": options.prompt_version,
        "dtype": str(dtype).removeprefix("torch."),
    }
    with training_folder(out, {**chosen, **facts}):
        if (out / MANIFEST_FILE).exists():
            print(f"{out} holds this training, and it has ended: nothing is left to do.")
            return
        if device.type == "cpu":
            keep_freed_memory()
        _say("playing lessons")
        trainer, counts = prepared(settings, options, out, base, dtype, world)
        _say(f"{counts['lessons']} lessons of {counts['lesson_tokens']:,} tokens, {trainer.args.max_steps} updates")
        _go_on(trainer, out)
        _finish(trainer, settings, options, {**chosen, **facts, **counts})


def _go_on(trainer: SFTTrainer, out: Path) -> None:
    """Train from the last whole checkpoint to the end.

    Raises:
        TrainingError: The disk is full.
    """
    whole = whole_checkpoints(out)
    for torn in set(out.glob("checkpoint-*")) - set(whole):  # a kill came while it was written
        shutil.rmtree(torn)
    trainer.remove_callback(transformers.PrinterCallback)
    bar = UpdatesBar(_SHOWN, lines="")
    trainer.add_callback(bar)
    try:
        model = trainer.model
        with bar, disable_input_dtype_casting(model) if isinstance(model, PeftModel) else nullcontext():
            trainer.train(resume_from_checkpoint=str(whole[-1]) if whole else None)
    except OSError as error:
        raise TrainingError(
            f"cannot write to {out}: {error}. Way out: make space, then run the same command to go on"
        ) from error


def _finish(trainer: SFTTrainer, settings: SmtpoTraining, options: PolicyOptions, facts: Mapping[str, object]) -> None:
    """Write the adapter, its options, history, curves, card and, last, the manifest; drop the checkpoints."""
    out = settings.out / "sft"
    history = trainer.state.log_history
    evaluated = [entry for entry in history if "eval_loss" in entry]
    manifest = {
        "trainer": "smtpo",
        "stage": "sft",
        **facts,
        "updates": trainer.state.global_step,
        "seconds_of_last_run": round(next(e["train_runtime"] for e in reversed(history) if "train_runtime" in e)),
        "valid_loss": evaluated[-1]["eval_loss"] if evaluated else None,
        "valid_token_accuracy": evaluated[-1].get("eval_mean_token_accuracy") if evaluated else None,
        "hardware": hardware(trainer.args.device),
        "packages": {name: version(name) for name in ("crs-gym", "torch", "transformers", "trl", "peft")},
    }
    try:
        if isinstance(trainer.model, PeftModel):
            save_adapter(trainer.model, out, settings.base)
        else:
            save_weights(cast("PreTrainedModel", trainer.model), trainer.processing_class, out)
        (out / HISTORY_FILE).write_text(json.dumps(history, indent=1) + "\n", "utf-8")
        draw_curves(history, out / CURVE_FILE, f"{settings.base} on {settings.env}, seed {settings.seed}")
        (out / CARD_FILE).write_text(model_card(settings, manifest), "utf-8")
        write_options(options, out)
        draft = out / f"{MANIFEST_FILE}.draft"
        draft.write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
        draft.replace(out / MANIFEST_FILE)
    except OSError as error:
        raise TrainingError(
            f"cannot write to {out}: {error}. Way out: make space, then run the same command to go on"
        ) from error
    for checkpoint in out.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    print(f"The policy is in {out}: play it as smtpo:{settings.out}")


def _say(words: str) -> None:
    print(f"crs-gym: {words}", file=sys.stderr, flush=True)
