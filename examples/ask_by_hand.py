"""What a question is worth: an agent's films with questions by hand, against the same films without any.

python examples/ask_by_hand.py CRS-Sample-v0 bm25 genre genre,decade
python examples/ask_by_hand.py CRS-Redial-v0 dual-view:DIR star --simulator sft --tasks 120

`genre` asks for the genre on each turn, `genre,decade` for both in turn. All play with the same users.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crs_gym.agent import Agent, NamedAgent, Observation, load_agent
from crs_gym.evaluation import evaluate
from crs_gym.evaluation.tables import print_results
from crs_gym.questions import QUESTIONS
from crs_gym.rollout import config_of
from crs_gym.turns import AgentTurn
from crs_gym.worlds import load_world


@dataclass(frozen=True)
class Asking:
    """An agent that says what another one says, and asks for kinds of facets in turn."""

    agent: Agent
    kinds: Sequence[str]

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        """One turn for each observation."""
        turns = self.agent.act(observations)
        return [self._asking(turn, observation.turn) for turn, observation in zip(turns, observations, strict=True)]

    def _asking(self, turn: AgentTurn | str, number: int) -> AgentTurn:
        if isinstance(turn, str):
            raise SystemExit("this agent writes freely. Way out: one that shows items, such as bm25")
        question = QUESTIONS[self.kinds[number % len(self.kinds)]]
        return replace(turn, utterance=f"{turn.utterance} {question}")


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("env", help="as for crs-gym evaluate")
parser.add_argument("agent", help="as for crs-gym evaluate")
parser.add_argument("questions", nargs="+", help=f"kinds in turn, with commas between: {', '.join(QUESTIONS)}")
parser.add_argument("--simulator", help="the user; by default the environment's own")
parser.add_argument("--split", default="test", choices=["train", "valid", "test"])
parser.add_argument("--tasks", type=int, help="how many; by default as crs-gym evaluate has it")
parser.add_argument("--out", type=Path, help="a folder for traces and results")
options = parser.parse_args()
if unknown := {kind for kinds in options.questions for kind in kinds.split(",")} - QUESTIONS.keys():
    parser.error(f"no question about {', '.join(sorted(unknown))}; there are {', '.join(QUESTIONS)}")

config = config_of(options.env)
if options.simulator:
    config = replace(config, simulator=options.simulator)
alone = load_agent(options.agent, load_world(config.world))
asking = [NamedAgent(kinds, Asking(alone.agent, kinds.split(","))) for kinds in options.questions]
print_results(
    evaluate(
        config,
        [alone, *asking],
        split=options.split,
        tasks=options.tasks,
        out=options.out,
        baseline=alone.name,
        progress=True,
    )
)
