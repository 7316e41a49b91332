"""Whether the guards of an honest evaluation hold in a run: computed from it, with the figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from crs_gym.evaluation.results import AgentResults, Results
from crs_gym.evaluation.signs import length_drift, signs_of
from crs_gym.evaluation.tables import SIGNIFICANT
from crs_gym.leaderboard.looks import kind_of
from crs_gym.leaderboard.runs import SEES_TARGETS, Run, by_standing, figure_of, short_name
from crs_gym.leaderboard.standings import NONE, number

State = Literal["holds", "fails", "untested", "read"]
"""`read`: figures for the reader to judge; nothing that a rule could decide."""

REFERENCE: Final = "popularity"
"""The agent that adversaries must stay below."""


@dataclass(frozen=True)
class Guard:
    """One guard.

    Attributes:
        title: What is guarded.
        state: What this run says of it.
        verdict: Why, in one or two sentences with figures.
        heading: Of the table below it.
        rows: Its rows; empty for no table.
    """

    title: str
    state: State
    verdict: str
    heading: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def guards_of(run: Run) -> list[Guard]:
    """All guards that one run can speak of."""
    guards = [adversaries(run.results), new_items(run.results)]
    if run.results.protocol == "interactive":
        guards += [user_ends(run), equal_budget(run.results)]
    return [*guards, answers(run.results), secrets(run.results), nothing_as_zero(run)]


def adversaries(results: Results) -> Guard:
    """Whether every adversary scores below `popularity`, in what is found and in what is paid.

    In a single turn an adversary may do as well: one that repeats what is popular is then `popularity` itself.
    """
    interactive = results.protocol == "interactive"
    title = f"Adversaries stay below {REFERENCE}" if interactive else f"Adversaries do no better than {REFERENCE}"
    metrics = ("success", "return") if interactive else ("recall@10", "ndcg@10")
    rivals = [agent for agent in results.agents if agent.adversary]
    reference = next((agent for agent in results.agents if agent.name == REFERENCE), None)
    if not rivals or reference is None:
        lacks = f"no agent is named {REFERENCE}" if rivals else "no adversary was evaluated"
        return Guard(title, "untested", f"This run cannot tell: {lacks}.")
    rows, above, unscored, close = [], [], [], []
    for agent in (reference, *rivals):
        rows.append((short_name(agent.name), *(_value(agent, metric) for metric in metrics)))
    for agent in rivals:
        name = short_name(agent.name)
        for metric in metrics:
            own, bar = figure_of(agent, metric).mean, figure_of(reference, metric).mean
            if own is None or bar is None:
                unscored.append(f"{name} ({metric})")
            elif own > bar or (own == bar and interactive):
                above.append(f"{name} ({metric} {_value(agent, metric)}, {REFERENCE} {_value(reference, metric)})")
            elif interactive and results.baseline == REFERENCE and not _clear(agent, metric):
                close.append(f"{name} ({metric})")
    heading = ("", *(f"{metric} %" if metric != "return" else metric for metric in metrics))
    if above:
        return Guard(
            title, "fails", f"{'Not below' if interactive else 'Above'}: {', '.join(above)}.", heading, tuple(rows)
        )
    if unscored:
        return Guard(title, "untested", f"Not scored: {', '.join(unscored)}.", heading, tuple(rows))
    told = f"All {len(rivals)} score below" if interactive else f"None of {len(rivals)} scores above"
    words = f"{told} {REFERENCE} in {' and '.join(metrics)}"
    words += f"; not significantly: {', '.join(close)}." if close else "."
    return Guard(title, "holds", words, heading, tuple(rows))


def new_items(results: Results) -> Guard:
    """What repeating gains: nothing, as named and shown items are no targets and are taken out of rankings."""
    title = "Only new items count"
    rule = "What was named or shown before is no target and is taken out of rankings."
    lead = "success" if results.protocol == "interactive" else "recall@10"
    copier = next((agent for agent in results.agents if agent.name == "copy-mention"), None)
    if copier is None or figure_of(copier, lead).mean is None:
        return Guard(title, "untested", f"{rule} The agent copy-mention, which repeats what was named, did not play.")
    gained = figure_of(copier, lead).mean
    words = f"{rule} Copying what was named scores {_value(copier, lead)}% ({lead})."
    return Guard(title, "fails" if gained else "holds", words)


def user_ends(run: Run) -> Guard:
    """Signs that the user's decision ends a dialogue, and not the label."""
    tallies = [run.tallies[agent.name] for agent in run.results.agents]
    total = sum(sum(tally.outcomes.values()) for tally in tallies)
    title = "The user ends the dialogue, not the label"
    if not total:
        return Guard(title, "untested", "This run cannot tell: its traces are gone.")
    went_on, other = sum(t.went_on for t in tallies), sum(t.accepted_other for t in tallies)
    accepted = sum(tally.outcomes["accepted"] for tally in tallies)
    words = (
        f"Of {total} dialogues, {accepted} ended as the user accepted an item, {other} of them one that is no target; "
        f"{went_on} went on after a target had been shown."
    )
    if not went_on and not other and accepted:
        words += " This user accepts targets, and nothing else."
    return Guard(title, "read", words)


