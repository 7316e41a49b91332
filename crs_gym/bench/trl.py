"""Rollouts of a training, in written tokens a second: ours against trl's own tool-calling environments.

Both sides are trainers of trl that are asked for one batch of episodes, with the same model, the same users and the
same dialogues: at each turn the model reads the same text and writes the same number of tokens. Small models call no
tools by themselves, so what theirs has drawn is replaced by a tool call of as many tokens, and what ours has drawn is
taken for the same turn. Theirs is `GRPOTrainer(environment_factory=…)` with transformers' `generate`, as it comes; it
writes one text more an episode, behind the user's last words, which is counted, too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from crs_gym.agent import Observation
from crs_gym.bench.language import MODEL, Comparison, Rates, compared, in_rounds, timed
from crs_gym.catalog import Catalog
from crs_gym.config import EnvConfig
from crs_gym.game import Game
from crs_gym.lm import Sampling
from crs_gym.trl.prompts import episode_prompts
from crs_gym.trl.tool_environment import OVER, ToolEnvironment
from crs_gym.turns import AgentTurn
from crs_gym.worlds import load_world

WANTED: Final = 5.0

MESSAGE: Final = "How about one of these?"
_LAST: Final = 100
"""Tokens at the end of a prompt in which the tool's last words stand."""

INSTRUCTION: Final = "You recommend films. Talk to this user with the tool, and show films that they would like.\n"


@dataclass(frozen=True)
class RolloutLoad:
    """How much is measured.

    Attributes:
        users: Of a batch.
        members: Episodes with each of them.
        turns: The most turns of an episode.
        films: How many films a turn shows.
        rank: Of a LoRA that both sides write with; 0 for none.
        rounds: How many rounds alternate.
    """

    users: int = 4
    members: int = 8
    turns: int = 3
    films: int = 3
    rank: int = 0
    rounds: int = 3

    def quick(self) -> RolloutLoad:
        """So little that it only shows that everything runs."""
        return replace(self, users=1, members=2, turns=2, rounds=1)


class ToolCaller:
    """Reads what trl's trainer would give its model, and takes whatever is written for one and the same tool call.

    Args:
        tokenizer: Of the model, with a chat format that knows tools.
        catalog: Of the world.
        load: How many films to show.
        tools: What the chat format is told of.
    """

    def __init__(self, tokenizer: Any, catalog: Catalog, load: RolloutLoad, tools: Sequence[Any]) -> None:
        self._render = partial(tokenizer.apply_chat_template, tools=list(tools), tokenize=False)
        self._items = tuple(catalog.by_popularity[: load.films].tolist())
        titles = [catalog.names[item] for item in self._items]
        self.message: dict[str, Any] = {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {
                    "type": "function",
                    "function": {"name": "recommend", "arguments": {"message": MESSAGE, "titles": titles}},
                }
            ],
        }
        asked: list[dict[str, Any]] = [{"role": "user", "content": "?"}]
        before = self._render(asked, add_generation_prompt=True)
        whole = self._render([*asked, self.message])
        text = whole[len(before) :].removesuffix("\n")
        self.call: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        self.sampling = Sampling(max_tokens=len(self.call))

    def pieces(self, observations: Sequence[Observation]) -> list[str]:
        """The prompt with the tool's description, later the tool's answer."""
        return [self._piece(observation) for observation in observations]

    def _piece(self, observation: Observation) -> str:
        if observation.turn == 0:
            asked: list[dict[str, Any]] = [{"role": "user", "content": INSTRUCTION + observation.dialogue}]
            return str(self._render(asked, add_generation_prompt=True))
        answer = {"role": "tool", "name": "recommend", "content": observation.messages[-1].text}
        called = [{"role": "user", "content": "?"}, self.message]
        before = self._render(called).removesuffix("\n")
        return str(self._render([*called, answer], add_generation_prompt=True)[len(before) :])

    def turns(self, observations: Sequence[Observation], written: Sequence[str]) -> list[AgentTurn]:
        """The same turn each time."""
        return [AgentTurn(MESSAGE, self._items, reasoning=text) for _, text in zip(observations, written, strict=True)]


