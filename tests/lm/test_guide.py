"""Guided writing: only what a guide allows is written, drawn as if nothing else existed, each row by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crs_gym.lm.guide import MostProbable, Walk

if TYPE_CHECKING:
    from crs_gym.lm.cache import Slot

FORM = ("I saw ", ("a cat", "a cart", "the dog"), " run", (" far.", "."))


def guide(written: Sequence[str]) -> Sequence[str]:
    """The pieces of `FORM`, one after the other."""
    if len(written) == len(FORM):
        return []
    part = FORM[len(written)]
    return [part] if isinstance(part, str) else part


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def test_what_must_follow_is_written_and_choices_are_where_pieces_part() -> None:
    walk = Walk(guide, letters)
    assert ("".join(map(chr, walk.tokens)), walk.options) == ("I saw ", letters("at"))
    assert walk.take(ord("a")) == letters("a ca")
    assert walk.options == letters("tr")
    assert walk.take(ord("r")) == letters("rt run")
    assert walk.options == letters(" .")
    assert walk.take(ord(".")) == letters(".")
    assert walk.options == []
    assert "".join(map(chr, walk.tokens)) == "I saw a cart run."
    assert [chr(token) for token, chosen in zip(walk.tokens, walk.chosen, strict=True) if chosen] == ["a", "r", "."]


@given(st.lists(st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=4), max_size=4), st.randoms())
def test_every_walk_ends_as_one_of_the_texts(parts: list[list[str]], random: object) -> None:
    ended = [[f"{text}." for text in part] for part in parts]  # so that none is the beginning of another
    walk = Walk(lambda written: ended[len(written)] if len(written) < len(ended) else [], letters)
    while walk.options:
        assert len(set(walk.options)) == len(walk.options) > 1
        walk.take(random.choice(walk.options))  # type: ignore[attr-defined]
    said = "".join(map(chr, walk.tokens)).split(".")[:-1]
    assert len(said) == len(parts)
    assert all(text in part for text, part in zip(said, parts, strict=True))
    assert len(walk.chosen) == len(walk.tokens)


torch = pytest.importorskip("torch", reason='needs torch (pip install "crs-gym[llm]")')


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_models import write_chat_model

    return write_chat_model(tmp_path_factory.mktemp("guided"))


def test_choices_are_the_likeliest_allowed_tokens_behind_all_that_stands_before(folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    from crs_gym.lm import Generation, GuidedWriting, Prompt, Sampling
    from crs_gym.lm.transformers_model import TransformersModel

    model = TransformersModel(folder, dtype=torch.float32, device="cpu")
    assert isinstance(model, GuidedWriting)
    (written,) = model.generate_guided([Prompt(("the cat\n",))], Sampling(temperature=0.0, stop=("\n",)), [0], [guide])
    assert isinstance(written, Generation)
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    walk, before = Walk(guide, model._encode), list(model._encode("the cat\n"))
    while walk.options:  # again, by transformers' own pass over the whole text
        logits = theirs(input_ids=torch.tensor([before + walk.tokens])).logits[0, -1]
        walk.take(max(walk.options, key=lambda token: logits[token].item()))
    assert written.tokens == tuple(walk.tokens)
    assert written.chosen == tuple(walk.chosen)
    assert written.finished


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("modules", [False, True])
def test_a_row_alone_writes_as_among_others_and_what_is_kept_changes_nothing(
    folder: Path, dtype: str, modules: bool
) -> None:
    from crs_gym.lm import Prompt, Sampling
    from crs_gym.lm.llama import LlamaForward
    from crs_gym.lm.modules import ModuleForward
    from crs_gym.lm.transformers_model import TransformersModel

    model = TransformersModel(folder, dtype=getattr(torch, dtype), device="cpu")
    if modules:
        forward = model._decoder.forward
        assert isinstance(forward, LlamaForward)
        model._decoder.forward = ModuleForward(model._model, forward.shape, forward._min_rows)
    prompts = [Prompt((f"the {'cat ' * n}\n",)) for n in range(1, 13)]
    keys = list(range(12))
    together = model.generate_guided(prompts, Sampling(), keys, [guide] * 12, slots=keys)
    alone = [model.generate_guided([p], Sampling(), [k], [guide])[0] for p, k in zip(prompts, keys, strict=True)]
    assert together == alone
    longer = [Prompt((prompt.parts[0], text.text, " on")) for prompt, text in zip(prompts, together, strict=True)]  # type: ignore[union-attr]
    assert model.generate(longer, Sampling(max_tokens=4), keys, slots=keys) == model.generate(
        longer, Sampling(max_tokens=4), keys
    )


def test_a_text_is_cut_at_the_most_tokens_and_says_so(folder: Path) -> None:
    from crs_gym.lm import Generation, Prompt, Sampling
    from crs_gym.lm.transformers_model import TransformersModel

    model = TransformersModel(folder, dtype=torch.float32, device="cpu")
    (cut,) = model.generate_guided([Prompt(("the",))], Sampling(max_tokens=3), [0], [guide])
    assert isinstance(cut, Generation)
    assert (len(cut.tokens), len(cut.chosen), cut.finished) == (3, 3, False)
    first = len(Walk(guide, model._encode).tokens)  # up to the first choice, which is not made any more
    (cut,) = model.generate_guided([Prompt(("the",))], Sampling(max_tokens=first), [0], [guide])
    assert isinstance(cut, Generation)
    assert (len(cut.tokens), cut.finished) == (first, False)
    with pytest.raises(ValueError, match="as many guides"):
        model.generate_guided([Prompt(("the",))], Sampling(), [0], [])


def test_what_is_not_drawn_is_the_most_probable_and_no_choice(folder: Path) -> None:
    from crs_gym.lm import Generation, Prompt, Sampling
    from crs_gym.lm.transformers_model import TransformersModel

    def last_alone(written: Sequence[str]) -> Sequence[str]:
        pieces = guide(written)
        return pieces if len(written) == len(FORM) - 1 else MostProbable(pieces)

    model = TransformersModel(folder, dtype=torch.float32, device="cpu")
    n, prompt = 40, Prompt(("the cat\n",))
    (best,) = model.generate_guided([prompt], Sampling(temperature=0.0), [0], [guide])
    texts = model.generate_guided([prompt] * n, Sampling(temperature=5.0), list(range(n)), [last_alone] * n)
    assert isinstance(best, Generation)
    front = best.text.rpartition(" run")[0] + " run"
    assert {text.text for text in texts if isinstance(text, Generation)} == {f"{front} far.", f"{front}."}
    for text in texts:
        assert isinstance(text, Generation)
        assert sum(text.chosen) == 1


def test_rows_alike_are_computed_once_until_they_choose_differently(folder: Path) -> None:
    from crs_gym.lm import Prompt, Sampling
    from crs_gym.lm.transformers_model import TransformersModel

    def some_drawn(written: Sequence[str]) -> Sequence[str]:
        pieces = guide(written)
        return MostProbable(pieces) if len(written) == 1 else pieces

    def counting(slots: Sequence[Slot], new: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]]) -> object:
        nonlocal computed
        computed += sum(map(len, new))
        return prefill(slots, new, wanted)

    model = TransformersModel(folder, dtype=torch.float32, device="cpu")
    prefill, computed = model._decoder.forward.prefill, 0
    model._decoder.forward.prefill = counting  # type: ignore[method-assign,assignment]
    n, sampling = 16, Sampling(temperature=5.0)
    prompts = [Prompt((f"the {'cat ' * (row % 2 + 1)}\n",)) for row in range(n)]
    guides = [(guide, some_drawn)[row % 4 > 1] for row in range(n)]  # the same prompt with another guide is no copy
    together = model.generate_guided(prompts, sampling, range(n), guides, slots=range(n))
    shared, computed = computed, 0
    alone = [
        model.generate_guided([prompt], sampling, [row], [own])[0]
        for row, (prompt, own) in enumerate(zip(prompts, guides, strict=True))
    ]
    assert together == alone
    assert shared < 0.7 * computed
    longer = [Prompt((prompt.parts[0], text.text, " on")) for prompt, text in zip(prompts, together, strict=True)]  # type: ignore[union-attr]
    one = Sampling(max_tokens=4)
    assert model.generate(longer, one, range(n), slots=range(n)) == model.generate(longer, one, range(n))


def test_draws_among_what_is_allowed_have_the_models_odds(folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    from crs_gym.lm import Prompt, Sampling
    from crs_gym.lm.transformers_model import TransformersModel

    model = TransformersModel(folder, dtype=torch.float32, device="cpu")
    n = 600

    def two(written: Sequence[str]) -> Sequence[str]:
        return [] if written else ["cat.", "dog."]

    texts = model.generate_guided([Prompt(("the ",))] * n, Sampling(), list(range(n)), [two] * n)
    first = [model._encode(text)[0] for text in ("cat.", "dog.")]
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    logits = theirs(input_ids=torch.tensor([model._encode("the ")])).logits[0, -1]
    odds = torch.softmax(logits[first], dim=0)[0].item()
    share = np.mean([text.tokens[0] == first[0] for text in texts])  # type: ignore[union-attr]
    assert abs(share - odds) < 4 * (odds * (1 - odds) / n) ** 0.5
