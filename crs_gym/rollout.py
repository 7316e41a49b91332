"""The common rollout API: any agent, many dialogues at once, one trace an episode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

import gymnasium as gym
import numpy as np

import crs_gym
from crs_gym.agent import AgentSpec, NamedAgent, Observation, OracleObservation, load_agent
from crs_gym.config import EnvConfig
from crs_gym.engine import NOT_SHOWN, DialogueEngine, Episode
from crs_gym.errors import SimulatorError, UnknownNameError
from crs_gym.game import Game
from crs_gym.randomness import derived_key
from crs_gym.reading import read_text
from crs_gym.trace import Setting, Trace, TurnTrace
from crs_gym.turns import AgentTurn, AgentTurns, UserTurns

if TYPE_CHECKING:
    from crs_gym.worlds.world import World


def rollout(
    env: str | EnvConfig,
    agent: AgentSpec,
    *,
    episodes: int,
    seed: int = 0,
    num_envs: int = 64,
    **settings: object,
) -> list[Trace]:
    """Play `episodes` episodes and return their traces, in order.

    Episode `e` is what `env.reset(seed=seed)` followed by `e` further `reset()` plays: the result does not depend on
    `num_envs`.

    Args:
        env: A registered id (`"CRS-Sample-v0"`) or settings.
        agent: A registered name, `module:attribute`, or an object with an `act` method.
        episodes: How many.
        seed: Keys tasks and noise.
        num_envs: How many dialogues run side by side.
        settings: Override the id's settings, as in `gym.make`.

    Raises:
        UnknownNameError: An unknown id, agent, world or simulator.
    """
    for name, number in (("episodes", episodes), ("num_envs", num_envs)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ValueError(f"{name}={number!r}: must be a whole number of at least 1")
    game = Game(config_of(env, **settings), num_dialogues=min(num_envs, episodes))
    named = load_agent(agent, game.world)
    traces = play_game(game, named, (game.next_episode(seed, number) for number in range(episodes)))
    return sorted(traces, key=lambda trace: trace.episode)


def play(config: EnvConfig, agent: NamedAgent, episodes: Iterable[Episode], *, num_envs: int = 64) -> Iterator[Trace]:
    """Play episodes of one's choice; each trace comes as its dialogue ends.

    Args:
        config: The settings.
        agent: Who recommends.
        episodes: What is played; read one at a time.
        num_envs: How many dialogues run side by side. The traces' content does not depend on it.
    """
    return play_game(Game(config, num_dialogues=num_envs), agent, episodes)


def play_game(game: Game, agent: NamedAgent, episodes: Iterable[Episode]) -> Iterator[Trace]:
    """As `play`, in a game that is there already."""
    engine = game.engine
    engine.active[:] = False  # what an earlier play broke off is nobody's
    waiting = iter(episodes)
    free = engine.all_rows.tolist()
    while True:
        begun = [(row, episode) for row, episode in zip(free, waiting, strict=False)]
        # zip has read one episode too many only if `free` ran out first; it reads `free` first, so none is lost.
        if begun:
            engine.reset(np.array([row for row, _ in begun], np.int64), [episode for _, episode in begun])
        for row, _ in begun:
            if engine.outcome(row) is not None:  # the simulator failed in its first words
                yield trace_of(engine, row, game.setting, agent.name)
        rows = np.flatnonzero(engine.active)
        if not len(rows):
            if not begun:
                return
            free = [row for row, _ in begun]
            continue
        observations = [observation_of(engine, row, game, agent.target_aware) for row in rows.tolist()]
        result = engine.step(read_turns(agent, observations, game), rows)
        for row in rows[result.done].tolist():
            yield trace_of(engine, row, game.setting, agent.name)
        free = np.flatnonzero(~engine.active).tolist()


def read_turns(agent: NamedAgent, observations: Sequence[Observation], game: Game) -> AgentTurns:
    """Ask the agent, and check what it says.

    Raises:
        ValueError: It did not answer each observation, or answered with something that is no turn.
    """
    n = len(observations)
    answers = agent.agent.act(tuple(observations))
    if isinstance(answers, str) or not isinstance(answers, Sequence):
        raise ValueError(f"agent {agent.name!r}: act returned a {type(answers).__name__}; it must be a list of turns")
    if len(answers) != n:
        raise ValueError(f"agent {agent.name!r} gave {len(answers)} turns for {n} observations")
    turns = []
    for answer in answers:
        if isinstance(answer, str):
            turns.append(read_text(answer, game.world.catalog, game.config.k))
        elif isinstance(answer, AgentTurn):
            turns.append(answer)
        else:
            raise ValueError(
                f"agent {agent.name!r} answered with a {type(answer).__name__}; it must be an AgentTurn or a str"
            )
    try:
        return AgentTurns.of(turns, game.config.k, len(game.world.catalog))
    except ValueError as error:
        raise ValueError(f"agent {agent.name!r}: {error}") from error


def trace_of(engine: DialogueEngine, row: int, setting: Setting, agent: str) -> Trace:
    """The trace of the episode in `row`, which is over."""
    episode, error = engine.episode(row), engine.error(row)
    outcome = engine.outcome(row)
    if outcome is None:
        raise ValueError(f"the episode in row {row} is not over")
    turns = []
    for record in engine.log(row):
        user = record.user()
        scored = user is not None
        turns.append(
            TurnTrace(
                agent=record.agent(),
                user=user,
                reward=float(record.rewards[record.i]) if scored else None,
                reward_terms={name: float(term[record.i]) for name, term in record.terms.items()} if scored else None,
            )
        )
    rank = int(engine.hit_rank[row])
    return Trace(
        version=crs_gym.__version__,
        setting=setting,
        agent=agent,
        task_id=episode.task.task_id,
        seed=episode.seed,
        episode=episode.episode,
        opening=engine.opening(row),
        turns=tuple(turns),
        outcome=outcome,
        success=None if error else bool(engine.success[row]),
        accepted=None if error else outcome == "accepted",
        hit_rank=None if error or rank == NOT_SHOWN else rank,
        targets=episode.task.targets,
        error=None if error is None else str(error),
    )


def replay(trace: Trace, world: World) -> Trace:
    """Play the recorded words and decisions of both sides through the engine again, and score them anew.

    Raises:
        WorldError: The world has no such task.
        ValueError: The trace's turns break a rule of the game.
    """
    setting = trace.setting
    engine = DialogueEngine(
        world.catalog, None, num_dialogues=1, k=setting.k, max_turns=setting.max_turns, reward=setting.reward
    )
    engine.reset(engine.all_rows, [Episode(world.task(trace.task_id), trace.seed, trace.episode)])
    if trace.opening is not None:
        engine.open(0, trace.opening)
    failure = SimulatorError(trace.error or "")
    if trace.outcome == "errored" and not trace.turns:
        engine.fail(0, failure)
    for turn in trace.turns:
        engine.recommend(AgentTurns.of([turn.agent], setting.k, len(world.catalog)))
        engine.respond(UserTurns.of([failure if turn.user is None else turn.user]))
    return trace_of(engine, 0, setting, trace.agent)


def config_of(env: str | EnvConfig, **settings: object) -> EnvConfig:
    """The settings behind a registered id, or settings as they are, with some overridden.

    Raises:
        UnknownNameError: No such id; the message suggests the nearest.
    """
    if isinstance(env, EnvConfig):
        own = {setting.name: getattr(env, setting.name) for setting in fields(env)}
        return EnvConfig.of(**{**own, **settings})
    name = env.removeprefix("crs_gym:")
    if name not in crs_gym.ENV_IDS:
        raise UnknownNameError("environment", env, crs_gym.ENV_IDS)
    kwargs = {**gym.spec(name).kwargs, **settings}
    kwargs.pop("text", None)  # agents may answer with text under every id
    return EnvConfig.of(**kwargs)


def observation_of(engine: DialogueEngine, row: int, game: Game, target_aware: bool) -> Observation:
    """What an agent sees of the dialogue in `row`."""
    turn = int(engine.turn[row])
    episode = engine.episode(row)
    seen = {
        "messages": engine.messages(row),
        "turn": turn,
        "max_turns": game.config.max_turns,
        "k": game.config.k,
        "depth": game.config.depth,
        "key": derived_key(episode.key, "agent", turn),
        "thoughts": tuple(record.reasoning() for record in engine.log(row)),
    }
    if target_aware:
        return OracleObservation(**seen, targets=episode.task.targets)  # type: ignore[arg-type]
    return Observation(**seen)  # type: ignore[arg-type]
