"""What `agenda` tells in columns is what stands in its words."""

from __future__ import annotations

import numpy as np
import pytest
from chatter import ShyWorld

from crs_gym.catalog import NO_ITEM
from crs_gym.config import EnvConfig
from crs_gym.game import Game
from crs_gym.turns import AgentTurn, AgentTurns, Told
from crs_gym.worlds import load_world


@pytest.mark.parametrize("world", [load_world("sample"), ShyWorld()], ids=["sample", "shy"])
def test_what_is_told_stands_in_the_words(world: object) -> None:
    game = Game(EnvConfig(world=world, simulator="agenda:noise=0.2"), num_dialogues=48)  # type: ignore[arg-type]
    engine, names = game.engine, game.world.catalog.facet_names
    engine.reset(engine.all_rows, game.episodes([(seed, 0) for seed in range(48)]))
    rng = np.random.default_rng(0)
    questions = ("What genre?", "Which director?", "A favourite actor?", "Which decade?", "")
    facets = films = 0
    for turn in range(4):
        rows = np.flatnonzero(engine.active)
        turns = [
            AgentTurn(questions[(row + turn) % 5], tuple(rng.choice(600, 10, replace=False).tolist())) for row in rows
        ]
        engine.step(AgentTurns.of(turns, 10, len(game.world.catalog)), rows)
        users = engine.log(int(rows[0]))[-1].users
        assert users.told is not None
        told: Told = users.told()
        for i in range(len(rows)):
            words, named = users.said(i)
            items = [item for item in told.items[i].tolist() if item != NO_ITEM]
            assert items == list(named)
            assert np.count_nonzero(told.item_signs[i]) == len(items)
            for facet, sign in zip(told.facets[i].tolist(), told.facet_signs[i].tolist(), strict=True):
                assert (facet < 0) == (sign == 0)
                if sign:
                    assert names[facet] in words
                    facets += 1
            films += len(items)
            # A reason that is given is told; it speaks for the film or against it, as the user does.
            assert ("because" in words or ", as " in words) <= bool(told.facet_signs[i, 0])
            assert told.facet_signs[i, 0] in (0, told.item_signs[i, 0])
    assert facets > 40
    assert films > 40
