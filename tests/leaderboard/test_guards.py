from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest
from results_by_hand import build_agent, build_results

from crs_gym.evaluation.results import Comparison
from crs_gym.leaderboard.control import _gain, controls
from crs_gym.leaderboard.guards import adversaries, answers, equal_budget, guards_of, new_items, secrets
from crs_gym.leaderboard.runs import read_run

POPULARITY = build_agent("popularity", success=0.4, return_=0.2, recall_at_10=0.2, ndcg_at_10=0.1)


def test_adversaries_hold_when_all_are_below() -> None:
    low = build_agent("prober", adversary=True, success=0.0, return_=-0.1)
    guard = adversaries(build_results(POPULARITY, low))
    assert guard.state == "holds"
    assert guard.rows == (("popularity", "40.0", "0.20"), ("prober", "0.0", "−0.10"))


@pytest.mark.parametrize(
    ("success", "total", "named"),
    [(0.5, 0.1, "success 50.0"), (0.1, 0.3, "return 0.30"), (0.4, 0.1, "success 40.0")],
    ids=["finds more", "is paid more", "finds as much"],
)
def test_adversaries_fail_when_one_is_not_below(success: float, total: float, named: str) -> None:
    low = build_agent("prober", adversary=True, success=0.0, return_=-0.1)
    high = build_agent("dumper", adversary=True, success=success, return_=total)
    guard = adversaries(build_results(POPULARITY, low, high))
    assert guard.state == "fails"
    assert "dumper" in guard.verdict
    assert named in guard.verdict
    assert "prober" not in guard.verdict


def test_adversary_may_equal_popularity_in_a_single_turn() -> None:
    same = build_agent("repeater", adversary=True, recall_at_10=0.2, ndcg_at_10=0.1)
    assert adversaries(build_results(POPULARITY, same, protocol="next-item")).state == "holds"


def test_adversaries_in_the_next_item_protocol_are_held_to_rankings() -> None:
    high = build_agent("dumper", adversary=True, success=0.0, return_=0.0, recall_at_10=0.1, ndcg_at_10=0.15)
    guard = adversaries(build_results(POPULARITY, high, protocol="next-item"))
    assert guard.state == "fails"
    assert "ndcg@10 15.0, popularity 10.0" in guard.verdict


@pytest.mark.parametrize(
    "agents",
    [
        [POPULARITY],
        [build_agent("prober", adversary=True, success=0.0, return_=0.0)],
        [POPULARITY, build_agent("prober", adversary=True, success=None, return_=None)],
        [POPULARITY, build_agent("prober", adversary=True)],
    ],
    ids=["no adversary", "no popularity", "not scored", "played nothing"],
)
def test_adversaries_are_untested_where_nothing_can_be_told(agents: list[object]) -> None:
    assert adversaries(build_results(*agents)).state == "untested"  # type: ignore[arg-type]


def test_adversary_that_is_not_clearly_below_is_named() -> None:
    versus = {
        "success": Comparison(-0.01, -0.03, 0.01, 0.4, 0.4, 100),
        "return": Comparison(-0.1, -0.2, -0.05, 0.001, 0.001, 100),
    }
    near = build_agent("repeater", adversary=True, success=0.39, return_=0.1, versus=versus)
    guard = adversaries(build_results(POPULARITY, near, baseline="popularity"))
    assert guard.state == "holds"
    assert "not significantly: repeater (success)." in guard.verdict


@pytest.mark.parametrize(("success", "state"), [(0.0, "holds"), (0.1, "fails"), (None, "untested")])
def test_copying_must_gain_nothing(success: float | None, state: str) -> None:
    assert new_items(build_results(build_agent("copy-mention", success=success))).state == state
    assert new_items(build_results(POPULARITY)).state == "untested"


def test_user_that_is_told_the_targets_is_no_secret() -> None:
    assert secrets(build_results(POPULARITY)).state == "holds"
    assert secrets(build_results(POPULARITY, simulator="llm (sees targets)")).state == "fails"


