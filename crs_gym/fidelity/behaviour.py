"""Behaviour: what the simulator's turns are meant to do, beside people's at the same point of the same dialogues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from crs_gym.fidelity.classifier import IntentClassifier, Labels
from crs_gym.fidelity.findings import Distribution, Estimate, Row
from crs_gym.fidelity.iard import FILE, INTENTS, find_iard, held_out, read_iard, without_titles
from crs_gym.fidelity.intervals import Array, bootstrap, group_sums, rounded
from crs_gym.fidelity.speech import Speech, all_turns
from crs_gym.randomness import derived_key, generator
from crs_gym.resolver import TitleResolver
from crs_gym.statistics import CONFIDENCE

HALVES: Final = 1_000
"""How often people are split in halves."""


def behaviour(
    simulated: Sequence[Speech], human: Sequence[Speech], resolver: TitleResolver
) -> tuple[list[Row], list[Distribution], list[str]]:
    """Rows, plots and notes; without IARD's file or without people, rows that are not scored."""
    path = find_iard()
    if path is None:
        reason = f"IARD is not on this machine: CRS_GYM_DATA (or the cache) holds no {FILE}"
        return [_distance_row(None, {}, reason)], [], []
    turns = read_iard(path)
    tested = held_out(turns)
    rows = [
        Row(
            key="classifier",
            name="The intent classifier, held out",
            meaning=f"On IARD's {len(turns.texts):,} utterances of seekers, each in a dialogue that the classifier was "
            f"not fitted on: at least one label right. Micro-F1 {tested.micro_f1:.2f}, macro-F1 "
            f"{tested.macro_f1:.2f} over {int(turns.labels.any(axis=0).sum())} labels.",
            unit="share",
            people=tested.any_right,
            references={"all labels right": tested.all_right},
        )
    ]
    classifier = IntentClassifier(turns.texts, turns.labels)
    sides = [_counts(side, classifier, resolver) for side in (simulated, human)]
    own, people = sides
    judged = Estimate(
        rounded(distances(turns.labels.sum(axis=0)[None], tested.labels.sum(axis=0)[None])[0]),
        None,
        None,
        len(turns.texts),
        "utterances",
    )
    references = {"the classifier against the judges, IARD": judged}
    if not len(people):
        return [*rows, _distance_row(None, references, "this world has no recorded dialogues")], [], []
    floor = halves(people, len(all_turns(human)))
    references = {"two halves of people": floor, **references}
    rows.append(_distance_row(_distance(own, people, len(all_turns(simulated))), references, ""))
    totals = [side.sum(axis=0) for side in sides]
    plot = Distribution(
        "What turns are meant to do",
        "Share of intents by the same classifier, of the simulator's turns and of people's at the same point of the "
        "same dialogues.",
        list(INTENTS.values()),
        {
            name: [rounded(share) for share in total / total.sum()]
            for name, total in zip(("simulator", "people"), totals, strict=True)
            if total.sum()
        },
    )
    return rows, [plot], []


def distances(first: Array, second: Array) -> Array:
    """Jensen-Shannon distances, `(n,)`, between rows of counts, `(n, m)`: 0 for the same shares, 1 for none in common.

    The square root of the divergence with logarithms to base 2 (Endres and Schindelin, 2003).
    """
    from scipy.special import rel_entr

    with np.errstate(invalid="ignore", divide="ignore"):
        p = first / first.sum(axis=1, keepdims=True)
        q = second / second.sum(axis=1, keepdims=True)
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=1) / (2 * np.log(2))
    return np.asarray(np.sqrt(np.maximum(divergence, 0.0)), np.float64)


def halves(counts: Array, n: int) -> Estimate:
    """The distance between two random halves of people: what differs for no reason; the interval is that of the draws.

    Args:
        counts: `(n_dialogues, n_intents)`.
        n: How many turns they are.
    """
    if len(counts) < 2:
        return Estimate(None, None, None, n, "turns")
    rng = generator(derived_key("fidelity halves"))
    order = np.argsort(rng.random((HALVES, len(counts))), axis=1)
    first = (order < len(counts) // 2).astype(np.float64)
    found = distances(first @ counts, (1 - first) @ counts)
    low, high = np.quantile(found, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(rounded(found.mean()), rounded(low), rounded(high), n, "turns")


def _distance(own: Array, people: Array, n: int) -> Estimate:
    """The distance between the two sides; a task is drawn with both."""
    n_groups = max(len(own), len(people))
    sides = [np.vstack([side, np.zeros((n_groups - len(side), len(INTENTS)))]) for side in (own, people)]
    return bootstrap(lambda drawn: distances(drawn @ sides[0], drawn @ sides[1]), n_groups, n, "turns")


def _counts(speeches: Sequence[Speech], classifier: IntentClassifier, resolver: TitleResolver) -> Array:
    """`(n_tasks, n_intents)` how often each intent is met in the turns of each task."""
    turns = all_turns(speeches)
    if not turns:
        return np.zeros((0, len(INTENTS)))
    texts = [without_titles(text, [(m.start, m.end) for m in resolver.find(text)]) for _, text in turns]
    labels: Labels = classifier.labels(texts)
    groups = np.array([group for group, _ in turns], np.intp)
    return group_sums(labels.astype(np.float64), groups, int(groups.max()) + 1)


def _distance_row(figure: Estimate | None, references: dict[str, Estimate], reason: str) -> Row:
    return Row(
        key="intent_distance",
        name="Distance from people's intents",
        meaning="Jensen-Shannon distance between the shares of intents, 0 for the same and 1 for none in common. Two "
        "halves of people differ only by chance, though each has half as many turns.",
        simulator=figure,
        references=references,
        reason=reason,
    )
