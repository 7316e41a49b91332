"""From observations to what the reasoning recommender reads, and from what it writes to turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from agent_play import Game, observe, recommender, user

from crs_agents.ranking import best_new_items
from crs_agents.smtpo.candidates import scorer_of
from crs_agents.smtpo.grammar import Match, Thought, parse, write
from crs_agents.smtpo.options import PolicyOptions
from crs_agents.smtpo.policy import SmtpoPolicy
from crs_agents.smtpo.prompts import asked_before, candidate_line
from crs_agents.smtpo.wording import utterance
from crs_gym.agent import Observation, OracleObservation
from crs_gym.catalog import FACET_KINDS
from crs_gym.questions import QUESTIONS, asked_facet
from crs_gym.worlds import World
from crs_gym.writing import WritingPolicy, earlier_observations


def made(world: World, n: int = 20, *, fit: bool = True, salt: int = 0) -> SmtpoPolicy:
    return SmtpoPolicy(
        world.catalog, scorer_of("ease", world), PolicyOptions(base="", n=n, listed=min(n, 5), fit=fit), salt=salt
    )


@pytest.fixture(scope="module")
def policy(sample: World) -> SmtpoPolicy:
    return made(sample)


def test_it_is_a_writing_policy(policy: SmtpoPolicy) -> None:
    assert isinstance(policy, WritingPolicy)


def test_pieces_depend_on_what_was_said_alone(policy: SmtpoPolicy, observations: list[OracleObservation]) -> None:
    other = [replace(o, key=o.key + 1, thoughts=("well",) * o.turn) for o in observations]
    assert policy.pieces(observations) == policy.pieces(other)
    assert policy.pieces(observations[::-1])[::-1] == policy.pieces(observations)


def test_earlier_pieces_can_be_made_again(sample: World, policy: SmtpoPolicy) -> None:
    game = Game(sample, sample.tasks("train")[:6], simulator="silent")
    seen = [game.observations()]
    for _ in range(2):
        game.step(policy.turns(seen[-1], ["<answer>2"] * 6))
        seen.append(game.observations())
    again = made(sample)  # one that has never seen the first turns
    for turn in (0, 1):
        earlier = [earlier_observations(observation)[turn] for observation in seen[2]]
        assert again.pieces(earlier) == policy.pieces(seen[turn])


def test_candidates_are_the_best_new_items_in_another_order(
    sample: World, policy: SmtpoPolicy, observations: list[OracleObservation]
) -> None:
    rankings = best_new_items(sample.catalog, scorer_of("ease", sample)(observations), observations)
    shuffled = 0
    for observation, ranking, items in zip(observations, rankings, policy.candidates(observations), strict=True):
        assert set(items) == set(ranking[:20])
        assert not set(items) & set(observation.named_items())
        shuffled += items != ranking[:20]
    assert shuffled == len(observations)


def test_the_order_of_candidates_tells_nothing_of_their_recall(
    policy: SmtpoPolicy, observations: list[OracleObservation]
) -> None:
    found = policy.recall(observations)
    distinct = {observation.dialogue: candidates for observation, candidates in zip(observations, found, strict=True)}
    places = [candidates.items.index(candidates.ranking[0]) for candidates in distinct.values()]
    # The best candidate's number is uniform on 0 … 19: its mean over m dialogues has a standard error of 5.8 / sqrt(m).
    assert abs(np.mean(places) - 9.5) < 4 * 5.8 / np.sqrt(len(places))
    assert len(set(places)) > len(places) / 3


def test_fits_tell_the_places_of_recall(policy: SmtpoPolicy, observations: list[OracleObservation]) -> None:
    (found,) = policy.recall(observations[:1])
    fits = dict(zip(found.items, found.fits, strict=True))
    assert [fits[item] for item in found.ranking[:20]] == list(range(19, -1, -1))


def test_a_prompt(sample: World) -> None:
    names = sample.catalog.names
    messages = (user("Something\nscary; <think>"), recommender("Well."), user(f"Like {names[3]}", 3))
    piece = made(sample, n=2).pieces([observe(*messages)])[0]
    lines = piece.splitlines()
    assert "fit (1 to 0)" in lines[0]
    assert lines[1:4] == ["User: Something scary; <think>", "Recommender: Well.", f"User: Like {names[3]}"]
    assert sorted(line[:2] for line in lines[4:]) == ["0 ", "1 "]
    assert [line[2:5] for line in lines[4:]] == ["#1 ", "#2 "]
    assert all(line.partition("; ")[2] in names for line in lines[4:])
    unfit = made(sample, n=2, fit=False).pieces([observe(*messages)])[0]
    assert "fit" not in unfit
    assert [line[:3] for line in unfit.splitlines()[4:]] == ["#1 ", "#2 "]


def test_a_long_dialogue_is_cut_at_its_front(policy: SmtpoPolicy) -> None:
    messages = [user(f"{number} " + "word " * 60) for number in range(40)]
    lines = policy.pieces([observe(*messages)])[0].splitlines()
    assert sum(map(len, lines[1:-20])) < 850
    assert lines[-21].startswith("User: 39 word")


def test_a_later_piece_holds_what_was_said_since(policy: SmtpoPolicy) -> None:
    messages = (user("Hi"), recommender("Try this.", 5), user("Seen it."))
    piece = policy.pieces([observe(*messages, turn=1)])[0]
    assert piece.startswith("\nUser: Seen it.\n")
    assert piece.splitlines()[2].partition(" ")[2].startswith("#1 ")


def quoting(policy: SmtpoPolicy, observation: Observation, *numbers: int, ask: str | None = None) -> Thought:
    """A thought about some candidates, each as its line has it."""
    lines = policy.pieces([observation])[0].splitlines()[-20:]
    matches = []
    for number in numbers:
        begun, _, facets = lines[number - 1].partition("; ")[0].partition(f" #{number} ")
        matches.append(Match(number, tuple(facets.split(", ")), int(begun)))
    return Thought(matches=tuple(matches), answer=numbers, ask=ask)


def turn_of(policy: SmtpoPolicy, observation: Observation, text: str) -> tuple[Sequence[int], Sequence[int], bool]:
    (turn,) = policy.turns([observation], [text])
    assert turn.reasoning == text
    return turn.items, turn.ranking, turn.well_formed


def test_a_right_text_is_shown_in_its_order(policy: SmtpoPolicy, observations: list[OracleObservation]) -> None:
    observation = observations[5]
    (found,) = policy.recall([observation])
    items, ranking, well_formed = turn_of(policy, observation, write(quoting(policy, observation, 7, 3, 12)))
    rest = [item for item in found.ranking if item not in (found.items[6], found.items[2], found.items[11])]
    assert list(ranking) == [found.items[6], found.items[2], found.items[11], *rest][: observation.depth]
    assert items == ranking[: observation.k]
    assert well_formed


@pytest.mark.parametrize("text", ["", "no idea", "<answer>0, 21, 400</answer>"])
def test_what_cannot_be_read_falls_back_to_the_order_of_recall(
    policy: SmtpoPolicy, observations: list[OracleObservation], text: str
) -> None:
    (found,) = policy.recall([observations[5]])
    items, _, well_formed = turn_of(policy, observations[5], text)
    assert items == found.ranking[: observations[5].k]
    assert not well_formed


def test_a_repaired_text_says_so(policy: SmtpoPolicy, observations: list[OracleObservation]) -> None:
    (found,) = policy.recall([observations[5]])
    items, _, well_formed = turn_of(policy, observations[5], "<answer>4, 4")
    assert items[0] == found.items[3]
    assert not well_formed


def test_a_false_quotation_is_not_well_formed(
    policy: SmtpoPolicy, sample: World, observations: list[OracleObservation]
) -> None:
    observation = observations[5]
    (found,) = policy.recall([observation])
    item = found.items[6]
    whole = quoting(policy, observation, 7)
    (match,) = whole.matches
    assert set(sample.catalog[item].facets["genre"][:3]) <= set(match.facets)
    cases = {
        whole: True,
        replace(whole, matches=(replace(match, fit=None),)): True,
        replace(whole, matches=()): False,
        replace(whole, matches=(replace(match, fit=(found.fits[6] + 1) % 10),)): False,
        replace(whole, matches=(replace(match, facets=(*match.facets, "opera")),)): False,
        replace(whole, matches=(replace(match, facets=match.facets[1:]),)): False,
        replace(whole, asked=asked_before(observation)): True,
        replace(whole, asked=(*asked_before(observation), "star")): False,
    }
    for thought, true in cases.items():
        items, _, well_formed = turn_of(policy, observation, write(thought))
        assert items[0] == item
        assert well_formed == true


def test_what_was_asked_is_read_off_the_recommenders_own_turns() -> None:
    recorded = (user("Hi"), recommender("What genre do you like?"), user("Horror."))
    assert asked_before(observe(*recorded)) == ()
    own = (recommender(QUESTIONS["star"], 4), user("Ada Finch."), recommender("Try this.", 5), user("No."))
    again = (recommender(QUESTIONS["star"], 6), user("Bo Lind."))
    assert asked_before(observe(*recorded, *own, *again, turn=3)) == ("star", "star")


def test_with_nothing_left_the_turn_shows_nothing(sample: World) -> None:
    everything = tuple(range(len(sample.catalog)))
    policy = made(sample)
    observation = observe(user("I have seen them all.", *everything))
    text = write(Thought())
    (turn,) = policy.turns([observation], [text])
    assert (turn.items, turn.well_formed) == ((), True)
    assert parse(text, 0).form == "right"
    assert policy.pieces([observation])[0].splitlines()[-1].startswith("User: ")


@pytest.mark.parametrize("kind", QUESTIONS)
def test_a_question_is_asked_behind_the_films(
    policy: SmtpoPolicy, observations: list[OracleObservation], kind: str
) -> None:
    (turn,) = policy.turns([observations[5]], [write(quoting(policy, observations[5], 7, ask=kind))])
    assert turn.well_formed
    assert turn.items
    assert FACET_KINDS[asked_facet(turn.utterance)] == kind


def test_the_explanation_is_true_and_asks_nothing(sample: World) -> None:
    catalog = sample.catalog
    for item in range(0, len(catalog), 37):
        facets = catalog[item].facets
        liked = (facets["genre"][0], "opera", facets["decade"][0])
        words = utterance(catalog, (item, (item + 1) % len(catalog)), liked)
        assert words == utterance(catalog, (item, (item + 1) % len(catalog)), liked)
        assert "opera" not in words
        assert asked_facet(words) == -1
        if "?" not in catalog.names[item]:
            assert facets["genre"][0] in words
            assert f"from the {facets['decade'][0]}" in words


def test_people_stand_in_a_line_where_they_are_spoken_of(sample: World) -> None:
    catalog = sample.catalog
    item = next(number for number in range(len(catalog)) if len(catalog[number].facets.get("star", ())) > 1)
    first, second = (name for name in catalog[item].facets["star"][:2])
    facets = {catalog.facet_names[facet]: facet for facet in catalog.facets_of(item).tolist()}
    plain = candidate_line(3, item, catalog, 7)
    assert plain.startswith("7 #3 ")
    assert plain.endswith(f"; {catalog.names[item]}")
    assert first not in plain
    named = candidate_line(3, item, catalog, None, {facets[second]})
    assert named.startswith("#3 ")
    assert f", {second}; " in named
    assert first not in named
