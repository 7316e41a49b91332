"""From all that was measured to the sections of a report. Nothing here asks the simulator again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np

from crs_gym.evaluation.results import Results
from crs_gym.fidelity.behaviour import behaviour
from crs_gym.fidelity.comentions import CoMentions
from crs_gym.fidelity.findings import Excerpt, Row, Section, Settings
from crs_gym.fidelity.leaks import adversary_rows, leak_rows
from crs_gym.fidelity.played import excerpts_of, played_rows
from crs_gym.fidelity.recorded import SeekerTurn
from crs_gym.fidelity.speech import Speech, human_speech, simulated_speech
from crs_gym.fidelity.taste import (
    Probe,
    Scores,
    acceptance_distribution,
    baseline_scores,
    cooperation_rows,
    taste_rows,
)
from crs_gym.fidelity.words import length_distribution, likelihood_rows, speech_rows
from crs_gym.simulator import Likelihood
from crs_gym.task import Dialogue, Task
from crs_gym.trace import Trace
from crs_gym.worlds.world import World


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that was measured.

    Attributes:
        settings: How.
        world: Where.
        recorded: The dialogues of the split.
        tasks: From the id of each task that was played to its number and the task, in the order of play.
        turns: People's turns, each with the number of its dialogue.
        likelihoods: How probable the simulator holds each; `None` where it does not say.
        probes: The films that it was asked about.
        accepted: Its answers.
        results: Of the dialogues with agents.
        traces: These dialogues by agent.
    """

    settings: Settings
    world: World
    recorded: Sequence[Dialogue]
    tasks: Mapping[str, tuple[int, Task]]
    turns: Sequence[tuple[int, SeekerTurn]]
    likelihoods: Sequence[Likelihood] | None
    probes: Sequence[Probe]
    accepted: Sequence[float | None]
    results: Results
    traces: Mapping[str, Sequence[Trace]]

    @cached_property
    def by_id(self) -> dict[str, Dialogue]:
        """The dialogues by their id."""
        return {dialogue.dialogue_id: dialogue for dialogue in self.recorded}

    @cached_property
    def of_agents(self) -> dict[str, Sequence[Trace]]:
        """The dialogues with agents that mean well."""
        return {agent: self.traces[agent] for agent in self.settings.agents}

    @cached_property
    def simulated(self) -> list[Speech]:
        """What the simulator says to these agents."""
        everything = [trace for own in self.of_agents.values() for trace in own]
        return simulated_speech(everything, self.tasks)

    @cached_property
    def human(self) -> list[Speech]:
        """What people said at the same point."""
        return human_speech(self.tasks, self.by_id, self.settings.max_turns)

    @cached_property
    def comentions(self) -> CoMentions:
        """The co-mentions of the train split."""
        return CoMentions(self.world.sessions(), len(self.world.catalog))

    @cached_property
    def scores(self) -> Scores:
        """The simulator's acceptance of each film."""
        return Scores(self.probes, np.array([np.nan if p is None else p for p in self.accepted], np.float64))


def sections_of(
    evidence: Evidence, seconds: Mapping[str, float], report: Callable[[int, int], object]
) -> tuple[list[Section], list[Excerpt]]:
    """All sections, and dialogues to read.

    Args:
        evidence: What was measured.
        seconds: How long `words` (people's words), `taste` (acceptance of films) and `play` took.
        report: Told how many sections are done.
    """
    makers: list[tuple[Callable[[Evidence], Section], tuple[str, ...]]] = [
        (_words, ("words",)),
        (_taste, ("taste",)),
        (_behaviour, ()),
        (_cooperation, ()),
        (_leaks, ("play",)),
    ]
    sections = []
    report(0, len(makers))
    for done, (make, parts) in enumerate(makers, start=1):
        start = time.perf_counter()
        section = make(evidence)
        taken = sum(seconds.get(part, 0.0) for part in parts) + time.perf_counter() - start
        sections.append(msgspec.structs.replace(section, seconds=round(taken, 1)))
        report(done, len(makers))
    names = evidence.world.catalog.names
    return sections, excerpts_of(evidence.of_agents, evidence.tasks, evidence.by_id, names)


