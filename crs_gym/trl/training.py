"""One training by multi-turn GRPO, from its settings to an adapter in a folder."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import datasets  # type: ignore[import-untyped]
import msgspec
import torch
import transformers
from peft import LoraConfig, PeftModel
from peft.helpers import disable_input_dtype_casting
from transformers import AutoModelForCausalLM, AutoTokenizer

from crs_gym.config import EnvConfig
from crs_gym.errors import TrainingError
from crs_gym.game import Game
from crs_gym.lm.progress import UpdatesBar
from crs_gym.lm.quiet import quiet_libraries
from crs_gym.lm.transformers_model import native_dtype
from crs_gym.lm.weights import find_weights, weights_revision
from crs_gym.trainer import training_folder, whole_checkpoints
from crs_gym.trl.curves import draw_curves
from crs_gym.trl.grpo import MultiTurnGRPOTrainer
from crs_gym.trl.prompts import episode_prompts
from crs_gym.trl.rollouts import Rollouts
from crs_gym.trl.settings import GRPOSettings
from crs_gym.trl.writer import RolloutWriter
from crs_gym.worlds.world import World
from crs_gym.writing import WritingPolicy

from trl.trainer.grpo_config import GRPOConfig  # isort: skip  # behind grpo.py, which tells trl to be quiet

HISTORY_FILE: Final = "history.json"
CURVE_FILE: Final = "curve.png"
MANIFEST_FILE: Final = "manifest.json"
"""Written last: a folder that holds it holds a training that has ended."""

KEPT_CHECKPOINTS: Final = 2

_SHOWN: Final = {"reward": "return", "success": "success", "turns": "turns", "well_formed": "right form"}
"""What the logs call a figure, and what it is called here."""

_OF_NO_EFFECT: Final = ("out", "report_to", "checkpointing")

PolicyFactory = Callable[[World], WritingPolicy]


def train(settings: GRPOSettings, policy: PolicyFactory, config: EnvConfig, *, lora: LoraConfig | None = None) -> Path:
    """Train a policy on an environment, or go on where an interrupted run of the same settings stopped.

    Args:
        settings: How.
        policy: Builds the policy from the world that it plays in. Give it an attribute `revision` that changes with its
            prompts, and a training with other prompts will not go on in the same folder.
        config: The environment: world, split, user, rules and rewards.
        lora: A new adapter of another shape than `settings.rank` gives.

    Returns:
        The folder, which holds the adapter (or all weights), `history.json`, `curve.png` and `manifest.json`.

    Raises:
        TrainingError: It cannot begin or go on; the message says what to do.
        WeightsError: The base model is not on this machine.
    """
    quiet_libraries()
    first = int(os.environ.get("RANK", "0")) == 0  # of several processes, one owns the folder
    folder = find_weights(settings.base)
    game = Game(config, num_dialogues=episodes_a_process(settings))
    chosen = policy(game.world)
    facts = {
        "environment": msgspec.to_builtins(game.setting),
        "policy": getattr(chosen, "revision", type(chosen).__qualname__),
        "base_revision": weights_revision(folder),
        "lora": None if lora is None else str(lora),
    }
    begun = {name: value for name, value in asdict(settings).items() if name not in _OF_NO_EFFECT}
    begun["adapter"] = None if settings.adapter is None else str(settings.adapter)
    with training_folder(settings.out, {**begun, **facts}) if first else nullcontext():
        if (settings.out / MANIFEST_FILE).exists():
            return settings.out
        trainer = prepared(settings, chosen, game, folder, lora=lora)
        _go_on(trainer, settings.out)
        if trainer.is_world_process_zero():
            _finish(trainer, settings, {**begun, **facts}, folder)
    return settings.out


def episodes_a_process(settings: GRPOSettings) -> int:
    """How many episodes each process plays side by side.

    Raises:
        TrainingError: A batch cannot be shared evenly.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    whole, parts = settings.users * settings.members, processes * settings.accumulate
    if whole % parts:
        raise TrainingError(
            f"users={settings.users} times members={settings.members} cannot be shared evenly by {processes} processes "
            f"in {settings.accumulate} parts each. Way out: choose a multiple of {parts}"
        )
    return whole // processes


