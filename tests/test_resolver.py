"""The title resolver: what names a film, what does not, and that neither size nor script of a text upsets it."""

from __future__ import annotations

import subprocess
import sys
import time
import unicodedata

import pytest
from hard_titles import FILMS, NAMES, RESOLVER, TITLES, YEARS, build, meant
from hypothesis import given, settings
from hypothesis import strategies as st

from crs_gym.catalog import Catalog
from crs_gym.resolver import Mention
from crs_gym.resolver.naming import display_names


def named(text: str) -> list[str]:
    return [NAMES[item] for item in RESOLVER.resolve(text)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        # years
        ("Heat (1995)", "Heat (1995)"),
        ("Heat 1995", "Heat (1995)"),
        ("Heat from 1995", "Heat (1995)"),
        ("Heat [1995]", "Heat (1995)"),
        ("Heat (from 1995)", "Heat (1995)"),
        ("the 1995 film Heat", "Heat (1995)"),
        ("Blade Runner 2049", "Blade Runner 2049 (2017)"),
        ("Blade Runner", "Blade Runner (1982)"),
        ("I liked 2012.", "2012 (2009)"),
        # articles
        ("Matrix, The (1999)", "The Matrix (1999)"),
        ("Matrix, The", "The Matrix (1999)"),
        ("i watched the matrix yesterday", "The Matrix (1999)"),
        ("Matrix", "The Matrix (1999)"),
        # case, accents, punctuation
        ("amelie is lovely", "Amélie (2001)"),
        ("AMÉLIE (2001)", "Amélie (2001)"),
        ("Ame\u0301lie", "Amélie (2001)"),
        ("Mission Impossible", "Mission: Impossible (1996)"),
        ("mission-impossible", "Mission: Impossible (1996)"),
        ("Oceans Eleven", "Ocean's Eleven (2001)"),
        ("Ocean’s 11", "Ocean's Eleven (2001)"),
        ("The Good the Bad and the Ugly", "The Good, the Bad and the Ugly (1966)"),
        ("Me, Myself and Irene", "Me, Myself & Irene (2000)"),
        ("Romeo and Juliet", "Romeo + Juliet (1996)"),
        ("spiderman", "Spider-Man (2002)"),
        ("wall-e", "WALL·E (2008)"),
        ("ET the Extra-Terrestrial", "E.T. the Extra-Terrestrial (1982)"),
        ("SWAT (2003)", "S.W.A.T. (2003)"),
        ("dr strangelove", "Dr. Strangelove (1964)"),
        # numbers
        ("Rocky 2", "Rocky II (1979)"),
        ("rocky three", "Rocky III (1982)"),
        ("toy story two", "Toy Story 2 (1999)"),
        ("Toy Story II", "Toy Story 2 (1999)"),
        ("Godfather 2", "The Godfather: Part II (1974)"),
        ("the godfather part 2", "The Godfather: Part II (1974)"),
        ("Back to the Future 2", "Back to the Future Part II (1989)"),
        ("Kill Bill vol. 2", "Kill Bill: Volume 2 (2004)"),
        ("ten things i hate about you", "10 Things I Hate About You (1999)"),
        # remakes
        ("The Thing", "The Thing (1982)"),
        ("The Thing (2011)", "The Thing (2011)"),
        ("The Thing (2010)", "The Thing (2011)"),
        ("Ocean's 11 (1960)", "Ocean's Eleven (1960)"),
        ("the 2011 version of The Thing", "The Thing (2011)"),
        ("Heat (2013)", "The Heat (2013)"),
        ("The Heat (1995)", "Heat (1995)"),
        # spelt alike, told apart by what is written
        ("mother! (2017)", "mother! (2017)"),
        ("Mother (2017)", "Mother (2017)"),
        ("Grown Ups", "Grown Ups (2010)"),
        ("Grown-Ups", "Grown Ups (2010)"),
        ("Grown-Ups (undated)", "Grown-Ups (undated)"),
        ("the lion the witch and the wardrobe", "The Lion, the Witch and the Wardrobe"),
        ("The Lion, the Witch and the Wardrobe (undated)", "The Lion, the Witch and the Wardrobe"),
        ("Emma (1815)", "Emma (1815)"),
        # a part of the title, with its year
        ("Anchorman (2004)", "Anchorman: The Legend of Ron Burgundy (2004)"),
        # marks around it
        ("**Heat** (1995)", "Heat (1995)"),
        ("<answer>Up</answer>", "Up (2009)"),
        ("‘Up’", "Up (2009)"),
        ("“Her”", "Her (2013)"),
        ("Have you seen $ (1971)?", "$ (1971)"),
        # other scripts
        ("Посмотри Мама (1999)", "Мама (1999)"),
        ("英雄 (2002)", "英雄 (2002)"),
        ("\u200fאהבתי את Alien (1979) מאוד\u200f", "Alien (1979)"),
        ("📽️ Up (2009)!", "Up (2009)"),
    ],
)
def test_a_written_title_is_found(text: str, name: str) -> None:
    assert named(text) == [name]


