"""A registered agent as a policy for the recommender's side of the PettingZoo face."""

from __future__ import annotations

from typing import Any

import numpy as np

from crs_gym.agent import AgentSpec, Observation, load_agent
from crs_gym.engine import needs_opening
from crs_gym.pettingzoo.conversation import conversation_behind
from crs_gym.randomness import derived_key
from crs_gym.reading import read_text


class AgentPolicy:
    """Plays the recommender as an agent would, from what any agent may see.

    What an action cannot say is lost: thoughts, a ranking beyond the slate, that a text could not be read.

    Args:
        env: A `conversation_v0` environment without `text=True`, AEC or parallel, wrapped or not.
        agent: A registered name, `module:attribute`, or an object with an `act` method.

    Raises:
        ValueError: `env` is something else, or it takes free text, or the agent is shown the targets.
        UnknownNameError: No such agent.
    """

    def __init__(self, env: Any, agent: AgentSpec) -> None:
        self._env = conversation_behind(env, "AgentPolicy")
        if self._env.text:
            raise ValueError("AgentPolicy answers with an utterance and items: make the env with text=False")
        named = load_agent(agent, self._env.game.world)
        if named.target_aware:
            raise ValueError(f"agent {named.name!r} is shown the targets; the recommender of conversation_v0 is not")
        self._agent = named.agent

    def act(self) -> dict[str, Any]:
        """The recommender's action in the env's present state; asked twice, the same.

        Raises:
            ValueError: It is not the recommender's turn.
        """
        env, engine, config = self._env, self._env.engine, self._env.game.config
        opened = engine.opening(0) is not None or not needs_opening(engine.task(0))
        if env.agent_selection != "recommender" or not engine.active[0] or not opened:
            raise ValueError("it is not the recommender's turn")
        turn = int(engine.turn[0])
        observation = Observation(
            messages=engine.messages(0),
            turn=turn,
            max_turns=config.max_turns,
            k=config.k,
            depth=config.depth,
            key=derived_key(engine.episode(0).key, "agent", turn),
            thoughts=tuple(record.reasoning() for record in engine.log(0)),
        )
        (answer,) = self._agent.act((observation,))
        catalog = env.game.world.catalog
        said = read_text(answer, catalog, config.k) if isinstance(answer, str) else answer
        items = np.full(config.k, len(catalog), np.int64)
        shown = said.items[: config.k] if said.understood else ()
        items[: len(shown)] = shown
        return {"utterance": said.utterance, "items": items}
