"""The base from scratch: it copies before it has learned anything, spells alike, and trains to a policy that plays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crs_agents.smtpo.agent import build
from crs_agents.smtpo.settings import FineTuning, Reinforcement
from crs_agents.smtpo.trainer import SmtpoTraining
from crs_gym.errors import TrainingError
from crs_gym.worlds import World

torch = pytest.importorskip("torch", reason='needs torch (pip install "crs-gym[llm]")')
transformers = pytest.importorskip("transformers", reason='needs transformers (pip install "crs-gym[llm]")')
make_base = pytest.importorskip("crs_agents.smtpo.scratch").make_base

TEXTS = [
    f"{n % 10} #{n} horror, thriller; Cold Harbour (19{n:02})\n"
    f"<think>likes horror; best {n}</think><answer>{n}</answer>\n"
    for n in range(1, 40)
]
NAMES = ["horror", *(f"Cold Harbour (19{n:02})" for n in range(1, 40)), "Paper Moons (2003)"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = make_base(tmp_path_factory.mktemp("scratch") / "base", TEXTS, NAMES, seed=0)
    return made


@torch.no_grad()
def copied(model: object, vocabulary: int) -> float:
    """In lists of random words: how often the word behind a word is named where that word comes again."""
    rng = torch.Generator().manual_seed(0)
    right = []
    for _ in range(20):
        words = torch.randperm(vocabulary, generator=rng)[:40]
        again = torch.randperm(39, generator=rng)[:10]
        for place in again.tolist():
            text = torch.cat([words, words[place : place + 1]])[None]
            logits = model(input_ids=text).logits[0, -1]  # type: ignore[operator]
            right.append(int(logits.argmax()) == int(words[place + 1]))
    return sum(right) / len(right)


def test_it_copies_before_it_has_learned_anything(base: Path) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(str(base)).eval()
    random = transformers.LlamaForCausalLM(model.config).eval()
    assert copied(model, model.config.vocab_size) > 0.8
    assert copied(random, model.config.vocab_size) < 0.1


def test_what_is_copied_is_spelled_alike(base: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(base))

    def pieces(text: str) -> list[str]:
        return [tokenizer.decode([token]) for token in tokenizer(text)["input_ids"]]

    assert pieces("\n7 #12 horror") == ["\n", "7", " #12", " horror"]
    assert pieces("; 7 #12 horror")[-4:] == [" ", "7", " #12", " horror"]
    assert tokenizer.decode(tokenizer("Ça va? 日本 #4711")["input_ids"]) == "Ça va? 日本 #4711"


def test_a_name_is_one_word_where_it_is_read_often(base: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(base))

    def pieces(text: str) -> list[str]:
        return [tokenizer.decode([token]) for token in tokenizer(text)["input_ids"]]

    assert pieces("; Cold Harbour (1912)\n") == [";", " Cold Harbour (1912)", "\n"]
    assert len(pieces(" Paper Moons (2003)")) > 1, "it is in no text"
    assert pieces("<think>likes horror, horror</think><answer>") == [
        *("<think>", "likes", " horror", ",", " horror", "</think>", "<answer>")
    ]


def test_a_number_begins_like_its_candidates(base: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(base))
    embedding = transformers.AutoModelForCausalLM.from_pretrained(str(base)).get_input_embeddings().weight[:, 1:]
    one, same, other = (tokenizer(text)["input_ids"][0] for text in (" #12", "12", "13"))
    assert torch.cosine_similarity(embedding[one], embedding[same], dim=0) > 0.5
    assert torch.cosine_similarity(embedding[one], embedding[other], dim=0) < 0.3


def test_it_is_made_once(base: Path) -> None:
    before = (base / "model.safetensors").read_bytes()
    assert make_base(base, ["other words"], ["words"], seed=1) == base
    assert (base / "model.safetensors").read_bytes() == before


def test_an_adapter_has_nothing_to_stand_on(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"--sft\.rank 0"):
        SmtpoTraining(out=tmp_path, base="scratch")


def test_it_trains_to_a_policy_that_plays(tmp_path: Path, sample: World) -> None:
    pytest.importorskip("trl", reason='needs trl (pip install "crs-gym[llm]")')
    settings = SmtpoTraining(
        out=tmp_path / "run",
        env="CRS-Sample-v0",
        base="scratch",
        candidates="ease",
        n=5,
        listed=3,
        sft=FineTuning(episodes=24, updates=2, valid_episodes=4, batch_size=2, rank=0, without_target=1.0),
        grpo=Reinforcement(updates=1, users=2, members=2, accumulate=2, max_tokens=12, turns=2),
    )
    for stage in ("sft", "grpo"):
        replace(settings, stage=stage).run()  # type: ignore[arg-type]
    assert (settings.out / "scratch" / "tokenizer.json").is_file()
    moved = settings.out.rename(tmp_path / "moved")
    assert build(sample, f"{moved},max_tokens=8").act([]) == []
