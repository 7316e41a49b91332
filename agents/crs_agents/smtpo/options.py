"""What a trained policy is played with: it stands beside the weights, for a model reads the form that it learned."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec

from crs_agents.smtpo import prompts
from crs_gym.errors import WeightsError

FILE: Final = "smtpo.json"
"""Where the options stand, beside the adapter."""

OWN_RETRIEVER: Final = "retriever"
"""As `candidates`: the retriever that was trained along with the policy, in the folder `retriever` beside its own."""

OWN_WEIGHTS: Final = ""
"""As `base`: all weights were trained, and stand beside the options."""

MOST_CANDIDATES: Final = 99
"""Numbers of candidates have two digits at most (our choice: a candidate costs some 25 tokens)."""


Explore = Literal["all", "question"]
"""What is drawn where texts are: every choice, or the question alone, while all others are the most probable."""


class PolicyOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the policy reads and writes.

    Attributes:
        base: The language model: a short name, a folder, a name on the Hugging Face hub, or `OWN_WEIGHTS`.
        candidates: Who recalls candidates: an agent that ranks by scores (`ease`, `bm25`, `dual-view:DIR`), or
            `OWN_RETRIEVER`.
        n: How many candidates the model reads each turn.
        listed: How many of them its answer is taught to list; the others follow in the order of their recall.
        fit: Whether a candidate's line tells how far in front it was recalled.
        asked: Whether what the user was asked about so far is repeated before each question.
        prompt_version: `prompts.VERSION` of the training.
    """

    base: str
    candidates: str = "ease"
    n: int = 20
    listed: int = 5
    fit: bool = True
    asked: bool = True
    prompt_version: int = prompts.VERSION

    def __post_init__(self) -> None:
        """Refuse what no prompt can be made with.

        Raises:
            ValueError: A number is out of its range.
        """
        if not 1 <= self.n <= MOST_CANDIDATES:
            raise ValueError(f"n={self.n}: a prompt holds 1 to {MOST_CANDIDATES} candidates")
        if not 1 <= self.listed <= self.n:
            raise ValueError(f"listed={self.listed}: an answer lists 1 to n={self.n} candidates")


def read_options(directory: Path) -> PolicyOptions:
    """The options in a folder.

    Raises:
        WeightsError: There are none, they cannot be read, or they are of another version of the prompt.
    """
    path = directory / FILE
    try:
        options = msgspec.json.decode(path.read_bytes(), type=PolicyOptions)
    except FileNotFoundError:
        raise WeightsError(
            f"{directory} holds no trained policy ({FILE}). Way out: crs-gym train smtpo --out DIR"
        ) from None
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read: {error}. Way out: train the policy again") from error
    if options.prompt_version != prompts.VERSION:
        raise WeightsError(
            f"{directory} was trained on prompts of version {options.prompt_version}; this crs-gym writes version "
            f"{prompts.VERSION}. Way out: train it again"
        )
    return options


def write_options(options: PolicyOptions, directory: Path) -> None:
    """Write the options, as a whole or not at all.

    Raises:
        OSError: They cannot be written.
    """
    draft = directory / f"{FILE}.draft"
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(options), indent=1) + b"\n")
    draft.replace(directory / FILE)
