"""Where a LoRA stands in a decoder of any kind, and how what was trained is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import torch
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save
from transformers.pytorch_utils import Conv1D

from crs_gym.errors import TrainingError

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

Layers = Literal["upper-half", "all"]

SCALE: Final = 2
"""What the adapter's output is multiplied with: alpha over rank (our choice; the usual one)."""

WEIGHTS_FILE: Final = "adapter_model.safetensors"
CONFIG_FILE: Final = "adapter_config.json"


def lora_for(model: PreTrainedModel, rank: int, layers: Layers) -> LoraConfig:
    """A LoRA on all linear maps of some decoder layers, found by what they are and not by name.

    Raises:
        TrainingError: No layers with linear maps are found.
    """
    stack, count = _decoder_layers(model)
    names: set[str] = set()
    kinds: set[type[torch.nn.Module]] = set()
    for layer in model.get_submodule(stack).children():
        for name, module in layer.named_modules():
            if isinstance(module, torch.nn.Linear | Conv1D):
                names.add(name.rpartition(".")[2])
                kinds.add(Conv1D if isinstance(module, Conv1D) else torch.nn.Linear)
    if len(kinds) != 1:
        raise TrainingError(
            f"{type(model).__name__}: its {count} layers hold {'maps of two kinds' if kinds else 'no linear maps'}, "
            "so it cannot take this adapter. Way out: choose another --base"
        )
    return LoraConfig(
        r=rank,
        lora_alpha=SCALE * rank,
        lora_dropout=0.0,
        target_modules=sorted(names),
        layers_to_transform=list(range(count // 2 if layers == "upper-half" else 0, count)),
        layers_pattern=stack.rpartition(".")[2],
        fan_in_fan_out=kinds == {Conv1D},  # GPT-2 keeps its matrices transposed
        task_type="CAUSAL_LM",
    )


def _decoder_layers(model: PreTrainedModel) -> tuple[str, int]:
    """The name of the list of decoder layers, and how many there are.

    Raises:
        TrainingError: The model has no list of as many modules as its configuration has layers.
    """
    count = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    for name, module in model.named_modules():  # from the outside in: a list inside a layer comes later
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return name, len(module)
    raise TrainingError(
        f"{type(model).__name__}: no list of {count} decoder layers is found in it. Way out: choose another --base"
    )


def save_adapter(model: PeftModel, directory: Path, base: str) -> None:
    """Write the adapter as bf16 safetensors, half of what it was trained in, and its configuration.

    Args:
        model: The trained model.
        directory: Where to.
        base: The name of the base model that stands in the configuration.

    Raises:
        OSError: A file cannot be written.
    """
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    weights = {name: state[name].detach().to("cpu", torch.bfloat16).contiguous() for name in sorted(state)}
    (directory / WEIGHTS_FILE).write_bytes(save(weights, metadata={"format": "pt"}))  # save_file hides it from others
    settings = {
        name: sorted(value) if isinstance(value, set) else value
        for name, value in model.peft_config["default"].to_dict().items()
    }
    settings |= {"base_model_name_or_path": base, "inference_mode": True}
    (directory / CONFIG_FILE).write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n", "utf-8")


def save_weights(model: PreTrainedModel, tokenizer: Any, directory: Path) -> None:
    """Write all weights as bf16 safetensors, and the tokenizer.

    Raises:
        OSError: A file cannot be written.
    """
    state = {name: weight.to("cpu", torch.bfloat16) for name, weight in model.state_dict().items()}
    model.save_pretrained(str(directory), state_dict=state)
    tokenizer.save_pretrained(str(directory))


def trained_bytes(model: torch.nn.Module) -> int:
    """How large the weights that are trained are."""
    return sum(weight.numel() * weight.element_size() for weight in model.parameters() if weight.requires_grad)
