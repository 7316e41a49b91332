"""A toy policy and a tiny model for the tests of training with trl."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tiny_models import TURN, TURN_END, byte_level_tokenizer, write_model

from crs_gym.agent import Observation
from crs_gym.catalog import Catalog
from crs_gym.errors import SimulatorError
from crs_gym.lm import Sampling
from crs_gym.lm.guide import Guide
from crs_gym.randomness import generator
from crs_gym.simulator import SIMULATORS, SimulatorEntry
from crs_gym.turns import AgentTurn

OFFERED = 4
GOOD = 2
"""Where a good candidate stands: at number 3."""


class Numbered:
    """Offers some films by number; the model answers with one of them, on a line of its own."""

    def __init__(self, catalog: Catalog, max_tokens: int = 1) -> None:
        self.catalog = catalog
        self.sampling = Sampling(max_tokens=max_tokens, stop=("\n",))

    def candidates(self, observations: Sequence[Observation]) -> list[tuple[int, ...]]:
        return [self.offered(observation) for observation in observations]

    def offered(self, observation: Observation) -> tuple[int, ...]:
        """Films drawn by what was said; the one at `GOOD` is most like what the user has named."""
        named = observation.named_items()
        drawn = generator(sum(named) * 31 + observation.turn).choice(len(self.catalog), 40, replace=False)
        new = [item for item in drawn.tolist() if item not in named]
        wanted = {facet for item in named for facet in self.catalog.facets_of(item).tolist()}
        best = max(new, key=lambda item: len(wanted & set(self.catalog.facets_of(item).tolist())))
        rest = [item for item in new if item != best][: OFFERED - 1]
        return (*rest[:GOOD], best, *rest[GOOD:])

    def pieces(self, observations: Sequence[Observation]) -> list[str]:
        return [self.piece(observation) for observation in observations]

    def piece(self, observation: Observation) -> str:
        said = [m for m in observation.messages if m.role == "user"][-1].text
        lines = [f"{i + 1}. {self.catalog.names[item][:6]}\n" for i, item in enumerate(self.offered(observation))]
        start = "" if observation.turn == 0 else "\n"
        return f"{start}User: {said}\n{''.join(lines)}Answer: "

    def turns(self, observations: Sequence[Observation], written: Sequence[str]) -> list[AgentTurn]:
        return [self.turn(observation, text) for observation, text in zip(observations, written, strict=True)]

    def turn(self, observation: Observation, text: str) -> AgentTurn:
        word = text[:1]
        offered = self.offered(observation)
        if word.isdecimal() and 1 <= int(word) <= OFFERED:
            return AgentTurn("This one?", (offered[int(word) - 1],), reasoning=text)
        return AgentTurn("", (), reasoning=text, understood=False)


class Guided(Numbered):
    """As `Numbered`, and its model is held to a form: `No. 3.` on a line of its own; only the number is chosen."""

    def guides(self, observations: Sequence[Observation]) -> list[Guide]:
        return [self.guide] * len(observations)

    def guide(self, written: Sequence[str]) -> Sequence[str]:
        parts = (["No. "], [str(number) for number in range(1, OFFERED + 1)], [".\n"], [])
        return parts[len(written)]

    def turn(self, observation: Observation, text: str) -> AgentTurn:
        return replace(super().turn(observation, text.removeprefix("No. ")), reasoning=text)


def write_tiny(folder: Path, catalog: Catalog) -> Path:
    """A Llama of two layers."""
    from transformers import GenerationConfig, LlamaConfig

    texts = [f"User: Hi\n1. {name}\nAnswer: 1\n" for name in catalog.names[:200]]
    roles = {"bos_token": TURN, "eos_token": TURN_END, "pad_token": TURN_END}
    tokenizer = byte_level_tokenizer(texts, 320, (TURN, TURN_END), **roles)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return write_model(
        folder, config, tokenizer, sharpness=1, generation=GenerationConfig(eos_token_id=1, pad_token_id=1)
    )


def failing_user(every: int) -> SimulatorEntry:
    """`agenda`, who cannot answer in every n-th dialogue."""
    entry, _, _ = SIMULATORS.find("agenda")
    assert isinstance(entry, SimulatorEntry)

    def build(*args: Any, **options: Any) -> Any:
        return _Failing(entry.build(*args, **options), every)

    return replace(entry, build=build)


class _Failing:
    def __init__(self, user: Any, every: int) -> None:
        self._user = user
        self._every = every

    def __getattr__(self, name: str) -> Any:
        return getattr(self._user, name)

    def reply(self, rows: Any, turns: Any) -> Any:
        users = self._user.reply(rows, turns)
        failed = {i: SimulatorError("gone") for i, row in enumerate(rows.tolist()) if row % self._every == 0}
        return replace(users, errors={**users.errors, **failed})
