"""What a training of the learned user needs, small enough for a test, and what it leaves behind."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tiny_models import END, TURN_END, byte_level_tokenizer, write_model

from crs_gym import worlds
from crs_simulators.sft.trainer import SimulatorTraining

FILMS = [
    *("Heat (1995)", "Ronin (1998)", "Up (2009)", "Okja (2017)", "Alien (1979)", "Coco (2017)", "Get Out (2017)"),
    *("Fargo (1996)", "Speed (1994)", "Drive (2011)", "Her (2013)", "Jaws (1975)"),
]
GENRES = ("crime", "comedy", "horror", "drama")
WORDS = "yes seen no accept like dislike answer leave User Recommender Taste Wants likes dislikes"


def write_corpus(data: Path, dialogues: int = 60) -> Path:
    """A small ReDial in its published form: each seeker asks, is shown two films, and says what it thinks of them."""
    folder = data / "redial"
    folder.mkdir(parents=True)
    records = [_record(number) for number in range(dialogues)]
    members = {"train_data.jsonl": records[:-4], "test_data.jsonl": records[-4:]}
    with zipfile.ZipFile(folder / "redial_dataset.zip", "w") as archive:
        for name, rows in members.items():
            archive.writestr(name, "".join(f"{json.dumps(row)}\n" for row in rows))
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["movieId", "movieName", "nbMentions"])
    writer.writerows([number, name, 1] for number, name in enumerate(FILMS, 1))
    (folder / "movies_with_mentions.csv").write_text(table.getvalue())
    facts = {
        str(number): {"name": name, "genre": [GENRES[number % 4]], "director": [], "star": []}
        for number, name in enumerate(FILMS, 1)
    }
    (folder / "id2info.json").write_text(json.dumps(facts))
    return data


def _record(number: int) -> dict[str, Any]:
    own, first, second = (1 + (number * step + step) % len(FILMS) for step in (1, 5, 7))
    seeker = 1000 + number
    said = [
        (seeker, f"Hi, I like @{own}, show me something new please"),
        (1, f"Have you seen @{first}?"),
        (seeker, "Yes, I have seen it and it was good" if number % 2 else "No, but I would like to see it"),
        (1, f"And @{second} is good, too"),
        (seeker, "No, I do not like that" if number % 3 else "Yes, that is for me. Bye!"),
    ]
    labels = {
        str(own): {"suggested": 0, "seen": 1, "liked": 1},
        str(first): {"suggested": 1, "seen": number % 2, "liked": 1},
        str(second): {"suggested": 1, "seen": 0, "liked": int(number % 3 == 0)},
    }
    return {
        "movieMentions": dict.fromkeys(labels),
        "respondentQuestions": labels,
        "initiatorQuestions": labels,
        "messages": [
            {"timeOffset": 0, "text": text, "senderWorkerId": speaker, "messageId": i}
            for i, (speaker, text) in enumerate(said)
        ],
        "conversationId": str(number),
        "respondentWorkerId": 1,
        "initiatorWorkerId": seeker,
    }


def small_tokenizer() -> Any:
    """A byte-level tokenizer that knows the words of the prompts, and two special tokens."""
    said = [f" {WORDS} {' '.join(FILMS)}"] * 20
    return byte_level_tokenizer(said, 384, (END, TURN_END), eos_token=TURN_END, pad_token=END)


def write_base(folder: Path, kind: str = "llama") -> Path:
    """A model of two layers to begin with, of one of three kinds, and the tokenizer."""
    from transformers import GPT2Config, LlamaConfig, Qwen2Config

    tokenizer = small_tokenizer()
    small = {"vocab_size": len(tokenizer), "max_position_embeddings": 512}
    decoder = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    decoder |= {"num_key_value_heads": 1, "tie_word_embeddings": True}
    config: Any
    if kind == "llama":
        config = LlamaConfig(**small, **decoder)
    elif kind == "qwen2":
        config = Qwen2Config(**small, **decoder)
    else:
        config = GPT2Config(vocab_size=len(tokenizer), n_positions=512, n_embd=32, n_layer=2, n_head=2)
    return write_model(folder, config, tokenizer, seed=7)


@contextmanager
def training_in(folder: Path) -> Iterator[None]:
    """The corpus in a folder is at hand, with a cache of its own; one thread, so that sums have one order."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRS_GYM_DATA", str(folder / "data"))
        patch.setenv("CRS_GYM_CACHE", str(folder / "cache"))
        patch.setenv("OMP_NUM_THREADS", "1")
        worlds._recorded.cache_clear()
        yield
    worlds._recorded.cache_clear()
    torch.set_num_threads(threads)


def small_settings(place: Path, out: Path) -> SimulatorTraining:
    """About 30 updates, with checkpoints in between."""
    return SimulatorTraining(
        out=out,
        base=str(place / "llama"),
        epochs=2,
        valid_dialogues=2,
        max_length=192,
        batch_size=4,
        rank=4,
        dtype="fp32",
        eval_every=10,
        save_every=5,
        report_to=("none",),
    )


def adapter_of(out: Path) -> bytes:
    """The trained weights, as they lie on the disk."""
    return (out / "adapter_model.safetensors").read_bytes()


def history_of(out: Path) -> list[dict[str, float]]:
    """The log without times."""
    timed = ("second", "runtime")
    entries = json.loads((out / "history.json").read_text())[:-1]  # the last is about the time of the last run
    return [{name: value for name, value in e.items() if not any(t in name for t in timed)} for e in entries]


def same_but_for_rounding(one: Path, other: Path) -> None:
    """Hold two trainings to the same losses, gradients and weights, summed in another order."""
    import torch
    from safetensors.torch import load_file

    logs = history_of(one), history_of(other)
    assert len(logs[0]) == len(logs[1])
    for found, expected in zip(*logs, strict=True):
        assert found == pytest.approx(expected, rel=1e-4)
    weights = load_file(other / "adapter_model.safetensors")
    for name, found_weights in load_file(one / "adapter_model.safetensors").items():
        torch.testing.assert_close(found_weights, weights[name], rtol=2**-7, atol=1e-6)  # bf16: the last bit may differ
