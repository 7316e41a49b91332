"""Multi-turn GRPO for dialogue policies, on trl's `GRPOTrainer`: the users are the environment's, credit goes by turn.

Departures from GRPO (Shao et al. 2024, arXiv 2402.03300)
- A completion is a whole dialogue: what the model read between its turns (the user's words, candidates) is part of the
  sequence and masked out of the loss, the KL and the entropy.
- Credit by turn: a token's advantage is its turn's reward-to-go with a discount, less the mean of its group at the same
  turn, divided by the group's standard deviation there. `credit="next"` leaves the turn's own reward out, for a choice
  that has no part in it. `credit="episode"` is GRPO's own: one advantage a sequence.
- The members of a group meet the same user, who draws the same noise; only the model's own sampling differs.
- Where a policy's texts have a form that its model is held to (`crs_gym.lm.guide`), only tokens that were a choice are
  in the loss, with their probability among all tokens, not among those that the form allows.
- Episodes in which the user or the model failed have no gradient, and are in no mean.
- The loss is a sum over all written tokens of a batch, divided by their number (trl's `dapo`): a long dialogue weighs
  as much as its tokens. `loss="grpo"` weighs sequences alike.
- One update a batch by default, so nothing is clipped; the KL to the model that the training began with is in the loss
  (GRPO's estimator), with a small weight.
- The model that writes has the adapter merged into weights of its own type: with bfloat16 it differs from the trained
  one by rounding, which is not corrected. Tokens that a policy's `min_p` cuts off are never drawn, and the
  probabilities of the others are not normalised anew.

Departures from SMTPO (arXiv 2604.03671)
- The reward is the environment's mix of terms (format, recommend, preference, novelty, cost of a turn), given at each
  turn, where the paper's is format + recommend + preference; `reward={…}` of the environment makes it theirs.
- The paper's credit is for whole responses; that is `credit="episode"`.
- The user's decision ends the dialogue, not the label.
- The numbers of groups, members, the discount, the learning rate and the weight of the KL are our choice: the paper
  gives none.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from typing import Any, Final, cast

import numpy as np
import torch
from accelerate.utils import gather_object  # type: ignore[import-untyped]
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

# Read when trl's trainer is built: that rollout functions may change is why the tests hold this file to trl's version.
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.utils import split_tensor_dict

from crs_gym.errors import TrainingError
from crs_gym.lm.quiet import tell_nobody
from crs_gym.trl.credit import Credit, Scale, turn_advantages
from crs_gym.trl.prompts import episodes_of
from crs_gym.trl.rollouts import READ, Rollouts, WrittenEpisode
from crs_gym.trl.scoring import has_plain_head, scores
from crs_gym.trl.watching import figures_of

Batch = dict[str, torch.Tensor | Any]

_OF_TOKENS: Final = {"entropy", "kl", "clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean"}
"""Figures of trl that are means over the tokens that are learned from."""


def environment_return(
    *, prompts: Sequence[str], episode_return: Sequence[float | None], **_: object
) -> list[float | None]:
    """The reward function that trl is given: what the environment gave over each episode; `None` where it errored."""
    del prompts
    return list(episode_return)


class MultiTurnGRPOTrainer(GRPOTrainer):
    """trl's trainer, whose rollouts are episodes of the environment.

    Args:
        rollouts: Who plays them.
        credit: See `turn_advantages`.
        gamma: The discount a turn.
        seed: Keys the model's sampling.
        settings: Of `GRPOTrainer`: `model`, `args`, `train_dataset` with a column `prompt` (see `EpisodePrompt`), …
    """

    _buffered_inputs: Any

    def __init__(self, rollouts: Rollouts, *, credit: Credit, gamma: float, seed: int, **settings: Any) -> None:
        self._rollouts = rollouts
        self._credit: Credit = credit
        self._gamma = gamma
        self._key = seed
        self._played: list[WrittenEpisode] = []
        self._written: torch.Tensor | None = None  # which places of a completion are scored
        self._plain_head = has_plain_head(settings["model"].config)
        tell_nobody()
        super().__init__(reward_funcs=environment_return, rollout_func=_play_for_trl, **settings)

    # ---------------------------------------------------------------- rollouts

    def rollout(self, prompts: Sequence[str]) -> dict[str, list[Any]]:
        """Play one batch with the weights of now. See `RolloutFunc` of trl.

        Args:
            prompts: This process's part of a batch in which each group's members stand one behind the other.

        Returns:
            For each prompt `prompt_ids`, `completion_ids`, `logprobs` (0 where the model read), `env_mask` (1 where it
            chose, unless the episode errored), `episode_return`, and `turn_rewards`: a list of reward terms by turn.

        Raises:
            TrainingError: All episodes of the batch errored.
        """
        began = time.perf_counter()
        game, writer = self._rollouts.game, self._rollouts.writer
        writer.take_weights(self.accelerator.unwrap_model(self.model))
        episodes = episodes_of(game, prompts)
        self._played = played = self._rollouts.play(episodes, self._members(len(prompts)))
        if all(episode.errored for episode in played):
            raise TrainingError(
                f"all {len(played)} episodes of a batch errored, the first one with: {played[0].trace.error}. Way out: "
                "see that the simulator's model is there, and that an episode fits into what the policy's model reads"
            )
        seconds = time.perf_counter() - began
        self._log("rollout/seconds", seconds)
        self._log("rollout/tokens_per_second", sum(map(_n_written, played)) / seconds)
        rows = self._for_trl(played)
        masks = [torch.tensor(mask, device=self.accelerator.device) for mask in rows["env_mask"]]
        self._written = pad_sequence(masks, batch_first=True)
        return rows

    def _members(self, n: int) -> list[str]:
        """What tells the sampling of each row from that of all others, in every update and process."""
        first = self.accelerator.process_index * n
        batch = f"{self._key}/{self._mode}/{self.state.global_step}"
        return [f"{batch}/{(first + i) % self._group}" for i in range(n)]

    def _for_trl(self, played: Sequence[WrittenEpisode]) -> dict[str, list[Any]]:
        pad = self._tokenizer.pad_token_id
        rows: dict[str, list[Any]] = {name: [] for name in ("prompt_ids", "completion_ids", "logprobs", "env_mask")}
        for episode in played:
            cut = episode.prompt_length
            mask = [int(chosen and not episode.errored) for chosen in episode.chosen[cut:]]
            rows["prompt_ids"].append(episode.tokens[:cut] or [pad])
            rows["completion_ids"].append(episode.tokens[cut:] or [pad])  # the user failed before a word was written
            rows["logprobs"].append(episode.log_probabilities[cut:] or [0.0])
            rows["env_mask"].append(mask or [0])
        rows["episode_return"] = [episode.trace.total_return for episode in played]
        rows["turn_rewards"] = [[turn.reward_terms for turn in episode.trace.turns] for episode in played]
        return rows

    def _prepare_inputs(self, generation_batch: Any) -> Batch:
        """As trl's, but not shuffled: members of a group, who read much of the same, are computed together."""
        if self._mode == "eval":
            return cast("Batch", super()._prepare_inputs(generation_batch))
        parts: int = cast("Any", self.args).steps_per_generation
        if self._step % (parts * self.num_iterations) == 0 or self._buffered_inputs is None:
            self._buffered_inputs = split_tensor_dict(self._generate_and_score_completions(generation_batch), parts)
        return cast("Batch", self._buffered_inputs[self._step % parts])

    # ---------------------------------------------------------------- credit

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> Batch:
        """Put an advantage a token in the place of trl's advantage a sequence."""
        try:
            output: Batch = super()._generate_and_score_completions(inputs)
        finally:
            self._written = None
        members = self._group
        played: list[WrittenEpisode] = gather_object(self._played)  # groups may be shared by processes
        rewards = reward_table(played, self._rollouts.game.config.max_turns)
        scale = cast("Scale", self.scale_rewards)
        advantages = turn_advantages(rewards, members, self._credit, self._gamma, scale)
        first = self.accelerator.process_index * len(self._played)
        mine = advantages[first : first + len(self._played)]
        output["advantages"] = self._by_token(mine, output["completion_ids"])
        before = [entry["length/turn"] for entry in self.state.log_history if "length/turn" in entry]
        figures = figures_of(played, rewards, members, self._credit, self._gamma, before[0] if before else None)
        for name, value in figures.items():
            self._log(name, value)
        return output

    def _by_token(self, advantages: np.ndarray, completions: torch.Tensor) -> torch.Tensor:
        """`(batch, completion)` float32 from `(batch, turns)`: each written token has its turn's."""
        table = np.zeros(completions.shape, np.float32)
        for row, episode in enumerate(self._played):
            turns = np.array(episode.turn_of[episode.prompt_length :], np.int64)
            table[row, : len(turns)] = np.where(turns == READ, 0.0, advantages[row, turns])
        return torch.from_numpy(table).to(completions.device)

    def _log(self, name: str, value: float) -> None:
        self._metrics[self._mode][name].append(value)

    @property
    def _mode(self) -> str:
        return "train" if cast("torch.nn.Module", self.model).training else "eval"

    @property
    def _group(self) -> int:
        """How many members a group has."""
        return cast("int", self.num_generations if self._mode == "train" else self.num_generations_eval)

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """None: the manifest says what there is to say."""

    # ---------------------------------------------------------------- what is computed

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        **others: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """As trl's, but only at the places that were written; 0 elsewhere. See `crs_gym.trl.scoring`.

        Returns:
            `(batch, logits_to_keep)` log-probabilities and, if asked for, entropies; nothing in the third place.
        """
        if self._written is None or not self._plain_head:
            return super()._get_per_token_logps_and_entropies(  # type: ignore[no-any-return]
                model, input_ids, attention_mask, logits_to_keep, batch_size, compute_entropy, **others
            )
        width = input_ids.shape[1]
        at = functional.pad(self._written, (width - logits_to_keep, logits_to_keep - self._written.shape[1]))
        with self.accelerator.autocast():
            logs, entropies = scores(
                model, input_ids, attention_mask, at.bool(), self.temperature, batch_size or len(input_ids)
            )
        return logs[:, -logits_to_keep:], entropies[:, -logits_to_keep:] if compute_entropy else None, None

    def _pulled(self, inputs: Batch) -> Batch:
        """Without the tokens at which nothing pulls: those without an advantage, where there is no KL."""
        if self.beta != 0.0 or self.loss_type != "dapo":
            return inputs
        return {**inputs, "tool_mask": inputs["tool_mask"] * (inputs["advantages"] != 0.0)}

    def _compute_loss(self, model: Any, inputs: Batch) -> torch.Tensor:
        inputs = self._pulled(inputs)
        self._written = written = inputs["completion_mask"] * inputs["tool_mask"]
        try:
            loss = cast("torch.Tensor", super()._compute_loss(model, inputs))  # type: ignore[no-untyped-call]
        finally:
            self._written = None
        if not self.accelerator.reduce(written.sum()).item():
            figures = self._metrics[self._mode]
            for name in figures.keys() & _OF_TOKENS:  # trl says 0 where there are none, and leaves nan out of its means
                figures[name][-1] = math.nan
        return loss


def reward_table(played: Sequence[WrittenEpisode], turns: int) -> np.ndarray:
    """`(episodes, turns)` rewards; nan where there is no turn, and all over an episode that errored."""
    table = np.full((len(played), turns), np.nan)
    for row, episode in enumerate(played):
        if not episode.errored:
            rewards = [turn.reward for turn in episode.trace.turns]
            table[row, : len(rewards)] = rewards
    return table


def _play_for_trl(prompts: list[str], trainer: GRPOTrainer) -> dict[str, Any]:
    assert isinstance(trainer, MultiTurnGRPOTrainer)
    return trainer.rollout(prompts)


def _n_written(episode: WrittenEpisode) -> int:
    return sum(turn != READ for turn in episode.turn_of)