@pytest.mark.parametrize(
    "text",
    [
        "it was up to her, yes, thanks",
        "I saw it at home and it was big.",
        "Yes",
        "thanks!",
        "Thanks, that was a big help. It was good.",
        "I seven times asked us to get out once.",
        "what movie is that? the movie",
        "I am frozen, there are signs of a ghost in this home",
        "Oh, Yes! Thanks!",
        "",
        "Do you want to watch something new on your date night?",
        "He was a zookeeper, and is a funny comedian.",
        "The boy is ten.",
        "They were big. *thanks *home",
        "Her great-great-legendary aunt",
        "   \n\t ",
        "(1995)",
    ],
)
def test_ordinary_talk_names_nothing(text: str) -> None:
    assert named(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "The Thing (2000)",  # no film of that title within a year of 2000
        "Heat from 1901",
        "Toy Story 4",  # a sequel that the catalogue lacks is not its first part
        "Toy Story 5 (2026)",
        "Dune: Part Two",
        "I have not seen Home alone 2 yet",
        "Kill Bill vol. 3",
        "The Matrix Resurrections (2021)",
        "Big at the Seaside (1989)",
        'I read "The Unlikely Ghost" once',
        "Ghost Rider (2007)",
        "i like the shawshenk redemption",  # misspelt, without any cue
        "Anchorman",  # a part of a title, without its year
        "Tell me about heat. alien life is rare",
    ],
)
def test_what_the_catalogue_lacks_is_not_guessed(text: str) -> None:
    assert named(text) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Heat, Alien and Up", ["Heat (1995)", "Alien (1979)", "Up (2009)"]),
        ("I loved Her, It and Us.", ["Her (2013)", "It (2017)", "Us (2019)"]),
        ("1. 9\n2. 1917\n3. Yes", ["9 (2009)", "1917 (2019)", "Yes (2004)"]),
        ("- Big\n- Saw: gruesome\n- Home (2015)", ["Big (1988)", "Saw (2004)", "Home (2015)"]),
        ("It (1990) or It?", ["It (1990)", "It (2017)"]),
        ("Toy Story, Toy Story 3 and Toy Story 2", ["Toy Story (1995)", "Toy Story 3 (2010)", "Toy Story 2 (1999)"]),
        ("I saw Saw and watched ghost.", ["Saw (2004)", "Ghost (1990)"]),
        ("Have you seen 300? Or Get Out?", ["300 (2006)", "Get Out (2017)"]),
        ("Heat. Alien! Aliens?", ["Heat (1995)", "Alien (1979)", "Aliens (1986)"]),
        ("do you like the Toy Story movies? The Toy Story ones", ["Toy Story (1995)"]),
        ("Blues Brothers 2000 or Brothers 2001", ["Blues Brothers 2000 (1998)", "The Brothers (2001)"]),
        ("Yeah The Descent, maybe", ["The Descent (2005)"]),
        ("I'll watch 2012 (2009)", ["2012 (2009)"]),
        ("1. Warrior (2011)\n2. The One Warrior", ["Warrior (2011)", "The One Warrior"]),
    ],
)
def test_several_titles_in_their_order(text: str, names: list[str]) -> None:
    assert named(text) == names


@pytest.mark.parametrize(
    ("text", "name", "exact"),
    [
        ("I like The Shawshenk Redemption a lot", "The Shawshank Redemption (1994)", False),
        ("try shawshenk redemption (1994)", "The Shawshank Redemption (1994)", False),
        ('"Plup Fiction" maybe', "Pulp Fiction (1994)", False),
        ("- Aleins\n- x", "Aliens (1986)", False),
        ('I loved "The Matirx Reloaded"', "The Matrix Reloaded (2003)", False),
        ("the one warior (undated)", "The One Warrior", False),
        ("Pulp Fiction", "Pulp Fiction (1994)", True),
    ],
)
def test_typing_errors_beside_a_cue(text: str, name: str, exact: bool) -> None:
    mention = RESOLVER.find(text)[0]
    assert (NAMES[mention.item], mention.exact) == (name, exact)


@pytest.mark.parametrize(
    "text", ["Tom Hanks and Meg Ryan", '"Dia Hart"', "Rocky V (1990)", "The King (2002)", '"The King"']
)
def test_another_name_is_no_typing_error(text: str) -> None:
    assert named(text) == []


