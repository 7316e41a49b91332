"""Rows of a dataset's columns, and runs with changed traces."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from crs_gym.evaluation.run_folder import RunFolder
from crs_gym.trace import Trace
from crs_gym.trace_store import encode_trace
from crs_gym.turns import AgentTurn


def row_of(columns: Any, t: int) -> Any:
    """Entry `t` of each column, as an environment gives or takes it."""
    if isinstance(columns, dict):
        return {name: row_of(values, t) for name, values in columns.items()}
    value = columns[t]
    return np.int64(value) if isinstance(value, np.integer) else value


def rewritten(
    run: Path, to: Path, change: Callable[[Trace, int, AgentTurn], AgentTurn] = lambda trace, turn, said: said
) -> Path:
    """A copy of a run in which what the agents said is changed."""
    shutil.copytree(run, to)
    folder = RunFolder(to)
    for agent in folder.config.agents:
        lines = []
        for trace in folder.traces(agent.name):
            turns = tuple(
                msgspec.structs.replace(turn, agent=change(trace, t, turn.agent)) for t, turn in enumerate(trace.turns)
            )
            lines.append(encode_trace(msgspec.structs.replace(trace, turns=turns)) + b"\n")
        folder.trace_path(agent.name).write_bytes(b"".join(lines))
    return to
