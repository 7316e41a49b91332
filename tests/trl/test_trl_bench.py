"""The measurement of rollouts runs, on both sides, over the same dialogues."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason='needs pip install "crs-gym[llm]"')

from crs_gym.bench import trl as bench


def test_both_sides_play_the_same_dialogues(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Word by word: what ours reads and writes is what trl's trainer gives its model, call by call."""
    texts: dict[str, list[str]] = {}
    rates = bench._rates

    def watched(trainer: Any, load: bench.RolloutLoad) -> bench.Rates:
        score = trainer._generate_and_score_completions

        def scored(rows: Any) -> Any:
            output = score(rows)
            read = output["completion_mask"].bool() & ~output["tool_mask"].bool()
            decode = trainer.processing_class.decode
            texts[type(trainer).__name__] = [
                decode(prompt[there.bool()]) + "|" + decode(completion[places])
                for prompt, there, completion, places in zip(
                    output["prompt_ids"], output["prompt_mask"], output["completion_ids"], read, strict=True
                )
            ]
            return output

        trainer._generate_and_score_completions = scored
        return rates(trainer, load)

    monkeypatch.setattr(bench, "_rates", watched)
    figure = bench.measure_rollouts(str(tiny_base), bench.RolloutLoad().quick())
    assert figure.ratio > 0
    assert figure.wanted == bench.WANTED
    ours, theirs = texts["MultiTurnGRPOTrainer"], texts["Caller"]
    assert len(ours) == 2
    for our, their in zip(ours, theirs, strict=True):
        assert their.startswith(our)  # theirs goes on behind the user's last words
        assert "recommend" in our
        assert bench.OVER in their
