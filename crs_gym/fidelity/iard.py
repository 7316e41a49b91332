"""IARD: what people's utterances in 298 dialogues of ReDial's train split are meant to do, by human judges.

Source: Cai and Chen, "Predicting User Intents and Satisfaction with Dialogue-based Conversational Recommendations"
(UMAP 2020). For research only; read from `iard/iard_train.json` in the folder `CRS_GYM_DATA`, or in the cache, never
downloaded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from crs_gym.cache_folder import cache_folder
from crs_gym.errors import DataError
from crs_gym.fidelity.classifier import IntentClassifier, Labels
from crs_gym.fidelity.findings import Estimate
from crs_gym.fidelity.intervals import mean, rounded
from crs_gym.randomness import derived_key, generator
from crs_gym.worlds.files.store import data_folder

FILE: Final = "iard/iard_train.json"

INTENTS: Final = {
    "IQU": "asks for a film (first)",
    "CON": "asks for another",
    "REF": "asks again in other words",
    "ANS": "answers a question",
    "PRO": "tells what it likes",
    "INQ": "asks about a film",
    "ASK": "asks for an opinion",
    "SEE": "has seen it",
    "ACC": "accepts",
    "REJ": "rejects",
    "NRE": "no clear reaction",
    "CRI-F": "wishes: by feature",
    "CRI-A": "wishes: something to add",
    "CRI-C": "wishes: by comparison",
    "STO": "ends it",
    "OTH": "greets, thanks, other",
}
"""The judges' labels of what seekers say (`sub-intent/action`), in our words."""

FILM: Final = "xfilmx"
"""Stands for a title: what matters is that a film is named, not which."""

FOLDS: Final = 5
_TITLE: Final = re.compile(r"@\d+\s*<[^>]*>|@\d+")


class _Utterance(msgspec.Struct):
    utterance_pos: int
    role: str
    utterance_text: str
    sub: list[str] = msgspec.field(name="sub-intent/action")


class _Dialogue(msgspec.Struct):
    dialogue_info: dict[str, _Utterance]


@dataclass(frozen=True)
class LabelledTurns:
    """The seekers' utterances of IARD.

    Attributes:
        texts: `n` utterances, titles as `FILM`.
        labels: `(n, n_intents)` bool, in the order of `INTENTS`.
        dialogues: `(n,)` the number of the dialogue of each.
    """

    texts: list[str]
    labels: Labels
    dialogues: np.ndarray[tuple[int], np.dtype[np.intp]]


def find_iard() -> Path | None:
    """The file, if it is on this machine."""
    folder = data_folder() or cache_folder()
    path = folder / FILE
    return path if path.is_file() else None


def read_iard(path: Path) -> LabelledTurns:
    """The seekers' utterances with their labels.

    Raises:
        DataError: The file is not in its published form.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, _Dialogue])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} is not IARD in its published form: {error}. Way out: restore it, or remove it"
        ) from error
    names = list(INTENTS)
    texts, labels, dialogues = list[str](), list[list[bool]](), list[int]()
    for number, dialogue in enumerate(found.values()):
        for utterance in sorted(dialogue.dialogue_info.values(), key=lambda said: said.utterance_pos):
            if utterance.role == "seeker" and (known := set(utterance.sub) & set(names)):
                texts.append(_TITLE.sub(FILM, utterance.utterance_text))
                labels.append([name in known for name in names])
                dialogues.append(number)
    if not texts:
        raise DataError(f"{path} holds no labelled utterance of a seeker. Way out: restore it, or remove it")
    return LabelledTurns(texts, np.array(labels, np.bool_), np.array(dialogues, np.intp))


@dataclass(frozen=True)
class HeldOut:
    """What the classifier says of utterances of dialogues that it was not fitted on.

    Attributes:
        labels: `(n, n_intents)` bool.
        any_right: The share of utterances of which at least one label is right: intents overlap.
        all_right: The share of utterances whose labels are all right.
        micro_f1: F1 over all labels together.
        macro_f1: The mean of the labels' F1.
    """

    labels: Labels
    any_right: Estimate
    all_right: Estimate
    micro_f1: float
    macro_f1: float


def held_out(turns: LabelledTurns) -> HeldOut:
    """Cross-validation: whole dialogues are held out, each once."""
    n_dialogues = int(turns.dialogues.max()) + 1
    fold = generator(derived_key("iard folds")).permutation(n_dialogues)[turns.dialogues] % FOLDS
    predicted = np.zeros_like(turns.labels)
    for number in range(FOLDS):
        inside = np.flatnonzero(fold != number)
        outside = np.flatnonzero(fold == number)
        if not len(inside) or not len(outside):
            continue
        classifier = IntentClassifier([turns.texts[i] for i in inside], turns.labels[inside])
        predicted[outside] = classifier.labels([turns.texts[i] for i in outside])
    both = predicted & turns.labels
    micro, macro = f1_scores(turns.labels, predicted)
    return HeldOut(
        predicted,
        mean(np.asarray(both.any(axis=1), np.float64), turns.dialogues, "utterances"),
        mean(np.asarray((predicted == turns.labels).all(axis=1), np.float64), turns.dialogues, "utterances"),
        rounded(micro),
        rounded(macro),
    )


def f1_scores(labels: Labels, predicted: Labels) -> tuple[float, float]:
    """Micro and macro F1; a label that nobody gave is left out of the macro mean."""
    right = (labels & predicted).sum(axis=0)
    total = labels.sum(axis=0) + predicted.sum(axis=0)
    met = labels.any(axis=0)
    return float(2 * right.sum() / max(int(total.sum()), 1)), float((2 * right[met] / total[met]).mean())


def without_titles(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text with `FILM` in place of each span."""
    for start, end in sorted(spans, reverse=True):
        text = f"{text[:start]}{FILM}{text[end:]}"
    return text
