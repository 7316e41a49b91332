"""Keeps a trace of every episode that is played through a single environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym

from crs_gym.env import ConversationEnv
from crs_gym.rollout import trace_of
from crs_gym.trace_store import TraceWriter


class RecordTraces(gym.Wrapper[dict[str, Any], Any, dict[str, Any], Any]):
    """Writes the trace of each episode to a file as it ends, whatever plays it: a training loop, a library, a person.

    Args:
        env: A `CRS-*-v0` or `CRS-*-Text-v0` environment.
        path: The file (JSON lines); one that is there is gone on with.
        agent: The name that the traces carry.

    Raises:
        ValueError: `env` is no environment of crs-gym.
        TraceError: The file cannot be written, or another process writes it.
    """

    def __init__(self, env: gym.Env[dict[str, Any], Any], path: Path | str, agent: str = "agent") -> None:
        super().__init__(env)
        if not isinstance(env.unwrapped, ConversationEnv):
            raise ValueError(f"RecordTraces wraps a ConversationEnv, not a {type(env.unwrapped).__name__}")
        self._conversation = env.unwrapped
        self._agent = agent
        self._writer = TraceWriter(path, resume=Path(path).exists())

    def step(self, action: Any) -> tuple[dict[str, Any], Any, bool, bool, dict[str, Any]]:
        """As the environment's; the last step of an episode writes its trace."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        game = self._conversation
        if game.engine.outcome(0) is not None:  # another wrapper's limit may cut an episode short: that one has no end
            self._writer.write(trace_of(game.engine, 0, game.setting, self._agent))
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Close the file, and the environment."""
        self._writer.close()
        super().close()
