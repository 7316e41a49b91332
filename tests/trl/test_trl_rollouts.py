"""Episodes that a tiny model writes: their tokens, probabilities, users and failures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from trl_play import Guided, Numbered, failing_user

from crs_gym.config import EnvConfig
from crs_gym.game import Game
from crs_gym.trl.prompts import EpisodePrompt, episode_prompts, episodes_of
from crs_gym.turns import AgentTurn

torch = pytest.importorskip("torch", reason='needs pip install "crs-gym[llm]"')
pytest.importorskip("trl", reason='needs pip install "crs-gym[llm]"')

from crs_gym.trl.rollouts import READ, Rollouts, WrittenEpisode  # noqa: E402
from crs_gym.trl.watching import copied_order, figures_of, identical_answers  # noqa: E402
from crs_gym.trl.writer import RolloutWriter  # noqa: E402

MEMBERS = 3
PROMPTS = [row["prompt"] for row in episode_prompts(7, 4) for _ in range(MEMBERS)]


@pytest.fixture(scope="module")
def writer(tiny_base: Path) -> RolloutWriter:
    return RolloutWriter(tiny_base, dtype=torch.float32)


def played(writer: RolloutWriter, width: int = len(PROMPTS), **settings: Any) -> list[WrittenEpisode]:
    game = Game(EnvConfig.of(**{"world": "sample", "k": 1, "max_turns": 3, **settings}), num_dialogues=width)
    rollouts = Rollouts(game, Numbered(game.world.catalog, max_tokens=5), writer)
    return rollouts.play(episodes_of(game, PROMPTS), [place % MEMBERS for place in range(len(PROMPTS))])


@pytest.fixture(scope="module")
def episodes(writer: RolloutWriter) -> list[WrittenEpisode]:
    return played(writer)


def test_a_sequence_is_pieces_and_what_was_written(writer: RolloutWriter, episodes: Sequence[WrittenEpisode]) -> None:
    """The pieces are what the policy gave, tokenized by themselves; what was drawn stands as it was drawn."""
    assert {len(episode.trace.turns) for episode in episodes} >= {2, 3}
    for episode in episodes:
        turns = [turn for turn in episode.turn_of if turn != READ]
        assert turns == sorted(turns)
        assert sorted(set(turns)) == list(range(len(episode.trace.turns)))
        assert episode.turn_of[0] == READ != episode.turn_of[-1]  # the user's last words are read by nobody
        assert episode.trace.agent == "trained"
        for turn, text in enumerate(episode.written):
            tokens = [t for t, at in zip(episode.tokens, episode.turn_of, strict=True) if at == turn]
            assert writer._tokenizer.decode(tokens, skip_special_tokens=True).split("\n")[0] == text
        first = episode.tokens[: episode.prompt_length]
        assert writer._tokenizer.decode(first).startswith("User: ")
        assert writer._tokenizer.decode(first).endswith("Answer: ")


def test_log_probabilities_are_those_of_one_forward_pass(tiny_base: Path, episodes: Sequence[WrittenEpisode]) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(tiny_base), dtype=torch.float32)
    for episode in episodes:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([episode.tokens])).logits[0, :-1].double()
        exact = torch.log_softmax(logits, dim=-1)[range(len(episode.tokens) - 1), episode.tokens[1:]]
        at = [place for place, turn in enumerate(episode.turn_of) if turn != READ]
        assert len(at) >= 2
        found = [episode.log_probabilities[place] for place in at]
        np.testing.assert_allclose(found, exact[[place - 1 for place in at]].numpy(), atol=2e-5)
        assert not any(episode.log_probabilities[place] for place in set(range(len(episode.tokens))) - set(at))


def test_a_policy_with_a_form_writes_nothing_else_and_only_its_choices_are_told(
    tiny_base: Path, writer: RolloutWriter
) -> None:
    from transformers import AutoModelForCausalLM

    game = Game(EnvConfig.of(world="sample", k=1, max_turns=3), num_dialogues=len(PROMPTS))
    rollouts = Rollouts(game, Guided(game.world.catalog, max_tokens=12), writer)
    guided = rollouts.play(episodes_of(game, PROMPTS), [place % MEMBERS for place in range(len(PROMPTS))])
    model = AutoModelForCausalLM.from_pretrained(str(tiny_base), dtype=torch.float32)
    numbers = set()
    for episode in guided:
        assert all(text in {f"No. {number}." for number in range(1, 5)} for text in episode.written)
        assert all(episode.finished)
        numbers |= set(episode.written)
        drawn = [place for place, chosen in enumerate(episode.chosen) if chosen]
        assert [writer._tokenizer.decode([episode.tokens[place]]) for place in drawn] == [t[4] for t in episode.written]
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([episode.tokens])).logits[0].double().log_softmax(-1)
        expected = [float(logits[place - 1, episode.tokens[place]]) for place in drawn]
        np.testing.assert_allclose([episode.log_probabilities[place] for place in drawn], expected, atol=2e-5)
    assert len(numbers) == 4


def test_members_of_a_group_meet_the_same_user(episodes: Sequence[WrittenEpisode]) -> None:
    for start in range(0, len(episodes), MEMBERS):
        group = episodes[start : start + MEMBERS]
        assert len({(e.trace.seed, e.trace.episode, e.trace.task_id) for e in group}) == 1
        assert len({tuple(e.tokens[: e.prompt_length]) for e in group}) == 1
        assert len({tuple(e.written) for e in group}) == MEMBERS  # each writes with noise of its own
    assert len({e.trace.task_id for e in episodes}) == 4


def test_the_same_noise_of_the_user_for_the_same_turns() -> None:
    """Two members that say the same hear the same."""
    game = Game(EnvConfig.of(world="sample", simulator="agenda:noise=0.4"), num_dialogues=2)
    from crs_gym.turns import AgentTurn, AgentTurns

    for number in range(20):
        episode = game.next_episode(3, number)
        game.engine.reset(game.engine.all_rows, [episode, episode])
        while game.engine.active.all():
            slate = AgentTurn("These?", tuple(range(number, number + 10)))
            game.engine.step(AgentTurns.of([slate, slate], 10, len(game.world.catalog)))
        assert game.engine.messages(0) == game.engine.messages(1)


def test_an_episode_does_not_depend_on_its_neighbours(
    writer: RolloutWriter, episodes: Sequence[WrittenEpisode]
) -> None:
    for one, other in zip(episodes, played(writer, width=5), strict=True):
        assert (one.tokens, one.turn_of, one.written, one.trace) == (
            other.tokens,
            other.turn_of,
            other.written,
            other.trace,
        )


def test_an_errored_episode_is_marked_and_counted(writer: RolloutWriter) -> None:
    found = played(writer, simulator=failing_user(every=3))
    assert {episode.errored for episode in found} == {True, False}
    for episode in found:
        assert episode.errored == (episode.trace.error is not None)
    figures = figures_of(found, np.full((len(found), 3), np.nan), MEMBERS, "turn", 1.0, None)
    assert figures["errored"] == sum(episode.errored for episode in found)


def test_a_model_that_cannot_write_ends_the_episode(writer: RolloutWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its text has grown beyond what the model reads: no success and no failure, and nothing to learn from."""
    monkeypatch.setattr(writer, "_longest", 150)
    found = played(writer)
    assert any(episode.errored for episode in found)
    errored = next(episode for episode in found if episode.errored)
    assert "the recommender could not write" in str(errored.trace.error)
    assert errored.trace.total_return is None


