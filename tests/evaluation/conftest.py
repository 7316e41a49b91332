"""Traces and tasks made by hand, for metrics with known answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from crs_gym.task import Message, Profile, Task, Taste
from crs_gym.trace import Setting, Trace, TurnTrace
from crs_gym.turns import AgentTurn, Decision, UserTurn

SETTING = Setting(
    world="hand",
    world_fingerprint="0" * 16,
    split="test",
    kind="interactive",
    simulator="by hand",
    simulator_revision="1",
    k=2,
    max_turns=3,
    depth=6,
    reward={"format": 0.5, "recommend": 1.0},
)

TurnSpec = tuple[Sequence[int], Sequence[int]]  # items shown, ranking


def build_task(
    targets: Sequence[int], *, context: Sequence[int] = (), taste: Taste | None = None, likes: Sequence[int] = ()
) -> Task:
    return Task(
        task_id="hand/test/0",
        split="test",
        context=(Message("user", "Hi!", tuple(context)),),
        profile=Profile(likes=tuple(likes), taste=taste),
        targets=tuple(targets),
    )


def build_trace(
    turns: Sequence[TurnSpec],
    *,
    task_id: str = "hand/test/0",
    episode: int = 0,
    accepts: int | None = None,
    named: Sequence[Sequence[int]] = (),
    success: bool | None = False,
    hit_rank: int | None = None,
    rewards: Sequence[float] = (),
    errored: bool = False,
    agent: str = "by hand",
) -> Trace:
    """A trace of `turns`; on the last the user accepts item `accepts`, if given; `named[t]` is named by the user."""
    out = []
    for t, (items, ranking) in enumerate(turns):
        last = t == len(turns) - 1
        failed = errored and last
        decision = Decision.ACCEPT if last and accepts is not None else Decision.CONTINUE
        user = UserTurn(
            "…", decision, accepts if decision == Decision.ACCEPT else None, tuple(named[t]) if t < len(named) else ()
        )
        reward = rewards[t] if t < len(rewards) else 0.0
        out.append(
            TurnTrace(
                agent=AgentTurn("…", tuple(items), tuple(ranking)),
                user=None if failed else user,
                reward=None if failed else reward,
                reward_terms=None if failed else {"format": 1.0, "recommend": 0.25},
            )
        )
    accepted = accepts is not None
    return Trace(
        version="0",
        setting=SETTING,
        agent=agent,
        task_id=task_id,
        seed=0,
        episode=episode,
        opening=None,
        turns=tuple(out),
        outcome="errored" if errored else "accepted" if accepted else "truncated",
        success=None if errored else success,
        accepted=None if errored else accepted,
        hit_rank=hit_rank,
        targets=(),
        error="the endpoint is down" if errored else None,
    )


@pytest.fixture
def make_task() -> Callable[..., Task]:
    return build_task


@pytest.fixture
def make_trace() -> Callable[..., Trace]:
    return build_trace