def measure_rollouts(model: str = MODEL, load: RolloutLoad | None = None, world: str = "sample") -> Comparison:
    """Measure both sides in alternating rounds.

    Args:
        model: A name or path (see `crs_gym.lm.weights.find_weights`).
        load: How much is measured.
        world: Where the users come from.

    Raises:
        WeightsError: The model is not on this machine.
    """
    load = load or RolloutLoad()
    config = EnvConfig.of(world=world, max_turns=load.turns)
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = _ours(model, config, load, Path(folder)), _theirs(model, config, load, Path(folder))
        sides = {"ours": partial(_rates, ours, load), "theirs": partial(_rates, theirs, load)}
        if load.rounds > 1:
            sides["ours"]()  # warm
        done = in_rounds(sides, load.rounds)
    rows = load.users * load.members
    adapter = f", LoRA of rank {load.rank}" if load.rank else ""
    name = f"rollouts of {rows} episodes of up to {load.turns} turns{adapter}: ours against environment_factory"
    return compared(name, "tokens/s", done, ("ours", "theirs"), "tokens", WANTED)


def _rates(trainer: Any, load: RolloutLoad) -> Rates:
    """One batch, with all that the trainer does for it before it computes a loss."""
    rows = [
        {"prompt": trainer.prompt(row["prompt"]), "episode": row["prompt"]}
        for row in episode_prompts(0, load.users)
        for _ in range(load.members)
    ]
    seconds, output = timed(lambda: trainer._generate_and_score_completions(rows))
    return {"tokens": float((output["tool_mask"] * output["completion_mask"]).sum()) / seconds}


def _ours(model: str, config: EnvConfig, load: RolloutLoad, out: Path) -> Any:
    from crs_gym.lm.weights import find_weights
    from crs_gym.trl.settings import GRPOSettings
    from crs_gym.trl.training import prepared

    folder = find_weights(model)
    settings = GRPOSettings(
        out=out / "ours", base=model, users=load.users, members=load.members, beta=0.0, rank=load.rank, accumulate=1
    )
    game = Game(config, num_dialogues=load.users * load.members)
    policy = ToolCaller(_tokenizer(folder), game.world.catalog, load, _tools(config))
    trainer: Any = prepared(settings, policy, game, folder)
    trainer._rollouts.writer._end_tokens = set()  # nothing ends a text early
    trainer.prompt = str
    trainer.model.train()
    return trainer


def _theirs(model: str, config: EnvConfig, load: RolloutLoad, out: Path) -> Any:
    import datasets  # type: ignore[import-untyped]
    import torch
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    from crs_gym.lm.transformers_model import native_dtype
    from crs_gym.lm.weights import find_weights
    from crs_gym.trl.tool_environment import environment_factory

    folder = find_weights(model)
    tokenizer = _tokenizer(folder)
    call = ToolCaller(tokenizer, load_world(config.world).catalog, load, _tools(config)).call
    dtype = native_dtype(torch.accelerator.current_accelerator() or torch.device("cpu"))

    class Caller(GRPOTrainer):
        """What it has drawn becomes a tool call, unless the tool has said that the dialogue is over."""

        def prompt(self, _: str) -> list[dict[str, str]]:
            return [{"role": "user", "content": INSTRUCTION}]

        def _generate_single_turn(self, prompt_ids: Any, *args: Any, **kwargs: Any) -> Any:
            drawn, scores = super()._generate_single_turn(prompt_ids, *args, **kwargs)  # type: ignore[no-untyped-call]
            over = [OVER in tokenizer.decode(ids[-_LAST:]) for ids in prompt_ids]
            return [ids if done else list(call) for ids, done in zip(drawn, over, strict=True)], scores

    arguments = GRPOConfig(
        output_dir=str(out / "theirs"),
        per_device_train_batch_size=load.users * load.members,
        num_generations=load.members,
        max_steps=1,
        beta=0.0,
        max_completion_length=4_096,
        max_tool_calling_iterations=load.turns,
        generation_kwargs={"min_new_tokens": len(call), "max_new_tokens": len(call)},
        bf16=dtype == torch.bfloat16,
        use_cpu=not torch.accelerator.is_available(),
        gradient_checkpointing=False,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer: Any = Caller(
        model=AutoModelForCausalLM.from_pretrained(str(folder), dtype=dtype),
        args=arguments,
        train_dataset=datasets.Dataset.from_list([{"prompt": [], "episode": ""}]),
        processing_class=tokenizer,
        environment_factory=environment_factory(config),  # type: ignore[arg-type]  # `reset` of our columns
        peft_config=LoraConfig(r=load.rank, target_modules="all-linear") if load.rank else None,
    )
    trainer.model.train()
    return trainer


def _tokenizer(folder: Path) -> Any:
    """The model's tokenizer with a chat format that knows tools; those of small models do not."""
    from transformers import AutoTokenizer
    from trl.chat_template_utils import qwen3_instruct_2507_chat_template

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    tokenizer.chat_template = qwen3_instruct_2507_chat_template
    return tokenizer


def _tools(config: EnvConfig) -> list[Any]:
    return [ToolEnvironment(config).recommend]
