"""The display name of each item, which the resolver reads as that item."""

from __future__ import annotations

from collections.abc import Sequence

from crs_gym.resolver.tokens import UNDATED, folded_words


def display_name(title: str, year: int) -> str:
    """`title (year)`, or the bare title for year 0 (not known): the name of an item whatever others there are."""
    return f"{title} ({year})" if year else title


def display_names(titles: Sequence[str], years: Sequence[int]) -> tuple[str, ...]:
    """`n_items` display names that tell the items apart as far as title and year do.

    A bare title means the most popular film of that title. So an item of unknown year (0) that shares its title with
    another, but for case, accents and punctuation, is called `Moana (undated)`. Items of one title and year share
    their name.
    """
    names = [display_name(title, year) for title, year in zip(titles, years, strict=True)]
    if all(years):
        return tuple(names)
    folded = [" ".join(folded_words(title)) or title for title in titles]
    names_of: dict[str, set[str]] = {}
    for words, name in zip(folded, names, strict=True):
        names_of.setdefault(words, set()).add(name)
    return tuple(
        f"{name} ({UNDATED})" if year == 0 and len(names_of[words]) > 1 else name
        for words, name, year in zip(folded, names, years, strict=True)
    )
