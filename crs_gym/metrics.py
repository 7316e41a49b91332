"""What one episode is worth: pure functions over its trace and task.

Every value is a float, or `None` where the episode has none: an errored episode has no value at all, and a world
without true tastes has no regret. `None` is never counted as 0.

**New items only.** A ranking is read after the items that were named or shown before its turn (in the task's context,
in the user's words, in the recommender's lists) are taken out, and the targets left at a turn are those that were not
named or shown before it. Repeating an item can therefore neither help nor push others down. A turn that ranks nothing
(a question) has an empty ranking, which finds nothing: leaving it out would let an agent answer the easy dialogues
only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from crs_gym.task import Task
from crs_gym.trace import Trace
from crs_gym.turns import Decision

CUTOFFS: Final = (1, 10, 50)
"""The k of recall@k, NDCG@k and MRR@k: those of the published tables."""

Values = dict[str, float | None]


def recall(ranking: Sequence[int], targets: Collection[int], k: int) -> float:
    """The share of `targets` within the first `k` places. `ranking` holds each item once; `targets` is not empty."""
    return len(set(ranking[:k]) & set(targets)) / len(targets)


def ndcg(ranking: Sequence[int], targets: Collection[int], k: int) -> float:
    """Discounted cumulative gain of the first `k` places, binary gain, over that of the best ranking.

    A target at rank r counts `1 / log2(r + 1)`; the best ranking has its first `min(k, n_targets)` places full of them.
    """
    wanted = set(targets)
    gain = sum(1 / math.log2(rank + 1) for rank, item in enumerate(ranking[:k], start=1) if item in wanted)
    return gain / sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(wanted)) + 1))


def reciprocal_rank(ranking: Sequence[int], targets: Collection[int], k: int) -> float:
    """1 over the rank of the first target within the first `k` places; 0 when none stands there (MRR@k is its mean)."""
    wanted = set(targets)
    return next((1 / rank for rank, item in enumerate(ranking[:k], start=1) if item in wanted), 0.0)


RANKING_METRICS: Final[Mapping[str, Callable[[Sequence[int], Collection[int], int], float]]] = {
    "recall": recall,
    "ndcg": ndcg,
    "mrr": reciprocal_rank,
}


def known_before(trace: Trace, task: Task) -> list[set[int]]:
    """For each turn, the items that were named or shown before it."""
    known = {item for message in task.context for item in message.items}
    if trace.opening is not None:
        known.update(trace.opening.items)
    before = []
    for turn in trace.turns:
        before.append(set(known))
        known.update(turn.agent.items[: trace.setting.k])
        if turn.user is not None:
            known.update(turn.user.items)
    return before


def new_rankings(trace: Trace, task: Task) -> list[tuple[int, ...]]:
    """Each turn's ranking (`AgentTurn.ranking`, or else its items), best first, new items only, each once."""
    return [
        tuple(item for item in dict.fromkeys(turn.agent.ranking or turn.agent.items) if item not in known)
        for turn, known in zip(trace.turns, known_before(trace, task), strict=True)
    ]


def turn_values(trace: Trace, task: Task) -> list[Values]:
    """The ranking metrics of each turn, `recall@1` … `mrr@50`, against the targets that are left at that turn.

    One entry a turn that was played; all `None` at a turn where no target is left. An errored episode has none.
    """
    if trace.outcome == "errored":
        return []
    out: list[Values] = []
    for ranking, known in zip(new_rankings(trace, task), known_before(trace, task), strict=True):
        left = set(task.targets) - known
        out.append(
            {
                f"{name}@{k}": metric(ranking, left, k) if left else None
                for name, metric in RANKING_METRICS.items()
                for k in CUTOFFS
            }
        )
    return out


def cumulative_values(trace: Trace, task: Task) -> list[Values]:
    """What was reached by the end of each turn of the turn limit; a dialogue that ended keeps its last values.

    `success`: a target was shown. `shown_recall`: the share of targets that were shown. Either counts a target only if
    it was not named before. `accepted`: the user accepted.
    One entry for each of `max_turns` turns. An errored episode has none.
    """
    if trace.outcome == "errored" or not trace.turns:
        return []
    targets = set(task.targets)
    accepted = False
    found = 0
    out: list[Values] = []
    for turn, known in zip(trace.turns, known_before(trace, task), strict=True):
        found += len(targets.intersection(turn.agent.items[: trace.setting.k]) - known)
        accepted = accepted or (turn.user is not None and turn.user.decision == Decision.ACCEPT)
        out.append({"success": float(found > 0), "shown_recall": found / len(targets), "accepted": float(accepted)})
    return out + [out[-1]] * (trace.setting.max_turns - len(out))


def equal_budget_recall(trace: Trace, task: Task, n_items: int) -> float | None:
    """Recall of the first turn's ranking at depth `max_turns * k`: as many guesses at once as the whole dialogue may
    make.

    `None` when the agent's ranking was shorter than that (and than the catalogue), since what it would have put in
    the missing places is not known.
    """
    budget = trace.setting.max_turns * trace.setting.k
    if trace.outcome == "errored" or not trace.turns:
        return None
    given = trace.turns[0].agent.ranking or trace.turns[0].agent.items
    left = set(task.targets) - known_before(trace, task)[0]
    if not left or len(set(given)) < min(budget, n_items):
        return None
    return recall(new_rankings(trace, task)[0], left, budget)


