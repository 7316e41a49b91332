"""From the settings of a training to a trainer: examples, model, adapter, and what trl is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Final

import datasets  # type: ignore[import-untyped]
import torch
from transformers import AutoTokenizer
from trl.trainer.sft_config import SFTConfig

from crs_gym.errors import TrainingError
from crs_gym.lm.adapters import lora_for
from crs_gym.lm.training_base import base_for_training
from crs_gym.task import Dialogue
from crs_gym.trainer import whole_checkpoints
from crs_gym.worlds import World
from crs_simulators.sft.encoding import EncodedExample, encode_all, view_tokens
from crs_simulators.sft.examples import ExampleMaker, TaskMix
from crs_simulators.sft.trainer import SimulatorTraining
from crs_simulators.sft.training import Collator, SimulatorTrainer, rows_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WARM_UP: Final = 40
"""Updates over which the learning rate rises, or a tenth of all where that is less (our choice)."""

LOG_EVERY: Final = 20
"""Updates from one line of the train curve to the next, or a tenth of all where that is less."""

KEPT_CHECKPOINTS: Final = 2

_VALID_SEED: Final = 1
"""Keys the examples that are evaluated: the same for every training, so that curves compare."""


def prepared(settings: SimulatorTraining, folder: Path, dtype: torch.dtype, world: World) -> SimulatorTrainer:
    """Examples, model and adapter, ready to be trained.

    Raises:
        TrainingError: The world, the model or the batch size will not do; the message says what will.
    """
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(folder))
    views = view_tokens(tokenizer)
    passes, valid = examples_of(settings, world, tokenizer)
    steps = min(ceil(sum(map(len, passes)) / settings.batch_size), settings.updates or sys.maxsize)
    model = base_for_training(folder, settings.base, dtype, settings.max_length, "--max-length")
    lora = lora_for(
        model, settings.rank, settings.layers
    )  # before the arguments: a model that cannot take it is refused
    return SimulatorTrainer(
        pass_lengths=[[len(row.input_ids) for row in rows] for rows in passes],
        views=views,
        model=model,
        args=_arguments(settings, steps, bf16=dtype == torch.bfloat16, evaluate=bool(valid)),
        train_dataset=datasets.concatenate_datasets([datasets.Dataset.from_list(rows_of(rows)) for rows in passes]),
        eval_dataset=datasets.Dataset.from_list(rows_of(valid)) if valid else None,
        processing_class=tokenizer,
        peft_config=lora,
        data_collator=Collator(tokenizer.pad_token_id or 0),
    )


def examples_of(
    settings: SimulatorTraining, world: World, tokenizer: PreTrainedTokenizerBase
) -> tuple[list[list[EncodedExample]], list[EncodedExample]]:
    """The examples of each pass over the train split, and those of the valid split: feedback generation alone.

    Raises:
        TrainingError: There are none to learn from.
    """
    mix = TaskMix(settings.feedback, settings.alignment)
    learned = _evenly(world.dialogues("train"), settings.dialogues)
    maker = ExampleMaker(world.catalog, mix, settings.seed)
    passes = [
        encode_all(maker.examples(learned, epoch), tokenizer, settings.max_length) for epoch in range(settings.epochs)
    ]
    if not all(passes):
        raise TrainingError(
            f"the world {world.name} has {len(learned)} dialogues to learn from, and they give no example. Way out: "
            "choose a --world of recorded dialogues (redial, opendialkg, inspired)"
        )
    held_out = _evenly(world.dialogues("valid"), settings.valid_dialogues)
    examined = ExampleMaker(world.catalog, TaskMix(alignment=0.0), _VALID_SEED).examples(held_out)
    return passes, encode_all(examined, tokenizer, settings.max_length)


def _evenly(dialogues: Sequence[Dialogue], count: int | None) -> list[Dialogue]:
    """`count` of the dialogues, as far from each other as can be; all where there are no more."""
    count = len(dialogues) if count is None else min(count, len(dialogues))
    return [dialogues[i * len(dialogues) // count] for i in range(count)]


def _arguments(settings: SimulatorTraining, steps: int, *, bf16: bool, evaluate: bool) -> SFTConfig:
    """What `SFTTrainer` is told.

    Raises:
        TrainingError: The batch cannot be shared evenly.
    """
    parts = int(os.environ.get("WORLD_SIZE", "1")) * settings.accumulate
    if settings.batch_size % parts:
        raise TrainingError(
            f"--batch-size {settings.batch_size} cannot be shared evenly by {parts // settings.accumulate} processes "
            f"in {settings.accumulate} parts each. Way out: choose a multiple of {parts}"
        )
    each = settings.batch_size // parts
    return SFTConfig(
        output_dir=str(settings.out),
        seed=settings.seed,
        per_device_train_batch_size=each,
        per_device_eval_batch_size=each,
        gradient_accumulation_steps=settings.accumulate,
        max_steps=steps,  # all passes are in the train set
        learning_rate=settings.learning_rate,
        lr_scheduler_type="warmup_stable_decay",
        lr_scheduler_kwargs={"num_decay_steps": int(steps * settings.decay)},
        warmup_steps=min(WARM_UP, steps // 10),
        max_grad_norm=1.0,
        weight_decay=0.0,
        adam_beta2=0.99,
        bf16=bf16,
        use_cpu=not torch.accelerator.is_available(),
        gradient_checkpointing=False,
        dataloader_pin_memory=torch.accelerator.is_available(),
        ddp_find_unused_parameters=False,
        ddp_broadcast_buffers=False,
        logging_steps=max(1, min(LOG_EVERY, steps // 10)),
        eval_strategy="steps" if evaluate else "no",
        eval_steps=settings.eval_every,
        eval_on_start=evaluate and not whole_checkpoints(settings.out),
        save_steps=settings.save_every,
        save_total_limit=KEPT_CHECKPOINTS,
        include_num_input_tokens_seen="non_padding",
        report_to=[name for name in settings.report_to if name not in ("tensorboard", "none")],
        disable_tqdm=True,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
