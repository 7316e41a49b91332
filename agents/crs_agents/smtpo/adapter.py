"""Where a LoRA stands in a decoder of any kind, and how what was trained is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import torch
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save

from crs_gym.errors import TrainingError

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

SCALE: Final = 2
"""What the adapter's output is multiplied with: alpha over rank (our choice; the usual one)."""


def lora_for(model: PreTrainedModel, rank: int, layers: Literal["upper-half", "all"]) -> LoraConfig:
    """A LoRA on all linear maps of some decoder layers, found by what they are and not by name.

    Raises:
        TrainingError: No layers with linear maps are found.
    """
    count = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    stack = next(
        (
            (name, module)
            for name, module in model.named_modules()  # from the outside in: a list inside a layer comes later
            if isinstance(module, torch.nn.ModuleList) and len(module) == count
        ),
        None,
    )
    names: set[str] = set()
    if stack is not None:
        named = stack[1].named_modules()
        names = {name.rpartition(".")[2] for name, module in named if isinstance(module, torch.nn.Linear)}
    if stack is None or count is None or not names:
        raise TrainingError(
            f"{type(model).__name__}: no list of decoder layers with linear maps is found in it. Way out: "
            "another --base"
        )
    return LoraConfig(
        r=rank,
        lora_alpha=SCALE * rank,
        lora_dropout=0.0,
        target_modules=sorted(names),
        layers_to_transform=list(range(count // 2 if layers == "upper-half" else 0, count)),
        layers_pattern=stack[0].rpartition(".")[2],
        task_type="CAUSAL_LM",
    )


def save_adapter(model: PeftModel, directory: Path, base: str) -> None:
    """Write the adapter as bf16 safetensors, half of what it was trained in, and its configuration.

    Raises:
        OSError: A file cannot be written.
    """
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    weights = {name: state[name].detach().to("cpu", torch.bfloat16).contiguous() for name in sorted(state)}
    (directory / "adapter_model.safetensors").write_bytes(save(weights, metadata={"format": "pt"}))
    settings = {
        name: sorted(value) if isinstance(value, set) else value
        for name, value in model.peft_config["default"].to_dict().items()
    }
    settings |= {"base_model_name_or_path": base, "inference_mode": True}
    (directory / "adapter_config.json").write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n", "utf-8")


def save_weights(model: PreTrainedModel, tokenizer: Any, directory: Path) -> None:
    """Write all weights as bf16 safetensors, and the tokenizer.

    Raises:
        OSError: A file cannot be written.
    """
    state = {name: weight.to("cpu", torch.bfloat16) for name, weight in model.state_dict().items()}
    model.save_pretrained(str(directory), state_dict=state)
    tokenizer.save_pretrained(str(directory))
