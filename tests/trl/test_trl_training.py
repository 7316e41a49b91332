"""Multi-turn GRPO with trl's real trainer on a tiny model: what it learns from, that it learns, that it goes on."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from queue import Queue
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from trl_play import Guided, Numbered, failing_user

from crs_gym.agent import Observation
from crs_gym.config import EnvConfig
from crs_gym.errors import TrainingError
from crs_gym.game import Game
from crs_gym.trl.settings import GRPOSettings
from crs_gym.worlds import load_world
from crs_gym.worlds.world import World

torch = pytest.importorskip("torch", reason='needs pip install "crs-gym[llm]"')
pytest.importorskip("trl", reason='needs pip install "crs-gym[llm]"')

from transformers import AutoModelForCausalLM  # noqa: E402

from crs_gym.trainer import whole_checkpoints  # noqa: E402
from crs_gym.trl.credit import turn_advantages  # noqa: E402
from crs_gym.trl.grpo import MultiTurnGRPOTrainer, reward_table  # noqa: E402
from crs_gym.trl.prompts import episode_prompts  # noqa: E402
from crs_gym.trl.rollouts import READ  # noqa: E402
from crs_gym.trl.scoring import scores  # noqa: E402
from crs_gym.trl.training import episodes_a_process, prepared, train  # noqa: E402

LEARNABLE = {"format": 0.5, "preference": 1.0}
"""Rewards by which an answer in the right form is worth something at once."""


def config(**settings: Any) -> EnvConfig:
    return EnvConfig.of(**{"world": "sample", "k": 1, "max_turns": 2, "reward": LEARNABLE, **settings})


@pytest.fixture
def settings(tiny_base: Path, tmp_path: Path) -> GRPOSettings:
    """A short training of a LoRA."""
    return GRPOSettings(
        out=tmp_path / "out",
        base=str(tiny_base),
        updates=4,
        users=2,
        members=4,
        rank=4,
        learning_rate=1e-2,
        warm_up=0,
        beta=0.1,
        accumulate=1,
        dtype="fp32",
        save_every=2,
    )


def numbered(world: World) -> Numbered:
    return Numbered(world.catalog, max_tokens=3)


def made(settings: GRPOSettings, base: Path, **environment: Any) -> MultiTurnGRPOTrainer:
    game = Game(config(**environment), num_dialogues=episodes_a_process(settings))
    trainer = prepared(settings, numbered(game.world), game, base)
    trainer.model.train()
    return trainer


def batch(settings: GRPOSettings) -> list[dict[str, str]]:
    return [dict(row) for row in episode_prompts(0, settings.users) for _ in range(settings.members)]


def weights_of(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    (file,) = folder.glob("*.safetensors")
    return load_file(file)


# ---------------------------------------------------------------- what it learns from


@pytest.mark.parametrize("credit", ["turn", "episode"])
def test_each_written_token_has_its_turns_advantage(settings: GRPOSettings, tiny_base: Path, credit: Any) -> None:
    chosen = replace(settings, members=12)  # so many that their films differ
    trainer = made(replace(chosen, credit=credit, gamma=0.5), tiny_base)
    output = trainer._generate_and_score_completions(batch(chosen))
    played = trainer._played
    wanted = turn_advantages(reward_table(played, 2), chosen.members, credit, 0.5, "group")
    assert np.abs(wanted).max() > 0.1
    for row, episode in enumerate(played):
        cut = episode.prompt_length
        n = len(episode.tokens) - cut
        assert output["completion_ids"][row, :n].tolist() == episode.tokens[cut:]
        assert output["tool_mask"][row, :n].tolist() == [int(turn != READ) for turn in episode.turn_of[cut:]]
        expected = [0.0 if turn == READ else wanted[row, turn] for turn in episode.turn_of[cut:]]
        np.testing.assert_allclose(output["advantages"][row, :n].numpy(), expected, rtol=1e-6)
        assert not output["advantages"][row, n:].any()
        assert not output["completion_mask"][row, n:].any()


def test_what_was_no_choice_is_not_learned(settings: GRPOSettings, tiny_base: Path) -> None:
    game = Game(config(), num_dialogues=episodes_a_process(settings))
    trainer = prepared(settings, Guided(game.world.catalog, max_tokens=12), game, tiny_base)
    trainer.model.train()
    output = trainer._generate_and_score_completions(batch(settings))
    learned = (output["tool_mask"] * output["completion_mask"]).bool()
    told = [trainer.processing_class.decode([token]) for token in output["completion_ids"][learned].tolist()]
    assert set(told) <= set("1234")
    assert len(told) == sum(len(episode.trace.turns) for episode in trainer._played)


def test_without_a_kl_what_has_no_advantage_is_not_computed_and_changes_nothing(
    settings: GRPOSettings, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = replace(settings, beta=0.0, members=8, users=6)
    trainer = made(chosen, tiny_base)
    trainer.current_gradient_accumulation_steps = 1
    output = trainer._generate_and_score_completions(batch(chosen))
    pulled = output["advantages"] != 0.0
    everything = torch.zeros_like(output["tool_mask"])
    for row, episode in enumerate(trainer._played):
        turns = episode.turn_of[episode.prompt_length :]
        everything[row, : len(turns)] = torch.tensor([int(turn != READ) for turn in turns])
    assert torch.equal(output["tool_mask"] * output["completion_mask"], everything)
    assert torch.equal(trainer._pulled(output)["tool_mask"] * output["completion_mask"], everything * pulled)
    idle = ~pulled.any(dim=1)
    assert idle.any()
    assert not idle.all()

    def gradient() -> list[torch.Tensor]:
        trainer.model.zero_grad()
        trainer._compute_loss(trainer.model, output).backward()
        return [weight.grad.clone() for weight in trainer.model.parameters() if weight.grad is not None]

    ours_alone = gradient()
    monkeypatch.setattr(trainer, "_pulled", lambda inputs: inputs)
    for ours, whole in zip(ours_alone, gradient(), strict=True):
        torch.testing.assert_close(ours, whole)


def test_what_several_rows_read_is_computed_once(tiny_base: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_base, dtype=torch.float32)
    ids = torch.tensor([[0, 5, 6, 7, 8, 9], [0, 5, 6, 7, 3, 0], [4, 5, 6, 7, 8, 0], [0, 5, 6, 7, 8, 9]])
    attention = torch.tensor([[0, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 0], [0, 1, 1, 1, 1, 1]])
    written = torch.tensor([[0, 0, 1, 0, 1, 0], [0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 1, 1]]).bool()
    read: list[torch.Size] = []
    model.register_forward_pre_hook(lambda _, __, given: read.append(given["input_ids"].shape), with_kwargs=True)
    logs, entropies = scores(model, ids, attention, written, 1.0, 4)
    assert sum(shape[0] for shape in read) == 2  # rows 0 and 1 go on as row 3 does; row 2 began with another token
    for row in range(4):
        alone = scores(model, ids[row : row + 1], attention[row : row + 1], written[row : row + 1], 1.0, 1)
        torch.testing.assert_close((logs[row], entropies[row]), (alone[0][0], alone[1][0]))
    assert logs[written].lt(0.0).all()
    assert not logs[~written].any()


def test_rows_that_part_have_the_scores_and_gradients_of_each_by_itself(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_base, dtype=torch.float32)
    rng = np.random.default_rng(4)
    trunk = rng.integers(5, 200, 60).tolist()
    rows = [trunk[:40], trunk]
    for start in (0, 10, 10, 25, 50):
        rows += [[*trunk[:start], *rng.integers(5, 200, 30).tolist()]]
    rows += [[*rows[-1], 9, 8, 7], [*rows[-1][:70], 11, 12], rows[3]]
    left, width = [int(rng.integers(0, 5)) for _ in rows], 90
    ids, attention = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.long)
    written = torch.zeros(len(rows), width, dtype=torch.bool)
    for number, (row, pad) in enumerate(zip(rows, left, strict=True)):
        ids[number, pad : pad + len(row)], attention[number, pad : pad + len(row)] = torch.tensor(row), 1
        written[number, pad + 1 : pad + len(row)] = torch.from_numpy(rng.random(len(row) - 1) < 0.2)
    written[:, -1] = False
    read = 0
    weights = torch.from_numpy(rng.normal(size=ids.shape)).float()

    def count(_: Any, __: Any, given: dict[str, Any]) -> None:
        nonlocal read
        read += int(given["attention_mask"][:, -given["input_ids"].shape[1] :].sum())

    model.register_forward_pre_hook(count, with_kwargs=True)

    def scored(shared: int, size: int) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor], int]:
        nonlocal read
        monkeypatch.setattr("crs_gym.trl.scoring.SHARED", shared)
        model.zero_grad()
        read = 0
        logs, entropies = scores(model, ids, attention, written, 0.9, size)
        ((logs + 0.1 * entropies) * weights).sum().backward()
        return logs, entropies, [weight.grad.clone() for weight in model.parameters()], read

    logs, entropies, gradient, alone = scored(1_000, 1)
    for shared, size in ((1, 16), (1, 2), (12, 16)):
        ours = scored(shared, size)
        torch.testing.assert_close(ours[:2], (logs, entropies), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(ours[2], gradient, atol=1e-4, rtol=1e-4)
        assert ours[3] < alone
    model.train()
    model.gradient_checkpointing_enable()
    recomputed = scored(1, 16)
    torch.testing.assert_close(recomputed[:2], (logs, entropies), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(recomputed[2], gradient, atol=1e-4, rtol=1e-4)
    assert not logs[~written].any()


def test_a_part_with_nothing_to_learn_is_in_no_mean_of_tokens(settings: GRPOSettings, tiny_base: Path) -> None:
    trainer = made(replace(settings, beta=0.0), tiny_base)
    trainer.current_gradient_accumulation_steps = 1
    output = trainer._generate_and_score_completions(batch(settings))
    trainer._compute_loss(trainer.model, {**output, "advantages": torch.ones_like(output["advantages"])})
    trainer._compute_loss(trainer.model, {**output, "advantages": torch.zeros_like(output["advantages"])})
    learned, idle = trainer._metrics["train"]["entropy"]
    assert learned > 0.0
    assert math.isnan(idle)


def test_what_the_writer_drew_has_the_trained_models_probability(settings: GRPOSettings, tiny_base: Path) -> None:
    """With an adapter that has learned something: the copy's weights are the trained ones, merged."""
    trainer = made(settings, tiny_base)
    with torch.no_grad():
        for name, weight in trainer.model.named_parameters():
            if "lora_" in name:
                weight.normal_(std=0.2)
    output = trainer._generate_and_score_completions(batch(settings))
    mask = (output["tool_mask"] * output["completion_mask"]).bool()
    ids = torch.cat([output["prompt_ids"], output["completion_ids"]], dim=1)
    attention = torch.cat([output["prompt_mask"], output["completion_mask"]], dim=1)
    with torch.no_grad():
        logits = trainer.model(input_ids=ids, attention_mask=attention).logits[:, :-1].double()
        n = output["completion_ids"].shape[1]
        exact = torch.log_softmax(logits, -1).gather(2, ids[:, 1:, None])[:, -n:, 0]
        trainer._written = mask.int()
        ours, entropies, _ = trainer._get_per_token_logps_and_entropies(
            trainer.model, ids, attention, n, batch_size=3, compute_entropy=True
        )
    np.testing.assert_allclose(output["sampling_per_token_logps"][mask].numpy(), exact[mask].numpy(), atol=1e-4)
    np.testing.assert_allclose(ours[mask].numpy(), exact[mask].numpy(), atol=1e-4)  # padding is left out, nothing else
    spread = -(torch.log_softmax(logits, -1).exp() * torch.log_softmax(logits, -1)).sum(-1)[:, -n:]
    np.testing.assert_allclose(entropies[mask].numpy(), spread[mask].numpy(), atol=1e-4)
    with trainer.model.disable_adapter(), torch.no_grad():
        before = torch.log_softmax(trainer.model(input_ids=ids, attention_mask=attention).logits[:, :-1].double(), -1)
    assert (before.gather(2, ids[:, 1:, None])[:, -n:, 0][mask] - exact[mask]).abs().max() > 0.01


