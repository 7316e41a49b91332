"""What beside some words shows that they are a title.

Every function reads `parts` (see `tokens.split`), `low` (its folded words) and the words `start … end - 1`: word `i` is
`parts[2 * i + 1]`, the gap before it `parts[2 * i]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from crs_gym.resolver.forms import ROMAN_VALUES
from crs_gym.resolver.tokens import APOSTROPHES, BRACKETED, HARD_CHARS, SENTENCE_END, YEARS
from crs_gym.resolver.words import (
    ABBREVIATIONS,
    ARTICLES,
    DETERMINERS,
    FUNCTION,
    INDEFINITE,
    KINDS,
    LINKS,
    PARTS,
    PRONOUNS,
    PROPER,
    SMALL_TALK,
    STRICT,
    UNITS,
    VERBS,
    WATCHING,
)

QUOTES: Final = frozenset('"“”„«»*`_<>')
_DOUBLE_QUOTES: Final = frozenset('"“”«»')
_AROUND: Final = " \t\"“”«»'()[]*_"
_BULLETS: Final = frozenset(" \t\n-*•–—#>+·")
_LINE: Final = frozenset("\n\r")
_CLOSERS: Final = frozenset(("is", "was", "has", "had", "by", "with", "starring"))
_FOLLOWERS: Final = _CLOSERS | frozenset(("and", "or", "but", "too", "also", "yet", "because", "though", "although"))
_NUMERALS: Final = {word: value for word, value in ROMAN_VALUES.items() if value > 1} | {
    str(n): n for n in range(2, 21)
}
_INTRODUCTIONS: Final = frozenset(
    (("how", "about"), ("what", "about"), ("such", "as"), ("favorite", "is"), ("favourite", "is"), ("you", "seen"))
)
_INTRODUCING: Final = frozenset({"and", "or"} | {last for _, last in _INTRODUCTIONS})
_DATED: Final = frozenset({"film", "movie", "version", "classic"} | set(YEARS) | {year + "s" for year in YEARS})
"""The last word before a title of `the 1995 film …`, `1995's …`."""
_INNER: Final = frozenset(("of", "the", "a", "in", "at", "on", "to", "for"))
"""Small words that join a name's parts, and seldom two films."""
_TELLING: Final = 4
"""So many everyday words that are the whole text and a title are the title."""
_FAR: Final = 12
"""How many words a name with its year in brackets may go on."""


def sentence_start(parts: list[str], start: int) -> bool:
    """Whether a capital there says nothing, since any sentence has one."""
    gap = parts[2 * start]
    return start == 0 or gap == ") " or gap.rstrip(_AROUND)[-1:] in SENTENCE_END or not _LINE.isdisjoint(gap)


def blank(gap: str) -> bool:
    """Whether only spaces stand between two words."""
    return gap == " " or (gap.isspace() and _LINE.isdisjoint(gap))


def capital(word: str) -> bool:
    """Whether the word begins with a capital (behind an apostrophe, too)."""
    return word[:1].isupper() or (word[:1] in APOSTROPHES and word[1:2].isupper())


def titled(word: str) -> bool:
    """Whether the word has a capital, and is not all capitals for emphasis."""
    return capital(word) and not (len(word) > 1 and word.isupper())


def shouted(parts: list[str], start: int, end: int) -> bool:
    """Whether the words and one beside them are all capitals, so that capitals say nothing."""
    words = parts[2 * start + 1 : 2 * end : 2]
    if not any(word.isupper() and len(word) > 1 for word in words):
        return False
    beside = []
    if start and blank(parts[2 * start]):
        beside.append(parts[2 * start - 1])
    if 2 * end + 1 < len(parts) and blank(parts[2 * end]):
        beside.append(parts[2 * end + 1])
    return any(len(word) > 1 and word.isupper() and word.lower() not in ROMAN_VALUES for word in beside)


def in_plain_prose(low: list[str], start: int, end: int, verbs_help: bool) -> bool:
    """Whether lower-case words between two others have no cue beside them: a quick no for most common words.

    `verbs_help` says whether a verb such as `watched` would be a cue.
    """
    before, after = low[start - 1], low[end] if end < len(low) else ""
    if after in YEARS or after == "from" or before in _DATED:
        return False
    return not (verbs_help and (before in WATCHING or before in _INTRODUCING))


