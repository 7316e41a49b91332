"""The Gymnasium face: one dialogue."""

from __future__ import annotations

from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from crs_gym.config import EnvConfig
from crs_gym.engine import NOT_SHOWN, DialogueEngine, StepResult
from crs_gym.game import EpisodeCounter, Game, GameFace
from crs_gym.spaces import Utterance
from crs_gym.turns import AgentTurns
from crs_gym.views import StructuredView, TextView, View
from crs_gym.worlds.world import World

MAX_DIALOGUE: Final = 40_000
"""The longest dialogue that an observation shows, in characters; of a longer one the end is shown."""


class ConversationEnv(GameFace, gym.Env[dict[str, Any], Any]):
    """A seeker, played by a user simulator, looks for something to watch; the agent asks and recommends.

    ## Description
    One episode is one task: a seeker with a short history and secret targets. Each turn the agent says something and
    may show up to `k` items; the user answers with words and a decision: go on, accept an item, or leave.

    ## Observation space
    `Dict(dialogue: Utterance(40000), turn: Discrete(max_turns + 1))`. `dialogue` is the conversation so far, one line a
    message, `User: …` or `Recommender: …`; items that were shown without being named stand in brackets behind the
    recommender's words. `turn` counts the agent's turns so far.

    ## Action space
    `CRS-*-v0`: `Dict(utterance: Utterance(4000), items: MultiDiscrete([n_items + 1] * k))`, items best first; the value
    `n_items` means "no item in this place". `CRS-*-Text-v0`: `Utterance(32000)`, free text; the titles in it are the
    items shown; the user never sees `<think>…</think>` in front, and `<answer>…</answer>` marks what is said.

    ## Rewards
    The weighted sum of terms in [0, 1]: format 0.1, recommend 1.0, preference 0.5, novelty 0.05, turn_cost -0.2; see
    `crs_gym.reward`. `reward={…}` overrides the weights.

    ## Starting state
    The task's context; where it holds no word of the user, the user speaks first. `reset(seed=s)` starts episode 0 of
    seed s, each further `reset()` the next one; `options={"task": id or number}` picks the task.

    ## Episode end
    Terminated when the user accepts or leaves; truncated at `max_turns`, or when the simulator fails (`outcome` is
    then `errored`, and the episode counts nowhere).

    ## Information
    Each turn: `messages` (tuple of `crs_gym.task.Message`), `reward_terms` (name to value), `shown` (item numbers). At
    a reset also `task_id`, `seed`, `episode`. At the end also `success` (a target was shown), `accepted` (the user
    accepted an item), `hit_rank` (from 1), `targets`, `outcome`, `error`. What does not apply is left out, never 0 or
    `None`: `reward_terms`, `success` and `accepted` where the simulator failed, `hit_rank` where no target was shown,
    `error` where there is none. (gymnasium's vector envs turn `None` into 0, or crash on it.)

    ## Arguments
    world, split, kind, simulator, k, max_turns, reward: see `crs_gym.config.EnvConfig`. `text`: the free-text view.
    `render_mode`: `"ansi"` (render() returns the dialogue) or `"human"` (each step prints it).

    ## References
    The reward's format, recommend and preference terms follow SMTPO (arXiv 2604.03671); the user is label-free, as that
    paper's is. Repetition, leaks and oracle stopping in published evaluations: see `docs/architecture.md`.

    ## Version history
    v0: the first.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "human"], "render_fps": 1}  # noqa: RUF012  # gymnasium's name

    def __init__(
        self, world: str | World = "sample", *, text: bool = False, render_mode: str | None = None, **settings: Any
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(f"render_mode={render_mode!r}: must be one of {self.metadata['render_modes']} or None")
        self.render_mode = render_mode
        self.game = Game(EnvConfig.of(world=world, **settings), num_dialogues=1)
        self._view = make_view(text, self.game)
        self._counter = EpisodeCounter()
        self.observation_space = make_observation_space(self.game.config.max_turns)
        self.action_space = self._view.action_space()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode; see Starting state.

        Raises:
            ValueError: An unknown option, or no such task.
        """
        super().reset(seed=seed)
        chosen = read_options(options, ("task",))
        fresh = int(self.np_random.integers(2**31)) if self._counter.unseeded else 0
        number = self._counter.next(seed, fresh)
        episode = self.game.episode_on(chosen["task"], *number) if "task" in chosen else self.game.next_episode(*number)
        self.engine.reset(self.engine.all_rows, [episode])
        error = self.engine.error(0)
        if error is not None:
            raise error
        if self.render_mode == "human":
            print(self.engine.dialogue(0))
        return observe(self.engine, 0), reset_info(self.engine)

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """One turn of the agent, and the user's answer.

        Raises:
            ValueError: The action is unusable (the message names the field), or the episode is over.
        """
        turns = self._view.read(action)
        result = self.engine.step(turns)
        if self.render_mode == "human":
            print("\n".join(self.engine.dialogue(0).split("\n")[-2:]))
        return (
            observe(self.engine, 0),
            float(result.rewards[0]),
            bool(result.terminated[0]),
            bool(result.truncated[0]),
            turn_info(self.engine, turns, result),
        )

    def render(self) -> str | None:
        """The dialogue so far, in mode `ansi`; mode `human` prints by itself."""
        return self.engine.dialogue(0) if self.render_mode == "ansi" else None