def test_a_training_tells_nobody_of_itself(
    settings: GRPOSettings, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever imported huggingface_hub first, and although trl reports where it is not told otherwise."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", False)
    monkeypatch.setattr("huggingface_hub.utils._telemetry._start_telemetry_thread", lambda: None)
    reports: Queue[Any] = Queue()
    monkeypatch.setattr("huggingface_hub.utils._telemetry._TELEMETRY_QUEUE", reports)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    for name in ("HF_HUB_DISABLE_TELEMETRY", "CI"):  # trl says nothing where CI is set, whatever was asked for
        monkeypatch.delenv(name, raising=False)
    made(settings, tiny_base)
    assert reports.empty()
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "0")
    made(settings, tiny_base)
    assert not reports.empty()


def test_errored_episodes_are_masked_and_counted(settings: GRPOSettings, tiny_base: Path) -> None:
    trainer = made(settings, tiny_base, simulator=failing_user(every=3))
    output = trainer._generate_and_score_completions(batch(settings))
    errored = [row for row, episode in enumerate(trainer._played) if episode.errored]
    assert errored == [0, 3, 6]
    for row, episode in enumerate(trainer._played):
        n = len(episode.tokens) - episode.prompt_length
        assert bool(output["tool_mask"][row, :n].any()) == (row not in errored)
    assert not output["advantages"][errored].any()
    assert trainer._metrics["train"]["errored"] == [3.0]
    whole = [e.trace.total_return for e in trainer._played if not e.errored]
    assert trainer._metrics["train"]["reward"] == [pytest.approx(fmean(whole), abs=1e-6)]


