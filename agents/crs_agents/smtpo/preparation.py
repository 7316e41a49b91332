"""From the settings of a training to a trainer: lessons, model, adapter, and what trl is told."""

from __future__ import annotations

import os
import sys
from math import ceil
from pathlib import Path
from typing import Final

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when trl is imported: a training tells nobody of itself

import datasets  # type: ignore[import-untyped]
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling, SFTTrainer

from crs_agents.smtpo.adapter import lora_for
from crs_agents.smtpo.agent import candidates_of
from crs_agents.smtpo.candidates import scorer_of
from crs_agents.smtpo.encoding import EncodedLesson, encode_all
from crs_agents.smtpo.held_out import held_out_scorer
from crs_agents.smtpo.lessons import Curriculum, make_lessons
from crs_agents.smtpo.options import PolicyOptions
from crs_agents.smtpo.trainer import SmtpoTraining
from crs_gym.errors import TrainingError, WorldError
from crs_gym.trainer import whole_checkpoints
from crs_gym.worlds import World

WARM_UP: Final = 20
"""Updates over which the learning rate rises, or a tenth of all where that is less (our choice)."""

LOG_EVERY: Final = 5
"""Updates from one line of the train curve to the next, or a tenth of all where that is less."""

KEPT_CHECKPOINTS: Final = 2

_VALID_SEED: Final = 1
"""Keys the valid lessons: the same for every training, so that curves compare."""


def prepared(
    settings: SmtpoTraining, options: PolicyOptions, out: Path, folder: Path, dtype: torch.dtype, world: World
) -> tuple[SFTTrainer, dict[str, int]]:
    """Lessons, model and adapter, ready to be trained; and how many lessons and tokens there are."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(folder))
    learned, valid = lessons_of(settings, options, out, world, tokenizer)
    steps = min(ceil(len(learned) / settings.batch_size), settings.updates or sys.maxsize)
    model = _model(settings, folder, dtype)
    trainer = SFTTrainer(
        model=model,
        args=_arguments(settings, out, steps, bf16=dtype == torch.bfloat16, evaluate=bool(valid)),
        train_dataset=_dataset(learned),
        eval_dataset=_dataset(valid) if valid else None,
        processing_class=tokenizer,
        peft_config=lora_for(model, settings.rank, settings.layers),
        data_collator=DataCollatorForLanguageModeling(pad_token_id=tokenizer.pad_token_id or 0),
    )
    counts = {"lessons": len(learned), "lesson_tokens": sum(len(row.input_ids) for row in learned)}
    return trainer, counts


def lessons_of(
    settings: SmtpoTraining, options: PolicyOptions, out: Path, world: World, tokenizer: PreTrainedTokenizerBase
) -> tuple[list[EncodedLesson], list[EncodedLesson]]:
    """The lessons of all passes over the train split, and those of the valid split.

    Raises:
        TrainingError: There are none to learn from.
    """
    source = candidates_of(options, out)
    curriculum = Curriculum(
        episodes=settings.episodes,
        moments=settings.moments,
        max_turns=settings.lesson_turns,
        user=settings.user,
        inserted=settings.inserted,
        without_target=settings.without_target,
        seed=settings.seed,
    )
    score = held_out_scorer(source, world)
    learned: list[EncodedLesson] = []
    for epoch in range(settings.epochs):
        lessons = make_lessons(world, score, options, curriculum, epoch=epoch)
        learned += encode_all(lessons, tokenizer, settings.max_length)
    if not learned:
        raise TrainingError(
            f"the world {world.name} gives no lesson of at most {settings.max_length} tokens. Way out: a larger "
            "--max-length, or more --episodes"
        )
    if not settings.valid_episodes:
        return learned, []
    examined = Curriculum(
        episodes=settings.valid_episodes,
        moments=0,
        max_turns=settings.lesson_turns,
        user=settings.user,
        inserted=0.0,
        without_target=0.0,
        seed=_VALID_SEED,
    )
    try:
        valid = make_lessons(world, scorer_of(source, world), options, examined, split="valid")
    except WorldError:  # a corpus of which only one split is there
        valid = []
    return learned, encode_all(valid, tokenizer, settings.max_length)


def _dataset(lessons: list[EncodedLesson]) -> datasets.Dataset:
    return datasets.Dataset.from_list([{"input_ids": row.input_ids, "labels": row.labels} for row in lessons])


def _model(settings: SmtpoTraining, folder: Path, dtype: torch.dtype) -> PreTrainedModel:
    """The base model.

    Raises:
        TrainingError: transformers cannot read it, or it reads shorter texts than the lessons are.
    """
    attention = "sdpa" if torch.accelerator.is_available() else "eager"  # on a CPU eager attention is the faster one
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            str(folder), dtype=dtype, attn_implementation=attention, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise TrainingError(f"{settings.base} is no causal language model that can be read: {error}") from error
    longest = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if longest is not None and longest < settings.max_length:
        raise TrainingError(
            f"{settings.base} reads {longest} tokens. Way out: --max-length {longest}, or another --base"
        )
    return model


def _arguments(settings: SmtpoTraining, out: Path, steps: int, *, bf16: bool, evaluate: bool) -> SFTConfig:
    """What `SFTTrainer` is told."""
    return SFTConfig(
        output_dir=str(out),
        seed=settings.seed,
        per_device_train_batch_size=settings.at_once,
        per_device_eval_batch_size=settings.at_once,
        gradient_accumulation_steps=settings.batch_size // settings.at_once,
        max_steps=steps,  # all passes are in the train set
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=min(WARM_UP, steps // 10),
        max_grad_norm=1.0,
        weight_decay=0.0,
        adam_beta2=0.99,
        bf16=bf16,
        use_cpu=not torch.accelerator.is_available(),
        gradient_checkpointing=False,
        dataloader_pin_memory=torch.accelerator.is_available(),
        logging_steps=max(1, min(LOG_EVERY, steps // 10)),
        eval_strategy="steps" if evaluate else "no",
        eval_steps=settings.eval_every,
        eval_on_start=evaluate and not whole_checkpoints(out),
        save_steps=settings.save_every,
        save_total_limit=KEPT_CHECKPOINTS,
        report_to=[name for name in settings.report_to if name != "none"],
        disable_tqdm=True,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
