"""The model card of a policy."""

from __future__ import annotations

from dataclasses import MISSING, asdict, fields

from crs_agents.sb3.saved import Manifest
from crs_agents.sb3.trainer import LearnerTraining


def model_card(settings: LearnerTraining, manifest: Manifest) -> str:
    """What it is, how it was made, how it does, and where it ends; Markdown."""
    facts = manifest.facts
    valid = facts["valid"]
    does = f"success {100 * valid['success']:.1f}%, {valid['turns']:.2f} turns, return {valid['return']:+.3f}"
    play = manifest.env.replace("-Discrete", "")
    return f"""# {settings.learner} on {settings.env}

Says which candidate to recommend first, or which facet to ask about (docs/agents/classical.md). Made by

    {" ".join(["crs-gym train", settings.learner, *_options(settings), "--out DIR"])}

in {facts["seconds"]:.0f} s on {facts["hardware"]}, evaluations not counted.

- Learned from: {facts["turns"]:,} turns with users of the train split (world `{facts["world_fingerprint"]}`)
- Valid split, {valid["n"]} users: {does}
- Made with: {", ".join(f"{name} {number}" for name, number in facts["packages"].items())}

Play it: `crs-gym evaluate {play} -a {settings.learner}:DIR`. It has learned one user's ways, and knows
one catalogue; how it does with other users has to be measured. The weights hold numbers only: nothing that is loaded
runs.
"""


def _options(settings: LearnerTraining) -> list[str]:
    """What differs from the defaults, as options."""
    chosen = asdict(settings)
    options = []
    for field in fields(settings):
        value = chosen[field.name]
        if field.default is MISSING or field.name == "tensorboard" or value == field.default:
            continue
        words = value if isinstance(value, tuple | list) else (value,)
        options.append(" ".join([f"--{field.name.replace('_', '-')}", *map(str, words)]))
    return options