def test_a_batch_of_which_nothing_is_left_ends_the_training(settings: GRPOSettings, tiny_base: Path) -> None:
    trainer = made(settings, tiny_base, simulator=failing_user(every=1))
    with pytest.raises(TrainingError, match=r"all 8 episodes of a batch errored, the first one with: gone\. Way out"):
        trainer.rollout([row["prompt"] for row in batch(settings)])


# ---------------------------------------------------------------- that it learns, and goes on


def test_a_tiny_model_learns_to_answer_by_number(settings: GRPOSettings) -> None:
    """From nothing: 4 of 321 tokens are an answer. The first three updates against the last three."""
    chosen = replace(settings, updates=15, users=4, members=8, rank=0, learning_rate=2e-2, beta=0.0, save_every=100)
    train(chosen, lambda world: Numbered(world.catalog), config())
    history = json.loads((chosen.out / "history.json").read_text())[:-1]
    earned = [entry["reward"] for entry in history]
    assert len(earned) == 15
    assert fmean(earned[:3]) < 0.2
    assert fmean(earned[-3:]) > fmean(earned[:3]) + 0.2
    named = {"success", "accepted", "turns", "well_formed", "entropy", "length/turn", "length/drift", "errored"}
    named |= {"terms/format", "terms/preference", "groups/without_spread", "hacks/identical"}
    assert all(named <= set(entry) for entry in history)
    assert {"config.json", "tokenizer.json", "curve.png", "manifest.json"} <= {p.name for p in chosen.out.iterdir()}


