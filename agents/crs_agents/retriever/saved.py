"""A trained retriever on disk: `retriever.safetensors`, and `retriever.json` with what it was made from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from crs_agents.retriever.documents import DOCUMENT_VERSION
from crs_agents.retriever.network import DualView, NetworkShape
from crs_agents.retriever.reduction import Reduction
from crs_gym.errors import WeightsError

WEIGHTS_FILE: Final = "retriever.safetensors"
CONFIG_FILE: Final = "retriever.json"
"""Written last: a folder that holds it holds a training that has ended."""

_REDUCTIONS: Final = ("text", "document")


@dataclass(frozen=True, eq=False)
class SavedRetriever:
    """What a folder holds.

    Attributes:
        networks: At least one, all of one shape; their scores are averaged.
        text: Reduces encodings of messages.
        document: Reduces encodings of item documents.
        encoder: The name of the sentence encoder.
        catalog_fingerprint: Of the catalogue that it was trained on.
        facts: What is kept besides, for people.
    """

    networks: Sequence[DualView]
    text: Reduction
    document: Reduction
    encoder: str
    catalog_fingerprint: str
    facts: Mapping[str, Any]


def save_retriever(saved: SavedRetriever, directory: Path) -> None:
    """Write the weights in float32, then the configuration.

    Raises:
        OSError: A file cannot be written.
    """
    tensors = {
        f"{number}.{name}": weight.detach().contiguous()
        for number, network in enumerate(saved.networks)
        for name, weight in network.state_dict().items()
    }
    for name in _REDUCTIONS:
        reduction: Reduction = getattr(saved, name)
        tensors[f"{name}.mean"] = torch.from_numpy(reduction.mean).contiguous()
        tensors[f"{name}.components"] = torch.from_numpy(reduction.components).contiguous()
    config = {
        "networks": len(saved.networks),
        "shape": asdict(saved.networks[0].shape),
        "encoder": saved.encoder,
        "document_version": DOCUMENT_VERSION,
        "catalog_fingerprint": saved.catalog_fingerprint,
        **saved.facts,
    }
    _replace(directory / WEIGHTS_FILE, save(tensors, metadata={"format": "pt"}))
    _replace(directory / CONFIG_FILE, (json.dumps(config, indent=1) + "\n").encode())


def load_retriever(directory: Path) -> SavedRetriever:
    """Read what `save_retriever` wrote; nothing in it is run.

    Raises:
        WeightsError: The folder holds no trained retriever, or a damaged one, or one of another version.
    """
    if not (directory / CONFIG_FILE).is_file():
        raise WeightsError(
            f"{directory} holds no trained retriever ({CONFIG_FILE}). Way out: crs-gym train retriever --out DIR"
        )
    try:
        config = json.loads((directory / CONFIG_FILE).read_text("utf-8"))
        if config["document_version"] != DOCUMENT_VERSION:
            raise WeightsError(
                f"{directory} was trained on texts of version {config['document_version']}; this crs-gym makes version "
                f"{DOCUMENT_VERSION}. Way out: train it again"
            )
        tensors = load_file(directory / WEIGHTS_FILE)
        networks = []
        for number in range(config["networks"]):
            with torch.random.fork_rng(devices=[]):  # its first weights are drawn, and then replaced
                network = DualView(NetworkShape(**config["shape"]))
            start = f"{number}."
            own = {name.removeprefix(start): weight for name, weight in tensors.items() if name.startswith(start)}
            network.load_state_dict(own)
            networks.append(network.eval())
        text, document = (
            Reduction(tensors[f"{name}.mean"].numpy(), tensors[f"{name}.components"].numpy()) for name in _REDUCTIONS
        )
        facts = {name: value for name, value in config.items() if name not in ("shape", "networks")}
        return SavedRetriever(networks, text, document, config["encoder"], config["catalog_fingerprint"], facts)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise WeightsError(
            f"{directory} holds a damaged retriever: {error}. Way out: train it again in an empty folder"
        ) from error


def _replace(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all."""
    draft = path.with_name(f"{path.name}.draft")
    draft.write_bytes(content)
    draft.replace(path)
