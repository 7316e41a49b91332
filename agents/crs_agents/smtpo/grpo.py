"""The stage `grpo`: the fine-tuned policy learns from simulated users, by multi-turn GRPO (`crs_gym.trl`).

Departures from SMTPO (arXiv 2604.03671), beside those at the top of `crs_gym/trl/grpo.py`: candidates for train seekers
are recalled as for new ones (`held_out.py`), and a text without the right form shows what could be read off it, or the
order of recall, at the cost of the reward's format.
"""

from __future__ import annotations

import os
from dataclasses import replace

from crs_agents.smtpo.agent import ADAPTER_FILE, candidates_of
from crs_agents.smtpo.held_out import held_out_scorer
from crs_agents.smtpo.options import FILE, OWN_WEIGHTS, read_options, write_options
from crs_agents.smtpo.policy import SAMPLING, SmtpoPolicy
from crs_agents.smtpo.trainer import SmtpoTraining
from crs_gym.config import EnvConfig
from crs_gym.errors import TrainingError
from crs_gym.rollout import config_of
from crs_gym.trl.settings import GRPOSettings
from crs_gym.trl.training import train as train_by_grpo
from crs_gym.worlds.world import World


def train(settings: SmtpoTraining) -> None:
    """Train as `SmtpoTraining.run` says."""
    own, before, out = settings.grpo, settings.out / "sft", settings.out / "grpo"
    if not (before / FILE).is_file():
        raise TrainingError(
            f"{before} holds no fine-tuned policy. Way out: crs-gym train smtpo --out {settings.out} --stage sft"
        )
    options = read_options(before)
    sampling = replace(SAMPLING, temperature=own.temperature, max_tokens=own.max_tokens)

    def policy(world: World) -> SmtpoPolicy:
        score = held_out_scorer(candidates_of(options, before), world)
        return SmtpoPolicy(world.catalog, score, options, sampling=sampling, explore=own.explore)

    whole = options.base == OWN_WEIGHTS
    train_by_grpo(
        GRPOSettings(
            out=out,
            base=str(before) if whole else options.base,
            adapter=before if (before / ADAPTER_FILE).is_file() else None,
            rank=0 if whole else settings.sft.rank,
            seed=settings.seed,
            updates=own.updates,
            users=own.users,
            members=own.members,
            credit=own.credit,
            gamma=own.gamma,
            scale=own.scale,
            beta=own.beta,
            learning_rate=own.learning_rate,
            iterations=own.iterations,
            accumulate=own.accumulate,
            dtype=settings.dtype,
            save_every=own.save_every,
            report_to=settings.report_to,
        ),
        policy,
        _environment(settings),
    )
    if int(os.environ.get("RANK", "0")) == 0:
        write_options(options, out)
        print(f"The policy is in {out}: play it as smtpo:{settings.out}")


def _environment(settings: SmtpoTraining) -> EnvConfig:
    """The environment of the rollouts: that of the training, with the stage's own user, turn limit and reward."""
    own = settings.grpo
    config = settings.config
    return config_of(
        config,
        simulator=own.user or config.simulator,
        max_turns=own.turns or config.max_turns,
        reward={**config.reward, **own.weights},
    )