def regret(trace: Trace, task: Task) -> float | None:
    """How far the best item shown falls short of the best one that could be, in standard deviations of utility.

    Only items that are new to the seeker count (not in its context or profile). A dialogue that shows none is held to
    the least liked item, so silence never pays. `None` where the world does not know the seeker's true taste.
    """
    taste = task.profile.taste
    if trace.outcome == "errored" or taste is None:
        return None
    utility = taste.utility.astype(float)
    seen = {item for message in task.context for item in message.items} | {*task.profile.likes, *task.profile.dislikes}
    new = np.delete(utility, list(seen))
    if not new.size or not utility.std():
        return None
    shown = {item for turn in trace.turns for item in turn.agent.items[: trace.setting.k]} - seen
    reached = utility[list(shown)].max() if shown else new.min()
    return float((new.max() - reached) / utility.std())


def repetition(trace: Trace, task: Task) -> float | None:
    """The share of shown places that held an item which was named or shown before; `None` when nothing was shown."""
    if trace.outcome == "errored":
        return None
    places = repeated = 0
    for turn, known in zip(trace.turns, known_before(trace, task), strict=True):
        shown = turn.agent.items[: trace.setting.k]
        places += len(shown)
        repeated += len(shown) - len(set(shown) - known)
    return repeated / places if places else None


def episode_values(trace: Trace, task: Task, n_items: int) -> Values:
    """Every metric of one episode by name; each `None` when the episode is errored.

    - `success`, `accepted`: the label's word and the simulator's; `agreement`: whether they are the same.
    - `turns`: how many turns were played. `return`: the undiscounted sum of rewards. `reward/NAME`: the sum over turns
      of each reward term before its weight.
    - `recall@k`, `ndcg@k`, `mrr@k`: of the first turn's ranking, comparable with single-turn figures.
    - `any_turn_recall@k`: the share of targets within the first k places of some turn's ranking. It has `max_turns`
      attempts: read it beside `equal_budget_recall`.
    - `shown_recall`: the share of targets shown. `first_hit_rr`: 1 over the rank at which a target was first shown.
    - `equal_budget_recall`, `regret`, `repetition`: see the functions of these names.

    Args:
        trace: The episode.
        task: Its task; targets are taken from here, not from the trace.
        n_items: The size of the catalogue.
    """
    values: Values = dict.fromkeys(("success", "accepted", "agreement", "turns", "return"))
    values |= dict.fromkeys(f"reward/{name}" for name in trace.setting.reward)
    if trace.outcome != "errored":
        values["success"] = _number(trace.success)
        values["accepted"] = _number(trace.accepted)
        if trace.success is not None and trace.accepted is not None:
            values["agreement"] = float(trace.success == trace.accepted)
        values["turns"] = float(len(trace.turns))
        values["return"] = trace.total_return
        values |= reward_sums(trace)
    by_turn = turn_values(trace, task)
    for name in [f"{metric}@{k}" for metric in RANKING_METRICS for k in CUTOFFS]:
        values[name] = by_turn[0][name] if by_turn else None
    rankings = new_rankings(trace, task)
    scored = bool(by_turn)
    for k in CUTOFFS:
        found = {item for ranking in rankings for item in ranking[:k]}
        values[f"any_turn_recall@{k}"] = recall(tuple(found), task.targets, len(found)) if scored else None
    cumulative = cumulative_values(trace, task)
    values["shown_recall"] = cumulative[-1]["shown_recall"] if cumulative else None
    values["first_hit_rr"] = (1 / trace.hit_rank if trace.hit_rank else 0.0) if scored else None
    values["equal_budget_recall"] = equal_budget_recall(trace, task, n_items)
    values["regret"] = regret(trace, task)
    values["repetition"] = repetition(trace, task)
    return values


def reward_sums(trace: Trace) -> Values:
    """The sum over turns of each reward term before its weight, as `reward/NAME`; none for an errored episode."""
    sums: Values = {}
    for turn in trace.turns if trace.outcome != "errored" else ():
        for name, value in (turn.reward_terms or {}).items():
            sums[f"reward/{name}"] = (sums.get(f"reward/{name}") or 0.0) + value
    return sums


def shown_lists(traces: Iterable[Trace]) -> list[tuple[tuple[str, int], tuple[int, ...]]]:
    """Each list that was shown, with the (task, episode) of its dialogue; turns that show nothing are left out."""
    return [
        ((trace.task_id, trace.episode), turn.agent.items[: trace.setting.k])
        for trace in traces
        for turn in trace.turns
        if turn.agent.items
    ]


def identical_share(lists: Iterable[tuple[tuple[str, int], tuple[int, ...]]]) -> float | None:
    """The share of shown lists that another dialogue was shown too, item by item; `None` when nothing was shown."""
    dialogues: dict[tuple[int, ...], set[tuple[str, int]]] = {}
    counts: dict[tuple[int, ...], int] = {}
    for dialogue, items in lists:
        dialogues.setdefault(items, set()).add(dialogue)
        counts[items] = counts.get(items, 0) + 1
    total = sum(counts.values())
    return sum(n for items, n in counts.items() if len(dialogues[items]) > 1) / total if total else None


def _number(value: bool | None) -> float | None:
    return None if value is None else float(value)
