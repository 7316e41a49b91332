"""Results made by hand, for verdicts with known answers."""

from __future__ import annotations

import msgspec

from crs_gym.evaluation.results import AgentResults, Comparison, Diversity, Figure, Results
from crs_gym.trace import Setting

SETTING = Setting(
    world="hand",
    world_fingerprint="0" * 16,
    split="test",
    kind="interactive",
    simulator="by hand",
    simulator_revision="1",
    k=10,
    max_turns=5,
    depth=50,
    reward={"format": 0.5, "recommend": 1.0},
)
NONE = Figure(None, None, None, 0)


def figure(mean: float | None, half: float = 0.05) -> Figure:
    return NONE if mean is None else Figure(mean, mean - half, mean + half, 100)


def build_agent(
    name: str,
    *,
    adversary: bool = False,
    target_aware: bool = False,
    versus: dict[str, Comparison] | None = None,
    **metrics: float | None,
) -> AgentResults:
    """An agent with some metrics; `return_` stands for `return`, `recall_at_10` for `recall@10`."""
    named = {name.rstrip("_").replace("_at_", "@"): figure(mean) for name, mean in metrics.items()}
    return AgentResults(
        name=name,
        target_aware=target_aware,
        adversary=adversary,
        episodes=100,
        scored=100,
        errored=0,
        traces_digest="0" * 16,
        metrics=named,
        by_turn=[],
        diversity=Diversity(10, 5, 0.5, 0.5, 0.1),
        versus_baseline=versus or {},
    )


def build_results(
    *agents: AgentResults, protocol: str = "interactive", baseline: str | None = None, simulator: str = "by hand"
) -> Results:
    setting = msgspec.structs.replace(SETTING, simulator=simulator)
    return Results(
        version="0",
        protocol=protocol,
        setting=setting,
        n_items=1000,
        tasks=100,
        trials=1,
        seed=0,
        complete=True,
        baseline=baseline,
        agents=list(agents),
    )
