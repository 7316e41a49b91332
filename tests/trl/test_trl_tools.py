"""trl's own tool-calling trainer on the environment, with a model that calls its tool at every turn."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from tiny_models import TURN, TURN_END, byte_level_tokenizer

from crs_gym.config import EnvConfig
from crs_gym.game import Game
from crs_gym.trl.tool_environment import OVER, ToolEnvironment, environment_factory
from crs_gym.turns import AgentTurn, AgentTurns
from crs_gym.worlds import load_world

CONFIG = EnvConfig.of(world="sample", max_turns=3)
CALL = '\n{"name": "recommend", "arguments": {"message": "Try this.", "titles": ["Heat (1995)", "Alien (1979)"]}}\n'


def by_hand(number: int, turns: list[AgentTurn]) -> tuple[str, list[str], float]:
    """What the engine says to the same turns: the dialogue before, the answers, and the return."""
    game = Game(CONFIG, num_dialogues=1)
    game.engine.reset(game.engine.all_rows, [game.next_episode(0, number)])
    before = game.engine.dialogue(0)
    answers, total = [], 0.0
    for turn in turns:
        total += float(game.engine.step(AgentTurns.of([turn], 10, len(game.world.catalog))).rewards[0])
        answers.append(game.engine.log(0)[-1].user().utterance)  # type: ignore[union-attr]
        if not game.engine.active[0]:
            break
    return before, answers, total


def test_the_tool_is_a_turn_of_the_game() -> None:
    catalog = load_world("sample").catalog
    heat, alien = (catalog.names.index(name) for name in ("Heat (1995)", "Alien (1979)"))
    before, answers, total = by_hand(
        3, [AgentTurn("Try this.", (heat, alien)), AgentTurn("", understood=False), AgentTurn("Last.", (alien,))]
    )
    environment = ToolEnvironment(CONFIG)
    for _ in range(2):  # trl uses an environment again
        assert environment.reset(episode="crs:0/3", prompt=[]) == before
        assert environment.get_reward() == 0
        assert environment.recommend("Try this.", ["Heat (1995)", "Alien (1979)"]) == answers[0]
        assert environment.recommend(5, "Heat (1995)") == answers[1]  # type: ignore[arg-type]
        assert environment.recommend("Last.", ["Alien (1979)"]) == f"{answers[2]}\n{OVER}"
        assert environment.recommend("More.", ["Alien (1979)"]) == OVER
        assert environment.get_reward() == pytest.approx(total)


@pytest.mark.parametrize("titles", [["No such film"], ["Heat (1995)", 3], ["Heat (1995)"] * 11])
def test_titles_that_are_none_are_not_understood(titles: Any) -> None:
    environment = ToolEnvironment(CONFIG)
    environment.reset(episode="crs:0/3")
    environment.recommend("Try this.", titles)
    assert environment.get_reward() == pytest.approx(-0.2)  # the cost of the turn


def test_an_episode_needs_a_name() -> None:
    with pytest.raises(ValueError, match="names no episode"):
        ToolEnvironment(CONFIG).reset(episode="3")


def write_caller(folder: Path) -> Any:
    """A Llama that writes one tool call a turn: each token decides the next, and the call is a token of its own."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl.chat_template_utils import qwen3_chat_template

    special = (TURN, TURN_END, "<tool_call>", "</tool_call>", CALL)
    roles = {"bos_token": TURN, "eos_token": TURN_END, "pad_token": TURN_END}
    tokenizer = byte_level_tokenizer(["Hi\n"], 280, special, chat_template=qwen3_chat_template, **roles)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
        model.model.embed_tokens.weight.data.normal_()
    layer = model.model.layers[0]
    layer.self_attn.o_proj.weight.data.zero_()
    layer.mlp.down_proj.weight.data.zero_()
    embedding, head = model.model.embed_tokens.weight.data, model.lm_head.weight.data
    (newline,) = tokenizer("\n", add_special_tokens=False)["input_ids"]
    _, end, opens, closes, call = tokenizer.convert_tokens_to_ids(list(special))
    head.zero_()
    for before, after in ((newline, opens), (opens, call), (call, closes), (closes, end)):
        head[after] = embedding[before]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return tokenizer


def test_trls_trainer_plays_whole_dialogues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the tool says that it is over, and trl asks no more."""
    pytest.importorskip("trl", reason='needs pip install "crs-gym[llm]"')
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    import datasets
    from transformers import LlamaForCausalLM
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    tokenizer = write_caller(tmp_path / "caller")
    message = [{"role": "user", "content": "Recommend films to this user.\n"}]
    rows = [{"prompt": message, "episode": f"crs:0/{number}"} for number in (3, 4)]
    arguments = GRPOConfig(
        output_dir=str(tmp_path / "out"),
        per_device_train_batch_size=4,
        num_generations=2,
        max_steps=1,
        max_completion_length=2000,
        max_tool_calling_iterations=CONFIG.max_turns,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = GRPOTrainer(
        model=LlamaForCausalLM.from_pretrained(str(tmp_path / "caller")),
        args=arguments,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=tokenizer,
        environment_factory=environment_factory(CONFIG),
    )
    trainer.train()
    (entry, *_) = trainer.state.log_history
    catalog = load_world("sample").catalog
    turn = AgentTurn("Try this.", tuple(catalog.names.index(name) for name in ("Heat (1995)", "Alien (1979)")))
    returns = [by_hand(number, [turn] * CONFIG.max_turns)[2] for number in (3, 4)]
    assert entry["rewards/ToolEnvironment/mean"] == pytest.approx(fmean(returns), abs=1e-6)
    assert entry["tools/failure_frequency"] == 0.0
    assert entry["tools/call_frequency"] >= 2.0
