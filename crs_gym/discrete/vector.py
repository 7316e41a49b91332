"""The Gymnasium vector face of the Discrete view: many dialogues at once, in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from crs_gym.discrete.settings import DiscreteConfig
from crs_gym.discrete.view import DiscreteView
from crs_gym.engine import NOT_SHOWN, StepResult
from crs_gym.numeric import IntArray
from crs_gym.turns import AgentTurns
from crs_gym.vector import ConversationVectorEnv, masked
from crs_gym.worlds.world import World


class DiscreteVectorEnv(ConversationVectorEnv):
    """`num_envs` dialogues side by side; spaces and rewards as in `DiscreteEnv`, batched.

    Env `i` plays what a single env with the seed `seed + i` plays, episode by episode. No word is rendered unless
    someone reads one (`render()`, a trace, a user or a source of candidates that reads). So `infos` hold no messages.
    They hold `reward_terms` and, `(num_envs, k)` int64 padded with -1, `shown`; at a reset `task_id`, `seed` and
    `episode`; at the end what `DiscreteEnv` tells.

    Args:
        num_envs: How many dialogues.
        world: The world.
        autoreset_mode: As in `ConversationVectorEnv`.
        render_mode: Only `None` and `"ansi"`: `render()` returns `num_envs` dialogues.
        settings: See `crs_gym.config.EnvConfig` and `crs_gym.discrete.settings.DiscreteConfig`.
    """

    def __init__(
        self,
        num_envs: int,
        world: str | World = "sample",
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        **settings: Any,
    ) -> None:
        config, rest = DiscreteConfig.split(settings)
        super().__init__(num_envs, world, autoreset_mode=autoreset_mode, render_mode=render_mode, **rest)
        self._view = self.view = DiscreteView(self.game, config)
        self.single_observation_space = self.view.observation_space()
        self.single_action_space = self.view.action_space()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def action_masks(self) -> NDArray[np.bool_]:
        """`(num_envs, C + F)` bool, which actions make sense now."""
        return self.view.masks()

    def render(self) -> tuple[str, ...] | None:
        """The dialogues so far, in mode `ansi`."""
        if self.render_mode != "ansi":
            return None
        return tuple([self.engine.dialogue(row) for row in range(self.num_envs)])

    # ---------------------------------------------------------------- inside

    def _begin(self, rows: IntArray, seeds: Sequence[int | None]) -> None:
        super()._begin(rows, seeds)
        self.view.begin(rows)

    def _observations(self) -> dict[str, Any]:
        return dict(self.view.observations())

    def _reset_infos(self, rows: IntArray) -> dict[str, Any]:
        begun = [self.engine.begun(row) for row in rows.tolist()]
        mask = self._mask(rows)
        infos: dict[str, Any] = {}
        for key, values in (
            ("task_id", np.array([episodes.tasks.task_ids[i] for episodes, i in begun], object)),
            ("seed", np.array([episodes.seeds[i] for episodes, i in begun], np.int64)),
            ("episode", np.array([episodes.numbers[i] for episodes, i in begun], np.int64)),
        ):
            self._put_column(infos, key, rows, values, mask)
        return infos

    def _step_infos(self, turns: AgentTurns, result: StepResult) -> dict[str, Any]:
        self.view.follow(result.rows)
        infos: dict[str, Any] = {}
        rows = result.rows
        mask = self._mask(rows)
        self._put_column(infos, "shown", rows, turns.items, mask)
        scored: slice | list[int] = slice(None)
        if result.errors:
            scored = [i for i in range(len(rows)) if i not in result.errors]
            mask = self._mask(rows[scored])
        terms: dict[str, Any] = {}
        for name, values in result.terms.items():
            self._put_column(terms, name, rows[scored], np.asarray(values, np.float64)[scored], mask)
        infos["reward_terms"], infos["_reward_terms"] = terms, mask
        if np.count_nonzero(result.done):
            self._put_end(infos, rows[result.done])
        return infos

    def _put_end(self, infos: dict[str, Any], rows: IntArray) -> None:
        """What may be known when the episodes in `rows` are over."""
        engine = self.engine
        numbers = rows.tolist()
        outcomes = [engine.outcome(row) for row in numbers]
        errored = np.array([outcome == "errored" for outcome in outcomes], bool)
        scored = rows[~errored]
        hit = scored[engine.hit_rank[scored] != NOT_SHOWN]
        for key, where, values in (
            ("targets", rows, [engine.targets(row) for row in numbers]),
            ("outcome", rows, outcomes),
            ("error", rows[errored], [str(engine.error(row)) for row in rows[errored].tolist()]),
            ("success", scored, engine.success[scored].tolist()),
            ("accepted", scored, [outcome == "accepted" for outcome in outcomes if outcome != "errored"]),
            ("hit_rank", hit, engine.hit_rank[hit].tolist()),
        ):
            if len(where):
                column = np.full(self.num_envs, None, object)
                column[where] = np.fromiter(values, object, len(where))
                infos[key], infos[f"_{key}"] = column, self._mask(where)

    def _mask(self, rows: IntArray) -> NDArray[np.bool_]:
        mask = np.zeros(self.num_envs, bool)
        mask[rows] = True
        return mask

    def _put_column(
        self, infos: dict[str, Any], key: str, rows: IntArray, values: NDArray[Any], mask: NDArray[np.bool_]
    ) -> None:
        """`infos[key]`, typed as `values` are, one for each of `rows`, and the mask of these."""
        column = np.zeros((self.num_envs, *values.shape[1:]), values.dtype)
        column[rows] = values
        infos[key], infos[f"_{key}"] = column, mask

    def _end_in_same_step(self, done: IntArray, infos: dict[str, Any]) -> dict[str, Any]:
        last = self.view.observations()
        rows = done.tolist()
        ended = self._mask(done)
        final_info, infos = masked(infos, ended), masked(infos, ~ended)
        self._begin(done, [None] * self.num_envs)
        self._over[:] = False
        infos = self._with_reset_infos(infos, done)
        self._put(infos, "final_obs", rows, [{name: values[row] for name, values in last.items()} for row in rows])
        infos["final_info"], infos["_final_info"] = final_info, ended
        return infos
