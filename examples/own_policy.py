"""Plug in a policy of your own: a class with one method, compared with the baselines on the same users.

python examples/own_policy.py
crs-gym evaluate CRS-Sample-v0 -a examples.own_policy:LatestLike -a popularity     # from the repository's root
"""

from __future__ import annotations

from collections.abc import Sequence

from crs_gym.agent import Observation
from crs_gym.evaluation import evaluate
from crs_gym.evaluation.tables import print_results
from crs_gym.turns import AgentTurn
from crs_gym.worlds.world import World


class LatestLike:
    """Shows the items that share most facets with the film that was named last."""

    def __init__(self, world: World) -> None:
        self.catalog = world.catalog

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        """One turn for each observation."""
        return [self.turn(observation) for observation in observations]

    def turn(self, observation: Observation) -> AgentTurn:
        """Rank by shared facets with the last film, popular ones first among equals."""
        named = observation.named_items()
        if not named:
            return AgentTurn("Which film did you enjoy lately?")
        wanted = set(self.catalog.facets_of(named[-1]).tolist())
        new = [item for item in self.catalog.by_popularity.tolist() if item not in named]
        new.sort(key=lambda item: -len(wanted & set(self.catalog.facets_of(item).tolist())))
        return AgentTurn(
            "You might like these.", items=tuple(new[: observation.k]), ranking=tuple(new[: observation.depth])
        )


if __name__ == "__main__":
    print_results(evaluate("CRS-Sample-v0", [LatestLike, "popularity", "ease"], tasks=100, baseline="popularity"))
