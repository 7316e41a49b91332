"""What is understood of the user's words."""

from __future__ import annotations

import numpy as np
import pytest
from agent_play import recommender, user
from hypothesis import given
from hypothesis import strategies as st

from crs_agents.feedback import FeedbackReader
from crs_agents.vocabulary import FacetVocabulary, words_of
from crs_gym.catalog import FACET_KINDS, Catalog
from crs_gym.questions import QUESTIONS
from crs_gym.randomness import episode_key
from crs_gym.simulator import Seeker, load_simulator
from crs_gym.task import Message
from crs_gym.turns import AgentTurn, AgentTurns
from crs_gym.worlds import World, load_world

CATALOG = Catalog.from_rows(
    [
        ("heat", "Heat", 1995, {"genre": ["crime", "thriller"], "director": ["Michael Mann"], "star": ["Al Pacino"]}),
        ("it", "It", 2017, {"genre": ["horror"], "director": ["Andy Muschietti"], "star": ["Bill Skarsgård"]}),
        ("scary", "Scary Movie", 2000, {"genre": ["comedy"], "star": ["Robert Downey Jr."]}),
        ("pulp", "Pulp Fiction", 1994, {"genre": ["crime", "drama"], "star": ["Samuel L. Jackson", "Clint Eastwood"]}),
        ("star", "Star Wars", 1977, {"genre": ["sci-fi"], "director": ["Clint Eastwood"], "star": ["J.J. Abrams"]}),
        ("more", "More", None, {"genre": ["documentary", "film-noir", "family", "short", "mystery", "romance"]}),
    ]
)
READER = FeedbackReader(CATALOG)
HEAT, IT, SCARY, PULP, STAR_WARS = range(5)


