"""Train a policy of your own that writes: four methods, a language model, and multi-turn GRPO on simulated users.

python examples/train_with_trl.py runs/grpo --updates 100    # an hour or two on a CPU core
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from crs_gym.agent import Observation
from crs_gym.config import EnvConfig
from crs_gym.lm import Sampling
from crs_gym.randomness import generator
from crs_gym.trl.settings import GRPOSettings
from crs_gym.turns import AgentTurn
from crs_gym.worlds.world import World

CANDIDATES = 5


class PicksOne:
    """Offers five films by number, and shows the one whose number the model writes."""

    revision = "1"  # another prompt is another policy: count up
    sampling = Sampling(max_tokens=3, temperature=1.0, min_p=1e-3, stop=("\n",))

    def __init__(self, world: World) -> None:
        self.catalog = world.catalog

    def candidates(self, observations: Sequence[Observation]) -> list[tuple[int, ...]]:
        """What is offered, in its order: the trainer watches whether the model only copies it."""
        return [self.offered(observation) for observation in observations]

    def offered(self, observation: Observation) -> tuple[int, ...]:
        """Films like those that were named, in an order that says nothing."""
        named = observation.named_items()
        wanted = {facet for item in named for facet in self.catalog.facets_of(item).tolist()}
        new = [item for item in self.catalog.by_popularity.tolist() if item not in named]
        new.sort(key=lambda item: -len(wanted & set(self.catalog.facets_of(item).tolist())))
        order = generator(sum(named), observation.turn).permutation(CANDIDATES)
        return tuple(new[i] for i in order.tolist())

    def pieces(self, observations: Sequence[Observation]) -> list[str]:
        """What the model reads before this turn: what is new since the last one."""
        return [self.piece(observation) for observation in observations]

    def piece(self, observation: Observation) -> str:
        """The user's last words, and five films."""
        films = [self.catalog[item] for item in self.offered(observation)]
        lines = [f"{i}. {film.name}: {', '.join(film.facets['genre'])}" for i, film in enumerate(films, 1)]
        user = next(message for message in reversed(observation.messages) if message.role == "user")
        start = "Answer with the number of the film that suits the user best.\n" if observation.turn == 0 else "\n"
        return "\n".join([f"{start}User: {user.text}", *lines, "Best:"])

    def turns(self, observations: Sequence[Observation], written: Sequence[str]) -> list[AgentTurn]:
        """What the model wrote, as turns."""
        return [self.turn(observation, text) for observation, text in zip(observations, written, strict=True)]

    def turn(self, observation: Observation, text: str) -> AgentTurn:
        """The film of that number; any other text is not understood."""
        number = text.strip()
        if number in {str(i) for i in range(1, CANDIDATES + 1)}:
            return AgentTurn("How about this one?", (self.offered(observation)[int(number) - 1],), reasoning=text)
        return AgentTurn("", reasoning=text, understood=False)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("out", type=Path)
    options.add_argument("--base", default="smollm2-135m-instruct")
    options.add_argument("--updates", type=int, default=2)
    options.add_argument("--users", type=int, default=2)
    options.add_argument("--members", type=int, default=4)
    chosen = options.parse_args()

    from crs_gym.trl.training import train

    settings = GRPOSettings(
        out=chosen.out,
        base=chosen.base,
        updates=chosen.updates,
        users=chosen.users,
        members=chosen.members,
        accumulate=chosen.users * chosen.members // 2,  # two episodes at once: what a small machine can hold
        learning_rate=1e-4,
        rank=16,
    )
    train(settings, PicksOne, EnvConfig.of(world="sample", k=1, max_turns=3))
    for entry in json.loads((chosen.out / "history.json").read_text(encoding="utf-8")):
        if "reward" in entry:
            print(f"update {entry['step']}: return {entry['reward']:+.3f}, well_formed {entry['well_formed']:.2f}")


if __name__ == "__main__":
    main()
