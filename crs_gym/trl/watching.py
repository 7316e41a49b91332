"""What is watched while a dialogue policy is trained: what it earns, how it ends, and known ways to fool a reward."""

from __future__ import annotations

from collections.abc import Sequence

from crs_gym import answers
from crs_gym.answers import mean
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
        `well_formed` the share of turns that were understood and in the right form; `finished` the share of texts that
        ended by themselves; `length/turn` and `length/episode` in written tokens; `length/drift` the former over
        `length_before`; `hacks/identical` and `hacks/copied_order`, see below.
        Over all: `errored` the number of episodes, and `groups/without_spread` the share of groups from which nothing
        can be learned.
    """
    whole = [episode for episode in played if not episode.errored]
    figures: dict[str, float | None] = {
        "errored": float(len(played) - len(whole)),
        "groups/without_spread": without_spread(rewards, members, credit, gamma),
    }
    turns = [turn for episode in whole for turn in episode.trace.turns]
    names = list(dict.fromkeys(name for turn in turns for name in turn.reward_terms or ()))
    figures |= {f"terms/{name}": mean(turn.reward_terms[name] for turn in turns if turn.reward_terms) for name in names}
    written = [sum(turn != READ for turn in episode.turn_of) for episode in whole]
    each = sum(written) / len(turns) if turns else None
    figures |= {
        "success": mean(float(bool(episode.trace.success)) for episode in whole),
        "accepted": mean(float(bool(episode.trace.accepted)) for episode in whole),
        "turns": mean(float(len(episode.trace.turns)) for episode in whole),
        "well_formed": mean(answers.is_well_formed(turn.agent) for turn in turns),
        "finished": mean(float(ended) for episode in whole for ended in episode.finished),
        "length/turn": each,
        "length/episode": mean(map(float, written)),
        "length/drift": None if each is None else each / (length_before or each),
        "hacks/identical": identical_answers(played, members),
        "hacks/copied_order": copied_order(whole),
    }
    return {name: value for name, value in figures.items() if value is not None}


def identical_answers(played: Sequence[WrittenEpisode], members: int) -> float | None:
    """How probable it is that two dialogues with different users hold the same text at the same turn.

    A policy that says the same to everybody has 1. Members of a group have the same user, and are not compared.
    """
    return answers.identical_answers(
        (place // members, episode.written) for place, episode in enumerate(played) if not episode.errored
    )


def copied_order(played: Sequence[WrittenEpisode]) -> float | None:
    """The share of answers that are the beginning of the candidates as they were offered.

    `None` where no answer is numbered, and the policy does not say what it offers or nothing was shown. Candidates in a
    random order are copied by chance: compare with the first figures of a training.
    """
    told = (
        answers.copies_order(turn.agent, offered)
        for episode in played
        for turn, offered in zip(episode.trace.turns, episode.candidates, strict=True)
    )
    return mean(copy for copy in told if copy is not None)
