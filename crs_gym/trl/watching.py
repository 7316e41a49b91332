"""What is watched while a dialogue policy is trained: what it earns, how it ends, and known ways to fool a reward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean

import numpy as np

from crs_gym.numeric import DoubleArray
from crs_gym.trl.credit import Credit, without_spread
from crs_gym.trl.rollouts import READ, WrittenEpisode


def figures_of(
    played: Sequence[WrittenEpisode],
    rewards: DoubleArray,
    members: int,
    credit: Credit,
    gamma: float,
    length_before: float | None,
) -> dict[str, float]:
    """The figures of one batch; those of which nothing is there to tell are left out.

    Args:
        played: All episodes of a batch, the members of each group one behind the other.
        rewards: `(episodes, turns)`, see `reward_table`.
        members: Of a group.
        credit: See `turn_advantages`.
        gamma: The discount a turn.
        length_before: Written tokens a turn at the beginning of the training; `None` at the beginning.

    Returns:
        By name, over the episodes that did not error:
        `terms/NAME` the mean of a reward term a turn, before its weight; `success`, `accepted`; `turns` an episode;
        `understood` the share of turns in the right form; `finished` the share of texts that ended by themselves;
        `length/turn` and `length/episode` in written tokens; `length/drift` the former over `length_before`;
        `hacks/identical` and `hacks/copied_order`, see below. Over all: `errored` the number of episodes, and
        `groups/without_spread` the share of groups from which nothing can be learned.
    """
    whole = [episode for episode in played if not episode.errored]
    figures: dict[str, float | None] = {
        "errored": float(len(played) - len(whole)),
        "groups/without_spread": without_spread(rewards, members, credit, gamma),
    }
    turns = [turn for episode in whole for turn in episode.trace.turns]
    names = list(dict.fromkeys(name for turn in turns for name in turn.reward_terms or ()))
    figures |= {
        f"terms/{name}": _mean(turn.reward_terms[name] for turn in turns if turn.reward_terms) for name in names
    }
    written = [sum(turn != READ for turn in episode.turn_of) for episode in whole]
    each = sum(written) / len(turns) if turns else None
    figures |= {
        "success": _mean(float(bool(episode.trace.success)) for episode in whole),
        "accepted": _mean(float(bool(episode.trace.accepted)) for episode in whole),
        "turns": _mean(float(len(episode.trace.turns)) for episode in whole),
        "understood": _mean(float(turn.agent.understood) for turn in turns),
        "finished": _mean(float(ended) for episode in whole for ended in episode.finished),
        "length/turn": each,
        "length/episode": _mean(map(float, written)),
        "length/drift": None if each is None else each / (length_before or each),
        "hacks/identical": identical_answers(played, members),
        "hacks/copied_order": copied_order(whole),
    }
    return {name: value for name, value in figures.items() if value is not None}


def identical_answers(played: Sequence[WrittenEpisode], members: int) -> float | None:
    """How probable it is that two dialogues with different users hold the same text at the same turn.

    A policy that says the same to everybody has 1. Members of a group have the same user, and are not compared.
    """
    same = pairs = 0
    for turn in range(max((len(episode.written) for episode in played), default=0)):
        texts = [
            (place // members, episode.written[turn])
            for place, episode in enumerate(played)
            if turn < len(episode.written) and not episode.errored
        ]
        by_text, by_both = Counter(text for _, text in texts), Counter(texts)
        by_group = Counter(group for group, _ in texts)
        same += _pairs(by_text.values()) - _pairs(by_both.values())
        pairs += _pairs([len(texts)]) - _pairs(by_group.values())
    return same / pairs if pairs else None


def copied_order(played: Sequence[WrittenEpisode]) -> float | None:
    """The share of slates that are the beginning of the candidates as they were offered.

    `None` where the policy does not say what it offers, or nothing was shown. Candidates in a random order are copied
    by chance: compare with the first figures of a training.
    """
    copied = [
        turn.agent.items == offered[: len(turn.agent.items)]
        for episode in played
        for turn, offered in zip(episode.trace.turns, episode.candidates, strict=True)
        if offered and turn.agent.items
    ]
    return float(np.mean(copied)) if copied else None


def _pairs(counts: Iterable[int]) -> int:
    return sum(n * (n - 1) // 2 for n in counts)


def _mean(values: Iterable[float]) -> float | None:
    kept = list(values)
    return fmean(kept) if kept else None
