"""Tokens a second: our decode loop against transformers' own, and many rows against one.

Both sides continue the same prompts with the same weights. Theirs is `model.generate(do_sample=True)` with left
padding, the attention that transformers takes by default (`sdpa`) and its default settings (`top_k` 50); ours draws as
the `sft` user does, with keyed noise. All rows write the same number of tokens on both sides: nothing ends a text
early.

Decoding is what comes behind each row's first token: a row that writes `n` tokens decodes `n - 1`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from crs_gym.bench.language import Comparison, Load, Rates, compared, in_rounds
from crs_gym.errors import LanguageModelError
from crs_gym.lm import Prompt, Sampling
from crs_gym.randomness import derived_key
from crs_gym.transcript import render_dialogue

if TYPE_CHECKING:
    from crs_gym.lm.transformers_model import TransformersModel
    from crs_gym.worlds.world import World

TEMPERATURE: Final = 0.9
MIN_P: Final = 0.02
"""As the `sft` user draws."""

PER_ROW_WANTED: Final = 12.0
GENERATE_WANTED: Final = 3.0


def measure_decoding(model: TransformersModel, world: World, load: Load) -> Iterator[Comparison]:
    """Our decoding against `generate` on the same rows, and against one row."""
    prompts = prompts_of(model, world, load.rows, load.prompt_tokens)
    n = load.new_tokens
    ours = partial(ours_rates, model, prompts, n)
    sides = {
        "generate": partial(generate_rates, model, prompts, n),
        "ours": partial(ours, MIN_P),
        "all tokens": partial(ours, 0.0),
        "one row": partial(ours_rates, model, prompts[:1], n, MIN_P),
    }
    for warm_up in (ours_rates, generate_rates):
        warm_up(model, prompts, 2)
    done = in_rounds(sides, load.rounds)
    told = f"{load.rows} rows"
    yield compared(
        f"decode, {told}, against generate", "tokens/s", done, ("ours", "generate"), "decode", GENERATE_WANTED
    )
    yield compared("… with the prefill", "tokens/s", done, ("ours", "generate"), "all")
    yield compared("… decode with min_p 0", "tokens/s", done, ("all tokens", "generate"), "decode")
    yield compared(f"decode, {told} against one", "tokens/s", done, ("ours", "one row"), "decode", PER_ROW_WANTED)
    yield compared("… with the prefill", "tokens/s", done, ("ours", "one row"), "all")


def prompts_of(model: TransformersModel, world: World, rows: int, tokens: int) -> list[Prompt]:
    """Prompts of about `tokens` tokens: dialogues of the world, as many in a row as that takes, cut behind a word."""
    tasks = world.tasks("test")
    prompts: list[Prompt] = []
    number = 0
    for _ in range(rows):
        words: list[str] = []
        while len(model.tokens(Prompt((" ".join(words),)))[0]) < tokens:
            words += render_dialogue(tasks[number % len(tasks)].context).split(" ")
            number += 1
        while len(model.tokens(Prompt((" ".join(words),)))[0]) > tokens:
            words.pop()
        prompts.append(Prompt((" ".join(words),)))
    return prompts


class Clock:
    """Ends no text, and looks at the time when the first token of each row has been drawn."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._first: float | None = None

    def tick(self) -> None:
        """A token of a row, or of all rows, has been drawn."""
        if self._first is None:
            self._first = time.perf_counter()

    def rates(self, written: Sequence[int], new_tokens: int) -> Rates:
        """Tokens a second, `decode` and with the prefill (`all`), now that all rows have been written.

        Raises:
            RuntimeError: A row got another number of tokens, so that nothing can be compared.
        """
        end = time.perf_counter()
        rows = len(written)
        if list(written) != [new_tokens] * rows or self._first is None:
            raise RuntimeError(f"rows got {sorted(set(written))} tokens, not {new_tokens} each")
        return {
            "decode": rows * (new_tokens - 1) / (end - self._first),
            "all": rows * new_tokens / (end - self._start),
        }


def ours_rates(model: TransformersModel, prompts: Sequence[Prompt], new_tokens: int, min_p: float = MIN_P) -> Rates:
    """Our loop."""
    keys = [derived_key("bench", row) for row in range(len(prompts))]
    sampling = Sampling(max_tokens=new_tokens, temperature=TEMPERATURE, min_p=min_p)
    clock = Clock()
    with _ended_by(model, clock):
        written = model.generate(prompts, sampling, keys)
    lengths = []
    for text in written:
        if isinstance(text, LanguageModelError):
            raise text
        lengths.append(len(text.tokens))
    return clock.rates(lengths, new_tokens)


def generate_rates(model: TransformersModel, prompts: Sequence[Prompt], new_tokens: int) -> Rates:
    """The loop of transformers."""
    import torch

    network: Any = model._model
    tokens = [model.tokens(prompt)[0] for prompt in prompts]
    longest = max(map(len, tokens))
    ids = torch.zeros(len(tokens), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, mine in enumerate(tokens):  # left-padded
        ids[row, longest - len(mine) :] = torch.tensor(mine)
        mask[row, longest - len(mine) :] = 1
    clock = Clock()

    def look(so_far: Any, *_: Any, **__: Any) -> Any:
        clock.tick()
        return torch.zeros(len(so_far), dtype=torch.bool, device=so_far.device)

    attention = network.config._attn_implementation
    network.set_attn_implementation("sdpa")
    try:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            written = network.generate(
                ids.to(network.device),
                attention_mask=mask.to(network.device),
                do_sample=True,
                max_new_tokens=new_tokens,
                min_new_tokens=new_tokens,
                pad_token_id=0,
                stopping_criteria=[look],
            ).tolist()
    finally:
        network.set_attn_implementation(attention)
    return clock.rates([len(row) - longest for row in written], new_tokens)


@contextmanager
def _ended_by(model: TransformersModel, clock: Clock) -> Iterator[None]:
    """No token ends a text; a clock looks on."""

    def over(*_: object) -> bool:
        clock.tick()
        return False

    vars(model)["_ends"] = lambda _: over  # in the place of the method, until it is deleted
    try:
        yield
    finally:
        del vars(model)["_ends"]