def test_offsets_cover_the_name_and_its_year() -> None:
    text = "Well: “Heat” (1995), the matrix, 'Up' and It (1990)."
    assert [(NAMES[m.item], text[m.start : m.end]) for m in RESOLVER.find(text)] == [
        ("Heat (1995)", "Heat” (1995)"),
        ("The Matrix (1999)", "the matrix"),
        ("Up (2009)", "Up"),
        ("It (1990)", "It (1990)"),
    ]
    assert Mention(0, 0, 4, True) in RESOLVER.find("Heat, Alien and Up")


def test_each_occurrence_is_found_and_each_item_resolved_once() -> None:
    text = "Alien (1979) or Up (2009)? Alien (1979)!"
    assert [NAMES[m.item] for m in RESOLVER.find(text)] == ["Alien (1979)", "Up (2009)", "Alien (1979)"]
    assert named(text) == ["Alien (1979)", "Up (2009)"]


def test_a_bare_title_means_the_most_popular_film_and_undated_the_one_of_unknown_year() -> None:
    undated, dated = NAMES.index("Jaws (undated)"), NAMES.index("Jaws (1975)")
    assert RESOLVER.resolve("I love Jaws!") == RESOLVER.resolve("Jaws (1975)") == (dated,)
    for text in ("Jaws (undated)", "jaws [Undated]", "Is Jaws (undated), say, any good?", '"Jaws" (undated)'):
        assert RESOLVER.resolve(text) == (undated,), text
    assert RESOLVER.find("See Jaws (undated)!") == [Mention(undated, 4, 18, True)]
    assert named("Jaws (1994) or Heat (undated)") == ["Jaws (undated)"]  # of a year that is not known; of none


@pytest.mark.parametrize(
    ("films", "names"),
    [
        ([("Moana", 2016), ("Moana", 0)], ("Moana (2016)", "Moana (undated)")),
        ([("Moana", 0), ("Up", 2009)], ("Moana", "Up (2009)")),
        ([("MOANA!", 0), ("Moana", 0)], ("MOANA! (undated)", "Moana (undated)")),  # one title as it is said
        ([("Moana", 0), ("Moana", 0)], ("Moana", "Moana")),  # nothing tells them apart
        ([("Moana", 2016), ("Moana", 2016)], ("Moana (2016)", "Moana (2016)")),
        ([("$", 0), ("?", 0), ("$", 1971)], ("$ (undated)", "?", "$ (1971)")),
    ],
)
def test_an_undated_item_is_called_so_where_its_title_is_not_its_own(
    films: list[tuple[str, int]], names: tuple[str, ...]
) -> None:
    assert display_names([title for title, _ in films], [year for _, year in films]) == names
    resolver = build([(title, year, 1) for title, year in films])
    for name in names:
        assert resolver.resolve(f'"{name}"') == (names.index(name),)
    catalog = Catalog.from_rows([(str(i), title, year or None, {}) for i, (title, year) in enumerate(films)])
    assert catalog.names == names
    assert [catalog[i].name for i in range(len(catalog))] == list(names)


items = st.integers(0, len(FILMS) - 1)
wordless = NAMES.index("$ (1971)")


@settings(max_examples=600)
@given(st.lists(items, min_size=3, max_size=3, unique_by=lambda item: NAMES[item]))
def test_display_names_in_sentences_give_exactly_their_items(chosen: list[int]) -> None:
    a, b, c = (NAMES[item] for item in chosen)
    expected = tuple(meant(item) for item in chosen)
    assert RESOLVER.resolve(f"I suggest {a}, {b} and {c}.") == expected
    assert RESOLVER.resolve(f"1. {a}\n2. {b}") == expected[:2]
    assert RESOLVER.resolve(f'"{a}"') == expected[:1]


def test_every_display_name_is_its_item_by_itself_in_quotes() -> None:
    for item, name in enumerate(NAMES):
        assert RESOLVER.resolve(f'"{name}"') == (meant(item),), name


@given(
    items.filter(lambda item: YEARS[item] > 0 and item != wordless), st.sampled_from([str.lower, str.upper, str.title])
)
def test_case_and_accents_do_not_matter_beside_a_year(item: int, change) -> None:  # type: ignore[no-untyped-def]
    alike = [i for i, n in enumerate(NAMES) if TITLES[i].strip("!").lower() == TITLES[item].strip("!").lower()]
    for text in (change(NAMES[item]), unicodedata.normalize("NFD", NAMES[item])):
        found = RESOLVER.resolve(f"watch {text} soon")
        assert len(found) == 1
        assert found[0] in alike or found[0] == meant(item)


