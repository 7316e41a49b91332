"""What is told of a finished training: its curves and its model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

from crs_agents.smtpo.settings import option
from crs_agents.smtpo.trainer import SmtpoTraining
from crs_gym.curves import draw_train_and_valid
from crs_gym.trainer import processor_name

if TYPE_CHECKING:
    import torch

CURVE_FILE: Final = "curve.png"

_PANELS: Final = (
    ("What is taught", "loss", "nats a token"),
    ("Tokens that would be written as taught", "mean_token_accuracy", "share"),
)


def draw_curves(history: Sequence[Mapping[str, float]], path: Path, title: str) -> None:
    """Draw train and valid curves over the updates; see `draw_train_and_valid`."""
    draw_train_and_valid(history, _PANELS, path, title, size=(8, 3.4))


def model_card(settings: SmtpoTraining, manifest: Mapping[str, object]) -> str:
    """The model card of the stage `sft`."""
    own = settings.sft
    valid = "none" if manifest["valid_loss"] is None else f"{manifest['valid_loss']:.3f} nats a token"
    return f"""# Reasoning policy on {settings.env}: supervised fine-tuning

{_what(settings)} of `{settings.base}` (`{manifest["base_revision"]}`) that reads a dialogue and
{settings.n} candidates, thinks in words and ranks them (docs/agents/smtpo.md). Made by

    crs-gym train smtpo --out DIR --stage sft {" ".join(options_of(settings))}

- Learned from: {manifest["updates"]} updates of {own.batch_size}; {manifest["lessons"]} lessons of
  {manifest["lesson_tokens"]} tokens were there, played on the train split of `{settings.world}`
  (`{manifest["world_fingerprint"]}`) against the user `{own.user}`. No other model wrote any of the reasoning
- Candidates: `{manifest["candidates"]}`
- Valid loss: {valid}
- Hardware: {manifest["hardware"]}; the last run took {manifest["seconds_of_last_run"]} s

Play it: `crs-gym evaluate {settings.env} -a smtpo:DIR`. The weights hold numbers only; nothing that is loaded
runs. They carry what the corpus's people named and liked, with its gaps and its fashions; the licences of corpus and
base model apply. What it gives as its reasons are facets that its first film has, not a record of how it came to
choose it.
"""


def _what(settings: SmtpoTraining) -> str:
    return "A LoRA adapter" if settings.sft.rank else "The weights"


def options_of(settings: SmtpoTraining) -> list[str]:
    """The command's options that bring about the stage `sft` as it was, those left out that are so by themselves."""
    usual = {one.name: one.default for one in fields(settings) if one.name not in ("out", "stage", "report_to")}
    found = [(option("", name), getattr(settings, name), default) for name, default in usual.items()]
    found = [one for one in found if one[0] not in ("--sft", "--grpo")]
    found += [(option("sft", one.name), getattr(settings.sft, one.name), one.default) for one in fields(settings.sft)]
    return [_as_option(name, value) for name, value, default in found if value != default]


def _as_option(name: str, value: object) -> str:
    if isinstance(value, bool):
        return name if value else name.replace("--", "--no-", 1)
    return f"{name} {value}"


def hardware(device: torch.device) -> str:
    """What it ran on, in words."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name()
    return f"{torch.get_num_threads()} threads of {processor_name()} ({device.type})"