def quoted(parts: list[str], start: int, end: int) -> bool:
    """In quotes or emphasis of any kind."""
    if parts[2 * start + 1][0] in APOSTROPHES and parts[2 * end - 1][-1] in APOSTROPHES:
        return True
    before = parts[2 * start].split()
    after = parts[2 * end].split()
    if not before or not after or parts[2 * start][-1].isspace() or parts[2 * end][0].isspace():
        return False
    return not QUOTES.isdisjoint(before[-1]) and not QUOTES.isdisjoint(after[0])


def quoted_names(parts: list[str], low: list[str]) -> Iterator[tuple[int, int]]:
    """Runs of several capitalised words, of one phrase, that quotes enclose: each is one name."""
    opened = -1
    for place, gap in enumerate(parts[::2]):
        if gap == " " or _DOUBLE_QUOTES.isdisjoint(gap):
            continue
        if 0 <= opened < place - 1 < opened + _FAR and gap[0] in _DOUBLE_QUOTES:
            words = parts[2 * opened + 1 : 2 * place : 2]
            inner = "".join(parts[2 * opened + 2 : 2 * place : 2])
            if HARD_CHARS.isdisjoint(inner) and all(
                capital(word) or word in LINKS or not word[:1].islower() for word in words
            ):
                yield opened, place
        opened = place if gap[-1] in _DOUBLE_QUOTES else -1


def listed(parts: list[str], low: list[str], start: int, end: int) -> bool:
    """The whole of a list item or of the text, or its beginning up to a colon, dash or bracket."""
    after = parts[2 * end]
    if not (end == len(low) or not _LINE.isdisjoint(after) or after.startswith((":", " -", " –", " —", " ("))):
        return False
    before = parts[2 * start]
    if start == 0:
        if before.strip() and _BULLETS.issuperset(before) and before[-1] != "*":
            return True  # but `*heat` mends a slip of the keys
        words = parts[2 * start + 1 : 2 * end : 2]
        return end == len(low) and (
            not ((len(low) < _TELLING and STRICT.issuperset(low)) or (len(words[0]) == 1 and not words[0].isdecimal()))
            or (SMALL_TALK.isdisjoint(low) and capital(words[0]) and all(capital(w) or w in LINKS for w in words))
        )
    if not _LINE.isdisjoint(before):
        return True
    number = low[start - 1]
    return number.isdecimal() and before[0] in ".):" and (start == 1 or not _LINE.isdisjoint(parts[2 * start - 2]))


def capitalised(parts: list[str], low: list[str], start: int, end: int) -> bool:
    """With a capital on each word but the small ones, where a sentence would not put one."""
    words = parts[2 * start + 1 : 2 * end : 2]
    if not capital(words[0]) and end == start + 1:
        return False
    capitals = [word for word in words if capital(word)]
    small = sum(word[:1].islower() and word not in LINKS for word in words)
    if not capitals or small > (len(capitals) > 2):
        return False
    if shouted(parts, start, end):
        return False
    if end > start + 1:
        return len(capitals) > sentence_start(parts, start) and isolated(parts, low, start, end)
    return (
        not sentence_start(parts, start)
        and isolated(parts, low, start, end)
        and not (low[start] in STRICT and _everyday(parts, low, start))
        and low[start] not in PROPER
        and len(low[start]) > 1
    )


def _everyday(parts: list[str], low: list[str], start: int) -> bool:
    """Whether a capitalised everyday word is just that: emphasis, an exclamation, a genre or a forgotten full stop."""
    word = low[start]
    follower = low[start + 1] if start + 1 < len(low) and blank(parts[2 * start + 2]) else ""
    return (
        (parts[2 * start + 1].isupper() and len(word) > 1)
        or (word in SMALL_TALK and low[start - 1] in SMALL_TALK)
        or (word in PRONOUNS and follower in VERBS)
        or (word in FUNCTION and word not in PRONOUNS and bool(follower) and follower not in _FOLLOWERS | KINDS)
        or (word not in FUNCTION and follower in KINDS)
    )


def isolated(parts: list[str], low: list[str], start: int, end: int) -> bool:
    """No capitalised word right before, nor a hyphen: the `Jack` of `Anna Jack` is a surname."""
    if parts[2 * start] == "-" and start:
        return False
    if start == 0 or not blank(parts[2 * start]) or not capital(parts[2 * start - 1]):
        return True
    before = low[start - 1]
    if before in SMALL_TALK:
        return low[start] not in STRICT or low[start] in ARTICLES
    return before in FUNCTION or before in WATCHING or (len(before) > 1 and parts[2 * start - 1].isupper())


