"""The rules by which a dialogue becomes tasks, for any dialogue."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from crs_gym.catalog import Catalog
from crs_gym.task import Message, Profile, Task
from crs_gym.worlds.parsed.building import ROLES
from crs_gym.worlds.parsed.recording import Recording, TitleIndex, bucket, cuts, phrase
from crs_gym.worlds.verify import validate_task

NAMES = ["Up", "The Big Lebowski", "Heat", "Heat", "Spirited Away", "It"]
CATALOG = Catalog.from_rows([(str(i), name, None, {}) for i, name in enumerate(NAMES)])
TITLES = TitleIndex(CATALOG.names, CATALOG.titles)

turns = st.lists(
    st.tuples(
        st.sampled_from(ROLES),
        st.lists(st.integers(0, len(NAMES) - 1), max_size=3, unique=True).map(tuple),
        st.sampled_from(["", "the big lebowski!", "Not SPIRITED  away", "spirited awaydays", "it is up to you"]),
    ),
    max_size=8,
)


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    rows = draw(turns)
    messages = [Message(role, f"{words} {' '.join(NAMES[i] for i in items)}", items) for role, items, words in rows]
    spoken = [(p, i) for p, m in enumerate(messages) if m.role == "recommender" for i in m.items]
    wanted = draw(st.lists(st.integers(0, len(NAMES) - 1), max_size=4, unique=True))
    return Recording(
        "d", "train", tuple(messages), tuple(words for _, _, words in rows), tuple(spoken), tuple(wanted), "nothing"
    )


@given(recordings())
def test_every_target_is_new_where_its_context_ends(recording: Recording) -> None:
    next_items, interactive, dropped = cuts(recording, TITLES)
    for cut in [*next_items, *([interactive] if interactive else [])]:
        context = recording.messages[: cut.message]
        named = {NAMES[item] for message in context for item in message.items}
        words = " ".join(phrase(typed).strip() for typed in recording.typed[: cut.message])
        assert cut.targets
        assert len(set(cut.targets)) == len(cut.targets)
        assert recording.messages[cut.message].role == "recommender"
        for target in cut.targets:
            assert NAMES[target] not in named
            if len(NAMES[target]) >= 8:
                assert f" {NAMES[target].lower()} " not in f" {words} "
        assert not validate_task(Task("t", "train", context, Profile(), cut.targets), CATALOG)
    # No film makes two next-item tasks, and none that is new is forgotten.
    made = [NAMES[cut.targets[0]] for cut in next_items]
    assert len(set(made)) == len(made)
    spoken_first: dict[str, str] = {}
    for message in recording.messages:
        for item in message.items:
            spoken_first.setdefault(NAMES[item], message.role)
    new = [name for name, role in spoken_first.items() if role == "recommender"]
    assert len(new) == len(made) + sum(n for reason, n in dropped.items() if reason.startswith("next-item"))
    assert (interactive is None) == any(reason.startswith("interactive") for reason in dropped)
    if interactive:
        assert set(interactive.targets) <= set(recording.wanted)


@given(st.text())
def test_phrase_is_words_between_single_spaces(text: str) -> None:
    words = phrase(text)
    assert words[0] == words[-1] == " "
    assert phrase(words) == words
    assert words.strip() == " ".join(words.split())


def test_buckets_never_change() -> None:
    # Splits hang on these numbers. The first: blake2b("x") with 8 bytes, little-endian, modulo 100.
    assert bucket("x") == int.from_bytes(hashlib.blake2b(b"x", digest_size=8).digest(), "little") % 100
    assert [bucket("redial/valid", worker) for worker in range(5)] == BUCKETS
    assert all(0 <= bucket("a", i, of=7) < 7 for i in range(50))


BUCKETS = [27, 13, 79, 66, 11]
