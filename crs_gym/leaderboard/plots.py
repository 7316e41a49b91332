"""Which plots a run has, with their titles and captions."""

from __future__ import annotations

from collections.abc import Mapping

from crs_gym.leaderboard import bars, curves, rows
from crs_gym.leaderboard.looks import Look
from crs_gym.leaderboard.runs import Run, short_name
from crs_gym.pages import Plot


def plots_of(run: Run, looks: Mapping[str, Look], prefix: str) -> list[Plot]:
    """The plots of a run; `prefix` is unique to it on the page."""
    return _interactive(run, looks, prefix) if run.results.protocol == "interactive" else _next_item(run, looks, prefix)


def _interactive(run: Run, looks: Mapping[str, Look], prefix: str) -> list[Plot]:
    results = run.results
    setting = results.setting
    compared = _compared(run)
    plots = [
        Plot(
            "Success",
            f"Share of dialogues in which a target was shown, with 95% intervals. {compared}",
            rows.whiskers(
                results, looks, "success", factor=100.0, places=1, unit="% of dialogues", name=f"{prefix}-success"
            ),
        ),
        Plot(
            "Return",
            f"Mean sum of a dialogue's rewards, with 95% intervals. {compared}",
            rows.whiskers(
                results, looks, "return", factor=1.0, places=2, unit="reward a dialogue", name=f"{prefix}-return"
            ),
        ),
        Plot(
            "Targets shown, turn by turn",
            "Share of the targets that were shown by the end of each turn, in %; a dialogue that ended keeps its "
            "share. Of the adversaries only the best is named.",
            curves.by_turn(results, looks, f"{prefix}-turns"),
        ),
    ]
    if curves.budget_points(results):
        plots.append(
            Plot(
                "Feedback, or just more guesses?",
                f"Targets shown in up to {setting.max_turns} turns of {setting.k}, against targets among the first "
                f"{setting.max_turns * setting.k} of the first turn's ranking: the same number of guesses without any "
                f"feedback. Above the line the dialogue pays; one that ends early makes fewer guesses.{_without(run)}",
                curves.budget(results, looks, f"{prefix}-budget"),
            )
        )
    plots += [
        Plot(
            "What the reward pays for",
            "Each term times its weight, summed over a dialogue. Adversaries are hatched.",
            bars.reward_terms(results, looks, f"{prefix}-reward"),
        ),
        Plot(
            "Does the user agree with the label?",
            "Where ring and dot part, the user takes what is no target, or turns a target down.",
            rows.pairs(
                results,
                looks,
                rows.success_and_acceptance,
                heading="agree",
                unit="dot: success, ring: accepted, % of dialogues",
                name=f"{prefix}-agreement",
                joined=True,
            ),
        ),
    ]
    if any(tally.outcomes for tally in run.tallies.values()):
        plots.append(
            Plot(
                "How dialogues end",
                f"Accepted: the user took an item. Left: it gave up. Truncated: {setting.max_turns} turns were over. "
                "Errored: the simulator failed; such an episode has no score.",
                bars.outcomes(run, looks, f"{prefix}-outcomes"),
            )
        )
    return [*plots, _variety(run, looks, prefix)]


def _next_item(run: Run, looks: Mapping[str, Look], prefix: str) -> list[Plot]:
    compared = _compared(run)
    whiskers = [
        Plot(
            title,
            f"{meaning}, new items only, with 95% intervals. {compared}",
            rows.whiskers(
                run.results,
                looks,
                metric,
                factor=100.0,
                places=1,
                unit="%",
                name=f"{prefix}-{metric.replace('@', '-')}",
            ),
        )
        for metric, title, meaning in (
            ("recall@10", "Recall@10", "Share of targets within the first 10 places"),
            ("recall@50", "Recall@50", "Share of targets within the first 50 places"),
            ("ndcg@10", "NDCG@10", "Discounted gain of the first 10 places over that of the best ranking"),
        )
    ]
    return [*whiskers, _variety(run, looks, prefix)]


def _variety(run: Run, looks: Mapping[str, Look], prefix: str) -> Plot:
    return Plot(
        "How varied is what they show?",
        f"Over all dialogues: the share of the {run.results.n_items:,} items that was shown at all, and the share of "
        "lists that another seeker was shown too, item by item. At the right, how many different items.",
        rows.pairs(
            run.results,
            looks,
            rows.variety,
            heading="items",
            unit="dot: catalogue shown, ring: lists repeated, %",
            name=f"{prefix}-variety",
        ),
    )


def _compared(run: Run) -> str:
    if run.results.baseline is None:
        return ""
    return (
        f"A hollow mark does not differ from {short_name(run.results.baseline)} (dotted line) at p < 0.05 after Holm's "
        "correction."
    )


def _without(run: Run) -> str:
    """Names the agents that have no such figure."""
    there = {agent.name for agent, _, _ in curves.budget_points(run.results)}
    missing = [short_name(agent.name) for agent in run.results.agents if agent.name not in there]
    return f" Not scored, as their rankings are shorter: {', '.join(missing)}." if missing else ""
