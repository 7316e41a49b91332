"""`SFTTrainer` whose head runs at learned places only: a tenth of a lesson, and half of the work of a small model."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from trl.trainer.sft_trainer import SFTTrainer

from crs_agents.smtpo.encoding import IGNORED


class LessonTrainer(SFTTrainer):
    """See `SFTTrainer`; the loss is the same: the mean negative log-likelihood of what the policy writes."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._learned: torch.Tensor | None = None
        head: torch.nn.Module = self.accelerator.unwrap_model(self.model).get_output_embeddings()
        head.register_forward_pre_hook(self._keep_learned)

    def _keep_learned(self, _: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor] | None:
        """`(batch, length, width)` hidden states down to `(learned, width)`: a hook, so that it works wrapped, too."""
        return None if self._learned is None else (inputs[0][self._learned],)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """The loss over the learned tokens, and their accuracy for the log.

        Args:
            model: The model, maybe wrapped.
            inputs: `input_ids`, `attention_mask` and `labels`, `(batch, length)` each.
            return_outputs: Return the model's outputs besides: logits of `(learned, vocabulary)`.
            num_items_in_batch: How many tokens the whole batch learns, of which `inputs` may be a part; by default as
                many as `inputs` do.
        """
        targets = inputs["labels"][:, 1:]  # (batch, length - 1): place t is read from place t - 1
        learned = targets != IGNORED
        self._learned = functional.pad(learned, (0, 1))  # (batch, length)
        try:
            outputs = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False)
        finally:
            self._learned = None
        wanted = targets[learned]
        total = functional.cross_entropy(outputs.logits.float(), wanted, reduction="sum")
        right = (outputs.logits.argmax(dim=-1) == wanted).float().mean()
        mode = "train" if model.training else "eval"
        self._metrics[mode]["mean_token_accuracy"].append(self.accelerator.gather_for_metrics(right).mean().item())
        whole = torch.as_tensor(len(wanted) if num_items_in_batch is None else num_items_in_batch).clamp(min=1)
        loss = total / whole
        if num_items_in_batch is not None:  # gradients are averaged over processes, of which each has a part
            loss = loss * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss
