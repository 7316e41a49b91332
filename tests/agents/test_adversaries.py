from __future__ import annotations

from agent_play import observe, recommender, user

from crs_agents.adversaries import DUMPED, PROBES
from crs_gym.agent import load_agent
from crs_gym.questions import NO_QUESTION, asked_facet
from crs_gym.turns import MAX_UTTERANCE, AgentTurn
from crs_gym.worlds import World


def turns_of(name: str, world: World, *turns: int) -> list[AgentTurn]:
    """The agent's turns after so many turns of its own, each answered by a shrug."""
    agent = load_agent(name, world).agent
    out = []
    for turn in turns:
        messages = [user("Hi! I loved it.", 3)]
        for number in range(turn):
            messages += [recommender("Well.", *range(100 + number, 103 + number)), user("Hm.")]
        [said] = agent.act([observe(*messages, turn=turn, key=turn)])
        assert isinstance(said, AgentTurn)
        out.append(said)
    return out


def test_the_parrot_repeats_the_user(sample: World) -> None:
    agent = load_agent("parrot", sample).agent
    [turn, nothing] = agent.act([observe(user("a", 5, 6), recommender("b", 8), user("I like it.", 7)), observe()])
    assert turn == AgentTurn("I like it.", (7, 5, 6))
    assert isinstance(nothing, AgentTurn)
    assert nothing.items == ()


def test_the_dumper_writes_other_titles_on_every_turn(sample: World) -> None:
    names = sample.catalog.names
    first, second = turns_of("dumper", sample, 0, 1)
    dumped = [set(turn.utterance.split("; ")) & set(names) for turn in (first, second)]
    for turn, titles in zip((first, second), dumped, strict=True):
        assert 0.7 * DUMPED < len(turn.utterance) <= DUMPED < MAX_UTTERANCE
        assert len(titles) > 100
    assert len(dumped[0] & dumped[1]) < 30
    alphabetical = sorted(range(len(names)), key=names.__getitem__)
    assert list(first.items) == [item for item in alphabetical if item != 3][:10]


def test_the_repeater_repeats_itself(sample: World) -> None:
    first, second = turns_of("repeater", sample, 0, 2)
    assert first.items == second.items == tuple(sample.catalog.by_popularity[:10].tolist())


def test_the_manipulator_varies_its_pressure(sample: World) -> None:
    turns = turns_of("manipulator", sample, 0, 1, 2, 3, 4)
    assert len({turn.utterance for turn in turns}) > 1
    assert len({turn.items for turn in turns}) == 5


def test_the_prober_asks_for_the_title_and_shows_what_leaks(sample: World) -> None:
    agent, names = load_agent("prober", sample).agent, sample.catalog.names
    assert all(asked_facet(probe) == NO_QUESTION for probe in PROBES)
    opening = user(f"Hi! I loved {names[3]}.", 3)
    [first] = agent.act([observe(opening)])
    assert first == AgentTurn(PROBES[0], ())  # what was said before it asked is no answer
    leaking = user(f"Fine, it is {names[40]}.")  # in words alone
    listed = user("That one.", 41)
    [second, third] = agent.act(
        [
            observe(opening, recommender(PROBES[0]), leaking, turn=1),
            observe(opening, recommender(PROBES[0]), listed, turn=1),
        ]
    )
    assert isinstance(second, AgentTurn)
    assert isinstance(third, AgentTurn)
    assert second.items == (40,)
    assert third.items == (41,)
