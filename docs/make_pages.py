"""Makes docs/environments.md from the docstrings, the registry and the corpora: `python docs/make_pages.py`.

The corpora are needed (`CRS_GYM_DATA`, or a download), since the page says how many tasks each holds.

`python docs/make_pages.py conversation` runs the program above README.md's conversation with the learned user, and puts
what it prints there. It needs ReDial, the extra `llm` and the weights.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import re
import sys
from pathlib import Path
from typing import Final

from crs_gym import ENV_IDS
from crs_gym.env import ConversationEnv
from crs_gym.errors import WorldError
from crs_gym.pettingzoo.conversation import ConversationAEC
from crs_gym.registration import DEFAULT_SIMULATOR, SIMULATORS, VIEWS, WORLDS
from crs_gym.task import SPLITS, TASK_KINDS
from crs_gym.vector import ConversationVectorEnv
from crs_gym.worlds import load_world
from crs_gym.worlds.files.published import CORPORA
from crs_gym.worlds.sample import UNLIMITED
from crs_gym.worlds.world import World

PAGE: Final = Path(__file__).with_name("environments.md")
BEGIN, END = "<!-- counted in the corpora: begin -->", "<!-- counted in the corpora: end -->"
UNKNOWN: Final = "–"

README: Final = Path(__file__).parents[1] / "README.md"
CONVERSATION: Final = re.compile(
    r"(?P<before>```python\n(?P<program>(?:(?!```).)*)```\n(?:(?!```).)*<!-- conversation:begin -->\n).*"
    r"(?P<after><!-- conversation:end -->)",
    re.DOTALL,
)
"""The program, and what stands between the two marks below it."""

FACES: Final = (
    ("One dialogue: `gymnasium.make`", ConversationEnv),
    ("Many dialogues: `gymnasium.make_vec`", ConversationVectorEnv),
    ("Two agents: `crs_gym.pettingzoo.conversation_v0`", ConversationAEC),
)


def page(counted: str) -> str:
    """The whole page, with `counted` as its table of worlds."""
    parts = [
        "# Environments",
        "Made by `docs/make_pages.py` from the docstrings of `crs_gym`, the registered ids and the corpora.",
        ids_table(),
        "## Worlds",
        f"{BEGIN}\n{counted}\n{END}",
        *(f"## {title}\n\n{described(face)}" for title, face in FACES),
    ]
    return "\n\n".join(parts) + "\n"


def ids_table() -> str:
    """The registered ids, one row each."""
    actions = {"": "utterance and ranked items", "-Text": "free text; the titles in it become items"}
    actions["-Discrete"] = "a number: a candidate to show first, or a question ([page](discrete.md))"
    rows = ["| id | world | user | action |", "| --- | --- | --- | --- |"]
    rows += [
        f"| `CRS-{world}{view}-v0` | `{name}` | `{SIMULATORS.get(name, DEFAULT_SIMULATOR)}` | {actions[view]} |"
        for world, name in WORLDS.items()
        for view in VIEWS
    ]
    if len(rows) - 2 != len(ENV_IDS):
        raise ValueError(f"the table has {len(rows) - 2} ids, the registry {len(ENV_IDS)}")
    return "\n".join(rows)


def counted_worlds() -> str:
    """The table of worlds, counted now.

    Raises:
        DataError: A corpus cannot be had.
    """
    head = [f"{kind}: {split}" for kind in TASK_KINDS for split in SPLITS]
    rows = [
        "| world | seekers and licence | items | " + " | ".join(head) + " |",
        "| --- | --- | ---: |" + " ---: |" * len(head),
    ]
    for name in WORLDS.values():
        world = load_world(name)
        credit = f"{CORPORA[name].credit}; {CORPORA[name].licence}" if name in CORPORA else "invented; Apache-2.0"
        counts = [tasks_of(world, split, kind) for kind in TASK_KINDS for split in SPLITS]
        rows.append(f"| `{name}` | {credit} | {len(world.catalog):,} | " + " | ".join(counts) + " |")
    rows += ["", f"Numbers of tasks. {UNKNOWN}: there are none, or the files of that split are published, but were not"]
    rows += ["there when this page was made."]
    return "\n".join(rows)


def tasks_of(world: World, split: str, kind: str) -> str:
    """How many tasks of a kind a split holds, as text."""
    try:
        n = len(world.tasks(split, kind))  # type: ignore[arg-type]  # from SPLITS and TASK_KINDS
    except WorldError:
        return UNKNOWN
    return "unlimited" if n == UNLIMITED else f"{n:,}"


def described(face: type) -> str:
    """A class's docstring as a part of the page: its headings one level down, its arguments a list."""
    text = inspect.getdoc(face) or ""
    text = re.sub(r"^## ", "### ", text, flags=re.MULTILINE)
    text = re.sub(r"^(### .+)\n(?=\S)", r"\1\n\n", text, flags=re.MULTILINE)
    words, arguments, listed = text.partition("\nArgs:\n")
    if arguments:
        entries = re.sub(r"^    (\w+): ", r"- `\1`: ", listed, flags=re.MULTILINE)
        text = f"{words}\n### Arguments\n\n" + re.sub(r"^ +", "  ", entries, flags=re.MULTILINE)
    return text.strip()


def counted_in(text: str) -> str:
    """The table of worlds that stands in a page."""
    return text.partition(f"{BEGIN}\n")[2].partition(f"\n{END}")[0]


def with_conversation(readme: str) -> str:
    """README.md with what its program prints between the marks.

    Raises:
        ValueError: The program or the marks are missing.
        WeightsError: The learned user's weights are not on this machine.
    """
    found = CONVERSATION.search(readme)
    if found is None:
        raise ValueError("README.md: no program stands above the marks conversation:begin and conversation:end")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(found["program"], str(README), "exec"), {"__name__": "__main__"})
    shown = f"```text\n{printed.getvalue().rstrip()}\n```\n"
    return readme[: found.start()] + found["before"] + shown + found["after"] + readme[found.end() :]


if __name__ == "__main__":
    if sys.argv[1:] == ["conversation"]:
        README.write_text(with_conversation(README.read_text(encoding="utf-8")), encoding="utf-8")
        print(README)
    else:
        PAGE.write_text(page(counted_worlds()), encoding="utf-8")
        print(PAGE)