def make_view(text: bool, game: Game) -> View:
    """The view of a face: free text, or structured."""
    return (TextView if text else StructuredView)(game.world.catalog, game.config.k)


def make_observation_space(max_turns: int) -> spaces.Dict:
    """The observation space of one dialogue."""
    return spaces.Dict({"dialogue": Utterance(MAX_DIALOGUE), "turn": spaces.Discrete(max_turns + 1)})


def observe(engine: DialogueEngine, row: int) -> dict[str, Any]:
    """The observation of the dialogue in `row`."""
    return {"dialogue": engine.dialogue(row)[-MAX_DIALOGUE:], "turn": np.int64(engine.turn[row])}


def reset_info(engine: DialogueEngine) -> dict[str, Any]:
    """The information of a reset, of an engine with one dialogue."""
    episode = engine.episode(0)
    return {
        "messages": engine.messages(0),
        "reward_terms": {},
        "shown": (),
        "task_id": episode.task.task_id,
        "seed": episode.seed,
        "episode": episode.episode,
    }


def turn_info(engine: DialogueEngine, turns: AgentTurns, result: StepResult) -> dict[str, Any]:
    """The information of a step, of an engine with one dialogue."""
    info: dict[str, Any] = {"messages": engine.messages(0), "shown": turns.shown(0)}
    if not result.errors:
        info["reward_terms"] = {name: float(values[0]) for name, values in result.terms.items()}
    if result.done[0]:
        info.update(final_facts(engine, 0))
    return info


def final_facts(engine: DialogueEngine, row: int) -> dict[str, Any]:
    """What may be known when an episode is over. What does not apply is left out."""
    outcome, error = engine.outcome(row), engine.error(row)
    facts: dict[str, Any] = {"targets": engine.task(row).targets, "outcome": outcome}
    if error is not None:
        return {**facts, "error": str(error)}
    facts |= {"success": bool(engine.success[row]), "accepted": outcome == "accepted"}
    if engine.hit_rank[row] != NOT_SHOWN:
        facts["hit_rank"] = int(engine.hit_rank[row])
    return facts


def read_options(options: dict[str, Any] | None, known: tuple[str, ...]) -> dict[str, Any]:
    """The options of a reset.

    Raises:
        ValueError: One of them is not known.
    """
    unknown = sorted(set(options or {}) - set(known))
    if unknown:
        raise ValueError(f"reset: unknown options {unknown}; known: {list(known)}")
    return options or {}
