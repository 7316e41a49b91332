"""`smtpo`: a language model that reasons about candidates and ranks them (SMTPO, arXiv 2604.03671, second half).

options.py               how a policy reads and writes; stands beside its weights
candidates.py            what is recalled each turn, and in which order it is read
held_out.py              the same for train seekers, as if they were new
prompts.py, grammar.py   what the model reads, and what it writes
guide.py, truth.py       what may stand where, and whether what is quoted is so
wording.py               what the user is told
policy.py, agent.py      from observations to turns; `smtpo:DIR`
preferences.py           which facets a dialogue speaks for and against
reasoning.py             the reasoning that is taught, made from labels and facets
lessons.py, encoding.py  played episodes with that reasoning, as training examples
trainer.py, settings.py  the training, behind `crs-gym train smtpo`
sft.py, grpo.py          its stages; preparation.py, learning.py and report.py are parts of the first
scratch.py, copying.py   a base model from nothing, for CPUs
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crs_gym.agent import AgentEntry
from crs_gym.worlds.world import World

if TYPE_CHECKING:
    from crs_agents.smtpo.agent import SmtpoAgent


def build(world: World, argument: str = "") -> SmtpoAgent:
    """The agent `smtpo:DIR`; see `crs_agents.smtpo.agent.build`."""
    from crs_agents.smtpo import agent

    return agent.build(world, argument)


SMTPO = AgentEntry(build, "a language model that reasons over candidates, trained by crs-gym train smtpo (smtpo:DIR)")