# ---------------------------------------------------------------- prompts


@pytest.mark.parametrize("prompt", [EpisodePrompt(3, 17), EpisodePrompt(0, 0, "sample/train/5")])
def test_a_prompt_reads_back(prompt: EpisodePrompt) -> None:
    assert EpisodePrompt.of(str(prompt)) == prompt


@pytest.mark.parametrize("text", ["", "crs:3", "crs:-1/2", "crs:1/x", "Recommend a film", "crs:1/2/"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"names no episode\. Way out: a column `prompt` of crs:SEED/NUMBER"):
        EpisodePrompt.of(text)


def test_a_prompt_stands_for_what_reset_plays() -> None:
    game = Game(EnvConfig.of(world="sample"), num_dialogues=1)
    first, again, named = episodes_of(game, ["crs:5/0", "crs:5/0", "crs:5/0/sample/train/9"])
    assert first is again
    assert first.key == game.next_episode(5, 0).key
    assert (named.task.task_id, named.seed, named.episode) == ("sample/train/9", 5, 0)


# ---------------------------------------------------------------- guards


def test_identical_answers_by_hand(episodes: Sequence[WrittenEpisode]) -> None:
    """Two groups of two: a a | a b. Pairs across groups: 4, of which 2 hold the same text."""
    chosen = [episodes[0], episodes[1], episodes[3], episodes[4]]
    texts = [["a"], ["a"], ["a"], ["b"]]
    shams = []
    for episode, written in zip(chosen, texts, strict=True):
        sham = WrittenEpisode(written=written)
        sham.trace = episode.trace
        shams.append(sham)
    assert identical_answers(shams, 2) == 0.5
    assert identical_answers(shams[:2], 2) is None  # one user


def test_copied_order_is_a_share_of_slates(episodes: Sequence[WrittenEpisode], writer: RolloutWriter) -> None:
    shown = [
        (turn.agent.items[0], offered)
        for episode in episodes
        for turn, offered in zip(episode.trace.turns, episode.candidates, strict=True)
        if turn.agent.items
    ]
    wanted = float(np.mean([item == offered[0] for item, offered in shown])) if shown else None
    assert copied_order(episodes) == wanted


def test_copied_order_goes_by_the_numbers_of_the_answer(episodes: Sequence[WrittenEpisode]) -> None:
    """Three turns: 1, 2 and 1 are copied, 2, 1 is not; the slate, which may be filled up behind them, is not asked."""
    shams = []
    for text in ("<answer>1, 2</answer>", "<answer>1</answer>", "<answer>2, 1</answer>"):
        turn = episodes[0].trace.turns[0]
        agent = AgentTurn("These?", (5, 6, 7), reasoning=text)
        sham = WrittenEpisode(candidates=[(5, 6, 8, 9)])
        sham.trace = msgspec.structs.replace(episodes[0].trace, turns=(msgspec.structs.replace(turn, agent=agent),))
        shams.append(sham)
    assert copied_order(shams) == 2 / 3


def test_what_a_group_reads_first_is_computed_once(writer: RolloutWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []
    prefill = writer._decoder.prefill

    def counted(slots: Any, new: Any, wanted: Any) -> Any:
        computed.append(sum(map(len, new)))
        return prefill(slots, new, wanted)

    monkeypatch.setattr(writer._decoder, "prefill", counted)
    found = played(writer)
    lengths = [episode.prompt_length for episode in found]
    assert computed[0] == sum(lengths[::MEMBERS])
    assert sum(computed) < sum(len(episode.tokens) for episode in found)