def prepared(
    settings: GRPOSettings, policy: WritingPolicy, game: Game, folder: Path, *, lora: LoraConfig | None = None
) -> MultiTurnGRPOTrainer:
    """The trainer: model, adapter, the copy that writes, users, and what trl is told.

    Args:
        settings: How to train.
        policy: What is trained.
        game: The environment, with a row for each episode of this process.
        folder: The base model's weights.
        lora: See `train`.

    Raises:
        TrainingError: The model or the batch size will not do.
        WeightsError: The weights cannot be read.
    """
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    dtype = {"auto": native_dtype(device), "bf16": torch.bfloat16, "fp32": torch.float32}[settings.dtype]
    arguments = _arguments(settings, policy.sampling.temperature, bf16=dtype == torch.bfloat16)
    writer = RolloutWriter(folder, dtype=dtype, device=str(arguments.device))  # each process has its own
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    rounds = -(-settings.updates // settings.iterations)
    return MultiTurnGRPOTrainer(
        Rollouts(game, policy, writer),
        credit=settings.credit,
        gamma=settings.gamma,
        seed=settings.seed,
        model=_model(settings, folder, dtype),
        args=arguments,
        train_dataset=datasets.Dataset.from_list(episode_prompts(settings.seed, rounds * settings.users)),
        processing_class=tokenizer,
        peft_config=(lora or _new_lora(settings)) if settings.adapter is None else None,
    )


def _new_lora(settings: GRPOSettings) -> LoraConfig | None:
    if settings.rank == 0:
        return None
    return LoraConfig(r=settings.rank, lora_alpha=2 * settings.rank, lora_dropout=0.0, target_modules="all-linear")


def _model(settings: GRPOSettings, folder: Path, dtype: torch.dtype) -> Any:
    """The model that is trained, with the adapter that it goes on with."""
    model: Any = AutoModelForCausalLM.from_pretrained(
        str(folder),
        dtype=torch.float32 if settings.rank == 0 else dtype,  # what is trained is kept exactly
        attn_implementation="sdpa",
        use_safetensors=True,
    )
    if settings.adapter is None:
        return model
    try:
        adapted = PeftModel.from_pretrained(model, str(settings.adapter), is_trainable=True)
        adapted.peft_config["default"].base_model_name_or_path = str(folder)  # by another name peft asks the hub for it
        return adapted
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise TrainingError(f"the adapter {settings.adapter} does not fit {settings.base}: {error}") from error


def _arguments(settings: GRPOSettings, temperature: float, *, bf16: bool) -> GRPOConfig:
    """What `GRPOTrainer` is told.

    Raises:
        TrainingError: The policy draws nothing.
    """
    if temperature <= 0.0:
        raise TrainingError("the policy writes at temperature 0: its episodes would all be the same. Way out: about 1")
    accelerated = torch.accelerator.is_available()
    return GRPOConfig(
        output_dir=str(settings.out),
        seed=settings.seed,
        per_device_train_batch_size=episodes_a_process(settings) // settings.accumulate,
        gradient_accumulation_steps=settings.accumulate,
        num_generations=settings.members,
        num_iterations=settings.iterations,
        max_steps=settings.updates,
        shuffle_dataset=False,  # each episode is new
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=settings.warm_up,
        max_grad_norm=1.0,
        weight_decay=0.0,
        beta=settings.beta,
        epsilon=settings.epsilon,
        loss_type=settings.loss,
        scale_rewards=settings.scale,
        temperature=temperature,
        bf16=bf16,
        use_cpu=not accelerated,
        gradient_checkpointing=settings.checkpointing,
        dataloader_pin_memory=accelerated,
        logging_steps=1,
        save_steps=settings.save_every,
        save_total_limit=KEPT_CHECKPOINTS,
        report_to=[name for name in settings.report_to if name != "none"],
        disable_tqdm=True,
    )


def _go_on(trainer: MultiTurnGRPOTrainer, out: Path) -> None:
    """Train from the last whole checkpoint to the end."""
    whole = whole_checkpoints(out)
    if trainer.is_world_process_zero():
        for torn in set(out.glob("checkpoint-*")) - set(whole):  # a kill came while it was written
            shutil.rmtree(torn)
    trainer.remove_callback(transformers.PrinterCallback)
    bar = UpdatesBar(_SHOWN, lines="")
    trainer.add_callback(bar)
    model = trainer.model
    with bar, disable_input_dtype_casting(model) if isinstance(model, PeftModel) else nullcontext():
        trainer.train(resume_from_checkpoint=str(whole[-1]) if whole else None)


def _finish(trainer: MultiTurnGRPOTrainer, settings: GRPOSettings, facts: dict[str, Any], folder: Path) -> None:
    """Write the weights, the history, the curves and, last, the manifest; drop the checkpoints.

    Raises:
        TrainingError: They cannot be written.
    """
    out, history = settings.out, trainer.state.log_history
    packages = ("crs-gym", "torch", "transformers", "trl", "peft")
    try:
        model = trainer.accelerator.unwrap_model(trainer.model)
        # An adapter's embeddings are the base's: peft would ask the hub whether they are.
        chosen = {"selected_adapters": ["default"], "save_embedding_layers": False}
        chosen = chosen if isinstance(model, PeftModel) else {}
        if chosen:
            model.peft_config["default"].base_model_name_or_path = settings.base
        model.save_pretrained(str(out), **chosen)
        if not chosen:
            AutoTokenizer.from_pretrained(str(folder)).save_pretrained(str(out))
        _write(out / HISTORY_FILE, history)
        draw_curves(history, out / CURVE_FILE, f"{Path(settings.base).name}, seed {settings.seed}")
        _write(out / MANIFEST_FILE, {**facts, "packages": {name: version(name) for name in packages}})
    except OSError as error:
        raise TrainingError(f"cannot write to {out}: {error}. Way out: make space, then run it again") from error
    for checkpoint in out.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)


def _write(path: Path, content: object) -> None:
    """Replace a file by `content` as JSON, as a whole or not at all."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(content, indent=1, default=str) + "\n", "utf-8")
    draft.replace(path)
