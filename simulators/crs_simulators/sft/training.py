"""Multi-task supervised fine-tuning of the learned user, through trl's `SFTTrainer` and peft's LoRA.

Departures from SMTPO, all ours: the paper fine-tunes a 7B model with a LoRA on every layer; here the adapter stands on
the upper half of a small model by default, so that a pass over ReDial takes an hour on two cores. One example holds a
whole dialogue with all of its turns instead of one example a turn: the same loss terms for a tenth of the tokens.

What is learned is a fourth of the tokens, so the head (a fifth of a forward pass here) runs at those places alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from peft import PeftModel
from scipy.stats import rankdata
from torch.nn import functional
from torch.utils.data import Sampler
from transformers import EvalPrediction
from trl.trainer.sft_trainer import SFTTrainer

from crs_gym.numeric import FloatArray, IntArray
from crs_gym.randomness import generator
from crs_simulators.sft.encoding import IGNORED, EncodedExample

NOTHING: Final = -100
"""Stands where a table has no value: what transformers pads tables of several processes with."""

WORD: Final = 0
ANSWER: Final = 1
LIKED: Final = 2
NOT_LIKED: Final = 3
"""What is learned at a place: a word; a decision; a view that likes the film, or does not (these are answers, too)."""

POOL: Final = 8
"""Batches whose rows are sorted by length together (our choice: a tenth of a batch is padding then)."""

METRICS: Final = ("words_nll", "answers_nll")
"""Mean negative log-likelihood a token, in nats: of words, and of answers (views and decisions)."""


@dataclass(frozen=True, slots=True)
class Collator:
    """Pads a batch on the right."""

    pad_token: int

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Columns of `(batch, length)` from rows."""
        length = max(len(row["input_ids"]) for row in rows)

        def padded(columns: list[list[Any]], filler: float, dtype: torch.dtype) -> torch.Tensor:
            return torch.tensor([[*column, *[filler] * (length - len(column))] for column in columns], dtype=dtype)

        return {
            "input_ids": padded([row["input_ids"] for row in rows], self.pad_token, torch.long),
            "labels": padded([row["labels"] for row in rows], IGNORED, torch.long),
            "loss_weights": padded([row["loss_weights"] for row in rows], 0.0, torch.float32),
            "attention_mask": padded([[1] * len(row["input_ids"]) for row in rows], 0, torch.long),
        }


class PassesSampler(Sampler[int]):
    """The rows of each pass in batches of about equal length, the batches in a random order.

    A pass is shuffled, and each pool of `POOL` batches sorted by length. transformers' `group_by_length` leaves its
    pools in the order of length: the short rows, which are of another task here, come one after the other, and the
    model drifts with them (docs/log.md).

    The order belongs to the seed alone: not to how many processes share a batch, nor to where a training was resumed.

    Args:
        lengths: The length of each row, by pass.
        batch_size: Rows a batch, over all devices.
        seed: Keys the order.
    """

    def __init__(self, lengths: Sequence[Sequence[int]], batch_size: int, seed: int) -> None:
        self._lengths = [np.asarray(of_pass) for of_pass in lengths]
        self._batch_size = batch_size
        self._seed = seed

    def __len__(self) -> int:
        return sum(map(len, self._lengths))

    def __iter__(self) -> Iterator[int]:
        rng = generator(self._seed, "order")
        first = 0
        for lengths in self._lengths:
            shuffled = rng.permutation(len(lengths))
            batches: list[IntArray] = []
            for start in range(0, len(shuffled), self._batch_size * POOL):
                pool = shuffled[start : start + self._batch_size * POOL]
                pool = pool[np.argsort(lengths[pool], kind="stable")]
                batches += np.split(pool, range(self._batch_size, len(pool), self._batch_size))
            full = [batch for batch in batches if len(batch) == self._batch_size]
            rest = [batch for batch in batches if len(batch) < self._batch_size]
            for batch in (*(full[i] for i in rng.permutation(len(full))), *rest):
                yield from (first + batch).tolist()
            first += len(lengths)