def described(parts: list[str], start: int, end: int) -> bool:
    """Whether the words, all in lower case, are a thing and no name: `a date night`, `his nerd`."""
    return (
        start > 0
        and parts[2 * start - 1] in DETERMINERS
        and blank(parts[2 * start])
        and "".join(parts[2 * start + 1 : 2 * end]).islower()
    )


def goes_on(parts: list[str], low: list[str], end: int, starts_title: Callable[[list[str], int], bool]) -> bool:
    """Whether the words are only the beginning of a longer name: a sequel's number or further capitals follow.

    `starts_title(low, i)` tells whether word `i` may begin a title of its own.
    """
    gap = parts[2 * end]
    if end == len(low) or "\n" in gap:
        return False
    follower = low[end]
    if (spaced := blank(gap)) or gap in (": ", " - ", ", "):
        if spaced and follower in _NUMERALS:
            return end + 1 == len(low) or low[end + 1] not in UNITS
        if follower in PARTS and end + 1 < len(low) and low[end + 1] not in ("1", "one", "i"):
            return True
    if spaced and follower in _INNER:
        return _reaches_year(parts, low, end)
    if not (spaced or gap in (": ", " - ", " – ")) or not capital(parts[2 * end + 1]) or starts_title(low, end):
        return False
    if spaced and follower not in STRICT:
        return not parts[2 * end + 1].isupper()
    return _reaches_year(parts, low, end)


def _reaches_year(parts: list[str], low: list[str], start: int) -> bool:
    """Whether capitalised words run from there to a year in brackets."""
    for place in range(start, min(start + _FAR, len(low))):
        gap, word = parts[2 * place], parts[2 * place + 1]
        if low[place] in BRACKETED and gap.endswith("(") and place > start:
            return True
        if place > start and not HARD_CHARS.isdisjoint(gap):
            return False
        if not (capital(word) or low[place] in LINKS or word[:1].isdecimal()):
            return False
    return False


def watched(parts: list[str], low: list[str], start: int, end: int) -> bool:
    """`watched frozen.`, or at the start of a sentence `Frozen was`, `Frozen and Up`, `Frozen, Up`."""
    ends = end == len(low) or not HARD_CHARS.isdisjoint(parts[2 * end])
    if (
        start
        and blank(parts[2 * start])
        and (low[start - 1] in WATCHING or tuple(low[max(start - 2, 0) : start]) in _INTRODUCTIONS)
    ):
        return low[start] not in INDEFINITE and (ends or low[end] in _FOLLOWERS)
    if low[start] in PRONOUNS or low[start] in SMALL_TALK or not sentence_start(parts, start) or not parts[2 * end]:
        return False
    if low[start] not in STRICT and capital(parts[2 * start + 1]) and parts[2 * end][0] in SENTENCE_END:
        return True  # a sentence by itself
    if end == len(low):
        return False
    if parts[2 * end] == ", " and capital(parts[2 * start + 1]) and low[start] not in STRICT:
        return capital(parts[2 * end + 1]) and low[end] not in STRICT
    if not blank(parts[2 * end]) or not (capital(parts[2 * start + 1]) or low[start].isdecimal()):
        return False
    if low[start] in ARTICLES and not capital(parts[2 * start + 3]):
        return False  # `The boy is ten`
    if low[end] in ("and", "or"):
        return end + 1 < len(low) and capital(parts[2 * end + 3]) and low[end + 1] not in STRICT
    return low[end] in _CLOSERS


def chained(parts: list[str], low: list[str], start: int, end: int, last_end: int) -> bool:
    """One of several titles, with nothing hanging on: joined by a comma, `and` or `or` to a mention or a year."""
    if not (end == len(low) or not HARD_CHARS.isdisjoint(parts[2 * end]) or low[end] in ("and", "or")):
        return False
    joint = start
    if start and low[start - 1] in ("and", "or") and blank(parts[2 * start]):
        joint = start - 1
    elif not parts[2 * start].rstrip().endswith((",", "/")):
        return False
    after_year = joint > 0 and parts[2 * joint].startswith(")") and low[joint - 1] in BRACKETED
    return joint == last_end or after_year


def hard_breaks(parts: list[str], low: list[str], start: int, end: int) -> list[str]:
    """The words within a span that punctuation follows, other than abbreviations and initials."""
    return [
        low[i]
        for i in range(start, end - 1)
        if not HARD_CHARS.isdisjoint(gap := parts[2 * i + 2])
        and not (gap in (".", ". ") and (low[i] in ABBREVIATIONS or (len(low[i]) == 1 and low[i].isalpha())))
    ]