def facets_said(*messages: Message) -> dict[str, int]:
    """Facets by name with their sign."""
    opinions = READER.opinions(messages)
    return {CATALOG.facet_names[facet]: 1 if n > 0 else -1 for facet, n in opinions.facets.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I love thriller films.", {"thriller": 1}),
        ("Anything by Michael Mann.", {"Michael Mann": 1}),
        ("Something from the 1990s.", {"1990s": 1}),
        ("something from the 90s or the seventies", {"1990s": 1, "1970s": 1}),
        ("maybe from 1994?", {"1990s": 1}),
        ("in 1850 or so", {}),
        ("I like comedies and Thrillers!", {"comedy": 1, "thriller": 1}),
        ("documentaries, please", {"documentary": 1}),
        ("science fiction", {"sci-fi": 1}),
        ("a SciFi movie", {"sci-fi": 1}),
        ("sci fi is best", {"sci-fi": 1}),
        ("Film noir is my thing", {"film-noir": 1}),
        ("a rom-com", {"comedy": 1, "romance": 1}),
        ("I don't like horror.", {"horror": -1}),
        ("I dont like horror", {"horror": -1}),
        ("I’m no fan of Al Pacino", {"Al Pacino": -1}),
        ("no thrillers please", {"thriller": -1}),
        ("I hate horror but I love comedies", {"horror": -1, "comedy": 1}),
        ("I love comedies. Not horror, though.", {"comedy": 1, "horror": -1}),
        ("That was too scary for me", {"horror": -1}),
        ("I like horror too", {"horror": 1}),
        ("too much crime for my taste", {"crime": -1}),
        ("I haven't seen any thriller in a while", {"thriller": 1}),
        ("not only comedy, drama as well", {"comedy": 1, "drama": 1}),
        ("I can't wait for the next thriller", {"thriller": 1}),
        ("I love Samuel L. Jackson. I hate horror.", {"Samuel L. Jackson": 1, "horror": -1}),
        ("samuel jackson was great", {"Samuel L. Jackson": 1}),
        ("Robert Downey Jr. is great. No horror.", {"Robert Downey Jr.": 1, "horror": -1}),
        ("J.J. Abrams or J. J. Abrams", {"J.J. Abrams": 1}),
        ("Anything by Clint Eastwood", {"Clint Eastwood": 1}),
        ("in short, I like it all. Any news?", {}),
        ("short films are fun", {"short": 1}),
        ("I don't really mind about the genre.", {}),
        ("Michael is my name, Mann!", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_facets_and_their_sign(text: str, expected: dict[str, int]) -> None:
    assert facets_said(user(text)) == expected


def test_one_who_directs_and_acts_is_meant_as_both() -> None:
    opinions = READER.opinions([user("Clint Eastwood!")])
    assert sorted(FACET_KINDS[CATALOG.facet_kinds[facet]] for facet in opinions.facets) == ["director", "star"]


@pytest.mark.parametrize(
    ("text", "items", "expected"),
    [
        ("I loved Heat (1995) and It (2017).", (HEAT, IT), {HEAT: 1, IT: 1}),
        ("I loved Heat (1995), but not It (2017).", (HEAT, IT), {HEAT: 1, IT: -1}),
        ("i liked heat a lot", (HEAT,), {HEAT: 1}),
        ("Heat (1995) isn't for me.", (HEAT,), {HEAT: -1}),
        ("Heat (1995)? Saw it, and it wasn't for me.", (HEAT,), {HEAT: -1}),
        ("Heat (1995) comes close, but it's not quite what I want.", (HEAT,), {HEAT: 1}),
        ("Heat (1995) is not bad. Got anything else?", (HEAT,), {HEAT: 1}),
        ("I've seen Heat (1995) already, and didn't like it.", (HEAT,), {HEAT: -1}),
        ("Heat (1995) is great, but I've already seen it.", (HEAT,), {HEAT: 1}),
        ("The one with the clown was awful", (IT,), {IT: -1}),
    ],
)
def test_films_and_their_sign(text: str, items: tuple[int, ...], expected: dict[int, int]) -> None:
    opinions = READER.opinions([user(text, *items)])
    assert {item: 1 if n > 0 else -1 for item, n in opinions.items.items()} == expected
    assert opinions.facets == {}


def test_a_reason_counts_beside_the_film() -> None:
    opinions = READER.opinions([user("I don't think I'd enjoy Heat (1995) because I don't like crime films.", HEAT)])
    assert opinions.items == {HEAT: -1}
    assert {CATALOG.facet_names[facet]: n for facet, n in opinions.facets.items()} == {"crime": -1}


def test_a_pronoun_stands_for_what_the_recommender_showed_last() -> None:
    shown = recommender("Have you seen these?", HEAT, PULP)
    assert READER.opinions([shown, user("Yes, I loved them!")]).items == {HEAT: 1, PULP: 1}
    assert READER.opinions([shown, user("That's not for me.")]).items == {HEAT: -1, PULP: -1}
    assert READER.opinions([shown, user("I don't know")]).items == {}
    assert READER.opinions([user("I loved it!")]).items == {}


def test_what_the_recommender_says_is_nobody_s_wish() -> None:
    assert facets_said(recommender("Do you like horror or Al Pacino?", HEAT), user("Hm.")) == {}


def test_who_says_both_says_nothing() -> None:
    assert READER.opinions([user("I love horror."), user("I hate horror.")]).facets == {}


@given(st.text(max_size=200), st.lists(st.integers(0, len(CATALOG) - 1), max_size=4, unique=True))
def test_any_text_is_read(text: str, items: list[int]) -> None:
    opinions = READER.opinions([user(text, *items)])
    assert set(opinions.items) == set(items)
    assert all(n != 0 for n in (*opinions.items.values(), *opinions.facets.values()))


@given(st.lists(st.text("abcd", min_size=1, max_size=3), min_size=1, max_size=30))
def test_lookup_is_the_longest_phrase_first(words: list[str]) -> None:
    names = ["a", "a b", "a b c", "d d", "c a", "bb"]
    catalog = Catalog.from_rows([("x", "X", None, {"star": names})])
    expected: dict[str, None] = {}
    i = 0
    while i < len(words):  # the plain search, phrase by phrase
        fits = [name for name in names if words[i : i + len(name.split())] == name.split()]
        best = max(fits, key=lambda name: len(name.split()), default=None)
        expected |= {best: None} if best else {}
        i += len(best.split()) if best else 1
    found = FacetVocabulary(catalog).facets_in(words)
    assert [catalog.facet_names[facet] for facet in found] == list(expected)


def test_no_word_of_any_title_is_taken_for_a_facet(sample: World) -> None:
    reader = FeedbackReader(sample.catalog)
    for item, name in enumerate(sample.catalog.names):
        for text, sign in ((f"I loved {name}.", 1), (f"No, not {name}!", -1)):
            opinions = reader.opinions([user(text, item)])
            assert opinions.items == {item: sign}
            assert opinions.facets == {}


def test_every_facet_of_the_catalogue_is_known_by_its_name(sample: World) -> None:
    catalog = sample.catalog
    vocabulary = FacetVocabulary(catalog)
    for facet, name in enumerate(catalog.facet_names):
        said = f"{name} films" if FACET_KINDS[catalog.facet_kinds[facet]] == "genre" else name
        assert facet in vocabulary.facets_in(words_of(f"something with {said} please"))


def test_the_agenda_user_s_answers_are_understood() -> None:
    """Each answer names a facet that the seeker truly likes, and that facet alone is read from it."""
    world = load_world("sample")
    tasks = world.tasks("train")[:200]
    reader = FeedbackReader(world.catalog)
    names, answered = world.catalog.facet_names, 0
    for kind, question in QUESTIONS.items():
        users = load_simulator("agenda", world.catalog, num_dialogues=len(tasks), max_turns=5).simulator
        rows = np.arange(len(tasks), dtype=np.int64)
        users.reset(rows, [Seeker(t.context, t.profile, episode_key(0, i, t.task_id)) for i, t in enumerate(tasks)])
        replies = users.reply(rows, AgentTurns.of([AgentTurn(question)] * len(tasks), 10, len(world.catalog)))
        for i, task in enumerate(tasks):
            taste = task.profile.taste
            assert taste is not None
            liked = {names[f] for f, w in zip(taste.facets.tolist(), taste.weights.tolist(), strict=True) if w > 0}
            opinions = reader.opinions([user(*replies.said(i)[:1])])
            said = {names[f] for f in opinions.facets}
            assert all(n == 1 for n in opinions.facets.values())
            assert said <= liked, (kind, replies.said(i))
            assert len(said) <= 1
            answered += len(said)
    assert answered == 4 * len(tasks)  # every Sample seeker likes a facet of every kind
