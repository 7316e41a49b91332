"""The figures of a report, held against arithmetic by hand; broken simulators are found out."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import AGENTS, Measure
from small_people import PeopleWorld

from crs_gym.errors import TraceError, UnknownNameError
from crs_gym.fidelity import Report, fidelity, read_findings


def test_nll_is_the_sum_over_all_turns(report: Report) -> None:
    words = report.section("words")
    # Each person says three turns, of 5 ("I loved Velvet Harbour (1990)"), 5 (two messages) and 3 words:
    # 13 words at half a nat are 6.5 nats, over 13 + 3 tokens.
    found = words.row("nll_per_token").simulator
    assert found is not None
    assert (found.value, found.low, found.high, found.n) == (0.40625, 0.40625, 0.40625, 24)
    per_word = words.row("nll_per_word").simulator
    assert per_word is not None
    assert per_word.value == 0.5


def test_words_of_the_simulator_stand_beside_peoples(report: Report) -> None:
    words = report.section("words")
    length = words.row("length")
    assert length.simulator is not None
    assert length.people is not None
    assert length.simulator.value == 3.0  # "Hm, maybe. Thanks!"
    assert length.people.value == 4.0  # from the cut on: 5 words, and 3
    assert length.people.n == 16
    repeated = words.row("repetition")
    assert repeated.simulator is not None
    assert repeated.people is not None
    # It says the same on each of five turns: four of them were said before.
    assert repeated.simulator.value == 0.8
    assert repeated.people.value == 0.0
    farewell = words.row("farewell")
    assert farewell.simulator is not None
    assert farewell.people is not None
    assert farewell.simulator.value is None  # it ends no dialogue
    assert farewell.simulator.n == 0
    assert farewell.people.value == 1.0


def test_taste_that_follows_the_labels_is_seen(report: Report) -> None:
    taste = report.section("taste")
    row = taste.row("auc_liked_matched")
    assert row.simulator is not None
    # Liked films have 0.9. A match may be one that another person liked, which has 0.9, too: ties count half.
    assert row.simulator.value is not None
    assert 0.5 < row.simulator.value <= 1.0
    assert row.simulator.n == 16
    # In train, who names film p names film LIKED + p: co-mentions know it for certain.
    assert row.references["co-mentions"].value == 1.0
    assert row.references["co-mentions"].n == 16
    disliked = taste.row("auc_liked_disliked").simulator
    assert disliked is not None
    assert (disliked.value, disliked.n) == (1.0, 12)  # 8 liked at 0.9, 4 disliked at 0.2


def test_cooperation_beside_people(report: Report) -> None:
    cooperation = report.section("cooperation")
    suggested = cooperation.row("suggested")
    assert suggested.simulator is not None
    assert suggested.people is not None
    # 8 films at 0.9 and 8 at 0.2; people liked 8 of 16, and 8 of the 12 that they spoke of.
    assert suggested.simulator.value == pytest.approx(0.55, abs=1e-6)
    assert suggested.people.value == 0.5
    assert suggested.references["liked, of films with an opinion"].value == pytest.approx(8 / 12, abs=1e-6)
    assert suggested.references["liked and not seen"].value == 0.5


def test_who_takes_anything_is_seen(obedient: Report) -> None:
    random = obedient.section("cooperation").row("random")
    assert random.simulator is not None
    assert random.simulator.value == 1.0
    assert random.holds is False
    slates = obedient.section("cooperation").row("slates_random").simulator
    assert slates is not None
    assert slates.value == 1.0
    assert obedient.section("taste").row("auc_liked_matched").holds is False


def test_a_leak_is_found(world: PeopleWorld, tmp_path: Path) -> None:
    for options in ("", ":paraphrase=true"):
        report = fidelity(f"leaky-test{options}", world=world, out=tmp_path / f"leaky{len(options)}", agents=AGENTS)
        leaks = report.section("leaks")
        rate = leaks.row("prober_rate")
        assert rate.simulator is not None
        assert rate.simulator.value == 1.0
        assert rate.holds is False  # it sees targets, so the guard must hold them all back
        assert leaks.row("prober_success").holds is False
        gain = leaks.row("prober_success").simulator
        assert gain is not None
        assert gain.low is not None
        assert gain.low > 0.0
        beyond = leaks.row("prober_beyond_chance").simulator
        assert beyond is not None
        assert beyond.low is not None
        assert beyond.low > 0.5


def test_who_says_nothing_of_films_leaks_nothing(report: Report) -> None:
    leaks = report.section("leaks")
    rate = leaks.row("all_rate").simulator
    assert rate is not None
    assert (rate.value, rate.n) == (0.0, 8 * 4)  # random, popularity, prober, manipulator
    assert leaks.row("all_beyond_chance").holds is True
    assert leaks.row("prober_success").holds is True


def test_without_likelihoods_words_are_not_scored_and_decisions_stand_for_taste(
    world: PeopleWorld, tmp_path: Path
) -> None:
    report = fidelity("silent", world=world, out=tmp_path, tasks=4, agents=AGENTS)
    assert report.settings.likelihoods is False
    row = report.section("words").row("nll_per_token")
    assert row.simulator is None
    assert row.holds is None
    assert "Likelihoods" in row.reason
    auc = report.section("taste").row("auc_liked_matched").simulator
    assert auc is not None
    assert (auc.value, auc.low, auc.high) == (0.5, 0.5, 0.5)  # it accepts nothing: all are ties


def test_intents_are_not_scored_without_their_corpus(report: Report) -> None:
    row = report.section("behaviour").row("intent_distance")
    assert row.simulator is None
    assert "iard/iard_train.json" in row.reason


def test_a_report_that_was_killed_goes_on_and_a_finished_one_asks_nothing_again(
    measure: Measure, tmp_path: Path
) -> None:
    whole, built = measure(tmp_path)
    assert sum(sum(one.asked) for one in built) > 24
    kept = tmp_path / "said.jsonl"
    lines = kept.read_bytes().splitlines(keepends=True)
    kept.write_bytes(b"".join(lines[:10]) + lines[10][:5])  # torn in the middle of a line
    for left in (24 - 10, 0):
        again, built = measure(tmp_path)
        assert sum(sum(one.asked) for one in built) == left
        untimed = [[section.rows, section.distributions] for section in again.sections]
        assert untimed == [[section.rows, section.distributions] for section in whole.sections]
        assert read_findings(tmp_path) == again
    with pytest.raises(TraceError, match=r"tasks \(8, now 4\).*another folder"):
        measure(tmp_path, tasks=4)


@pytest.mark.parametrize(
    ("argument", "error", "message"),
    [
        ({"tasks": 0}, ValueError, "tasks=0"),
        ({"dialogues": 0}, ValueError, "dialogues=0"),
        ({"simulator": "agenta"}, UnknownNameError, "Did you mean 'agenda'"),
        ({"agents": ()}, ValueError, "agents: name at least one"),
        ({"agents": ("populaity",)}, UnknownNameError, "Did you mean 'popularity'"),
    ],
)
def test_bad_input_names_the_way_out(
    world: PeopleWorld, tmp_path: Path, argument: dict[str, object], error: type[Exception], message: str
) -> None:
    settings: dict[str, object] = {"simulator": "silent", "world": world, "out": tmp_path, **argument}
    with pytest.raises(error, match=message):
        fidelity(**settings)  # type: ignore[arg-type]
