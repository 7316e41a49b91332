"""Texts for the sentence encoder: one document an item, and messages without the titles that stand in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from crs_gym.catalog import Catalog

DOCUMENT_VERSION: Final = 1
"""Rises when the same catalogue or message gives other texts: a network reads the encodings that it was trained on."""

TITLE_STANDS_AS: Final = "that movie"
"""What a title becomes in a message. The film itself is read as a token of its own, and the words of a title ("Horrible
Bosses") would be taken for what is said of it."""

_MEMO: Final = 50_000


def item_documents(catalog: Catalog) -> list[str]:
    """`n_items` texts of title, year and facets; nothing of plots."""
    return [_document(catalog, item) for item in range(len(catalog))]


def _document(catalog: Catalog, index: int) -> str:
    facets = catalog[index].facets
    parts = [catalog.names[index]]
    if facets["genre"]:
        parts.append(f"{', '.join(facets['genre'])} movie")
    if facets["decade"]:
        parts.append(f"from the {facets['decade'][0]}")
    if facets["director"]:
        parts.append(f"directed by {', '.join(facets['director'])}")
    if facets["star"]:
        parts.append(f"starring {', '.join(facets['star'])}")
    return ". ".join(parts)


class TitleRemover:
    """Takes titles out of the messages of one catalogue; remembers single messages, and nothing of a dialogue."""

    def __init__(self, catalog: Catalog) -> None:
        self._names = catalog.names
        self._titles = catalog.titles
        self.without_titles = lru_cache(maxsize=_MEMO)(self._without_titles)

    def _without_titles(self, text: str, items: Sequence[int]) -> str:
        """`text` on one line, each title of `items` as `TITLE_STANDS_AS`; longer titles first."""
        forms = {(name, item) for item in items for name in (self._names[item], self._titles[item])}
        left = set(items)
        for name, item in sorted(forms, key=lambda form: (-len(form[0]), form)):
            if item in left:
                text, found = re.subn(
                    rf"(?<!\w){re.escape(name)}(?!\w)", TITLE_STANDS_AS, text, count=1, flags=re.IGNORECASE
                )
                if found:
                    left.remove(item)
        return " ".join(text.split())