class StoppedError(Exception):
    """The process is gone."""


class Breaks(Numbered):
    """Ends the process in the middle of a batch."""

    def __init__(self, world: World, turns: int) -> None:
        super().__init__(world.catalog, max_tokens=3)
        self.left = turns

    revision = "Numbered"

    def pieces(self, observations: Sequence[Observation]) -> list[str]:
        self.left -= 1
        if self.left < 0:
            raise StoppedError
        return super().pieces(observations)


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(settings: GRPOSettings, tmp_path: Path) -> None:
    """It begins with an adapter, whose copy is the reference; two updates from each batch; in two parts each."""
    train(replace(settings, out=tmp_path / "first", updates=2), lambda world: Breaks(world, 99), config())
    chosen = replace(settings, adapter=tmp_path / "first", iterations=2, accumulate=2, updates=6)
    whole = replace(chosen, out=tmp_path / "whole")
    train(whole, lambda world: Breaks(world, 99), config())
    with pytest.raises(StoppedError):
        train(chosen, lambda world: Breaks(world, 5), config())  # two turns a batch: in the third
    assert [path.name for path in whole_checkpoints(chosen.out)] == ["checkpoint-2", "checkpoint-4"]
    with pytest.raises(TrainingError, match=r"holds a training with other settings: gamma \(1\.0, now 0\.9\)"):
        train(replace(chosen, gamma=0.9), lambda world: Breaks(world, 99), config())
    train(chosen, lambda world: Breaks(world, 99), config())
    assert not list(chosen.out.glob("checkpoint-*"))
    wanted, found, first = (weights_of(folder) for folder in (whole.out, chosen.out, tmp_path / "first"))
    assert wanted.keys() == found.keys() == first.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)
    assert any((wanted[name] - first[name]).abs().max() > 1e-3 for name in wanted)
    histories = [json.loads((folder / "history.json").read_text())[:-1] for folder in (whole.out, chosen.out)]
    timed = ("rollout/seconds", "rollout/tokens_per_second", "step_time")
    ours, theirs = ([{k: v for k, v in e.items() if k not in timed} for e in history] for history in histories)
    assert ours == theirs
    assert all(entry["kl"] >= 0.0 for entry in ours)
    train(chosen, lambda world: Breaks(world, 0), config())  # it has ended: nothing is played


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"members": 1}, "members=1: must be at least 2"),
        ({"gamma": 1.5}, r"gamma=1\.5: a discount"),
        ({"iterations": 3}, "save_every=2 is no multiple of iterations=3"),
        ({"learning_rate": 0.0}, "learning_rate=0.0: must be above 0"),
        ({"rank": 0, "adapter": Path("x")}, "rank=0 trains all weights, and an adapter is named"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: GRPOSettings, setting: Any, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        replace(settings, **setting)


def test_a_batch_that_cannot_be_shared_is_refused(settings: GRPOSettings) -> None:
    with pytest.raises(
        TrainingError, match="users=2 times members=4 cannot be shared evenly by 1 processes in 3 parts"
    ):
        episodes_a_process(replace(settings, accumulate=3))


def test_a_policy_that_draws_nothing_is_refused(settings: GRPOSettings, tiny_base: Path) -> None:
    from crs_gym.lm import Sampling

    policy = numbered(load_world("sample"))
    policy.sampling = Sampling(temperature=0.0)
    with pytest.raises(TrainingError, match="writes at temperature 0"):
        prepared(settings, policy, Game(config(), num_dialogues=8), tiny_base)