def test_equal_budget_names_those_whose_intervals_lie_apart() -> None:
    # Half-width 0.05: 0.55 > 0.50 holds for `asker`; for `lucky` 0.47 < 0.50.
    asker = build_agent("asker", shown_recall=0.60, equal_budget_recall=0.45)
    lucky = build_agent("lucky", shown_recall=0.52, equal_budget_recall=0.45)
    short = build_agent("short", shown_recall=0.9, equal_budget_recall=None)
    guard = equal_budget(build_results(asker, lucky, short))
    assert "asker found clearly more" in guard.verdict
    assert guard.rows == (
        ("asker", "60.0", "45.0", "+15.0"),
        ("lucky", "52.0", "45.0", "+7.0"),
        ("short", "90.0", "–", "–"),
    )


def test_answers_are_read_where_a_competitor_s_are_odd() -> None:
    before = build_agent("before", success=0.5, well_formed=1.0, reasoning_words=20.0, utterance_words=8.0)
    after = build_agent("after", success=0.6, well_formed=0.975, reasoning_words=50.0, utterance_words=8.0)
    same = build_agent("repeater", adversary=True, success=0.1, well_formed=1.0, utterance_words=5.0)
    same = msgspec.structs.replace(same, diversity=msgspec.structs.replace(same.diversity, identical_answers=1.0))
    guard = answers(build_results(before, after, same, baseline="before"))
    assert guard.state == "read"
    # 50 words over 20 are 2.5 times as many, above 1.5.
    odd = "To look at: after: 97.5% of turns well-formed, thoughts 2.50 times as long as the baseline's. "
    assert guard.verdict.startswith(odd)
    assert "repeater" not in guard.verdict  # an adversary's are to be odd; the table tells
    assert guard.rows == (
        ("after", "–", "97.5", "–", "8.0", "50.0 ×2.5"),
        ("before", "–", "100.0", "–", "8.0", "20.0"),
        ("repeater", "100.0", "100.0", "–", "5.0", "–"),
    )
    assert answers(build_results(before, same, baseline="before")).state == "holds"
    assert answers(build_results(build_agent("failed", success=None))).state == "untested"


def test_guards_of_a_played_run(talking: Path) -> None:
    states = {guard.title: guard.state for guard in guards_of(read_run(talking))}
    assert states["Only new items count"] == "holds"
    assert states["Targets stay secret"] == "holds"
    assert states["Answers are not degenerate"] == "holds"
    assert states["Nothing is missing, and nothing missing counts as 0"] == "holds"


def test_guards_of_a_run_without_any_score(errored: Path) -> None:
    states = {guard.title: guard.state for guard in guards_of(read_run(errored))}
    assert states["Adversaries stay below popularity"] == "untested"
    assert states["Answers are not degenerate"] == "untested"
    assert states["Nothing is missing, and nothing missing counts as 0"] == "read"


def test_silent_run_of_the_same_seekers_is_the_control(talking: Path, silent: Path, errored: Path) -> None:
    talked, quiet, failed = (read_run(path) for path in (talking, silent, errored))
    found = controls([quiet, talked, failed])
    assert [(control.talking, control.silent) for control in found] == [(talked, quiet), (failed, quiet)]
    assert [gain.agent for gain in found[0].gains] == ["random", "popularity"]
    assert found[0].gains[0].n == 40
    assert found[1].gains[0].difference == "–"  # nothing in it has a score
    assert not controls([talked, failed])


def _successes(words: Sequence[bool | None]) -> Mapping[tuple[str, int], bool | None]:
    return {(f"t{i}", 0): word for i, word in enumerate(words)}


def test_gain_is_paired_and_leaves_errored_episodes_out() -> None:
    ours = dict(_successes([True, True, True, False, None]))
    theirs = dict(_successes([True, False, False, False, True]))
    gain = _gain("asker", [("t0", 0), ("t1", 0), ("t2", 0), ("t3", 0)], ours, theirs)
    # 3 of 4 against 1 of 4: 75 less 25 = 50 points. A sample of 4 tasks may hold none of t1 and t2, so the interval
    # (2.5% of samples: (1/2)^4 = 6% of them are 0) reaches from 0 to 100.
    assert (gain.talking, gain.silent, gain.difference) == ("75.0", "25.0", "+50.0")
    assert gain.interval == "0.0 to 100.0"
    assert gain.sign == 0
