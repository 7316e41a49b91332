"""Training the learned user: the same adapter whatever happened on the way; a clear word where it cannot be trained."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sft_corpus import (
    FILMS,
    adapter_of,
    history_of,
    same_but_for_rounding,
    small_settings,
    small_tokenizer,
    write_base,
)

from crs_gym.errors import TrainingError
from crs_gym.trainer import whole_checkpoints
from crs_simulators.sft import prompts
from crs_simulators.sft.trainer import SimulatorTraining

torch = pytest.importorskip("torch", reason='needs pip install "crs-gym[llm]"')
pytest.importorskip("trl", reason='needs pip install "crs-gym[llm]"')

from peft import PeftModel  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import AutoModelForCausalLM, EvalPrediction, GPT2Config, LlamaConfig  # noqa: E402

from crs_gym.curves import points  # noqa: E402
from crs_gym.lm.adapters import lora_for  # noqa: E402
from crs_gym.lm.progress import UpdatesBar  # noqa: E402
from crs_simulators.sft import preparation, run, training  # noqa: E402
from crs_simulators.sft.curves import draw_curves  # noqa: E402

pytestmark = pytest.mark.usefixtures("place")


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ctrl-C during an update."""

    def stop(update: int) -> None:
        moved = UpdatesBar.on_step_end

        def pressed(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
            moved(self, args, state, control, **more)
            if state.global_step == update - 1:
                os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(UpdatesBar, "on_step_end", pressed)

    return stop


# ---------------------------------------------------------------- the same adapter


def test_one_seed_gives_one_adapter_and_another_seed_another(settings: SimulatorTraining, undisturbed: Path) -> None:
    settings.run()
    assert adapter_of(settings.out) == adapter_of(undisturbed)
    assert history_of(settings.out) == history_of(undisturbed)
    other = replace(settings, out=settings.out.with_name("other"), seed=1)
    other.run()
    assert adapter_of(other.out) != adapter_of(undisturbed)


def test_ctrl_c_keeps_the_update_and_the_same_command_goes_on(
    settings: SimulatorTraining, undisturbed: Path, stop_at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.after_interrupt() == " No checkpoint was written yet: run the same command to go on."
    stop_at(8)
    with pytest.raises(KeyboardInterrupt):
        settings.run()
    monkeypatch.undo()
    assert [path.name for path in whole_checkpoints(settings.out)] == ["checkpoint-5", "checkpoint-8"]
    assert settings.after_interrupt() == f" Update 8 is kept in {settings.out}: run the same command to go on."
    torn = settings.out / "checkpoint-9"  # a kill came while it was written
    torn.mkdir()
    (torn / "trainer_state.json").write_text('{"log_history": [')
    replace(settings, report_to=()).run()  # where it reports to changes nothing
    assert adapter_of(settings.out) == adapter_of(undisturbed)


def test_a_batch_in_parts_gives_what_it_gives_whole(settings: SimulatorTraining, undisturbed: Path) -> None:
    """The weight of the whole batch divides the loss of each part."""
    parts = replace(settings, accumulate=2)
    parts.run()
    same_but_for_rounding(parts.out, undisturbed)


# ---------------------------------------------------------------- what comes out


def test_the_folder_holds_what_is_handed_on_and_names_no_place_of_this_machine(place: Path, undisturbed: Path) -> None:
    names = {path.name for path in undisturbed.iterdir()}
    handed_on = {"adapter_model.safetensors", "adapter_config.json", "alignment.json"}
    handed_on |= {"manifest.json", "history.json", "curve.png"}
    assert names == {*handed_on, "settings.json", ".lock"}
    for name in handed_on:
        assert str(place).encode() not in (undisturbed / name).read_bytes()
    manifest = json.loads((undisturbed / "manifest.json").read_text())
    logged = history_of(undisturbed)
    assert manifest["base"] == "llama"
    assert manifest["prompt_version"] == prompts.VERSION
    assert manifest["updates"] == -(-manifest["examples"] // 4) == logged[-1]["step"]
    assert manifest["tokens"] == logged[-1]["num_input_tokens_seen"] > 0
    assert manifest["seconds"] > 0.0
    assert manifest["valid"] == {name: logged[-1][f"eval_{name}"] for name in ("words_nll", "answers_nll", "view_auc")}
    assert (undisturbed / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_the_adapter_stands_on_the_upper_half_and_works_on_the_base(place: Path, undisturbed: Path) -> None:
    weights = load_file(undisturbed / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    assert all(".layers.1." in name for name in weights)
    assert len(weights) == 2 * 7  # A and B of q, k, v, o, gate, up and down
    base = AutoModelForCausalLM.from_pretrained(place / "llama")
    ids = torch.arange(5, 25)[None]
    before = base(ids).logits
    adapted = PeftModel.from_pretrained(base, undisturbed)
    after = adapted(ids).logits
    assert not torch.allclose(before, after, atol=1e-4)
    settings_of_it = json.loads((undisturbed / "adapter_config.json").read_text())
    assert settings_of_it["base_model_name_or_path"] == "llama"
    assert settings_of_it["lora_alpha"] == 2 * settings_of_it["r"] == 8


def test_a_training_that_has_ended_is_left_alone(
    place: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.iterdir() if path.name != ".lock"}
    small_settings(place, undisturbed).run()
    assert "it has ended: nothing is left to do" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in undisturbed.iterdir() if path.name != ".lock"}


@pytest.mark.parametrize(("kind", "maps"), [("qwen2", 7), ("gpt2", 4)])
def test_any_decoder_can_be_the_base(settings: SimulatorTraining, place: Path, kind: str, maps: int) -> None:
    chosen = replace(settings, base=str(write_base(place / kind, kind)), epochs=1, dialogues=12, layers="all")
    chosen.run()
    weights = load_file(chosen.out / "adapter_model.safetensors")
    assert len(weights) == 2 * 2 * maps  # A and B, in both layers
    assert all(bool(tensor.any()) for tensor in weights.values())  # B begins as 0: each was trained


def test_the_test_split_is_never_read(settings: SimulatorTraining, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = run.load_world(settings.world)

    class Spied:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def dialogues(self, split: Any) -> Any:
            asked.append(split)
            return real.dialogues(split)

    passes, valid = preparation.examples_of(settings, Spied(), small_tokenizer())  # type: ignore[arg-type]
    assert sorted(asked) == ["train", "valid"]
    assert len(passes) == 2
    assert passes[0] != passes[1]
    assert valid


# ---------------------------------------------------------------- refusals


def test_a_folder_with_other_settings_is_refused_with_their_names(place: Path, undisturbed: Path) -> None:
    other = replace(small_settings(place, undisturbed), seed=3, learning_rate=1e-3)
    with pytest.raises(TrainingError, match=r"seed \(0, now 3\), learning_rate \(0.0005, now 0.001\)\. Way out"):
        other.run()


def test_a_folder_of_something_else_is_refused(settings: SimulatorTraining) -> None:
    settings.out.mkdir()
    (settings.out / "thesis.tex").touch()
    with pytest.raises(TrainingError, match=r"holds thesis\.tex and no training"):
        settings.run()
    assert not (settings.out / "settings.json").exists()


def test_a_place_that_cannot_be_written_to_is_refused(settings: SimulatorTraining) -> None:
    settings.out.touch()
    with pytest.raises(TrainingError, match=r"cannot write to .*: File exists. Way out: choose another --out"):
        settings.run()
    with pytest.raises(TrainingError, match=r"cannot write to .*: Not a directory"):
        replace(settings, out=settings.out / "under").run()


def test_a_disk_that_is_too_small_is_refused_before_training(
    settings: SimulatorTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1_000_000))
    with pytest.raises(TrainingError, match=r"has 1 MB left, and this training needs \d+\. Way out: make space"):
        settings.run()
    assert not whole_checkpoints(settings.out)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"world": "sample"}, "the world sample has 0 dialogues to learn from"),
        ({"max_length": 2000}, "reads 512 tokens. Way out: --max-length 512"),
        ({"accumulate": 3}, "--batch-size 4 cannot be shared evenly by 1 processes in 3 parts each"),
    ],
)
def test_what_cannot_be_trained_is_refused(settings: SimulatorTraining, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        replace(settings, **changed).run()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rank": 0}, "--rank 0: must be at least 1"),
        ({"valid_dialogues": -1}, "--valid-dialogues -1: must be at least 0"),
        ({"feedback": 0.0, "alignment": 0.0}, "there is nothing to learn"),
        ({"feedback": float("nan")}, "--feedback nan"),
        ({"learning_rate": float("inf")}, "--learning-rate inf: must be above 0"),
        ({"decay": 1.5}, "--decay 1.5: a share"),
    ],
)
def test_settings_out_of_range_are_refused_at_once(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        SimulatorTraining(out=Path("out"), **changed)


def test_a_missing_package_is_named_with_the_extra(
    settings: SimulatorTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "crs_simulators.sft.run")
    monkeypatch.setitem(sys.modules, "peft.helpers", None)
    with pytest.raises(TrainingError, match=r'the package peft.* pip install "crs-gym\[llm\]"'):
        settings.run()


def test_a_model_without_decoder_layers_is_refused() -> None:
    class Odd(torch.nn.Module):  # type: ignore[misc]
        config = LlamaConfig(num_hidden_layers=3)

    with pytest.raises(TrainingError, match="Odd: no list of 3 decoder layers"):
        lora_for(Odd(), 4, "all")  # type: ignore[arg-type]
    odd = Odd()
    odd.layers = torch.nn.ModuleList(torch.nn.LayerNorm(2) for _ in range(3))
    with pytest.raises(TrainingError, match="its 3 layers hold no linear maps"):
        lora_for(odd, 4, "all")  # type: ignore[arg-type]
    assert GPT2Config().get_text_config().num_hidden_layers == 12  # the name that every configuration answers to


# ---------------------------------------------------------------- the arithmetic


def batch_of(settings: SimulatorTraining) -> tuple[Any, dict[str, Any]]:
    """A trainer, and a batch of three rows."""
    world = run.load_world(settings.world)
    trainer = preparation.prepared(settings, Path(settings.base), torch.float32, world)
    return trainer, trainer.data_collator([trainer.train_dataset[i] for i in (0, 1, 2)])


def test_the_loss_is_the_weighted_mean_over_what_is_learned(settings: SimulatorTraining) -> None:
    """Recomputed place by place from the logits of the whole text: the head runs on a part of it in training."""
    trainer, batch = batch_of(settings)
    loss = trainer.compute_loss(trainer.model, batch).detach()
    model = AutoModelForCausalLM.from_pretrained(settings.base, attn_implementation="eager")
    logs = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits.log_softmax(-1).detach()
    total = weight = 0.0
    for row in range(3):
        for place in range(1, batch["input_ids"].shape[1]):
            label = int(batch["labels"][row, place])
            if label != -100:
                counts = float(batch["loss_weights"][row, place])
                assert counts in (1.0, 4.0)
                total -= counts * float(logs[row, place - 1, label])
                weight += counts
    assert weight > 10.0
    assert float(loss) == pytest.approx(total / weight, abs=1e-5)  # B is 0 at first: the adapter changes nothing
    half = trainer.compute_loss(trainer.model, batch, num_items_in_batch=torch.tensor(2.0 * weight)).detach()
    assert float(half) == pytest.approx(float(loss) / 2, rel=1e-6)


def test_what_is_read_in_an_evaluation(settings: SimulatorTraining) -> None:
    trainer, batch = batch_of(settings)
    trainer.model.eval()
    loss, (nll, odds), kinds = trainer.prediction_step(trainer.model, batch, prediction_loss_only=False)
    assert float(loss) == pytest.approx(float(trainer.compute_loss(trainer.model, batch)), rel=1e-6)
    targets = batch["labels"][:, 1:]
    assert ((kinds == -100) == (targets == -100)).all()
    assert ((nll == -100.0) == (targets == -100)).all()
    weights = batch["loss_weights"][:, 1:]
    assert ((kinds == training.WORD) == (weights == 1.0)).all()
    tokenizer = small_tokenizer()
    read = {
        kind: {tokenizer.decode([token]) for token in targets[kinds == kind].tolist()}
        for kind in (training.ANSWER, training.LIKED, training.NOT_LIKED)
    }
    assert read[training.ANSWER] <= set(prompts.DECISIONS)
    assert read[training.LIKED] <= {" yes", " seen"}
    assert read[training.NOT_LIKED] == {" no"}
    assert len(odds[kinds >= training.LIKED].unique()) > 1


def test_metrics_by_hand() -> None:
    """Two rows; the second is padded, as another process's shorter table would be.

    Words 1 and 3: mean 2. Answers 2, 4, 6 in the first row and 2, 6 in the second: mean 20 / 5. Liked 0.5 and -1.0, not
    liked 0.0 and -1.0: of the four pairs, 0.5 wins both, -1.0 loses one and ties one: (2 + 0 + 0.5) / 4 = 0.625.
    """
    nothing = -100
    nll = np.array([[1.0, 2.0, 4.0, 6.0], [3.0, 2.0, 6.0, nothing]])
    odds = np.array([[9.0, 9.0, 0.5, 0.0], [9.0, -1.0, -1.0, nothing]])
    kinds = np.array([[0, 1, 2, 3], [0, 2, 3, nothing]])
    found = training.metrics_of(EvalPrediction(predictions=(nll, odds), label_ids=kinds))
    assert found == {"words_nll": 2.0, "answers_nll": 4.0, "view_auc": 0.625}


def test_what_was_not_read_has_no_metric() -> None:
    nothing = np.full((1, 2), -100)
    read = EvalPrediction(predictions=(nothing.astype(float), nothing.astype(float)), label_ids=nothing)
    assert training.metrics_of(read) == {}
    assert training.view_auc(np.array([1.0]), np.array([])) is None


def test_every_pass_comes_whole_and_rows_of_a_batch_are_about_equally_long() -> None:
    rng = np.random.default_rng(0)
    lengths = [rng.integers(10, 600, 800).tolist(), rng.integers(10, 600, 720).tolist()]
    sampler = training.PassesSampler(lengths, 8, 3)
    order = list(sampler)
    assert sorted(order[:800]) == list(range(800))
    assert sorted(order[800:]) == list(range(800, 1520))
    assert list(sampler) == order
    assert len(sampler) == 1520
    flat = [*lengths[0], *lengths[1]]
    spread = np.mean([np.ptp([flat[i] for i in order[k : k + 8]]) for k in range(0, 1520, 8)])
    shuffled = np.mean([np.ptp(rng.permutation(flat)[:8]) for _ in range(200)])
    assert spread < shuffled / 2
    means = [np.mean([flat[i] for i in order[k : k + 8]]) for k in range(0, 800, 8)]
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.3  # what follows says nothing of what came before


def test_curves_show_the_latest_figure_of_an_update(tmp_path: Path) -> None:
    log = [{"step": 20, "words_nll": 3.0}, {"step": 10, "words_nll": 4.0}, {"step": 20, "words_nll": 2.5}]
    assert points(log, "words_nll") == ([10, 20], [4.0, 2.5])
    assert points(log, "eval_words_nll") == ([], [])
    draw_curves([], tmp_path / "empty.png", "nothing yet")
    assert (tmp_path / "empty.png").stat().st_size > 1000


def test_the_corpus_of_these_tests_names_all_of_its_films(place: Path) -> None:
    assert len(run.load_world("redial").catalog) == len(FILMS)
