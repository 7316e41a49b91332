"""A finished training on disk: `policy.safetensors`, and `policy.json` with what it was made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gymnasium import spaces
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from stable_baselines3.common.policies import BasePolicy

from crs_agents.sb3.learners import make_policy
from crs_gym.catalog import FACET_KINDS
from crs_gym.discrete.encoding import Encoder
from crs_gym.discrete.settings import DiscreteConfig
from crs_gym.errors import WeightsError
from crs_gym.worlds.world import World

WEIGHTS_FILE: Final = "policy.safetensors"
MANIFEST_FILE: Final = "policy.json"
"""Written last: a folder that holds it holds a training that has ended."""
HISTORY_FILE: Final = "history.json"
CURVE_FILE: Final = "curve.png"
CARD_FILE: Final = "README.md"

FORMAT: Final = 1
"""Rises when the same weights would play otherwise: with another encoding of what is seen, say."""


@dataclass(frozen=True)
class Manifest:
    """What a policy was made for.

    Attributes:
        learner: Which of the zoo learned it.
        env: The id.
        catalog: The fingerprint of the catalogue: facets have places in what is seen.
        view: The settings of the Discrete view.
        k: How many films a turn could show.
        max_turns: The turn limit.
        shape: What the sizes of its weights depend on.
        facts: What is kept besides, for people.
    """

    learner: str
    env: str
    catalog: str
    view: Mapping[str, Any]
    k: int
    max_turns: int
    shape: Mapping[str, Any]
    facts: Mapping[str, Any]

    def spaces(self, world: World) -> tuple[spaces.Dict, spaces.Discrete]:
        """What the policy sees, and what it can do."""
        config = DiscreteConfig(**self.view)
        encoder = Encoder(world.catalog, 0, config.n_candidates, self.k, self.max_turns)
        return encoder.space(), spaces.Discrete(config.n_candidates + len(FACET_KINDS))


def save_policy(policy: BasePolicy, manifest: Manifest, directory: Path) -> None:
    """Write the weights, then the manifest.

    Raises:
        OSError: A file cannot be written.
    """
    weights = {name: weight.detach().clone().contiguous() for name, weight in policy.state_dict().items()}
    draft = directory / f"{WEIGHTS_FILE}.draft"
    save_file(weights, draft)
    draft.replace(directory / WEIGHTS_FILE)
    content = {"format": FORMAT, **{name: getattr(manifest, name) for name in Manifest.__dataclass_fields__}}
    write_whole(directory / MANIFEST_FILE, json.dumps(content, indent=1) + "\n")


def load_policy(learner: str, directory: Path, world: World) -> tuple[BasePolicy, Manifest]:
    """Read what `save_policy` wrote; nothing in it is run.

    Raises:
        WeightsError: The folder holds no finished training of this learner, a damaged one, or one of another catalogue.
    """
    path = directory / MANIFEST_FILE
    if not path.is_file():
        unfinished = " yet: a training there has not ended" if (directory / "settings.json").is_file() else ""
        raise WeightsError(
            f"{directory} holds no trained policy ({MANIFEST_FILE}){unfinished}. Way out: crs-gym train {learner} "
            f"--out {directory}"
        )
    try:
        content = json.loads(path.read_text("utf-8"))
        version = content.pop("format")
        if version != FORMAT:
            raise WeightsError(
                f"{directory} holds a policy of format {version}; this crs-gym plays format {FORMAT}. Way out: train "
                "it again"
            )
        manifest = Manifest(**content)
        _check(manifest, learner, directory, world)
        policy = make_policy(learner, *manifest.spaces(world), manifest.shape)
        policy.load_state_dict(load_file(directory / WEIGHTS_FILE))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise WeightsError(
            f"{directory} holds a damaged policy: {error}. Way out: train it again in an empty folder"
        ) from error
    policy.set_training_mode(False)
    return policy, manifest


def write_whole(path: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(text, "utf-8")
    draft.replace(path)


def _check(manifest: Manifest, learner: str, directory: Path, world: World) -> None:
    if manifest.learner != learner:
        raise WeightsError(
            f"{directory} holds a policy that {manifest.learner} has learned, not {learner}. Way out: play it as "
            f"{manifest.learner}:{directory}"
        )
    if manifest.catalog != world.catalog.fingerprint:
        raise WeightsError(
            f"{directory} was trained on {manifest.env}, whose catalogue is not that of world {world.name!r}: what it "
            f"sees would mean other facets here. Way out: train one for {world.name!r}, or play it where it was trained"
        )