snippets = st.one_of(
    st.sampled_from([*NAMES, *TITLES, *map(str.lower, TITLES)]),
    st.sampled_from(
        [" ", ", ", " and ", ". ", "\n", "\n1. ", '"', "(", ")", " (1995)", " from 1982", " 2", "''", "’", "_", "&"]
    ),
    st.sampled_from(
        ["I liked ", "the ", "The ", "\u202e", "\u0301", "\x00", "😀", "ﷺ", "İ", "ß", "½", "שלום", "\ud7a3"]
    ),
    st.text(max_size=8),
)


@settings(max_examples=400)
@given(st.lists(snippets, max_size=25).map("".join))
def test_mentions_lie_in_the_text_in_order_and_never_overlap(text: str) -> None:
    mentions = RESOLVER.find(text)
    end = 0
    for mention in mentions:
        assert end <= mention.start < mention.end <= len(text)
        assert 0 <= mention.item < len(FILMS)
        end = mention.end
    assert RESOLVER.resolve(text) == tuple(dict.fromkeys(m.item for m in mentions))
    assert RESOLVER.find(text) == mentions


@settings(max_examples=200)
@given(st.lists(snippets, max_size=20).map("".join))
def test_what_was_found_is_found_again_when_written_out(text: str) -> None:
    found = tuple(dict.fromkeys(meant(item) for item in RESOLVER.resolve(text)))
    written = "\n".join(f"{place}. {NAMES[item]}" for place, item in enumerate(found, 1))
    assert RESOLVER.resolve(written) == found


BOMBS = {
    "titles": lambda n: ", ".join(NAMES[i % len(NAMES)] for i in range(n)),
    "one word": lambda n: "the " * n,
    "a title's beginning": lambda n: "The Good, the Bad and " * n,
    "brackets": lambda n: "(" * n + ")" * n,
    "years": lambda n: "(1995) " * n,
    "quotes": lambda n: '"' * n + "Heat",
    "capitals": lambda n: "Aaa Bbb Ccc " * n,
    "misspelt titles": lambda n: "\n".join(f'{i}. "Plup Fictoin{i % 7}" (1994)' for i in range(n)),
    "one long word": lambda n: "a" * n + "'" * n,
    "accents": lambda n: "a" + "\u0301\u0316" * n,
    "marks": lambda n: "a" + "\u0591\u05b0" * n + "!" * n,
    "bare titles": lambda n: "watch Heat and saw It or " * n,
    "line breaks": lambda n: "\n" * n + "Up\n" * n,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_four_times_the_text_takes_about_four_times_the_time(bomb: str) -> None:
    """Quadratic work would take sixteen times as long. The best of several runs: a busy machine does not count."""

    def seconds(text: str) -> float:
        start = time.process_time()
        RESOLVER.find(text)
        return time.process_time() - start

    small, large = BOMBS[bomb](4_000), BOMBS[bomb](16_000)
    RESOLVER.find(small)
    bound = 10 * min(seconds(small) for _ in range(4)) + 0.05
    assert any(seconds(large) < bound for _ in range(4))


def test_ten_thousand_titles_are_all_found() -> None:
    dated = [i for i in range(len(FILMS)) if YEARS[i] and i != wordless]
    chosen = [dated[k % len(dated)] for k in range(10_000)]
    mentions = RESOLVER.find(", ".join(NAMES[item] for item in chosen))
    assert [m.item for m in mentions] == [meant(item) for item in chosen]


def test_a_megabyte_of_anything() -> None:
    text = ("Heat (1995) 😀 \u202e\x00\x1b[31m שלום \u200fUp (2009) ½ the Thing, " * 20_000)[:1_000_000]
    assert named(text)[:2] == ["Heat (1995)", "Up (2009)"]


def test_an_empty_catalog_names_nothing() -> None:
    assert build([]).resolve("Heat (1995) and “Up”") == ()


def test_a_blank_title_is_never_named() -> None:
    assert build([("", 2007, 1), ("Heat", 1995, 1)]).resolve("see Heat (1995), (2007) and ''") == (1,)


def test_rapidfuzz_is_imported_on_first_need_only() -> None:
    code = (
        "import sys, numpy as np\n"
        "from crs_gym.resolver import TitleResolver\n"
        "r = TitleResolver(['Pulp Fiction'], np.array([1994], np.int16), np.ones(1, np.float32))\n"
        "assert r.resolve('I suggest Pulp Fiction (1994).') == (0,)\n"
        "assert 'rapidfuzz' not in sys.modules\n"
        "assert r.resolve('I suggest Plup Fiction (1994).') == (0,)\n"
        "assert 'rapidfuzz' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
