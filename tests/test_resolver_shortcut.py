"""The quick reading of a text: nothing that it says differs from the full reading, and agents' usual texts take it."""

from __future__ import annotations

import pytest
from hard_titles import FILMS, NAMES, RESOLVER, TITLES, build
from hypothesis import given, settings
from hypothesis import strategies as st

from crs_gym.questions import QUESTIONS
from crs_gym.resolver import TitleResolver
from crs_gym.worlds import load_world

WORDED = build([film for film in FILMS if film[0] != "$"])
"""Without a wordless title, which each text would be searched for first."""

PROSE = (
    "You might like", "you would love", "I think", "I suggest", "or", "and", "Or maybe", "the", "The", "a", "Is it",
    "how about", "I saw it at home and it was big", "What genre are you in the mood for?", "from 1995", "I'd", "it's",
    "don't", "Toy", "Blues", "watch", "get out", "Sure!", "...And", "(", "part 2", "Class", "of", "her", "up", "in the",
    "Teh", "Again", "Plup Fiction", "The Matirx Reloaded", "frozen", "big",
)  # fmt: skip
JOINTS = (
    " ",
    ", ",
    "",
    ". ",
    "? ",
    "! ",
    "; ",
    ": ",
    " - ",
    "\n",
    "\n2. ",
    ") ",
    " (",
    '"',
    "'",
    " & ",
    "_",
    "  ",
    "é ",
)


def misspelt(name: str, place: int) -> str:
    place %= len(name)
    return name[:place] + name[place + 1 :]


written = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.sampled_from([*TITLES, *map(str.lower, TITLES), *map(str.lower, NAMES), *map(str.upper, NAMES)]),
    st.builds(misspelt, st.sampled_from(NAMES), st.integers(0, 40)),
    st.builds("{} ({})".format, st.sampled_from(TITLES), st.sampled_from(["1982", "1984", "1995", "2009", "undated"])),
)
texts = st.lists(
    st.one_of(written, written, st.sampled_from(PROSE), st.sampled_from(JOINTS), st.sampled_from(JOINTS[:4])),
    max_size=14,
).map("".join)
few = st.one_of(st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(PROSE))
lists = st.lists(st.tuples(few, st.sampled_from([" ", ", ", " or ", " and ", ", and ", ". "])), max_size=6).map(
    lambda pairs: "".join(map("".join, pairs))
)


def full(resolver: TitleResolver, text: str) -> tuple[int, ...]:
    """`find` reads each text in full."""
    return tuple(dict.fromkeys(mention.item for mention in resolver.find(text)))


@pytest.mark.parametrize("resolver", [RESOLVER, WORDED], ids=["with a wordless title", "without"])
@settings(max_examples=800)
@given(text=st.one_of(texts, lists, lists))
def test_the_quick_reading_is_the_full_reading(resolver: TitleResolver, text: str) -> None:
    assert resolver.resolve(text) == full(resolver, text)


SAMPLE = load_world("sample").catalog
items = st.integers(0, len(SAMPLE) - 1)


@settings(max_examples=800)
@given(
    st.lists(st.one_of(items.map(SAMPLE.names.__getitem__), st.sampled_from(PROSE)), max_size=9),
    st.lists(st.sampled_from([" ", ", ", " or ", ", and ", ". "]), min_size=9, max_size=9),
)
def test_the_quick_reading_is_the_full_reading_of_a_whole_catalogue(parts: list[str], joints: list[str]) -> None:
    text = "".join(f"{part}{joint}" for part, joint in zip(parts, joints, strict=False))
    assert SAMPLE.resolver.resolve(text) == full(SAMPLE.resolver, text)


@pytest.mark.parametrize("question", QUESTIONS.values())
def test_questions_are_read_at_once(question: str) -> None:
    assert SAMPLE.resolver._shortcut.resolve(question) == ()


@given(st.lists(items, min_size=3, max_size=3, unique=True))
def test_lists_of_names_are_read_at_once(chosen: list[int]) -> None:
    a, b, c = (SAMPLE.names[item] for item in chosen)
    found = SAMPLE.resolver._shortcut.resolve(f"You might like {a}, {b} or {c}.")
    plain = all(name.count("(") == 1 for name in (a, b, c))
    assert found == (tuple(chosen) if plain else None)


@pytest.mark.parametrize(
    "text",
    [
        "You might like Class of 1984 (1982) or Heat.",  # a title without its year
        "Class of (1984) Again",
        "Toy Story (1996)",
        "Heat (1995), frozen, Up (2009)",
        "You might like Plup Fiction or Heat (1995).",
        "I saw it (and Heat (1995))",
        "Try Plup Fiction (1994)",
        "The Heat (1995)",
        "Tom Hanks was in it",
        "watch Heat (1995), big and up",
        '"Heat (1995)"',
    ],
)
def test_what_it_cannot_be_sure_of_is_left_to_the_full_reading(text: str) -> None:
    assert WORDED._shortcut.resolve(text) is None
    assert WORDED.resolve(text) == full(WORDED, text)
