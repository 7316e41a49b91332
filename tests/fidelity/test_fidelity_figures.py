"""The arithmetic of single figures, by hand or computed anew in another way."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_people import LIKED, PeopleWorld, catalog

from crs_gym.catalog import Catalog
from crs_gym.errors import DataError
from crs_gym.fidelity.behaviour import behaviour, distances, halves
from crs_gym.fidelity.classifier import IntentClassifier
from crs_gym.fidelity.comentions import CoMentions
from crs_gym.fidelity.iard import INTENTS, f1_scores, find_iard, held_out, read_iard, without_titles
from crs_gym.fidelity.intervals import auc, mean, ratio
from crs_gym.fidelity.recorded import Suggestions, seeker_turns
from crs_gym.fidelity.speech import Speech
from crs_gym.fidelity.taste import probes_of
from crs_gym.fidelity.titles import TitleSpotter
from crs_gym.fidelity.words import distinct, repeats, says_farewell, words_of
from crs_gym.statistics import bootstrap_means
from crs_gym.task import Message
from crs_gym.worlds.parsed.recording import phrase


def groups(*numbers: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    return np.array(numbers, np.intp)


def test_auc_by_hand() -> None:
    # 0.9 beats 0.5 and 0.4; 0.4 loses to 0.5 and ties with 0.4: (1 + 1 + 0 + 0.5) / 4
    found = auc(np.array([0.9, 0.4]), np.array([0.5, 0.4]), groups(0, 1), groups(0, 1), "films")
    assert found.value == 0.625
    # Drawn twice, the first dialogue alone has 0.9 against 0.5 (1), the second 0.4 against 0.4 (0.5).
    assert (found.low, found.high) == (0.5, 1.0)
    assert found.n == 4


def test_auc_of_one_side_is_not_scored() -> None:
    assert auc(np.array([0.9]), np.array([]), groups(0), groups(), "films").value is None


def test_ratio_is_of_sums_not_a_mean_of_ratios() -> None:
    # (1 + 9) / (1 + 3); the mean of 1 and 3 would be 2
    assert ratio([1.0, 9.0], [1.0, 3.0], groups(0, 1), "turns", 2).value == 2.5


def test_intervals_are_those_of_the_evaluation() -> None:
    rng = np.random.default_rng(3)
    values, of = rng.random(400), rng.integers(0, 60, 400).astype(np.intp)
    other = bootstrap_means(values[:, None], of)
    found = mean(values, of, "turns")
    assert found.low is not None
    assert found.high is not None
    assert found.value == pytest.approx(float(other.estimate[0]), abs=1e-6)
    assert found.low == pytest.approx(float(other.low[0]), abs=0.004)  # other draws, the same method
    assert found.high == pytest.approx(float(other.high[0]), abs=0.004)


def test_jensen_shannon_distance_by_hand() -> None:
    p, q = np.array([[2.0, 0.0], [1.0, 1.0], [3.0, 1.0]]), np.array([[0.0, 5.0], [4.0, 0.0], [6.0, 2.0]])
    # Nothing in common: 1. (1/2, 1/2) and (1, 0) with middle (3/4, 1/4): divergences 0.20752 and 0.41504 bits, their
    # mean 0.31128, its root 0.55793. The same shares: 0.
    assert distances(p, q) == pytest.approx([1.0, 0.55793, 0.0], abs=1e-5)


def test_halves_of_people_who_are_alike_do_not_differ() -> None:
    alike = halves(np.tile([3.0, 1.0], (10, 1)), 40)
    assert (alike.value, alike.high) == (0.0, 0.0)
    assert (halves(np.array([[1.0, 0.0], [0.0, 1.0]]), 2)).value == 1.0  # one says this, the other that


def test_turns_of_several_messages() -> None:
    said = [("user", "Hi"), ("user", " there "), ("recommender", "Yes?"), ("user", "A film"), ("recommender", "No")]
    messages = [Message(role, text) for role, text in said]  # type: ignore[arg-type]
    assert [(turn.start, turn.text) for turn in seeker_turns(messages)] == [(0, "Hi there"), (3, "A film")]
    assert [(turn.start, turn.text) for turn in seeker_turns(messages, since=1)] == [(1, "there"), (3, "A film")]


def test_suggestions_are_new_films_of_the_recommender() -> None:
    world = PeopleWorld()
    found = Suggestions(world.catalog).of(world.recorded[1])
    assert [(s.start, s.item, s.label.liked) for s in found] == [(1, LIKED + 1, True), (4, 141, None)]


def test_matches_are_as_popular_and_mentioned_by_nobody() -> None:
    world = PeopleWorld()
    probes = probes_of(world.recorded, [0, 1, 2], False, world.catalog, seed=0)
    kinds = [probe.kind for probe in probes if probe.dialogue == 0]
    assert kinds == ["liked", "match of liked", "disliked", "match of disliked", "random"]
    for probe in probes:
        own = world.recorded[probe.dialogue].labels
        assert (probe.item in own) == (probe.kind in ("liked", "disliked", "unsaid"))
        if probe.pair >= 0:
            assert 0 < abs(probe.item - probes[probe.pair].item) <= 25  # items are in order of popularity
    extra = probes_of(world.recorded, [1], True, world.catalog, seed=0)
    assert [probe.drawn for probe in extra if probe.kind == "disliked"] == [False] * 4  # persons 0, 2, 4 and 6
    assert not [probe for probe in extra if probe.kind == "liked" and not probe.drawn]


def test_comentions_know_what_goes_together() -> None:
    world = PeopleWorld()
    model = CoMentions(world.sessions(), 200, l2=10.0)
    assert int(model.scores([3]).argmax()) == LIKED + 3
    # A pair named together in 40 dialogues and nothing else: P is the inverse of [[50, 40], [40, 50]],
    # 1/900 * [[50, -40], [-40, 50]], so B = 40 / 50.
    assert model.scores([3])[LIKED + 3] == pytest.approx(0.8)
    assert not model.scores([199]).any()  # never mentioned in train


def test_words_and_farewells() -> None:
    assert words_of("It's great -- don't you think?") == ["it's", "great", "don't", "you", "think"]
    assert says_farewell("ok thanks")
    assert says_farewell("Have a great day!")
    assert not says_farewell("I have a dog")
    assert repeats(["I like comedies a lot."], "i like comedies a lot")
    assert not repeats(["I like comedies a lot."], "I like dramas")


def test_distinct_is_over_texts_of_equal_length() -> None:
    said = Speech(0, (), tuple(["a b"] * 60), None)
    other = Speech(0, (), tuple(f"w{i} v{i}" for i in range(600)), None)
    simulator, people = distinct([said], [other], 1)
    assert simulator is not None
    assert people is not None
    # Half of the 120 words of the quieter side: 60, of which 2 differ; the other side's 60 all do.
    assert (simulator.value, simulator.n) == (pytest.approx(2 / 60, abs=1e-6), 60)
    assert (people.value, people.n) == (1.0, 60)
    pairs, _ = distinct([said], [other], 2)
    assert pairs is not None
    assert pairs.value == pytest.approx(1 / 30, abs=1e-6)  # "a b" thirty times; turns are not crossed
    assert distinct([Speech(0, (), ("a b",), None)], [other], 1)[0] is None


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("I want Velvet Harbour (1990)", True),
        ("something like velvet harbour", True),
        ("the velvet harbor one", True),  # one letter is missing
        ("a velvet dress", False),
        ("Amber Harbour", False),
    ],
)
def test_titles_are_found_in_other_forms(words: str, found: bool) -> None:
    assert TitleSpotter(catalog()).paraphrased(0, phrase(words)) is found


def test_a_namesake_with_its_year_is_no_paraphrase() -> None:
    rows = [("0", "Velvet Harbour", 1990, {}), ("1", "Velvet Harbour", 2004, {})]
    spotter = TitleSpotter(Catalog.from_rows(rows))
    text = "I loved Velvet Harbour (1990)"
    assert spotter.named(text) == {0}
    assert not spotter.paraphrased(1, spotter.loose_words(text))
    assert spotter.paraphrased(1, spotter.loose_words("I loved Velvet Harbour"))


def test_intents_are_learned_and_held_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"IQU": "can you suggest something", "REJ": "no that is awful", "SEE": "seen @12 <Heat (1995)> already"}
    dialogues = {
        str(n): {
            "dialogue_info": {
                f"S{i}": {
                    "utterance_pos": i,
                    "role": "seeker",
                    "utterance_text": text,
                    "sub-intent/action": [intent],
                    "top-level intent/action": [],
                }
                for i, (intent, text) in enumerate(said.items())
            }
        }
        for n in range(20)
    }
    path = tmp_path / "iard" / "iard_train.json"
    path.parent.mkdir()
    path.write_text(json.dumps(dialogues))
    monkeypatch.setenv("CRS_GYM_DATA", str(tmp_path))
    assert find_iard() == path
    turns = read_iard(path)
    assert len(turns.texts) == 60
    assert turns.texts[2] == "seen xfilmx already"
    tested = held_out(turns)
    assert tested.all_right.value == 1.0
    assert tested.macro_f1 == 1.0
    classifier = IntentClassifier(turns.texts, turns.labels)
    assert classifier.labels(["no that is awful"])[0, list(INTENTS).index("REJ")]

    # A simulator that only rejects, beside people who ask: nothing in common.
    simulated = [Speech(g, (), ("no that is awful",), None) for g in range(4)]
    human = [Speech(g, (), ("can you suggest something",), None) for g in range(4)]
    rows, plots, _ = behaviour(simulated, human, catalog().resolver)
    far = rows[-1].simulator
    assert far is not None
    assert (far.value, far.low) == (1.0, 1.0)
    assert rows[-1].references["two halves of people"].value == 0.0
    assert plots[0].sides["simulator"][list(INTENTS).index("REJ")] == 1.0
    near = behaviour(human, human, catalog().resolver)[0][-1].simulator
    assert near is not None
    assert near.value == 0.0

    path.write_text("{}")
    with pytest.raises(DataError, match="no labelled utterance"):
        read_iard(path)


def test_f1_by_hand() -> None:
    labels = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0]], np.bool_)
    predicted = np.array([[1, 0, 1], [1, 0, 0], [0, 1, 0]], np.bool_)
    # Right: 2 and 1; given 2, 2, 0, predicted 2, 1, 1. Micro 2 * 3 / 8; macro of 1 and 2/3, the third was never given.
    micro, macro = f1_scores(labels, predicted)
    assert (micro, macro) == (0.75, pytest.approx(5 / 6))


def test_titles_are_taken_out_of_a_text() -> None:
    assert without_titles("I saw Heat and Alien", [(6, 10), (15, 20)]) == "I saw xfilmx and xfilmx"
