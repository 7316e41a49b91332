"""The measurement of language models: its arithmetic by hand, and all of its parts with a tiny model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason='needs pip install "crs-gym[llm]"')
pytest.importorskip("transformers", reason='needs pip install "crs-gym[llm]"')


from crs_gym.bench import language_envs
from crs_gym.bench.language import (
    Comparison,
    Load,
    Memory,
    Sameness,
    compared,
    dialogues_to_measure,
    in_rounds,
    local_model,
    own_adapter,
    same_words,
)
from crs_gym.bench.language_decoding import Clock, measure_decoding, prompts_of
from crs_gym.bench.language_dialogues import measure_kept_cache, measure_sameness, seekers_of
from crs_gym.bench.language_envs import measure_envs, measure_memory
from crs_gym.cli.bench import Lm
from crs_gym.errors import WeightsError

LOAD = Load(rows=3, prompt_tokens=30, new_tokens=4, rounds=2, turns=2, alone=2, slate=2)


@pytest.fixture(autouse=True)
def _sample_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No corpus is at hand."""
    monkeypatch.delenv("CRS_GYM_DATA", raising=False)
    monkeypatch.setenv("CRS_GYM_CACHE", str(tmp_path))


def test_the_median_of_the_rounds_ratios_counts() -> None:
    ours, theirs = iter([10.0, 30.0, 100.0]), iter([5.0, 10.0, 100.0])
    sides = {"ours": lambda: {"turns": next(ours)}, "theirs": lambda: {"turns": next(theirs)}}
    figure = compared("a", "turns/s", in_rounds(sides, 3), ("ours", "theirs"), "turns", wanted=2.0)
    # Ratios 2, 3 and 1, so 2; medians 30 and 10, whose ratio would be 3.
    assert figure == Comparison("a", "turns/s", ours=30.0, theirs=10.0, ratio=2.0, wanted=2.0, rounds=3)
    assert figure.row() == ("a", "30.0 turns/s", "10.0 turns/s", "2.00", "≥ 2")


def test_sides_take_turns() -> None:
    order: list[str] = []
    in_rounds({name: lambda name=name: order.append(name) or {} for name in "ab"}, 2)
    assert order == ["a", "b", "a", "b"]


def test_a_conversation_counts_up_to_its_first_difference() -> None:
    ones = [["a", "b", "c"], ["a", "b", "c"], ["a", "b", "c"]]
    others = [["a", "b", "c"], ["a", "x", "y"], ["a", "b", "z"]]
    figure = same_words("w", ones, others)
    # Three turns of the first, two of the second (its third has another history), three of the last.
    assert figure == Sameness("w", conversations=3, same=1, turns=8)
    assert figure.rate == pytest.approx(2 / 8)
    assert figure.row() == ("w", "1 of 3 the same", "2 of 8 turns differ", "0.333", "1")


def test_decoding_is_what_comes_behind_the_first_token(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds: Iterator[float] = iter([10.0, 12.0, 15.0])  # begun, the first token, the end
    monkeypatch.setattr("crs_gym.bench.language_decoding.time.perf_counter", lambda: next(seconds))
    clock = Clock()
    for _ in range(24):
        clock.tick()
    found = clock.rates([4] * 6, 4)
    assert found["decode"] == pytest.approx(6 * 3 / 3.0)
    assert found["all"] == pytest.approx(6 * 4 / 5.0)


def test_rows_that_stop_early_cannot_be_compared() -> None:
    clock = Clock()
    clock.tick()
    with pytest.raises(RuntimeError, match=r"\[3, 4\] tokens, not 4"):
        clock.rates([4, 3], 4)


def test_memory_is_told_as_what_the_other_envs_add() -> None:
    envs, kept = Memory(envs=5, one=700.0, begun=710.0, played=750.0, weights=257.0).rows()
    assert envs == ("memory of 5 single envs against one", "710 MB", "700 MB", "+10 MB", "< 257 MB (one model)")
    assert kept[3] == "+50 MB, 10.0 MB a dialogue"  # 40 MB more for four further dialogues


def test_quick_is_less_of_everything() -> None:
    assert Load().quick() == Load(rows=4, new_tokens=8, rounds=1, alone=2)
    assert Load(rows=2, new_tokens=3, alone=1).quick() == Load(rows=2, new_tokens=3, rounds=1, alone=1)


def test_prompts_and_seekers_are_of_the_asked_size(chat_model: Path) -> None:
    model, world = local_model(str(chat_model), None), dialogues_to_measure()
    assert world.name == "sample"
    prompts = prompts_of(model, world, 5, 60)
    assert len(set(prompts)) == 5
    assert all(40 < len(model.tokens(prompt)[0]) <= 60 for prompt in prompts)
    seekers = seekers_of(world, 5)
    assert len({seeker.key for seeker in seekers}) == 5


def test_decoding_of_a_tiny_model(chat_model: Path) -> None:
    model = local_model(str(chat_model), None)
    attention = model._model.config._attn_implementation
    figures = list(measure_decoding(model, dialogues_to_measure(), LOAD))
    assert [figure.wanted for figure in figures] == [3.0, None, None, 12.0, None]
    assert all(figure.ratio > 0 and figure.rounds == 2 for figure in figures)
    assert model._model.config._attn_implementation == attention  # left as it was
    assert "_ends" not in vars(model)


def test_conversations_of_a_tiny_model(chat_model: Path, tmp_path: Path) -> None:
    load = replace(LOAD, rounds=1)
    model, world = local_model(str(chat_model), None), dialogues_to_measure()
    *kept, same = measure_kept_cache(model, tmp_path, world, load)
    assert [figure.wanted for figure in kept if isinstance(figure, Comparison)] == [1.4, 1.4]
    assert isinstance(same, Sameness)
    assert (same.conversations, same.same, same.turns) == (3, 3, 6)
    exact = local_model(str(chat_model), None, "float32")
    for figure in measure_sameness((local_model(str(chat_model), None, "bfloat16"), exact), tmp_path, world, load):
        assert (figure.conversations, figure.same, figure.turns) == (2, 2, 4)


def test_envs_of_a_tiny_model(chat_model: Path) -> None:
    figure = measure_envs(str(chat_model), None, LOAD)
    assert "CRS-Sample-v0" in figure.name
    assert "over 8 single steps" in figure.name  # two rounds of four
    assert figure.ratio > 0


def test_memory_of_fresh_processes(chat_model: Path) -> None:
    figure = measure_memory(str(chat_model), None, LOAD)
    assert 0 < figure.weights < 2  # 64 wide, two layers
    assert figure.one > 50
    assert figure.played >= figure.begun > 50


def test_only_what_sft_plays_with_goes_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = own_adapter("smollm2-135m-instruct")
    assert adapter is not None
    assert language_envs.user_of("smollm2-135m-instruct", adapter) == "sft"
    assert own_adapter("another") is None


def test_a_model_behind_a_server_is_refused() -> None:
    with pytest.raises(WeightsError, match="runs on a server"):
        Lm(model="endpoint:qwen3@http://localhost:8000/v1").run()