class SimulatorTrainer(SFTTrainer):
    """`SFTTrainer` whose loss is weighted, and whose head runs at learned places only.

    Args:
        pass_lengths: The lengths of the rows of the train set, by pass.
        views: The tokens of `prompts.VIEWS`.
        arguments: See `SFTTrainer`.
    """

    loss_is_scaled_for_ga: bool | None = True  # type: ignore[assignment]  # by the weight of the whole batch, see `compute_loss`

    def __init__(self, *, pass_lengths: Sequence[Sequence[int]], views: tuple[int, ...], **arguments: Any) -> None:
        super().__init__(compute_metrics=metrics_of, **arguments)
        self._pass_lengths = pass_lengths
        self._views = views
        self._learned: torch.Tensor | None = None
        self._sums = torch.zeros(len(METRICS), 2, dtype=torch.float64, device=self.args.device)  # since the last log
        self._began = time.monotonic()
        head: torch.nn.Module = self.adapted.get_base_model().get_output_embeddings()  # type: ignore[operator]
        head.register_forward_pre_hook(self._keep_learned)

    @property
    def adapted(self) -> PeftModel:
        """The model with its adapter."""
        assert isinstance(self.model, PeftModel)
        return self.model

    @property
    def examples(self) -> int:
        """How many examples are learned from, over all passes."""
        return sum(map(len, self._pass_lengths))

    def _keep_learned(self, _: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor] | None:
        """`(batch, length, width)` hidden states down to `(learned, width)`: a hook, so that it works wrapped, too."""
        return None if self._learned is None else (inputs[0][self._learned],)

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        del train_dataset
        size = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        return PassesSampler(self._pass_lengths, size, self.args.seed)

    def get_batch_samples(
        self, epoch_iterator: Iterator[dict[str, torch.Tensor]], num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, torch.Tensor]], torch.Tensor]:
        """The parts of the next batch, and the weight of all that is learned in it, over all devices."""
        parts, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        weight = sum((part["loss_weights"][:, 1:].sum() for part in parts), start=torch.zeros(()))
        return parts, self.accelerator.gather(weight.to(device)).sum()

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """The weighted mean of the negative log-likelihood over the learned tokens.

        Args:
            model: The model, maybe wrapped.
            inputs: Columns of `(batch, length)` from `Collator`.
            return_outputs: Return the model's outputs besides: logits of `(learned, vocabulary)`.
            num_items_in_batch: The weight of the whole batch, of which `inputs` may be a part; by default that of
                `inputs`.
        """
        losses, outputs, learned = self._losses(model, inputs)
        weights = inputs["loss_weights"][:, 1:][learned]  # (learned,)
        if num_items_in_batch is None:
            whole = weights.sum().clamp(min=1.0)
        else:  # gradients are averaged over processes, of which each has a part of the batch
            whole = torch.as_tensor(num_items_in_batch).clamp(min=1.0) / self.accelerator.num_processes
        if self.adapted.training:
            self._count(losses.detach(), weights)
        loss = (losses * weights).sum() / whole
        return (loss, outputs) if return_outputs else loss

    def _losses(
        self, model: torch.nn.Module, inputs: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, Any, torch.Tensor]:
        """Negative log-likelihoods `(learned,)`, outputs, and which places are learned `(batch, length - 1)`."""
        targets = inputs["labels"][:, 1:]  # (batch, length - 1): place t is read from place t - 1
        learned = targets != IGNORED
        self._learned = functional.pad(learned, (0, 1))  # (batch, length)
        try:
            outputs = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False)
        finally:
            self._learned = None
        return functional.cross_entropy(outputs.logits.float(), targets[learned], reduction="none"), outputs, learned

    def _count(self, losses: torch.Tensor, weights: torch.Tensor) -> None:
        """Add what was learned from to what the next log tells."""
        for row, chosen in enumerate((weights == 1.0, weights != 1.0)):
            self._sums[row, 0] += losses[chosen].sum()
            self._sums[row, 1] += chosen.sum()

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log what was counted since the last time, over all devices, and the seconds of all runs so far."""
        if self.adapted.training:
            for name, (total, count) in zip(METRICS, self.accelerator.reduce(self._sums, "sum").tolist(), strict=True):
                if count:
                    logs[name] = total / count
            self._sums.zero_()
        logs["seconds"] = round(time.monotonic() - self._began, 1)
        super().log(logs, start_time)

    def clock_from(self, seconds: float) -> None:
        """Count the seconds of earlier runs, too."""
        self._began = time.monotonic() - seconds

    def prediction_step(  # type: ignore[override]  # tables in the place of logits
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor], torch.Tensor]:
        """For `metrics_of`: the loss, two tables of what was read at each place, and what is learned there.

        Returns:
            The loss; `(batch, length - 1)` float32 negative log-likelihoods, and by how much the views that like a film
            are more probable than the one that does not (log-odds); `(batch, length - 1)` int64 kinds, `NOTHING` where
            nothing is learned.
        """
        del prediction_loss_only, ignore_keys
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            losses, outputs, learned = self._losses(model, inputs)
        weights = inputs["loss_weights"][:, 1:]  # (batch, length - 1)
        targets = inputs["labels"][:, 1:]
        yes, seen, no = outputs.logits[:, list(self._views)].float().unbind(1)  # (learned,) each
        nll = torch.full(targets.shape, float(NOTHING), device=targets.device)
        odds = torch.zeros_like(nll)
        nll[learned] = losses
        odds[learned] = torch.logaddexp(yes, seen) - no
        kinds = torch.where(weights == 1.0, WORD, ANSWER)
        view = targets != inputs["input_ids"][:, 1:]  # a view is not written out
        kinds[view] = torch.where(targets[view] == self._views[2], NOT_LIKED, LIKED)
        kinds[~learned] = NOTHING
        loss = (losses * weights[learned]).sum() / weights.sum().clamp(min=1.0)
        return loss, (nll, odds), kinds

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """None: the manifest says what there is to say."""


def metrics_of(read: EvalPrediction) -> dict[str, float]:
    """Means over all that was read: the `METRICS` and the AUC of the views (`view_auc`); without those of nothing."""
    nll, odds = map(np.asarray, read.predictions)
    kinds = np.asarray(read.label_ids)
    metrics = {
        name: float(nll[chosen].mean(dtype=np.float64))
        for name, chosen in zip(METRICS, (kinds == WORD, kinds >= ANSWER), strict=True)
        if np.any(chosen)
    }
    auc = view_auc(odds[kinds == LIKED], odds[kinds == NOT_LIKED])
    return metrics if auc is None else {**metrics, "view_auc": auc}


def view_auc(liked: FloatArray, not_liked: FloatArray) -> float | None:
    """How often a film that the seeker likes is rated above one that it does not, ties half; `None` without both."""
    if not len(liked) or not len(not_liked):
        return None
    ranks = rankdata(np.concatenate((liked, not_liked)))[: len(liked)]
    below = float(ranks.sum()) - len(liked) * (len(liked) + 1) / 2
    return below / (len(liked) * len(not_liked))


def rows_of(encoded: Sequence[EncodedExample]) -> list[dict[str, Any]]:
    """Encoded examples as rows for a `datasets.Dataset`."""
    return [{"input_ids": e.input_ids, "labels": e.labels, "loss_weights": e.loss_weights} for e in encoded]