def equal_budget(results: Results) -> Guard:
    """Each agent's targets shown against as many guesses at once."""
    budget = results.setting.max_turns * results.setting.k
    rows, better = [], []
    for agent in results.agents:
        if kind_of(agent) != "agent":
            continue
        shown, at_once = figure_of(agent, "shown_recall").mean, figure_of(agent, "equal_budget_recall").mean
        gain = NONE if shown is None or at_once is None else number(100 * (shown - at_once), 1, signed=True)
        rows.append((agent.name, _value(agent, "shown_recall"), _value(agent, "equal_budget_recall"), gain))
        low, high = figure_of(agent, "shown_recall").low, figure_of(agent, "equal_budget_recall").high
        if low is not None and high is not None and low > high:
            better.append(agent.name)
    found = f"{_list(better)} found" if better else "No agent found"
    words = (
        f"A dialogue may make {budget} guesses, so it stands beside the first {budget} places of the first turn's "
        f"ranking. {found} clearly more in the dialogue (the intervals lie apart). A dialogue ends as soon as the user "
        "accepts, and then leaves guesses unused."
    )
    heading = ("", "shown in the dialogue %", "at once %", "difference")
    return Guard("Equal budget", "read", words, heading, tuple(rows))


def answers(results: Results) -> Guard:
    """How agents answer, whatever they recommend: known ways to fool a reward, and signs of a training gone wrong."""
    title = "Answers are not degenerate"
    baseline = next((agent for agent in results.agents if agent.name == results.baseline), None)
    rows, odd = [], []
    for agent in by_standing(results):
        formed = figure_of(agent, "well_formed").mean
        if formed is None:
            continue
        name = short_name(agent.name)
        same, drift = agent.diversity.identical_answers, length_drift(agent, baseline)
        rows.append(
            (
                name,
                NONE if same is None else number(100 * same, 1),
                _value(agent, "well_formed"),
                _value(agent, "copied_order"),
                _words(agent, "utterance_words"),
                _words(agent, "reasoning_words") + (f" ×{number(drift, 1)}" if drift is not None else ""),
            )
        )
        if kind_of(agent) == "agent" and (signs := signs_of(agent, baseline)):
            odd.append(f"{name}: {', '.join(signs)}")
    if not rows:
        return Guard(title, "untested", "This run cannot tell: nothing in it has a score.")
    found = f"To look at: {'; '.join(odd)}." if odd else "No agent's answers are odd."
    legend = (
        "Same: how probable it is that two tasks get one answer at the same turn. Formed: turns that were understood, "
        "and not repaired. Copied: numbered answers in the order of the candidates. Said and thought: words a turn; ×: "
        "over the baseline's."
    )
    heading = ("", "same %", "formed %", "copied %", "said", "thought")
    return Guard(title, "read" if odd else "holds", f"{found} {legend}", heading, tuple(rows))


def secrets(results: Results) -> Guard:
    """Who saw the targets."""
    aware = [short_name(agent.name) for agent in results.agents if agent.target_aware]
    user_aware = results.setting.simulator.endswith(SEES_TARGETS)
    told = "is told" if user_aware else "is not told"
    seen = f"Shown them for a bound, and out of the ranking: {_list(aware)}." if aware else "No agent is shown them."
    words = f"The user {short_name(results.setting.simulator)} {told} the targets. {seen}"
    return Guard("Targets stay secret", "fails" if user_aware else "holds", words)


def nothing_as_zero(run: Run) -> Guard:
    """Whether anything is missing from the figures."""
    episodes = sum(agent.episodes for agent in run.results.agents)
    errored = sum(agent.errored for agent in run.results.agents)
    wanted = run.results.tasks * run.results.trials * len(run.results.agents)
    words = (
        f"{episodes} of {wanted} episodes were played, and {errored} of them errored. An errored episode has no score "
        "and is left out of every mean; each figure stands beside how many it is over."
    )
    missing = episodes < wanted or errored or run.outdated
    return Guard("Nothing is missing, and nothing missing counts as 0", "read" if missing else "holds", words)


def _value(agent: AgentResults, metric: str) -> str:
    mean = figure_of(agent, metric).mean
    if mean is None:
        return NONE
    return number(mean, 2) if metric == "return" else number(100 * mean, 1)


def _words(agent: AgentResults, metric: str) -> str:
    mean = figure_of(agent, metric).mean
    return NONE if mean is None else number(mean, 1)


def _clear(agent: AgentResults, metric: str) -> bool:
    comparison = agent.versus_baseline.get(metric)
    return comparison is not None and comparison.p_holm is not None and comparison.p_holm < SIGNIFICANT


def _list(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
