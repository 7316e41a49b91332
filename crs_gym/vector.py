"""The Gymnasium vector face: many dialogues at once, on one engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from crs_gym.config import EnvConfig
from crs_gym.engine import StepResult
from crs_gym.env import MAX_DIALOGUE, final_facts, make_observation_space, make_view, observe, read_options
from crs_gym.game import EpisodeCounter, Game, GameFace
from crs_gym.numeric import IntArray
from crs_gym.turns import AgentTurns
from crs_gym.worlds.world import World

_OPENING_TRIES: Final = 3
"""How many episodes in a row may fail in their first words before the simulator is taken to be down."""


class ConversationVectorEnv(GameFace, VectorEnv[dict[str, Any], Any, NDArray[Any]]):
    """`num_envs` dialogues side by side; spaces, rewards and information as in `ConversationEnv`, batched.

    Env `i` plays what a single env with the seed `seed + i` plays, episode by episode. Texts of a batch are a tuple of
    `num_envs` strings. Information is batched as gymnasium does it: `infos[key]` with a mask `infos["_" + key]`.

    Args:
        num_envs: How many dialogues.
        world: The world.
        text: The free-text view.
        autoreset_mode: What happens after an episode's end: `next_step` (gymnasium's default: the next step resets,
            and ignores the action), `same_step` (the last observation and information stand in `final_obs` and
            `final_info`) or `disabled` (call `reset(options={"reset_mask": …})`).
        render_mode: Only `None` and `"ansi"`: `render()` returns `num_envs` dialogues.
        settings: See `crs_gym.config.EnvConfig`.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012  # gymnasium's name

    def __init__(
        self,
        num_envs: int,
        world: str | World = "sample",
        *,
        text: bool = False,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        **settings: Any,
    ) -> None:
        if isinstance(num_envs, bool) or not isinstance(num_envs, int) or num_envs < 1:
            raise ValueError(f"num_envs={num_envs!r}: must be a whole number of at least 1")
        if render_mode not in (None, "ansi"):
            raise ValueError(f"render_mode={render_mode!r}: a vector of dialogues has None and 'ansi'")
        self.num_envs = num_envs
        self.render_mode = render_mode
        self._autoreset = _autoreset_mode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self._autoreset}
        self.game = Game(EnvConfig.of(world=world, **settings), num_dialogues=num_envs)
        self._view = make_view(text, self.game)
        self._counters = [EpisodeCounter() for _ in range(num_envs)]
        self._over = np.zeros(num_envs, bool)
        self.single_observation_space = make_observation_space(self.game.config.max_turns)
        self.single_action_space = self._view.action_space()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode everywhere, or where `options["reset_mask"]` (`(num_envs,)` bool) says so.

        Raises:
            ValueError: Seeds or mask of a wrong length, or an unknown option.
        """
        mask = read_options(options, ("reset_mask",)).get("reset_mask")
        rows = self.engine.all_rows
        if mask is not None:
            mask = np.asarray(mask)
            if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
                raise ValueError(f"reset_mask must be a bool array of shape {(self.num_envs,)} with one True at least")
            rows = rows[mask]
        seeds: Sequence[int | None]
        if seed is None or isinstance(seed, int | np.integer):
            seeds = [None if seed is None else int(seed) + i for i in range(self.num_envs)]
        else:
            seeds = [None if one is None else int(one) for one in seed]
        if len(seeds) != self.num_envs:
            raise ValueError(f"{len(seeds)} seeds for {self.num_envs} envs")
        super().reset(seed=int(seed) if isinstance(seed, int | np.integer) else None)
        self._begin(rows, seeds)
        return self._observations(), self._reset_infos(rows)

    def step(
        self, actions: Any
    ) -> tuple[dict[str, Any], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One turn everywhere.

        Raises:
            ValueError: The action is unusable (the message names the field), or an episode is over and was not reset.
        """
        turns = self._view.read_batch(actions, self.num_envs)
        rewards = np.zeros(self.num_envs, np.float64)
        terminated = np.zeros(self.num_envs, bool)
        truncated = np.zeros(self.num_envs, bool)
        infos: dict[str, Any] = {}
        going = self.engine.all_rows
        over = np.flatnonzero(self._over) if self._autoreset is AutoresetMode.NEXT_STEP else going[:0]
        if len(over):
            going = np.flatnonzero(~self._over)
            turns = turns.take(going)
        if len(going):
            result = self.engine.step(turns, going)
            rewards[going] = result.rewards
            terminated[going] = result.terminated
            truncated[going] = result.truncated
            infos = self._step_infos(turns, result)
        if len(over):
            self._begin(over, [None] * self.num_envs)
            infos = self._with_reset_infos(infos, over)
        done = np.flatnonzero(terminated | truncated)
        self._over = terminated | truncated
        if len(done) and self._autoreset is AutoresetMode.SAME_STEP:
            infos = self._end_in_same_step(done, infos)
        return self._observations(), rewards, terminated, truncated, infos

    def render(self) -> tuple[str, ...] | None:
        """The dialogues so far, in mode `ansi`."""
        return self._observations()["dialogue"] if self.render_mode == "ansi" else None

    # ---------------------------------------------------------------- inside

    def _begin(self, rows: IntArray, seeds: Sequence[int | None]) -> None:
        """Begin the next episode in `rows`; where the simulator cannot even open it, the one after that."""
        for _ in range(_OPENING_TRIES):
            numbers = [self._next_episode(row, seeds[row]) for row in rows.tolist()]
            self.engine.reset(rows, self.game.episodes(numbers))
            self._over[rows] = False
            errors = {row: error for row in rows.tolist() if (error := self.engine.error(row)) is not None}
            if not errors:
                return
            rows, seeds = np.array(list(errors), np.int64), [None] * self.num_envs
        raise next(iter(errors.values()))

    def _next_episode(self, row: int, seed: int | None) -> tuple[int, int]:
        counter = self._counters[row]
        fresh = int(self.np_random.integers(2**31)) if seed is None and counter.unseeded else 0
        return counter.next(seed, fresh)

    def _observations(self) -> dict[str, Any]:
        dialogue = self.engine.dialogue
        return {
            "dialogue": tuple([dialogue(row)[-MAX_DIALOGUE:] for row in range(self.num_envs)]),
            "turn": self.engine.turn.copy(),
        }

    def _reset_infos(self, rows: IntArray) -> dict[str, Any]:
        mask = np.zeros(self.num_envs, bool)
        mask[rows] = True
        infos: dict[str, Any] = {}
        chosen = rows.tolist()
        episodes = [self.engine.episode(row) for row in chosen]
        self._put(infos, "messages", chosen, [self.engine.messages(row) for row in chosen])
        self._put(infos, "shown", chosen, [()] * len(chosen))
        self._put(infos, "task_id", chosen, [episode.task.task_id for episode in episodes])
        self._put(infos, "seed", chosen, [episode.seed for episode in episodes])
        self._put(infos, "episode", chosen, [episode.episode for episode in episodes])
        return infos

    def _step_infos(self, turns: AgentTurns, result: StepResult) -> dict[str, Any]:
        rows = result.rows.tolist()
        scored = [i for i in range(len(rows)) if i not in result.errors]
        infos: dict[str, Any] = {}
        self._put(infos, "messages", rows, [self.engine.messages(row) for row in rows])
        self._put(infos, "shown", rows, [turns.shown(i) for i in range(len(rows))])
        mask = np.zeros(self.num_envs, bool)
        mask[result.rows[scored]] = True
        terms: dict[str, Any] = {}
        for name, values in result.terms.items():
            terms[name] = np.zeros(self.num_envs)
            terms[name][mask] = np.asarray(values)[scored]
            terms[f"_{name}"] = mask
        infos["reward_terms"], infos["_reward_terms"] = terms, mask
        done = result.rows[result.done].tolist()
        if done:
            facts = [final_facts(self.engine, row) for row in done]
            for key in dict.fromkeys(key for fact in facts for key in fact):
                known = [(row, fact[key]) for row, fact in zip(done, facts, strict=True) if key in fact]
                self._put(infos, key, *zip(*known, strict=True))
        return infos

    def _put(self, infos: dict[str, Any], key: str, rows: Sequence[int], values: Sequence[Any]) -> None:
        """`infos[key]`, an object array with a value for each of `rows`, and its mask."""
        column = np.full(self.num_envs, None, dtype=object)
        mask = np.zeros(self.num_envs, bool)
        for row, value in zip(rows, values, strict=True):
            column[row] = value
            mask[row] = True
        infos[key], infos[f"_{key}"] = column, mask

    def _end_in_same_step(self, done: IntArray, infos: dict[str, Any]) -> dict[str, Any]:
        """Move what belongs to the ended episodes into `final_obs` and `final_info`, and begin the next ones."""
        rows = done.tolist()
        final_obs = [observe(self.engine, row) for row in rows]
        mask = np.zeros(self.num_envs, bool)
        mask[done] = True
        final_info = masked(infos, mask)
        infos = masked(infos, ~mask)
        self._begin(done, [None] * self.num_envs)
        self._over[:] = False
        infos = self._with_reset_infos(infos, done)
        self._put(infos, "final_obs", rows, final_obs)
        infos["final_info"], infos["_final_info"] = final_info, mask
        return infos

    def _with_reset_infos(self, infos: dict[str, Any], rows: IntArray) -> dict[str, Any]:
        """`infos` of the dialogues that go on, with those of the episodes that were just begun in `rows`."""
        fresh = self._reset_infos(rows)
        for key in [key for key in fresh if not key.startswith("_")]:
            column, mask = fresh[key], fresh[f"_{key}"]
            if key in infos:
                column, mask = np.where(mask, column, infos[key]), mask | infos[f"_{key}"]
            infos[key], infos[f"_{key}"] = column, mask
        return infos


def masked(infos: dict[str, Any], mask: NDArray[np.bool_]) -> dict[str, Any]:
    """`infos` for the envs of `mask` only."""
    out: dict[str, Any] = {}
    for key, value in infos.items():
        if isinstance(value, dict):
            out[key] = masked(value, mask)
        else:
            out[key] = value & mask if key.startswith("_") else value
    return out


def _autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    if isinstance(mode, AutoresetMode):
        return mode
    by_name = {known.name.lower(): known for known in AutoresetMode}
    name = str(mode).lower().replace("-", "_")
    if name not in by_name:
        raise ValueError(f"autoreset_mode={mode!r}: must be one of {', '.join(by_name)}")
    return by_name[name]
