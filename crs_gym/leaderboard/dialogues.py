"""Dialogues to read: the same few seekers for every agent, drawn by a key and not by taste."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crs_gym.catalog import Catalog
from crs_gym.errors import CRSGymError
from crs_gym.leaderboard.looks import Look
from crs_gym.leaderboard.runs import Key, Run, by_standing
from crs_gym.leaderboard.standings import NONE, number
from crs_gym.randomness import derived_key
from crs_gym.task import Message
from crs_gym.trace import Trace, TurnTrace
from crs_gym.turns import Decision, UserTurn

PLAIN_DRAWS: Final = 2
"""How many seekers are drawn without a look at how their dialogues went."""
MOST_SEEKERS: Final = 6
"""Enough that nearly every agent has a success and a failure among them, and few enough to be read."""
LONGEST_TEXT: Final = 1_200
"""Characters of one text; a page of thirteen agents stays far below 3 MB whatever they write."""


@dataclass(frozen=True)
class Chip:
    """One item shown: its name, whether it is a target, whether the user took it."""

    name: str
    hit: bool
    accepted: bool


@dataclass(frozen=True)
class TermPart:
    """One reward term of a turn: as scored, its weight, and what the two make."""

    name: str
    value: str
    weight: str
    part: str


@dataclass(frozen=True)
class Bubble:
    """What one side said on a turn.

    Attributes:
        side: `user` or `recommender`.
        text: The words.
        chips: The items shown.
        reasoning: The recommender's thoughts.
        not_understood: The turn could not be read.
        repaired: It was read, but not as it was written.
        reward: Of the turn, on the recommender's bubbles.
        terms: How the reward came about.
        decision: `accepts …` or `leaves`, on the user's.
    """

    side: str
    text: str
    chips: tuple[Chip, ...] = ()
    reasoning: str = ""
    not_understood: bool = False
    repaired: bool = False
    reward: str = ""
    terms: tuple[TermPart, ...] = ()
    decision: str = ""


@dataclass(frozen=True)
class Dialogue:
    """One agent's dialogue with one seeker."""

    look: Look
    outcome: str
    success: bool | None
    turns: int
    total: str
    error: str
    bubbles: list[Bubble]


@dataclass(frozen=True)
class Scene:
    """One seeker: what was said before the agents came, what it wants, and its dialogue with each agent."""

    number: int
    task_id: str
    trial: int | None
    context: list[Bubble]
    targets: list[str]
    dialogues: list[Dialogue]


def scenes(run: Run, looks: Mapping[str, Look]) -> list[Scene]:
    """The dialogues of a run that its page shows."""
    agents = [agent for agent in by_standing(run.results) if run.tallies[agent.name].success]
    keys = draw_keys([run.tallies[agent.name].success for agent in agents], run.results.seed)
    traces = {agent.name: run.traces(agent.name, keys) for agent in agents}
    namer = _Namer(run.world.catalog if run.world else None)
    found = []
    for index, key in enumerate(keys, start=1):
        own = [(looks[agent.name], traces[agent.name][key]) for agent in agents]
        found.append(
            Scene(
                number=index,
                task_id=key[0],
                trial=key[1] + 1 if run.results.trials > 1 else None,
                context=_context(run, key[0]),
                targets=[namer(item) for item in own[0][1].targets],
                dialogues=[_dialogue(trace, look, namer) for look, trace in own],
            )
        )
    return found


def draw_keys(successes: Sequence[Mapping[Key, bool | None]], seed: int) -> list[Key]:
    """Which episodes are shown, of those that every agent played.

    The first `PLAIN_DRAWS` in a keyed order, then, one at a time, the one that gives most agents a success or a failure
    that they do not have yet among those chosen (ties: the keyed order), up to `MOST_SEEKERS`.

    Args:
        successes: For each agent, its episodes and whether each was a success.
        seed: Keys the order.
    """
    common = set.intersection(*(set(own) for own in successes)) if successes else set()
    order = sorted(common, key=lambda key: (derived_key("report", seed, key[0], key[1]), key))
    chosen = order[:PLAIN_DRAWS]
    rest = order[PLAIN_DRAWS:]
    missing = {(agent, word) for agent in range(len(successes)) for word in (True, False)}

    def gives(key: Key) -> set[tuple[int, bool]]:
        words = ((agent, own[key]) for agent, own in enumerate(successes))
        return {(agent, word) for agent, word in words if word is not None} & missing

    for key in chosen:
        missing -= gives(key)
    while rest and len(chosen) < MOST_SEEKERS:
        best = max(rest, key=lambda key: len(gives(key)))  # the first of equals
        if not gives(best):
            break
        chosen.append(best)
        rest.remove(best)
        missing -= gives(best)
    return chosen


class _Namer:
    """From item to the name on the page; a number where the catalogue cannot be had."""

    def __init__(self, catalog: Catalog | None) -> None:
        self.catalog = catalog

    def __call__(self, item: int) -> str:
        if self.catalog is None or not 0 <= item < len(self.catalog):
            return f"item {item}"
        return self.catalog.names[item]


def _context(run: Run, task_id: str) -> list[Bubble]:
    if run.world is None:
        return []
    try:
        messages: Sequence[Message] = run.world.task(task_id).context
    except CRSGymError:
        return []
    return [
        Bubble("recommender" if message.role == "recommender" else "user", _cut(message.text)) for message in messages
    ]


def _dialogue(trace: Trace, look: Look, namer: _Namer) -> Dialogue:
    bubbles = [] if trace.opening is None else [Bubble("user", _cut(trace.opening.utterance))]
    for turn in trace.turns:
        bubbles.append(_recommender(turn, trace, namer))
        if turn.user is not None:
            bubbles.append(Bubble("user", _cut(turn.user.utterance), decision=_decision(turn.user, namer)))
    total = trace.total_return
    return Dialogue(
        look=look,
        outcome=trace.outcome,
        success=trace.success,
        turns=len(trace.turns),
        total=NONE if total is None else number(total, 2),
        error=_cut(trace.error or ""),
        bubbles=bubbles,
    )


def _recommender(turn: TurnTrace, trace: Trace, namer: _Namer) -> Bubble:
    accepted = None if turn.user is None else turn.user.accepted
    weights = trace.setting.reward
    return Bubble(
        "recommender",
        _cut(turn.agent.utterance),
        chips=tuple(
            Chip(namer(item), item in trace.targets, item == accepted) for item in turn.agent.items[: trace.setting.k]
        ),
        reasoning=_cut(turn.agent.reasoning),
        not_understood=not turn.agent.understood,
        repaired=turn.agent.understood and not turn.agent.well_formed,
        reward=NONE if turn.reward is None else number(turn.reward, 2, signed=True),
        terms=tuple(
            TermPart(name, number(value, 2), number(weight, 2), number(value * weight, 2, signed=True))
            for name, value in (turn.reward_terms or {}).items()
            if (weight := weights.get(name, 0.0))
        ),
    )


def _decision(user: UserTurn, namer: _Namer) -> str:
    if user.decision == Decision.ACCEPT:
        return "accepts" if user.accepted is None else f"accepts {namer(user.accepted)}"
    return "leaves" if user.decision == Decision.LEAVE else ""


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
