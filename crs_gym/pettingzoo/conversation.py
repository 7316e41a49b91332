"""The PettingZoo environment: recommender and user take turns at one dialogue."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from gymnasium import spaces
from pettingzoo import AECEnv

from crs_gym.config import EnvConfig
from crs_gym.engine import DialogueEngine, needs_opening, recommender_message
from crs_gym.env import (
    MAX_DIALOGUE,
    final_facts,
    make_observation_space,
    make_view,
    reset_info,
    turn_info,
)
from crs_gym.errors import SimulatorError
from crs_gym.game import EpisodeCounter, Game
from crs_gym.pettingzoo.simulated_user import SimulatedUser
from crs_gym.pettingzoo.user_reward import TRUE_OUTCOME, UserReward
from crs_gym.pettingzoo.user_view import profile_text, read_user_action, user_action_space, user_observation_space
from crs_gym.transcript import render_message
from crs_gym.turns import UserTurn, UserTurns
from crs_gym.worlds.world import World

RECOMMENDER: Final = "recommender"
USER: Final = "user"


class ConversationAEC(AECEnv[str, dict[str, Any], Any]):  # type: ignore[misc]  # pettingzoo has no types
    """One dialogue between two agents, `recommender` and `user`.

    ## Description
    The game of `crs_gym.env.ConversationEnv`, with the user's side left to a policy: a learned one, a person, or
    `crs_gym.pettingzoo.SimulatorPolicy`, with which it plays what `ConversationEnv` plays. The agents take turns. The
    recommender begins; where the task's context holds no word of the user, the user says something first.

    ## Observation space
    Recommender: as in `ConversationEnv`. User: `Dict(dialogue, turn, profile)`; `profile` is what the seeker knows of
    itself, as text: films that it likes and does not like and, in the Sample world, its true taste. No target is in it.

    ## Action space
    Recommender: as in `ConversationEnv`, with `text=True` free text. User: `Dict(utterance: Utterance(4000), decision:
    Discrete(k + 2))`: 0 goes on, 1 leaves, 2 + j accepts the item in place j. To accept an empty place is to go on. The
    films that the utterance names count as named by the user. Besides, a `crs_gym.turns.UserTurn` is taken as it is,
    and a `crs_gym.errors.SimulatorError` ends the episode as errored.

    ## Rewards
    Recommender: as in `ConversationEnv`, once the user has answered. User: when the episode ends, the weighted sum
    of terms in [0, 1], by default the true outcome alone, 1 when it accepted a target, else 0 (our choice: a good user
    lets itself be helped, and knows when it was). `user_reward={…}` names others: success (a target was shown),
    agreement (with what the simulator would decide), truth (of its statements, by its profile), likelihood (of its
    words, under a simulator that is a language model); see `crs_gym.pettingzoo.user_reward` and its `LIKE_PEOPLE`.

    ## Starting state
    As in `ConversationEnv`. An unknown reset option is a warning here, since PettingZoo's own tests pass some.

    ## Episode end
    As in `ConversationEnv`, for both agents at once.

    ## Information
    Recommender: as in `ConversationEnv`. User: `shown`, the items that it is to answer to, and at the end
    `reward_terms`, `success`, `accepted`, `outcome`, `error`. Both: `active_agent`, whose turn it is.

    ## Arguments
    world, split, kind, simulator, k, max_turns, reward: see `crs_gym.config.EnvConfig`; `simulator` is what
    `SimulatorPolicy` plays, and what `user_reward`, the weights of the user's terms, compares the user with. `text`:
    the recommender writes free text. `render_mode`: `"ansi"` or `"human"`.

    ## Version history
    v0: the first.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012  # PettingZoo's name
        "name": "conversation_v0",
        "render_modes": ["ansi", "human"],
        "render_fps": 1,
        "is_parallelizable": False,
    }

    def __init__(
        self,
        world: str | World = "sample",
        *,
        text: bool = False,
        render_mode: str | None = None,
        user_reward: Mapping[str, float] = TRUE_OUTCOME,
        **settings: Any,
    ) -> None:
        super().__init__()
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(f"render_mode={render_mode!r}: must be one of {self.metadata['render_modes']} or None")
        self.render_mode = render_mode
        self.game = Game(EnvConfig.of(world=world, **settings), num_dialogues=1, user=False)
        self.text = text
        self.simulated_user = SimulatedUser(self.game.simulator, self.game.engine)
        self._user_reward = UserReward(user_reward, self.game, self.simulated_user)
        self._view = make_view(text, self.game)
        self._counter = EpisodeCounter()
        self.possible_agents = [RECOMMENDER, USER]
        config = self.game.config
        self.observation_spaces = {
            RECOMMENDER: make_observation_space(config.max_turns),
            USER: user_observation_space(config.max_turns),
        }
        self.action_spaces = {RECOMMENDER: self._view.action_space(), USER: user_action_space(config.k)}

    @property
    def engine(self) -> DialogueEngine:
        """The engine behind, with one dialogue in row 0."""
        return self.game.engine

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """The observation space of an agent."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """The action space of an agent."""
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Begin an episode: `seed` starts episode 0 of that seed, each further `reset()` the next one.

        Args:
            seed: A whole number of at least 0.
            options: `{"task": id or number}` picks the task.

        Raises:
            ValueError: The seed is no such number, or there is no such task.
        """
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0):
            raise ValueError(f"seed={seed!r}: must be a whole number of at least 0")
        chosen = dict(options or {})
        task = chosen.pop("task", None)
        if chosen:
            warnings.warn(f"reset: unknown options {sorted(chosen)} are ignored; known: ['task']", stacklevel=2)
        fresh = secrets.randbelow(2**31) if self._counter.unseeded else 0
        number = self._counter.next(None if seed is None else int(seed), fresh)
        episode = self.game.next_episode(*number) if task is None else self.game.episode_on(task, *number)
        self.engine.reset(self.engine.all_rows, [episode])
        self._profile = profile_text(episode.task.profile, self.game.world.catalog)
        self._printed = 0
        self.agents = list(self.possible_agents)
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {RECOMMENDER: reset_info(self.engine), USER: {"shown": ()}}
        self._user_reward.begin()
        self._pass_to(USER if needs_opening(episode.task) else RECOMMENDER)
        self._show()

    def step(self, action: Any) -> None:
        """The move of `agent_selection`.

        Raises:
            ValueError: The action is unusable; the message names the field. Nothing has happened then.
        """
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        if agent == RECOMMENDER:
            turns = self._view.read(action)
            self.engine.recommend(turns)
            self._moved(agent)
            self.infos[USER] = {"shown": turns.shown(0)}
            self._pass_to(USER)
        else:
            self._answer(action)
        self._accumulate_rewards()
        self._show()

    def observe(self, agent: str) -> dict[str, Any]:
        """What an agent sees: the dialogue up to the last word said."""
        observation: dict[str, Any] = {
            "dialogue": self._dialogue()[-MAX_DIALOGUE:],
            "turn": np.int64(self.engine.turn[0]),
        }
        if agent == USER:
            observation["profile"] = self._profile
        return observation

    def render(self) -> str | None:
        """The dialogue so far, in mode `ansi`; mode `human` prints by itself."""
        return self._dialogue() if self.render_mode == "ansi" else None

    def close(self) -> None:
        """Nothing is held open."""

    # ---------------------------------------------------------------- inside

    def _answer(self, action: Any) -> None:
        """The user's move: its answer, or its first words."""
        engine, waiting = self.engine, self.engine.waiting
        turn = read_user_action(action, waiting, self.game.world.catalog, engine.k)
        if waiting is None:
            self._moved(USER)
            if isinstance(turn, SimulatorError):
                engine.fail(0, turn)
                self._end(False, True)
            else:
                engine.open(0, turn)
                self.infos[RECOMMENDER] = reset_info(engine)
            self._pass_to(RECOMMENDER)
            return
        if isinstance(turn, UserTurn):
            self._user_reward.hear(turn)
        result = engine.respond(UserTurns.of([turn]))
        self._moved(USER)
        self.rewards = {RECOMMENDER: float(result.rewards[0]), USER: 0.0}
        self.infos[RECOMMENDER] = turn_info(engine, waiting, result)
        if result.done[0]:
            self.rewards[USER], self.infos[USER]["reward_terms"] = self._user_reward.at_end()
            self._end(bool(result.terminated[0]), bool(result.truncated[0]))
        self._pass_to(RECOMMENDER)

    def _moved(self, agent: str) -> None:
        self._cumulative_rewards[agent] = 0.0
        self._clear_rewards()

    def _end(self, terminated: bool, truncated: bool) -> None:
        facts = final_facts(self.engine, 0)
        self.terminations = dict.fromkeys(self.agents, terminated)
        self.truncations = dict.fromkeys(self.agents, truncated)
        self.infos[RECOMMENDER].update(facts)
        self.infos[USER].update({key: value for key, value in facts.items() if key not in ("targets", "hit_rank")})

    def _pass_to(self, agent: str) -> None:
        self.agent_selection = agent
        for info in self.infos.values():
            info["active_agent"] = agent

    def _dialogue(self) -> str:
        """The dialogue up to the last word said, the recommender's that wait for an answer included."""
        text, waiting = self.engine.dialogue(0), self.engine.waiting
        if waiting is None:
            return text
        message = recommender_message(waiting, 0, self.game.world.catalog)
        line = render_message(message.role, message.text)
        return f"{text}\n{line}" if text else line

    def _show(self) -> None:
        """Print what was said since the last time, in mode `human`."""
        if self.render_mode == "human":
            lines = self._dialogue().split("\n")
            print("\n".join(lines[self._printed :]))
            self._printed = len(lines)


def conversation_behind(env: Any, who: str) -> ConversationAEC:
    """The environment behind wrappers and conversions.

    Args:
        env: A `conversation_v0` environment, AEC or parallel, wrapped or not.
        who: Who plays in it, for the message.

    Raises:
        ValueError: `env` is something else.
    """
    raw = getattr(env, "unwrapped", None)
    if not isinstance(raw, ConversationAEC):
        raise ValueError(f"{who} plays in conversation_v0 environments, not in a {type(env).__name__}")
    return raw
