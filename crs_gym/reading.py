"""Reading free text: which part is thought, which is said, and which items it shows."""

from __future__ import annotations

import re
from typing import Final

from crs_gym.catalog import Catalog
from crs_gym.turns import MAX_UTTERANCE, AgentTurn

MAX_TEXT: Final = 8 * MAX_UTTERANCE
"""The longest text that is read at all, thoughts included."""

# Characters repeat possessively (`*+`), and behind a group that repeats stands what cannot stand inside: a text that
# does not match is given up at once, however long it is. Groups do not: Python 3.11.2 matches possessive ones wrongly.
_INSIDE: Final = r"[^<]*+(?:<(?!/?(?:think|answer)>)[^<]*+)*"
_TAGGED: Final = re.compile(
    rf"\s*+(?:<think>(?P<think>{_INSIDE})</think>\s*+)?"
    rf"(?:<answer>(?P<answer>{_INSIDE})</answer>\s*+|(?P<bare>{_INSIDE}))\Z"
)


def read_text(text: str, catalog: Catalog, k: int) -> AgentTurn:
    """A free text as a turn.

    `<think>…</think>` in front is reasoning, which the user never sees; `<answer>…</answer>`, or else what is left, is
    said. The titles in what is said are the items shown, in order. The turn is not understood if the tags do not
    match, if nothing is said, if more than `k` titles are named, or if the text is longer than `MAX_TEXT`.

    Args:
        text: Any text.
        catalog: Its resolver finds the titles.
        k: How many items a turn may show.
    """
    if len(text) > MAX_TEXT:
        return AgentTurn(text[:MAX_UTTERANCE], understood=False)
    reasoning, said = "", text
    if "<" in text:
        match = _TAGGED.match(text)
        if match is None:
            return AgentTurn(text, understood=False)
        reasoning = (match["think"] or "").strip()
        said = match["answer"] if match["answer"] is not None else match["bare"]
    items = catalog.resolver.resolve(said)
    if len(items) > k:
        return AgentTurn(said, reasoning=reasoning, understood=False)
    return AgentTurn(said, items, reasoning=reasoning, understood=bool(said.strip()))
