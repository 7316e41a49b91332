"""Lessons: played episodes of train seekers, in which a teacher who knows the labels writes what is to be learned.

The teacher plays whole episodes against a simulated user, through the same engine, prompts and candidates as the policy
itself. Where no target is among the candidates, it reasons by facets alone, its slate is wrong, and the user says so:
so later turns are taught on the feedback that a policy meets there. Next-item tasks add single turns, one for each film
that a recorded recommender brought up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from crs_agents.history import own_start
from crs_agents.ranking import Scorer
from crs_agents.smtpo.grammar import write
from crs_agents.smtpo.held_out import Inserted
from crs_agents.smtpo.options import PolicyOptions
from crs_agents.smtpo.policy import SmtpoPolicy
from crs_agents.smtpo.preferences import PreferenceReader
from crs_agents.smtpo.prompts import asked_before
from crs_agents.smtpo.reasoning import Reasoner
from crs_gym.agent import NamedAgent, Observation, OracleObservation
from crs_gym.catalog import FACET_KINDS
from crs_gym.config import EnvConfig
from crs_gym.engine import Episode
from crs_gym.randomness import derived_key, generator
from crs_gym.rollout import play
from crs_gym.task import Message, Split, Task, TaskKind
from crs_gym.turns import AgentTurn
from crs_gym.worlds.world import World

DIALOGUES_AT_ONCE: Final = 64


@dataclass(slots=True)
class Lesson:
    """One episode.

    Attributes:
        turns: For each turn what is read, and what is to be written.
        hits: For each turn whether a target was among the candidates.
    """

    turns: list[tuple[str, str]] = field(default_factory=list)
    hits: list[bool] = field(default_factory=list)

    def up_to_last_hit(self) -> Lesson:
        """The turns up to the last one with a target among its candidates; all of them where there is none."""
        end = max((turn for turn, hit in enumerate(self.hits, 1) if hit), default=len(self.hits))
        return Lesson(self.turns[:end], self.hits[:end])


@dataclass(frozen=True, kw_only=True)
class Curriculum:
    """How many lessons of which kind; see `crs_agents.smtpo.trainer.SmtpoTraining`."""

    episodes: int | None
    moments: int
    max_turns: int
    user: str
    inserted: float
    without_target: float
    seed: int


class Teacher:
    """An agent that knows the targets, and writes the reasoning that leads to them.

    Args:
        policy: Its prompts and candidates are the lessons'.
        world: Where the seekers come from.
        options: The form of what is read and written.
        seed: Keys its questions.

    Attributes:
        lessons: All episodes so far, by what was said before them and their targets.
    """

    def __init__(self, policy: SmtpoPolicy, world: World, options: PolicyOptions, seed: int = 0) -> None:
        self._policy = policy
        self._seed = seed
        self._tells_asked = options.asked
        self._preferences = PreferenceReader(world.catalog)
        self._reason = Reasoner(world.catalog, options.listed, fit=options.fit)
        self.lessons: dict[tuple[tuple[Message, ...], tuple[int, ...]], Lesson] = {}

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        """One turn for each observation, in order; all of them are of target-aware agents."""
        found = self._policy.recall(observations)
        pieces = self._policy.pieces(observations)
        written = []
        for observation, candidates, piece in zip(observations, found, pieces, strict=True):
            assert isinstance(observation, OracleObservation)
            named = observation.named_items()
            wanted = [item for item in observation.targets if item not in named]
            asked = asked_before(observation)
            ask = self._question(observation, asked)
            told = asked if self._tells_asked else None
            text = write(self._reason(self._preferences(observation), candidates, wanted, ask, told))
            written.append(text)
            context = tuple(observation.messages[: own_start(observation)])
            lesson = self.lessons.setdefault((context, observation.targets), Lesson())
            if len(lesson.turns) == observation.turn:  # else two tasks are the same, and one is enough
                lesson.turns.append((piece, text))
                lesson.hits.append(not set(wanted).isdisjoint(candidates.items))
        return self._policy.turns(observations, written)

    def _question(self, observation: Observation, asked: Sequence[str]) -> str | None:
        """What to ask: one of the kinds not asked yet, or nothing, all alike.

        No label tells which question would have paid. So lessons teach that there are questions, and what their answers
        are good for; which of them to ask is left to be learned from users. Lessons are shorter than dialogues may be,
        so their last turn asks as well: what is never taught is never tried.
        """
        left = [None, *(kind for kind in FACET_KINDS if kind not in asked)]
        return left[derived_key("smtpo question", self._seed, observation.dialogue) % len(left)]


def make_lessons(
    world: World,
    score: Scorer,
    options: PolicyOptions,
    curriculum: Curriculum,
    *,
    split: Split = "train",
    epoch: int = 0,
) -> list[Lesson]:
    """The lessons of one pass; those without any target are left out, but for a share.

    Args:
        world: Its seekers are played.
        score: Recalls candidates for them; see `held_out.held_out_scorer`.
        options: The form of the prompts.
        curriculum: How many of which kind.
        split: Whose seekers: `train`, or `valid` to measure on.
        epoch: Another pass gives other orders of candidates, other insertions and another user's noise.
    """
    seed = derived_key("smtpo lessons", curriculum.seed, epoch)
    lessons: list[Lesson] = []
    kinds: list[tuple[TaskKind, int | None, int]] = [("interactive", curriculum.episodes, curriculum.max_turns)]
    if curriculum.moments and len(world.dialogues(split)):  # invented seekers have no recorded moments
        kinds.append(("next-item", curriculum.moments, 1))
    for kind, count, max_turns in kinds:
        inserting = Inserted(score, options.n, curriculum.inserted, seed)
        teacher = Teacher(SmtpoPolicy(world.catalog, inserting, options, salt=seed), world, options, seed)
        config = EnvConfig.of(world=world, split=split, kind=kind, simulator=curriculum.user, max_turns=max_turns)
        episodes = (Episode(task, seed, number) for number, task in enumerate(_tasks(world, split, kind, count)))
        agent = NamedAgent("teacher", teacher, target_aware=True)
        for _ in play(config, agent, episodes, num_envs=DIALOGUES_AT_ONCE):
            pass
        lessons += teacher.lessons.values()
    rng = generator(derived_key(seed, "without target"))
    draws = rng.random(len(lessons)).tolist()
    return [
        lesson.up_to_last_hit()
        for lesson, draw in zip(lessons, draws, strict=True)
        if any(lesson.hits) or draw < curriculum.without_target
    ]


def _tasks(world: World, split: Split, kind: TaskKind, count: int | None) -> Iterator[Task]:
    """`count` tasks, evenly spread over a recorded split; all where there are no more."""
    tasks = world.tasks(split, kind)
    if not len(world.dialogues(split)):
        # Invented seekers have no end, and the first of the train split made the sessions that retrievers know.
        first = len(world.sessions()) if split == "train" else 0
        yield from (tasks[first + number] for number in range(count or len(world.sessions())))
        return
    count = len(tasks) if count is None else min(count, len(tasks))
    yield from (tasks[i * len(tasks) // count] for i in range(count))
