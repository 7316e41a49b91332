"""One training of the retriever, from its settings to a folder that `dual-view:DIR` plays."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Final

import torch

from crs_agents.retriever.contexts import ContextReader
from crs_agents.retriever.curve import draw_losses
from crs_agents.retriever.documents import DOCUMENT_VERSION, item_documents
from crs_agents.retriever.encodings import cached_encodings
from crs_agents.retriever.examples import Examples, make_examples, without_own_dialogue
from crs_agents.retriever.network import NetworkShape
from crs_agents.retriever.reduction import DOCUMENT_WIDTH, TEXT_WIDTH, Reduction, fit_reduction
from crs_agents.retriever.retriever import log_popularity
from crs_agents.retriever.saved import CONFIG_FILE, SavedRetriever, save_retriever
from crs_agents.retriever.signals import Signals, has_train_dialogues
from crs_agents.retriever.trainer import RetrieverTraining
from crs_agents.retriever.training import Corpus, Schedule, recall, target_places, train_network
from crs_agents.retriever.watching import Watching
from crs_gym.errors import TrainingError
from crs_gym.lm.allocator import keep_freed_memory
from crs_gym.lm.sentence_encoder import SentenceEncoder
from crs_gym.lm.weights import find_weights, weights_revision
from crs_gym.registration import WORLDS
from crs_gym.trainer import processor_name, training_folder
from crs_gym.worlds import load_world

CURVE_FILE: Final = "curve.png"
CARD_FILE: Final = "README.md"


def train(settings: RetrieverTraining) -> None:
    """Train as `RetrieverTraining.run` says."""
    world = load_world(settings.world)
    if not has_train_dialogues(world):
        raise TrainingError(
            f"world {world.name!r} has no train dialogues on this machine, so there is nothing to learn from. Way out: "
            f"crs-gym data get {world.name}, or another --world"
        )
    chosen = {name: value for name, value in asdict(settings).items() if name != "out"}
    facts = {
        "world_fingerprint": world.fingerprint,
        "encoder_revision": weights_revision(find_weights(settings.encoder)),
        "document_version": DOCUMENT_VERSION,
    }
    with training_folder(settings.out, {**chosen, **facts}), Watching() as watching:
        if (settings.out / CONFIG_FILE).exists():
            print(f"{settings.out} holds this training, and it has ended: nothing is left to do.")
            return
        keep_freed_memory()
        _train(settings, {**chosen, **facts}, watching)


def _train(settings: RetrieverTraining, facts: Mapping[str, Any], watching: Watching) -> None:
    begun = time.monotonic()
    world = load_world(settings.world)
    encoder = SentenceEncoder(settings.encoder)
    reader, signals = ContextReader(world.catalog), Signals(world)
    watching.stage("reading dialogues")
    examples = make_examples(world, "train", reader, settings.episodes)
    if examples is None:
        raise TrainingError(f"world {world.name!r}: no train dialogue brings up a film. Way out: another --world")
    valid = make_examples(world, "valid", reader, settings.episodes // 10 + 1)
    watching.stage("encoding items")
    documents = cached_encodings(encoder, item_documents(world.catalog), watching.progress)
    watching.stage("encoding sentences")
    texts = cached_encodings(encoder, examples.contexts.texts, watching.progress)
    reduce_text = fit_reduction(texts, TEXT_WIDTH, settings.seed)
    reduce_document = fit_reduction(documents, DOCUMENT_WIDTH, settings.seed)
    if len(world.dialogues("train")):
        watching.stage("scoring without own dialogues")
        examples = without_own_dialogue(world, examples, signals)
    corpus = Corpus(
        signals,
        torch.from_numpy(reduce_text(texts)),
        torch.from_numpy(reduce_document(documents)),
        torch.from_numpy(log_popularity(world.catalog)),
    )
    shape = NetworkShape(
        n_items=len(world.catalog),
        text_width=corpus.texts.shape[1],
        document_width=corpus.documents.shape[1],
        dim=settings.dim,
        dropout=settings.dropout,
        views=settings.views,
        cross_attention=settings.cross_attention,
    )
    folds = settings.folds if len(world.dialogues("train")) else 0  # invented seekers have no end
    networks, losses = [], []
    for number in range(settings.networks):
        watching.stage(f"training network {number + 1} of {settings.networks}")
        schedule = Schedule(
            settings.epochs,
            settings.batch_size,
            settings.learning_rate,
            settings.weight_decay,
            seed=settings.seed * 1000 + number,
        )
        losses.append(watching.losses())
        learned = examples.without_fold(number % folds, folds) if folds else examples
        networks.append(train_network(shape, corpus, learned, schedule, watching.update))
    figures: dict[str, float] | None = None
    if valid is not None:
        watching.stage("measuring on the valid split")
        figures = recall(target_places(networks, _of_valid(corpus, valid, encoder, reduce_text, watching), valid))
    made = {
        **facts,
        "folds": folds,
        "examples": len(examples),
        "valid": figures,
        "valid_targets": None if valid is None else sum(map(len, valid.targets)),
        "seconds": round(time.monotonic() - begun),
        "hardware": f"{torch.get_num_threads()} threads of {processor_name()}",
        "packages": {name: version(name) for name in ("crs-gym", "torch", "transformers")},
    }
    _write(settings, SavedRetriever(
        networks, reduce_text, reduce_document, settings.encoder, world.catalog.fingerprint, made
    ), losses)  # fmt: skip


def _of_valid(
    corpus: Corpus, valid: Examples, encoder: SentenceEncoder, reduce_text: Reduction, watching: Watching
) -> Corpus:
    """The same corpus with the valid split's messages."""
    texts = reduce_text(cached_encodings(encoder, valid.contexts.texts, watching.progress))
    return Corpus(corpus.signals, torch.from_numpy(texts), corpus.documents, corpus.log_popularity)