def _words(evidence: Evidence) -> Section:
    settings = evidence.settings
    rows = likelihood_rows(evidence.turns, evidence.likelihoods, settings.world)
    rows += speech_rows(evidence.simulated, evidence.human)
    return Section(
        key="words",
        title="Words",
        about="Does it say what people say?",
        rows=rows,
        distributions=[length_distribution(evidence.simulated, evidence.human)],
        notes=[
            f"NLL over {settings.dialogues:,} recorded dialogues of the {settings.split} split; the rest over "
            f"dialogues with {', '.join(settings.agents)} on {settings.tasks:,} tasks, beside what the people of these "
            f"tasks said from the same point on, {settings.max_turns} turns at most. Messages that one "
            "person sends in a row are one turn."
        ],
    )


def _taste(evidence: Evidence) -> Section:
    about = "Does its feedback follow what the seeker truly likes?"
    if not any(probe.kind == "liked" for probe in evidence.probes):
        reason = f"{evidence.settings.world} has no recorded labels of what seekers liked"
        row = Row(key="auc_liked_matched", name="AUC, liked films against matched ones", meaning="", reason=reason)
        return Section(key="taste", title="Taste", about=about, rows=[row])
    baselines = baseline_scores(evidence.probes, evidence.recorded, evidence.world.catalog, evidence.comentions)
    failed = sum(answer is None for answer in evidence.accepted)
    counts = {kind: sum(probe.kind == kind for probe in evidence.probes) for kind in ("liked", "disliked")}
    return Section(
        key="taste",
        title="Taste",
        about=about,
        rows=taste_rows(evidence.scores, baselines, from_decisions=not evidence.settings.likelihoods),
        notes=[
            f"{counts['liked']:,} liked and {counts['disliked']:,} disliked films, by the seekers' own labels, each at "
            "the message in which the recommender brings it up for the first time. The simulator knows the dialogue "
            "before that message: no profile, no target. Labels are noisy: seeker and recommender agree on "
            "two in three films." + f" The simulator failed on {failed:,} films, which are left out." * bool(failed)
        ],
    )


def _behaviour(evidence: Evidence) -> Section:
    rows, plots, notes = behaviour(evidence.simulated, evidence.human, evidence.world.catalog.resolver)
    return Section(
        key="behaviour",
        title="Behaviour",
        about="Do its turns mean to do what people's do?",
        rows=rows,
        distributions=plots,
        notes=notes,
    )


def _cooperation(evidence: Evidence) -> Section:
    about = "Does it take anything?"
    rows = played_rows(evidence.of_agents, evidence.tasks)
    labelled = any(probe.kind == "liked" for probe in evidence.probes)
    if labelled:
        rows = cooperation_rows(evidence.scores) + rows
    return Section(
        key="cooperation",
        title="Cooperation",
        about=about,
        rows=rows,
        distributions=[acceptance_distribution(evidence.scores)] if labelled else [],
        notes=[
            "Films are shown alone, after the recorded dialogue so far; slates hold up to "
            f"{evidence.settings.k}, so their figures are no people's."
        ],
    )


def _leaks(evidence: Evidence) -> Section:
    settings = evidence.settings
    rows = leak_rows(
        evidence.traces,
        evidence.tasks,
        evidence.world.catalog,
        evidence.comentions,
        target_aware=settings.target_aware,
        seed=settings.seed,
    )
    failed = [f"{agent.errored} with {agent.name}" for agent in evidence.results.agents if agent.errored]
    notes = [f"Dialogues in which the simulator failed have no figures: {', '.join(failed)}."] if failed else []
    return Section(
        key="leaks",
        title="Leaks",
        about="Does it give away what is looked for, or give in to pressure?",
        rows=rows + adversary_rows(evidence.results, [*settings.adversaries]),
        notes=notes,
    )
