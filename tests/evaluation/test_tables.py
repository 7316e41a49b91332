"""Tables for a terminal: at any width every figure is whole."""

from __future__ import annotations

import io
from collections.abc import Sequence

import msgspec
import pytest

from crs_gym.agent import Observation
from crs_gym.evaluation import Results, evaluate
from crs_gym.evaluation.results import Figure
from crs_gym.evaluation.tables import WIDTH, print_results
from crs_gym.turns import AgentTurn

HEADINGS = ["success", "accept", "agree", "turns", "return", "R@1", "R@10", "R@50", "shown", "R@T·k"]


class Popular:
    """Ranks items 0, 1, 2, …"""

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        return [AgentTurn("Try these.", tuple(range(o.k)), tuple(range(o.depth))) for o in observations]


@pytest.fixture(scope="module")
def results() -> Results:
    from crs_gym.agent import NamedAgent

    hostile = NamedAgent("[bold]markup[/bold]", Popular(), adversary=True)
    agents = ["popularity", "ask-then-recommend", "oracle", "repeater", hostile]
    return evaluate("CRS-Sample-v0", agents, tasks=20, baseline="popularity")


def rendered(results: Results, width: int = WIDTH) -> str:
    from rich.console import Console

    out = io.StringIO()
    print_results(results, Console(file=out, width=width, color_system=None))
    return out.getvalue()


def figures(text: str) -> set[str]:
    """All words with a digit in them, above the notes."""
    table = text[: text.index("Shares")]
    return {word for word in table.split() if any(letter.isdigit() for letter in word)}


def test_the_table_fits_a_terminal_of_100_columns(results: Results) -> None:
    text = rendered(results)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert ["agent", *HEADINGS, "n"] in [line.split() for line in text.splitlines()]
    assert text.count(" 20\n") == 5  # the last column, n, is there in every row
    assert "[bold]" in text
    assert "†: adversary" in " ".join(text.split())
    assert "100*" in text  # the oracle always succeeds, and popularity does not


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_no_figure_is_cut_or_left_out(results: Results, width: int) -> None:
    text, wide = rendered(results, width), rendered(results, 300)
    assert "…" not in text
    assert figures(text) == figures(wide)
    assert {word for line in text.splitlines() if line.startswith("agent") for word in line.split()} == {
        *("agent", "n"),
        *HEADINGS,
    }
    assert max(map(len, text.splitlines())) <= width
    assert text[text.index("Shares") :].split() == wide[wide.index("Shares") :].split()


def test_a_path_is_broken_where_it_can_be_read(results: Results) -> None:
    first, *others = results.agents
    first = msgspec.structs.replace(first, name="dual-view:runs/o0/retriever")
    renamed = msgspec.structs.replace(results, agents=[first, *others])
    text = rendered(renamed)
    words = [word for line in text.splitlines() for word in line[:12].split()]
    place = words.index("dual-view:")
    assert words[place : place + 3] == ["dual-view:", "runs/o0/", "retriever"]


def test_a_terminal_narrower_than_a_column_breaks_lines_and_cuts_nothing(results: Results) -> None:
    assert figures(rendered(results, 10)) >= figures(rendered(results, 300)) - {"0"}


def test_at_80_columns_what_dialogues_reach_stands_above_what_is_ranked(results: Results) -> None:
    heads = [line.split()[1:-1] for line in rendered(results, 80).splitlines() if line.startswith("agent")]
    assert heads == [HEADINGS[:5], HEADINGS[5:]]


def test_an_interval_with_a_negative_bound_can_be_read(results: Results) -> None:
    changed = [
        msgspec.structs.replace(agent, metrics={**agent.metrics, "return": Figure(-0.08, -0.1, -0.0612, 20)})
        for agent in results.agents[:1]
    ]
    text = rendered(msgspec.structs.replace(results, agents=changed, baseline=None))
    assert "-0.10 to -0.06" in text
    assert "–-" not in text


def test_what_rounds_to_nothing_has_no_sign(results: Results) -> None:
    changed = [
        msgspec.structs.replace(agent, metrics={**agent.metrics, "return": Figure(-0.001, -0.004, 0.01, 20)})
        for agent in results.agents[:1]
    ]
    text = rendered(msgspec.structs.replace(results, agents=changed, baseline=None))
    assert "0.00–0.01" in text
    assert "-0.00" not in text


def test_the_notes_say_what_is_a_share_of_what(results: Results) -> None:
    """success counts dialogues, shown counts targets."""
    notes = " ".join(rendered(results).split())
    assert "success: dialogues in which a target was shown; shown: targets that were shown" in notes


@pytest.mark.parametrize("width", [40, 80, 100])
def test_agents_that_answer_the_same_to_everybody_are_named(results: Results, width: int) -> None:
    text = " ".join(rendered(results, width).split())
    assert "Answers to look at: repeater: 100% identical answers [bold]markup[/bold]: 100% identical answers" in text
    assert "identical answers: how probable it is" in text
    alone = msgspec.structs.replace(results, agents=[results.agent("ask-then-recommend")], baseline=None)
    assert "identical" not in rendered(alone, width)


def test_next_item_has_its_own_columns(results: Results) -> None:
    metrics = {f"{name}@{k}": Figure(0.125, 0.1, 0.15, 20) for name in ("recall", "ndcg", "mrr") for k in (1, 10, 50)}
    agents = [msgspec.structs.replace(agent, metrics=metrics) for agent in results.agents]
    offline = msgspec.structs.replace(results, protocol="next-item", agents=agents)
    for width in (40, 60, 80):
        text = rendered(offline, width)
        assert max(map(len, text.splitlines())) <= width
        assert figures(text) >= {"12.5", "10.0–15.0", "20", "recall@1", "recall@50", "NDCG@50", "MRR@10"}