def _write(settings: RetrieverTraining, saved: SavedRetriever, losses: list[list[float]]) -> None:
    out = settings.out
    try:
        draw_losses(losses, out / CURVE_FILE, f"dual-view retriever on {settings.world}, seed {settings.seed}")
        (out / CARD_FILE).write_text(_card(settings, saved.facts), "utf-8")
        save_retriever(saved, out)
    except OSError as error:
        raise TrainingError(
            f"cannot write to {out}: {error}. Way out: make space, then run the same command again"
        ) from error
    print(f"The retriever is in {out}: play it as dual-view:{out}")


def _card(settings: RetrieverTraining, facts: Mapping[str, Any]) -> str:
    """The model card."""
    options = " ".join(
        f"--{name.replace('_', '-')} {value}"
        for name, value in asdict(settings).items()
        if name not in ("out", "cross_attention") and value != getattr(RetrieverTraining, name)
    )
    if not settings.cross_attention:
        options += " --no-cross-attention"
    world = settings.world.lower()
    env = next((f"CRS-{title}-v0" for title, name in WORLDS.items() if name == world), "ENV")
    valid = facts["valid"]
    measured = (
        "No valid split was on the machine that trained it."
        if valid is None
        else f"Valid split, new items only, {facts['valid_targets']} targets: recall at 1 / 10 / 50 of "
        + " / ".join(f"{valid[f'recall@{k}']:.2f}" for k in (1, 10, 50))
        + "%."
    )
    return f"""# Dual-view retriever on {settings.world}

Scores every item of the catalogue for a dialogue (docs/agents/retriever.md). Made by

    {" ".join(filter(None, ("crs-gym train retriever", options, "--out DIR")))}

in {facts["seconds"]} s on {facts["hardware"]}.

- Learned from: {facts["examples"]} moments of the train split of `{settings.world}` (`{facts["world_fingerprint"]}`)
- Sentence encoder: `{settings.encoder}` (`{facts["encoder_revision"]}`)
- {measured}

Play it: `crs-gym evaluate {env} -a dual-view:DIR`. The weights hold numbers only; nothing that is loaded runs.
They carry what the corpus's people named and liked, with its gaps and its fashions; the corpus's licence applies.
"""
