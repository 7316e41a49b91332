"""From the settings of a training to a trainer: lessons, model, adapter, and what trl is told."""

from __future__ import annotations

import sys
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Final

import datasets  # type: ignore[import-untyped]
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from crs_agents.smtpo.agent import candidates_of
from crs_agents.smtpo.candidates import scorer_of
from crs_agents.smtpo.encoding import EncodedLesson, encode_all
from crs_agents.smtpo.held_out import held_out_scorer
from crs_agents.smtpo.learning import LessonTrainer
from crs_agents.smtpo.lessons import Curriculum, Lesson, make_lessons
from crs_agents.smtpo.options import PolicyOptions
from crs_agents.smtpo.prompts import facet_text, title_text
from crs_agents.smtpo.scratch import make_base
from crs_agents.smtpo.trainer import SCRATCH, SmtpoTraining
from crs_gym.errors import TrainingError, WorldError
from crs_gym.lm.adapters import lora_for
from crs_gym.lm.training_base import base_for_training
from crs_gym.trainer import whole_checkpoints
from crs_gym.transcript import one_line
from crs_gym.worlds import World

WARM_UP: Final = 20
"""Updates over which the learning rate rises, or a tenth of all where that is less (our choice)."""

LOG_EVERY: Final = 5
"""Updates from one line of the train curve to the next, or a tenth of all where that is less."""

KEPT_CHECKPOINTS: Final = 2

_READ_FOR_WORDS: Final = 2_000
"""Lessons from which a tokenizer is made."""

_VALID_SEED: Final = 1
"""Keys the valid lessons: the same for every training, so that curves compare."""


def prepared(
    settings: SmtpoTraining, options: PolicyOptions, out: Path, base: Path | None, dtype: torch.dtype, world: World
) -> tuple[LessonTrainer, dict[str, int]]:
    """Lessons, model and adapter, ready to be trained; and how many lessons and tokens there are.

    Args:
        settings: How to train.
        options: The form of the prompts.
        out: The stage's folder.
        base: The base model's weights; `None` for one from scratch.
        dtype: Of the base model's numbers, where an adapter is trained.
        world: Who is learned from.
    """
    learned, valid = lessons_of(settings, options, out, world)
    if base is None:
        texts = ["".join(turn) for lesson in learned[:_READ_FOR_WORDS] for turn in lesson.turns]
        base = make_base(settings.out / SCRATCH, texts, _names(world), settings.seed)
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(base))
    own = settings.sft
    train_set, valid_set = (encode_all(lessons, tokenizer, own.max_length) for lessons in (learned, valid))
    if not train_set:
        raise TrainingError(
            f"the world {world.name} gives no lesson of at most {own.max_length} tokens. Way out: a larger "
            "--sft.max-length, or more --sft.episodes"
        )
    steps = min(ceil(len(train_set) / own.batch_size), own.updates or sys.maxsize)
    exact = dtype if own.rank else torch.float32  # what is trained is kept exactly
    model = base_for_training(base, settings.base, exact, own.max_length, "--sft.max-length", own.at_once)
    trainer = LessonTrainer(
        model=model,
        args=_arguments(settings, out, steps, bf16=dtype == torch.bfloat16, evaluate=bool(valid_set)),
        train_dataset=_dataset(train_set),
        eval_dataset=_dataset(valid_set) if valid_set else None,
        processing_class=tokenizer,
        peft_config=lora_for(model, own.rank, own.layers) if own.rank else None,
        data_collator=DataCollatorForLanguageModeling(pad_token_id=tokenizer.pad_token_id or 0),
    )
    counts = {"lessons": len(train_set), "lesson_tokens": sum(len(row.input_ids) for row in train_set)}
    return trainer, counts


def _names(world: World) -> set[str]:
    """All that is named in prompts, as it stands there."""
    catalog = world.catalog
    facets = map(facet_text, catalog.facet_names)
    return {*facets, *map(title_text, catalog.names), *map(one_line, catalog.names)}


def lessons_of(
    settings: SmtpoTraining, options: PolicyOptions, out: Path, world: World
) -> tuple[list[Lesson], list[Lesson]]:
    """The lessons of all passes over the train split, and those of the valid split."""
    source = candidates_of(options, out)
    own = settings.sft
    curriculum = Curriculum(
        episodes=own.episodes,
        moments=own.moments,
        max_turns=own.turns,
        user=own.user,
        inserted=own.inserted,
        without_target=own.without_target,
        seed=settings.seed,
    )
    score = held_out_scorer(source, world)
    learned: list[Lesson] = []
    for epoch in range(own.epochs):
        learned += make_lessons(world, score, options, curriculum, epoch=epoch)
    if not own.valid_episodes:
        return learned, []
    examined = replace(
        curriculum, episodes=own.valid_episodes, moments=0, inserted=0.0, without_target=0.0, seed=_VALID_SEED
    )
    try:
        return learned, make_lessons(world, scorer_of(source, world), options, examined, split="valid")
    except WorldError:  # a corpus of which only one split is there
        return learned, []


def _dataset(lessons: list[EncodedLesson]) -> datasets.Dataset:
    return datasets.Dataset.from_list([{"input_ids": row.input_ids, "labels": row.labels} for row in lessons])


def _arguments(settings: SmtpoTraining, out: Path, steps: int, *, bf16: bool, evaluate: bool) -> SFTConfig:
    """What `SFTTrainer` is told."""
    return SFTConfig(
        output_dir=str(out),
        seed=settings.seed,
        per_device_train_batch_size=settings.sft.at_once,
        per_device_eval_batch_size=settings.sft.at_once,
        gradient_accumulation_steps=settings.sft.batch_size // settings.sft.at_once,
        max_steps=steps,  # all passes are in the train set
        learning_rate=settings.sft.learning_rate,
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
        eval_steps=settings.sft.eval_every,
        eval_on_start=evaluate and not whole_checkpoints(out),
        save_steps=settings.sft.save_every,
        save_total_limit=KEPT_CHECKPOINTS,
        report_to=[name for name in settings.report_to if name != "none"],
        disable_tqdm=True,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
