"""The numbers of an observation: by hand, against the dialogue, against the document, and never out of their space."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from discrete_play import ENV_ID, row_of
from hypothesis import given, settings
from hypothesis import strategies as st

from crs_gym.agent import Histories
from crs_gym.catalog import NO_ITEM, Catalog
from crs_gym.discrete.belief import ANSWERED, RECENT, STATED, Belief
from crs_gym.discrete.candidates import Candidates
from crs_gym.discrete.encoding import CANDIDATE_FEATURES, Encoder
from crs_gym.discrete.env import DiscreteEnv
from crs_gym.discrete.heard import Heard, Listener
from crs_gym.discrete.source import HistorySource
from crs_gym.numeric import FloatArray
from crs_gym.task import Message
from crs_gym.turns import AgentTurn, AgentTurns

PAGE = Path(__file__).parents[2] / "docs" / "discrete.md"

FILMS = Catalog.from_rows(
    [
        ("a", "A", 1994, {"genre": ("crime", "drama"), "star": ("X",)}),
        ("b", "B", 1995, {"genre": ("drama",), "star": ("X",)}),
        ("c", "C", 2004, {"genre": ("comedy",), "director": ("Y",)}),
        ("d", "D", 2005, {"genre": ("drama", "comedy")}),
        ("e", "E", 2006, {"genre": ("crime",)}),
    ],
    popularity=[5, 9, 7, 1, 3],
)
CRIME, DRAMA, COMEDY, NINETIES = (FILMS.facet_names.index(name) for name in ("crime", "drama", "comedy", "1990s"))


class Flat:
    """A source that likes all films alike, but those named before a little more."""

    def log_scores(self, histories: Histories) -> FloatArray:
        scores = np.zeros((len(histories), len(FILMS)), np.float32)
        for row in range(len(histories)):
            scores[row, histories.items[histories.offsets[row] : histories.offsets[row + 1]]] = 0.5
        return scores

    def said(self, text: str, items: tuple[int, ...]) -> Any:
        raise NotImplementedError


class Bench:
    """Belief, candidates and encoder of one dialogue, told by hand what is heard."""

    def __init__(self, named: tuple[int, ...] = ()) -> None:
        self.belief = Belief(FILMS, 1)
        self.candidates = Candidates(FILMS, HistorySource(Flat()), 1, 4)
        self.encoder = Encoder(FILMS, 1, 4, k=2, max_turns=4)
        self.rows = np.zeros(1, np.int64)
        self.turn = np.zeros(1, np.int64)
        self.belief.begin(self.rows, Heard.of([[(item, 1) for item in named]], [[]], [named]))

    def follow(self, *shown: int, items: Any = (), facets: Any = (), ask: str = "") -> None:
        turns = AgentTurns.of([AgentTurn(ask or "these", shown)], 2, len(FILMS))
        self.belief.follow(self.rows, turns, Heard.of([items], [facets], [[item for item, _ in items]]))
        self.turn += 1

    def see(self) -> dict[str, Any]:
        self.candidates.find(self.rows, self.belief)
        self.encoder.encode(self.rows, self.belief, self.candidates, self.turn)
        return row_of(self.encoder.arrays, 0)


def test_a_fresh_dialogue_by_hand() -> None:
    bench = Bench()
    seen = bench.see()
    # All score 0, so popularity decides: B (9), C (7), A (5), E (3); D (1) has no place.
    assert bench.candidates.items.tolist() == [[1, 2, 0, 4]]
    # present; closeness exp(0 - 0); popularity 1 - place / 5; nothing was said, nothing is liked.
    assert seen["candidates"] == pytest.approx(
        np.array([[1, 1, 1 - place / 5, 0, 0, 0, 0, 0, 0] for place in range(4)], np.float32)
    )
    for name in ("liked", "disliked", "asked", "reaction", "turn", "shown"):
        assert not seen[name].any()
    assert seen["action_mask"].tolist() == [1.0] * 8


def test_what_was_said_by_hand() -> None:
    bench = Bench(named=(1,))
    bench.follow(2, 4, items=[(4, -1)], facets=[(DRAMA, 1), (CRIME, -1)], ask="What genre do you like?")
    seen = bench.see()
    # B was named, C and E were shown: A and D are left. Drama gives both ANSWERED = 2, crime takes 2 from A.
    assert bench.candidates.items.tolist() == [[3, 0, NO_ITEM, NO_ITEM]]
    first, second, *absent = seen["candidates"]
    # Unit vectors (shares of kinds: genre .4, others .2, of what a film has): A crime, drama, X, 1990s .5 each; B
    # drama .7071, X and 1990s .5; C comedy .7071, Y and 2000s .5; D drama, comedy, 2000s .5774 each; E crime .8165,
    # 2000s .5774. The five are the popular films: drama (.5 + .7071 + .5774) / 5 = .3569, crime .2633, X and 1990s .2,
    # 2000s .3309. B, spoken for, beyond these: drama .3502, X .3, 1990s .3. D has .5774 * .3502 = .2022 of it; A, with
    # .5 of each, .4751. E, spoken against: crime .5532, 2000s .2464. D has .5774 * .2464 = .1423 of it, A .2766.
    # D: drama 2, 4 * .2022, -.1423. A: drama 2, crime -2, 4 * .4751, -.2766.
    assert bench.candidates.scores[0, :2] == pytest.approx([2.6665, 1.6238], abs=2e-4)
    # D: of drama and comedy, drama was said once, (1 + 0) / 2; its place by popularity is the last of 5: 1 - 4 / 5.
    assert first == pytest.approx([1, 1, 0.2, 0.5, 0, 0, 0, 0.2022, 0.1423], abs=1e-4)
    # A: exp(1.6238 - 2.6665); place 2 of 5; drama for and crime against cancel.
    assert second == pytest.approx([1, 0.3525, 0.6, 0, 0, 0, 0, 0.4751, 0.2766], abs=1e-4)
    assert not np.any(absent)
    assert bench.encoder.fields[0].numbers == (
        "genre:crime",
        "genre:drama",
        "genre:comedy",
        "decade:1990s",
        "decade:2000s",
    )
    assert seen["liked"].tolist() == [0, 0.5, 0, 0, 0]
    assert seen["disliked"].tolist() == [0.5, 0, 0, 0, 0]
    assert seen["asked"].tolist() == [0.5, 0, 0, 0]
    assert seen["reaction"].tolist() == [0, 1, 1]
    assert (seen["turn"], seen["shown"]) == (0.25, 0.25)  # of 4 turns; 2 films of 2 * 4
    assert seen["action_mask"].tolist() == [1, 1, 0, 0, 1, 1, 1, 1]


def test_statements_add_up_to_two_and_cancel() -> None:
    bench = Bench()
    for _ in range(3):
        bench.follow(facets=[(DRAMA, 1)])
    assert bench.belief.balance[0, DRAMA] == 2
    assert bench.belief.by_facets[0, 0] == 2 * ANSWERED
    for _ in range(5):
        bench.follow(facets=[(DRAMA, -1)])
    assert bench.belief.balance[0, DRAMA] == -2
    assert bench.belief.by_facets[0].tolist()[:5] == [-4, -4, 0, -4, 0]
    assert bench.see()["disliked"].tolist() == [0, 1, 0, 0, 0]
    stated = Belief(FILMS, 1)
    stated.begin(np.zeros(1, np.int64), Heard.of([[]], [[(COMEDY, 1), (NINETIES, -1)]], [[]]))
    assert stated.by_facets[0].tolist()[:5] == [-STATED, -STATED, STATED, STATED, 0]


def test_recent_films_are_kept_in_order() -> None:
    bench = Bench(named=(0, 1, 2))
    assert bench.belief.histories(bench.rows).items.tolist() == [2, 1, 0]
    bench.follow(3, items=[(3, 1), (1, -1)])
    assert bench.belief.histories(bench.rows).items.tolist() == [3, 2, 0]
    bench.follow(items=[(0, 1)])
    assert bench.belief.histories(bench.rows).items.tolist() == [0, 3, 2]
    for _ in range(RECENT):
        bench.follow(items=[(4, 1)])
    assert bench.belief.histories(bench.rows).items.tolist() == [4, 0, 3, 2]


# ---------------------------------------------------------------- against the dialogue


class Said:
    def __init__(self, facets: Any = (), items: Any = (), verdict: int = 0) -> None:
        self.facets, self.items, self.verdict = facets, items, verdict


class Reader:
    """Counts what it is asked; likes every film but those behind a "not"."""

    def __init__(self) -> None:
        self.asked = 0

    def log_scores(self, histories: Histories) -> FloatArray:
        raise NotImplementedError

    def said(self, text: str, items: tuple[int, ...]) -> Said:
        self.asked += 1
        if text == "I love them":
            return Said(verdict=1)
        return Said([(COMEDY, 1)], [(item, -1 if "not " + FILMS.names[item] in text else 1) for item in items])


def test_a_sentence_is_read_once_whatever_film_it_names() -> None:
    reader = Reader()
    listener = Listener(reader, FILMS.names)
    heard = listener.dialogues(
        [[Message("user", f"{FILMS.names[a]}, not {FILMS.names[b]}", (a, b))] for a, b in ((0, 1), (2, 3), (4, 0))]
    )
    assert reader.asked == 1
    assert heard.items.tolist() == [[0, 1], [2, 3], [4, 0]]
    assert heard.item_signs.tolist() == [[1, -1]] * 3
    other = listener.dialogues(
        [[Message("user", "B (1995), not A (1994)", (0, 1))]]
    )  # the same words the other way round
    assert (other.items.tolist(), other.item_signs.tolist()) == ([[0, 1]], [[-1, 1]])
    verdict = listener.dialogues([[Message("recommender", "these", (2, 4)), Message("user", "I love them")]])
    assert (verdict.items.tolist(), verdict.item_signs.tolist()) == ([[2, 4]], [[1, 1]])
    assert verdict.named.tolist() == [[2, 4]]


def test_the_real_reader_hears_agenda() -> None:
    """What the observation holds is what stands in the dialogue, found in it by other means."""
    env = gym.make(ENV_ID).unwrapped
    assert isinstance(env, DiscreteEnv)
    kinds = {name: n for n, name in enumerate(env.view.fields[0].numbers)}
    checked = 0
    for seed in range(40):
        env.reset(seed=seed)
        observation, _, terminated, _, info = env.step(env.view.config.n_candidates + 3 * (seed % 2))  # genre or decade
        answer = info["messages"][-1].text
        kind = "decade:" if seed % 2 else "genre:"
        named = {
            name
            for name in kinds
            if name.startswith(kind) and re.search(rf"\b{re.escape(name[len(kind) :])}\b", answer)
        }
        told = {
            name
            for name, n in kinds.items()
            if name.startswith(kind) and observation["liked"][n] + observation["disliked"][n] > 0
        }
        if not terminated:
            checked += bool(told)
            assert told == named or "sci-fi" in answer or told > named, (answer, told)
    assert checked > 20


# ---------------------------------------------------------------- never out of its space


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 2**31), st.sampled_from([1, 3, 10]), st.sampled_from([1, 5, 40]),
    st.sampled_from(["agenda", "agenda:noise=0.5,patience=9", "silent"]), st.booleans(),
)  # fmt: skip
def test_random_play_stays_in_its_space(seed: int, k: int, c: int, simulator: str, show: bool) -> None:
    envs: Any = gym.make_vec(
        ENV_ID, 8, "vector_entry_point", k=k, n_candidates=c, simulator=simulator, show_while_asking=show, max_turns=7
    )
    observations, _ = envs.reset(seed=seed)
    rng = np.random.default_rng(seed)
    for _ in range(16):
        assert envs.observation_space.contains(observations)
        assert all(np.isfinite(values).all() for values in observations.values())
        masks = envs.action_masks()
        assert masks.any(axis=1).all()
        assert np.array_equal(masks[:, :c], observations["candidates"][:, :, 0] == 1)
        observations = envs.step(rng.integers(0, c + 4, 8))[0]
    assert envs.observation_space.contains(observations)


# ---------------------------------------------------------------- the document


def test_document_and_code_agree() -> None:
    text = PAGE.read_text(encoding="utf-8")
    env = gym.make(ENV_ID).unwrapped
    assert isinstance(env, DiscreteEnv)
    rows = re.findall(r"^\| `(\w+)` \| `\((.*?)\)` \| \[(-?\d), 1\] \|", text, re.MULTILINE)
    c, broad = env.view.config.n_candidates, len(env.view.fields[0].numbers)
    sizes = {"B": broad, "C": c, "F": 4, "C + F": c + 4}
    documented = {
        name: (
            tuple(
                sizes.get(size, size) if size in sizes else int(size) for size in re.split(r", ?", shape.rstrip(","))
            ),
            int(low),
        )
        for name, shape, low in rows
    }
    space = env.observation_space
    assert {name: (box.shape, int(box.low.min())) for name, box in space.items()} == documented  # type: ignore[attr-defined]
    assert [name for name, _, _ in rows] == [field.name for field in env.view.fields]
    features = re.findall(r"^\| (\d) \| `(\w+)` \|", text, re.MULTILINE)
    assert features == [(str(n), name) for n, name in enumerate(CANDIDATE_FEATURES)]
    docstring = DiscreteEnv.__doc__ or ""
    for name in (*documented, *CANDIDATE_FEATURES, *(n for f in env.view.fields[3:5] for n in f.numbers)):
        assert name in docstring, name
        assert f"`{name}`" in text, name
