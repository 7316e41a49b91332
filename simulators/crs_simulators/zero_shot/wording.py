"""From what the seeker does to how its sentence begins, and from what the model writes to one safe line."""

from __future__ import annotations

import re
from typing import Final

from crs_gym.catalog import Catalog
from crs_gym.randomness import generator
from crs_gym.transcript import one_line
from crs_simulators.zero_shot.views import Choice, Kind

BEGINNINGS: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.ACCEPT: ("{film} sounds great, I'll watch that", "Yes, {film} it is", "Perfect, I'll go with {film}"),
    Kind.LIKE: ("{film} sounds good, but", "{film} could be something. Still,", "I might like {film}, but"),
    Kind.SEEN: ("I have already seen {film},", "I know {film} and like it,", "I've seen {film} before,"),
    Kind.DISLIKE: ("{film} is not for me,", "No, not {film},", "I don't feel like {film},"),
    Kind.ANSWER: ("",),
    Kind.LEAVE: ("Thanks, but I have to go now", "I think I'll leave it at that", "Okay, I'll look elsewhere"),
}
"""How the sentence begins, so that the words follow from the decision."""

WITHOUT_WORDS: Final[dict[Kind, str]] = {
    Kind.ACCEPT: "{film} it is, thanks!",
    Kind.LIKE: "{film} sounds good, but what else is there?",
    Kind.SEEN: "I have already seen {film}.",
    Kind.DISLIKE: "{film} is not for me.",
    Kind.ANSWER: "I'm not sure, surprise me.",
    Kind.LEAVE: "Thanks, but I have to go now. Bye!",
    Kind.CONFUSED: "Sorry, I did not understand that.",
}
"""Said where the model adds nothing to the beginning that could be said."""

OPENING: Final = "Hi! Can you recommend a film?"
"""The first words, where the model finds none."""

LONGEST: Final = 300
"""Characters of an answer; what is longer is cut at a sentence's or a word's end (our choice)."""

_SPEAKER: Final = re.compile(
    r"(?:^|\s|[.!?,;>\]])(?:user|recommender|assistant|system|seeker|human|bot|agent)\s*(?:,[^:]{0,20})?:.*\Z",
    re.IGNORECASE,
)
"""The other side's line, or a next one of the seeker's: what follows is no answer."""
_FORMAT: Final = re.compile(r"<\|.*?\|>|</?s>|\[/?INST\]|<<?/?(?:SYS|think|answer)>>?|```", re.IGNORECASE)
_SENTENCE: Final = re.compile(r".*?(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bvs)[.!?…]+[\"')]?(?=\s|\Z)")
"""The first sentence: small models do not stop there, and begin to talk like the recommender."""


def begin(choice: Choice, catalog: Catalog, key: int, turn: int) -> str:
    """How the sentence begins; keyed."""
    beginnings = BEGINNINGS[choice.kind]
    which = int(generator(key, "zero-shot", turn, "beginning").integers(len(beginnings)))
    return _about(beginnings[which], choice, catalog)


def finish(beginning: str, written: str, finished: bool, instead: str) -> str:
    """The whole answer, on one line.

    Args:
        beginning: How it begins.
        written: What the model wrote behind that; may hold anything.
        finished: The model came to an end.
        instead: Said if the model wrote nothing that could be said.
    """
    line = written.lstrip().split("\n")[0].partition(" [")[0]  # the recommender lists films in such brackets
    text = " ".join(one_line(_SPEAKER.sub("", _FORMAT.sub(" ", line))).split())
    if not beginning or beginning.endswith(","):
        text = text.lstrip(',.;:!?)…"”] ')
    if not beginning:
        text = text.strip('"“”[] ')
    if not any(character.isalnum() for character in text):
        return instead
    sentence = _SENTENCE.match(text)
    if sentence is not None:
        text = sentence[0]
    elif not finished or len(text) > LONGEST:
        text = f"{text[:LONGEST].rpartition(' ')[0].rstrip(',;:-–( ') or text[:LONGEST]}…"
    joint = "" if not beginning or text[0] in ",.;:!?)…" else " "
    return f"{beginning}{joint}{text[:LONGEST]}"


def without_words(choice: Choice, catalog: Catalog) -> str:
    """A plain sentence for what the seeker does."""
    return _about(WITHOUT_WORDS[choice.kind], choice, catalog)


def _about(words: str, choice: Choice, catalog: Catalog) -> str:
    return words if choice.item is None else words.replace("{film}", one_line(catalog.names[choice.item]))
