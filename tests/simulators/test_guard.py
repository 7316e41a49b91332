"""The title guard: no spelling of a secret title gets through, and ordinary talk does."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crs_gym.catalog import Catalog
from crs_gym.resolver.tokens import folded_words
from crs_gym.worlds import load_world
from crs_simulators.guard import FALLBACKS, NEUTRAL, TitleGuard

CATALOG = load_world("sample").catalog
GUARD = TitleGuard(CATALOG)
ITEM = {name: item for item, name in enumerate(CATALOG.names)}


def guarded(text: str, *names: str, shown: tuple[str, ...] = ()) -> str:
    return GUARD.guarded(text, [ITEM[name] for name in names], [ITEM[name] for name in shown])


# ---------------------------------------------------------------- what is taken out


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("The Matrix (1999)", "I want the matrix!", "I want that film!"),
        ("The Matrix (1999)", "Matrix, The (1999) please", "That film please"),
        ("The Matrix (1999)", "have you seen 'The Matrix' from 1999?", "have you seen that film?"),
        ("The Matrix (1999)", "a Matirx or two", "that film or two"),
        ("The Matrix (1999)", "so the ma-trix it is", "so that film it is"),
        ("The Matrix (1999)", "so t h e m a t r i x it is", "so that film it is"),
        ("The Matrix (1999)", "so the\u200bmat\u200brix it is", "so that film it is"),
        ("The Matrix (1999)", "The Matrix, The Matrix - The Matrix", "That film"),
        ("The Matrix (1999)", "I saw The Matrix Reloaded (2003)", "I saw that film"),
        ("Amélie (2001)", "is it Ame\u0301lie? or AMELIE", "is it that film? or that film"),
        ("WALL·E (2008)", "wall-e, WALL E or walle", "that film or that film"),
        ("Heat (1995)", "Heat's cast was great", "That film cast was great"),
        ("Interstellar (2014)", "#interstellarfan here", "#that film here"),
        ("Toy Story 3 (2010)", "toy story three", "that film"),
        ("Toy Story 3 (2010)", "the third Toy Story", "the third that film"),
        ("The Good, the Bad and the Ugly (1966)", "good, the bad & the ugly", "that film"),
        ("Mission: Impossible - Fallout (2018)", "mission impossible then", "that film then"),
        ("Mission: Impossible - Fallout (2018)", "I liked Fallout", "I liked that film"),
        ("Mission: Impossible - Fallout (2018)", 'a film like "Mission"', "a film like that film"),
        ("Mad Max: Fury Road (2015)", "anything with fury road in it", "anything with that film in it"),
        ("Star Wars: Episode V - The Empire Strikes Back (1980)", "empire strikes back?", "that film?"),
    ],
)
def test_titles_are_taken_out(name: str, text: str, wanted: str) -> None:
    assert guarded(text, name) == wanted
    assert GUARD.leaks(text, [ITEM[name]])
    assert not GUARD.leaks(wanted, [ITEM[name]])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("The Matrix (1999)", "something with robots and long coats"),
        ("Heat (1995)", "we heated the wheat in a theater"),
        ("Mission: Impossible - Fallout (2018)", "an impossible mission for a spy"),
        ("Star Wars: Episode V - The Empire Strikes Back (1980)", "the fifth episode, in space"),
        ("Kill Bill: Vol. 1 (2003)", "vol. 1 of anything, the first one"),
        ("WALL·E (2008)", "a wall in Europe"),
        ("300 (2006)", "some three hundred people"),
    ],
)
def test_other_words_stay(name: str, text: str) -> None:
    assert guarded(text, name) == text
    assert not GUARD.leaks(text, [ITEM[name]])


# ---------------------------------------------------------------- titles that are everyday words

SAME = None


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("It (2017)", "I liked it, it was scary. It was good.", SAME),
        ("It (2017)", "I LOVE IT SO MUCH", SAME),
        ("It (2017)", "It (2017)", "That film"),
        ("It (2017)", "maybe it (2017)", "maybe that film"),
        ("It (2017)", 'is it "it"?', "is it that film?"),
        ("It (2017)", "I liked It", "I liked that film"),
        ("It (2017)", "It.", "That film."),
        ("Her (2013)", "I like her voice. Her acting is good", SAME),
        ("Her (2013)", "I like Her, and others", "I like that film, and others"),
        ("Her (2013)", "her 2013", "that film"),
        ("Her (2013)", "it is h-e-r", "it is that film"),
        ("Up (2009)", "what's up? I gave up on it", SAME),
        ("Up (2009)", "I loved Up", "I loved that film"),
        ("Us (2019)", "it scared us, and the U.S. too", SAME),
        ("Us (2019)", "we saw Us", "we saw that film"),
        ("M (1931)", "I like M a lot", "I like that film a lot"),
        ("M (1931)", "I'm fond of m&m's", SAME),
        ("Get Out (2017)", "Get out of here, let's get out", SAME),
        ("Get Out (2017)", "I want Get Out", "I want that film"),
        ("Nope (2022)", "Nope.", SAME),
        ("Nope (2022)", "Jordan Peele's Nope", "Jordan Peele's that film"),
    ],
)
def test_everyday_titles_count_only_where_they_are_written_as_titles(name: str, text: str, wanted: str | None) -> None:
    assert guarded(text, name) == (text if wanted is None else wanted)


# ---------------------------------------------------------------- what was shown may be named


def test_what_was_shown_may_be_named() -> None:
    text = "The Matrix (1999) it is"
    assert guarded(text, "The Matrix (1999)", shown=("The Matrix (1999)",)) == text
    assert guarded("No secret here", "The Matrix (1999)") == "No secret here"
    assert GUARD.guarded(text, []) == text


def test_a_shown_film_may_share_words_with_a_secret_one() -> None:
    text = "I liked Toy Story (1995), and Toy Story"
    assert guarded(text, "Toy Story 3 (2010)", shown=("Toy Story (1995)",)) == text
    assert guarded(text, "Toy Story 3 (2010)") == "I liked that film, and that film"
    assert guarded("Toy Story 3", "Toy Story 3 (2010)", shown=("Toy Story (1995)",)) == "That film"


def test_several_secrets() -> None:
    text = "Heat, Alien or Jaws"
    assert guarded(text, "Heat (1995)", "Jaws (1975)") == "That film, Alien or that film"
    assert guarded(text, "Heat (1995)", "Jaws (1975)", shown=("Jaws (1975)",)) == "That film, Alien or Jaws"


def test_films_of_one_title_are_alike() -> None:
    old, new = (name for name in CATALOG.names if name.startswith("Little Women"))
    for secret, named in ((old, new), (new, old)):
        assert guarded(f"I want {named}", secret) == "I want that film"
        assert guarded(f"I want {named}", secret, shown=(named,)) == f"I want {named}"


# ---------------------------------------------------------------- what cannot be made safe


def test_a_text_that_cannot_be_made_safe_is_replaced() -> None:
    catalog = Catalog.from_rows([("a", "That Film", 2001, {}), ("b", "$", None, {})])
    guard = TitleGuard(catalog)
    assert guard.guarded("That Film!", [0]) == FALLBACKS[0]  # what would stand for the title is the title
    assert guard.guarded("I want $", [1]) == f"I want {NEUTRAL}"


def test_a_fallback_is_safe_itself() -> None:
    catalog = Catalog.from_rows(
        [("a", "That Film", 2001, {}), ("b", "Tell Me More", 2002, {}), ("c", "Suggest", 3, {})]
    )
    guard = TitleGuard(catalog)
    said = guard.guarded("That Film (2001)", [0, 1, 2])
    assert said in FALLBACKS
    assert not guard.leaks(said, [0, 1, 2])


@pytest.mark.parametrize(
    "text", ["", " ", "\n\u202e", "' ' ' '", "'" * 4000, "a " * 2000, "The Matrix " * 300, "(" * 4000]
)
def test_odd_texts(text: str) -> None:
    said = guarded(text, "The Matrix (1999)", "It (2017)")
    assert "matrix" not in said.lower()
    assert said == " ".join(said.split())


# ---------------------------------------------------------------- any title, any disguise


def mutated(title: str, year: int, how: int, rng: np.random.Generator) -> str:
    """The title in one of the ways in which a model might write it."""
    words = title.split(" ")
    article = words[0] if words[0] in ("The", "A", "An") and len(words) > 1 else ""
    rest = " ".join(words[1:]) if article else title
    long = [i for i, word in enumerate(words) if len(word) > 5 and word.isalpha() and word.isascii()]
    if how == 0:
        return f"{title} ({year})"
    if how == 1:
        return f'"{title}"'
    if how == 2:
        return title.upper() + f" ({year})"
    if how == 3:
        return title.lower() + f" {year}"
    if how == 4:
        return f"{rest}, {article} ({year})" if article else f"the {title} ({year})"
    if how == 5:
        return re.sub(r"[^\w\s]", "", title) + f" ({year})"
    if how == 6:
        return title.replace(" ", "-")
    if how == 7 and long:
        i = long[int(rng.integers(len(long)))]
        cut = int(rng.integers(2, len(words[i]) - 1))
        return " ".join([*words[:i], words[i][:cut] + "-" + words[i][cut:], *words[i + 1 :]])
    if how == 8 and long:
        i = long[int(rng.integers(len(long)))]
        at = int(rng.integers(1, len(words[i]) - 2))
        slip = words[i][:at] + words[i][at + 1] + words[i][at] + words[i][at + 2 :]
        return " ".join([*words[:i], slip, *words[i + 1 :]]) + f" ({year})"
    if how == 9:
        return f"{title}'s"
    return title


AROUND = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "",
            "I want ",
            "Have you seen ",
            "It was ",
            " and then The Matrix",
            ", please!",
            "User: ",
            "1. ",
            "the ",
            " Part",
        ]
    ),
)


@settings(max_examples=400)
@given(st.integers(0, len(CATALOG) - 1), st.integers(0, 10), st.integers(0, 10**6), AROUND, AROUND)
@example(ITEM["It (2017)"], 0, 0, "I liked ", " a lot")
@example(ITEM["WALL·E (2008)"], 5, 0, "", "")
def test_no_disguise_gets_through(item: int, how: int, seed: int, before: str, after: str) -> None:
    title, year = CATALOG.titles[item], int(CATALOG.years[item])
    text = before + mutated(title, year, how, np.random.default_rng(seed)) + after
    said = GUARD.guarded(text, [item])
    assert item not in CATALOG.resolver.resolve(said), (text, said)
    words = folded_words(title)
    everyday = any(form.everyday for form in GUARD._forms(item)[:1])
    if not everyday:
        assert f" {' '.join(words)} " not in f" {' '.join(folded_words(said))} ", (text, said)
    assert f"{title} ({year})" not in said
    assert GUARD.guarded(said, [item]) == said


@settings(max_examples=200)
@given(st.integers(0, len(CATALOG) - 1), st.text(max_size=200))
def test_any_text_is_answered(item: int, text: str) -> None:
    said = GUARD.guarded(text, [item])
    assert said or not text.strip() or not text.isprintable()
    assert GUARD.guarded(text, [item], [item]) == GUARD.guarded(text, [])
