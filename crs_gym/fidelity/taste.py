"""Feedback that follows true taste, and how willingly it is given.

Which films a seeker truly liked is known from the labels of recorded dialogues. A film that the recommender brought up
stands against one that is as popular and that nobody mentioned; the simulator knows the dialogue before, and nothing
else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from crs_gym.catalog import Catalog
from crs_gym.fidelity.comentions import CoMentions
from crs_gym.fidelity.findings import Distribution, Estimate, Row
from crs_gym.fidelity.intervals import Array, Groups, auc, mean, rounded
from crs_gym.fidelity.recorded import Suggestions
from crs_gym.popularity import PopularityMatcher
from crs_gym.randomness import derived_key, generator
from crs_gym.task import Dialogue

WANTED_AUC: Final = 0.70
"""Asked of the learned simulator: popularity alone gives 0.50 by construction, co-mentions of the films so far 0.65."""

KINDS: Final = ("liked", "disliked", "unsaid", "match of liked", "match of disliked", "random")
"""What a film is to the seeker: liked, not liked or nothing said of it by its own label; as popular as one of those
and mentioned by nobody; or any film that nobody mentioned."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A film that the simulator is asked about.

    Attributes:
        dialogue: The number of the dialogue.
        start: How many of its messages the seeker has heard.
        item: The film.
        kind: One of `KINDS`.
        drawn: The dialogue is one of those drawn; else it is there for its disliked films only.
        pair: The number of the probe that this one is the match of; -1 for none.
        seen: The seeker had seen the film, by its label; `None` where it did not say.
    """

    dialogue: int
    start: int
    item: int
    kind: str
    drawn: bool
    pair: int = -1
    seen: bool | None = None


def probes_of(
    dialogues: Sequence[Dialogue], drawn: Sequence[int], all_dislikes: bool, catalog: Catalog, seed: int
) -> list[Probe]:
    """The films to ask about.

    Args:
        dialogues: All dialogues of the split.
        drawn: The numbers of those drawn.
        all_dislikes: Take disliked films from the others, too: they are few.
        catalog: The films.
        seed: Keys the matches.
    """
    finder = Suggestions(catalog)
    matcher = PopularityMatcher(catalog)
    probes: list[Probe] = []
    chosen = set(drawn)
    for number in [*drawn, *(i for i in range(len(dialogues)) if all_dislikes and i not in chosen)]:
        dialogue, inside = dialogues[number], number in chosen
        if not inside and not any(label.liked is False for label in dialogue.labels.values()):
            continue
        rng = generator(derived_key("fidelity matches", seed, dialogue.dialogue_id))
        avoid = {*dialogue.labels, *(item for message in dialogue.messages for item in message.items)}
        suggestions = finder.of(dialogue)
        for suggestion in suggestions:
            liked = suggestion.label.liked
            kind = {True: "liked", False: "disliked", None: "unsaid"}[liked]
            if not inside and liked is not False:
                continue
            place = (number, suggestion.start)
            probes.append(Probe(*place, suggestion.item, kind, inside, seen=suggestion.label.seen))
            if liked is None:
                continue
            match = matcher.match(suggestion.item, rng, avoid)
            if match is not None:
                avoid.add(match)
                probes.append(Probe(*place, match, f"match of {kind}", inside, pair=len(probes) - 1))
        if inside and suggestions:
            start = suggestions[int(rng.integers(len(suggestions)))].start
            free = [i for i in rng.permutation(len(catalog))[: len(avoid) + 1].tolist() if i not in avoid]
            probes += [Probe(number, start, item, "random", inside) for item in free[:1]]
    return probes


@dataclass(frozen=True)
class Scores:
    """The scores of one judge of films.

    Attributes:
        probes: What was asked.
        values: `(n,)` the answers; NaN where there is none.
    """

    probes: Sequence[Probe]
    values: Array

    def of(self, *kinds: str, drawn: bool = True) -> tuple[Array, Groups]:
        """The scores of films of some kinds, and the number of the dialogue of each.

        Args:
            kinds: Of `KINDS`.
            drawn: Only in dialogues that were drawn.
        """
        places = [
            i
            for i, probe in enumerate(self.probes)
            if probe.kind in kinds and (probe.drawn or not drawn) and not np.isnan(self.values[i])
        ]
        return self.values[places], np.array([self.probes[i].dialogue for i in places], np.intp)


def baseline_scores(
    probes: Sequence[Probe], dialogues: Sequence[Dialogue], catalog: Catalog, comentions: CoMentions
) -> dict[str, Scores]:
    """What popularity, and co-mentions with the films so far, make of the same films."""
    similar: dict[tuple[int, int], Array] = {}
    values = np.empty(len(probes))
    for i, probe in enumerate(probes):
        place = (probe.dialogue, probe.start)
        if place not in similar:
            similar.clear()  # probes of one moment stand together; a row for each of thousands would fill the memory
            before = dialogues[probe.dialogue].messages[: probe.start]
            known = list(dict.fromkeys(item for message in before for item in message.items))
            similar[place] = comentions.scores(known).astype(np.float64)
        values[i] = similar[place][probe.item]
    popularity = catalog.popularity[[probe.item for probe in probes]].astype(np.float64)
    return {"popularity": Scores(probes, popularity), "co-mentions": Scores(probes, values)}


def taste_rows(own: Scores, baselines: dict[str, Scores], from_decisions: bool) -> list[Row]:
    """How well scores tell liked films from others.

    Args:
        own: The simulator's.
        baselines: What else they are held against.
        from_decisions: The simulator's scores are decisions, not probabilities.
    """
    how = " Its decisions on a slate of that one film stand for probabilities, which it does not give." * from_decisions

    def row(key: str, name: str, meaning: str, judge: Callable[[Scores], Estimate], **more: object) -> Row:
        figure = judge(own)
        references = {name: judge(scores) for name, scores in baselines.items()}
        return Row(key=key, name=name, meaning=meaning, simulator=figure, references=references, **more)  # type: ignore[arg-type]

    liked = auc_between(("liked",), ("match of liked",))
    value = liked(own).value
    return [
        row(
            "auc_liked_matched",
            "AUC, liked films against matched ones",
            "How often the simulator finds a film that the seeker liked more acceptable than one that is as popular "
            f"and that nobody mentioned. 0.50 is chance.{how}",
            liked,
            wanted=f"at least {WANTED_AUC:.2f}",
            holds=None if value is None else value >= WANTED_AUC,
        ),
        row(
            "pairs_liked_matched",
            "The same, each film with its own match",
            "Within one dialogue at one moment, so that differences between dialogues play no part; ties count half.",
            won_pairs("liked"),
        ),
        row(
            "auc_liked_disliked",
            "AUC, liked films against disliked ones",
            "Both were brought up by the recommender; disliked films from all dialogues, liked ones from those drawn.",
            auc_between(("liked",), ("disliked",), all_negatives=True),
        ),
        row(
            "auc_disliked_matched",
            "AUC, disliked films against matched ones",
            "What a recommender brings up fits the dialogue even if it is not liked: below the first line is right, "
            "below 0.50 would be a seeker that knows what it does not like.",
            auc_between(("disliked",), ("match of disliked",), all_positives=True, all_negatives=True),
        ),
    ]


def auc_between(
    positive: Sequence[str], negative: Sequence[str], *, all_positives: bool = False, all_negatives: bool = False
) -> Callable[[Scores], Estimate]:
    """The AUC between kinds of films; `all_…` takes them from dialogues that were not drawn, too."""

    def judge(scores: Scores) -> Estimate:
        above, above_groups = scores.of(*positive, drawn=not all_positives)
        below, below_groups = scores.of(*negative, drawn=not all_negatives)
        return auc(above, below, above_groups, below_groups, "films")

    return judge


def won_pairs(kind: str) -> Callable[[Scores], Estimate]:
    """The share of pairs in which the film itself has the higher score than its match; ties count half."""

    def judge(scores: Scores) -> Estimate:
        pairs = [
            (probe.dialogue, scores.values[probe.pair] - scores.values[i])
            for i, probe in enumerate(scores.probes)
            if probe.kind == f"match of {kind}" and probe.drawn and not np.isnan(scores.values[[i, probe.pair]]).any()
        ]
        groups = np.unique(np.array([number for number, _ in pairs], np.intp), return_inverse=True)[1].astype(np.intp)
        return mean([0.5 * (1 + float(np.sign(gap))) for _, gap in pairs], groups, "pairs")

    return judge


def cooperation_rows(own: Scores) -> list[Row]:
    """How willingly the simulator accepts a film that is shown alone, by what the film was to the person."""
    probes = [probe for probe in own.probes if probe.drawn]
    suggested = [probe for probe in probes if probe.kind in ("liked", "disliked", "unsaid")]

    def share(of: Sequence[Probe], holds: Callable[[Probe], bool]) -> Estimate:
        groups = np.unique(np.array([probe.dialogue for probe in of], np.intp), return_inverse=True)[1]
        return mean([float(holds(probe)) for probe in of], groups.astype(np.intp), "films")

    def accepted(*kinds: str) -> Estimate:
        values, groups = own.of(*kinds)
        return mean(values, np.unique(groups, return_inverse=True)[1].astype(np.intp), "films")

    people = share(suggested, lambda probe: probe.kind == "liked")
    random = accepted("random")
    holds = None if random.high is None or people.low is None else random.high < people.low
    said = [probe for probe in suggested if probe.kind != "unsaid"]
    return [
        Row(
            key="suggested",
            name="Films suggested by people",
            meaning="Accepted by the simulator, and by their labels liked (seen, or would be watched) by the people to "
            "whom they were suggested; who said nothing of a film counts as not.",
            unit="share",
            simulator=accepted("liked", "disliked", "unsaid"),
            people=people,
            references={
                "liked, of films with an opinion": share(said, lambda probe: probe.kind == "liked"),
                "liked and not seen": share(suggested, lambda probe: probe.kind == "liked" and probe.seen is False),
            },
        ),
        *(
            Row(key=key, name=name, meaning=meaning, unit="share", simulator=accepted(kind))
            for key, name, kind, meaning in (
                ("liked", "… that the person liked", "liked", "The person accepted all of them."),
                ("disliked", "… that the person did not like", "disliked", "The person accepted none of them."),
                ("matched", "As popular, mentioned by nobody", "match of liked", "No person was asked about these."),
            )
        ),
        Row(
            key="random",
            name="Random films",
            meaning="Any film of the catalogue that nobody mentioned. No person was asked about these; it must be less "
            "than people like of what is chosen for them, or the simulator takes anything.",
            unit="share",
            simulator=random,
            wanted="below people's share for suggested films",
            holds=holds,
        ),
    ]


def acceptance_distribution(own: Scores) -> Distribution:
    """How probabilities of acceptance are spread, for films that people liked and for random ones."""
    edges = np.linspace(0.0, 1.0, 11)

    sides = {}
    for name, kind in (("simulator, liked films", "liked"), ("simulator, matched films", "match of liked")):
        values, _ = own.of(kind)
        if len(values):
            sides[name] = [rounded(count / len(values)) for count in np.histogram(values, edges)[0]]
    return Distribution(
        "How sure the simulator is",
        "Share of films by the simulator's probability of accepting them: films that the person liked, and matches of "
        "the same popularity that nobody mentioned.",
        [f"{low:.1f}–{high:.1f}" for low, high in pairwise(edges.tolist())],
        sides,
    )
