"""`crs-gym play`: a person as the recommender, or as the seeker."""

from __future__ import annotations

import shutil
import sys
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from crs_gym.cli.command import NO_HINT, Plain

if TYPE_CHECKING:
    from crs_gym.game import Game
    from crs_gym.task import Task


@dataclass(frozen=True)
class Play(Plain):
    """Recommend to a simulated user, or be the user of an agent.

    Ctrl-D ends the dialogue.
    """

    env: tyro.conf.Positional[str] = "CRS-Sample-v0"
    """The environment's id."""
    side: Annotated[Literal["recommender", "user"], tyro.conf.arg(name="as")] = "recommender"
    """Which side you take."""
    agent: str = "ask-then-recommend"
    """Who recommends when you are the user."""
    simulator: Annotated[str | None, NO_HINT] = None
    """The user when you recommend; by default the environment's own."""
    task: Annotated[str | None, NO_HINT] = None
    """A task id, or a number within the split; by default one is drawn."""
    seed: int = 0
    """Draws the task, and keys the noise."""

    def run(self) -> int:
        """Play one dialogue."""
        from crs_gym.game import Game
        from crs_gym.rollout import config_of

        if self.seed < 0:
            raise ValueError(f"--seed {self.seed}: must be a whole number of at least 0")
        settings = {"simulator": self.simulator} if self.simulator else {}
        game = Game(config_of(self.env, **settings), num_dialogues=1, user=self.side == "recommender")
        if self.task is None:
            episode = game.next_episode(self.seed, 0)
        else:
            chosen = int(self.task) if self.task.isdecimal() else self.task
            episode = game.episode_on(chosen, self.seed, 0)
        game.engine.reset(game.engine.all_rows, [episode])
        if self.side == "recommender":
            _recommend(game)
        else:
            _be_the_user(game, self.agent)
        return 0


def _recommend(game: Game) -> None:
    from crs_gym.reading import read_text
    from crs_gym.turns import AgentTurns

    engine, catalog = game.engine, game.world.catalog
    print(f"You recommend. Name up to {game.config.k} titles in a turn; the user wants one of {len(catalog)} films.\n")
    _print(engine.dialogue(0))
    total = 0.0
    while engine.active[0]:
        said = _ask("Recommender: ")
        if said is None:
            break
        turn = read_text(said, catalog, game.config.k)
        result = engine.step(AgentTurns.of([turn], game.config.k, len(catalog)))
        total += float(result.rewards[0])
        if turn.items:
            _print("  shown: " + "; ".join(catalog.names[item] for item in turn.items))
        if engine.error(0) is not None:
            break
        _print(f"User: {engine.messages(0)[-1].text}")
        terms = ", ".join(f"{name} {float(values[0]):.2f}" for name, values in result.terms.items())
        print(f"  reward {float(result.rewards[0]):+.2f} ({terms})")
    _tell_the_end(game, total)


def _be_the_user(game: Game, agent_name: str) -> None:
    from crs_gym.agent import load_agent
    from crs_gym.engine import needs_opening
    from crs_gym.rollout import observation_of, read_turns
    from crs_gym.turns import Decision, UserTurn, UserTurns

    engine, catalog = game.engine, game.world.catalog
    agent = load_agent(agent_name, game.world)
    _tell_the_profile(game, engine.task(0))
    if needs_opening(engine.task(0)):
        said = _ask("User: ")
        if said is None:
            return
        engine.open(0, UserTurn(said, items=catalog.resolver.resolve(said)))
    else:
        _print(engine.dialogue(0))
    total = 0.0
    while engine.active[0]:
        turns = read_turns(agent, [observation_of(engine, 0, game, agent.target_aware)], game)
        engine.recommend(turns)
        shown = turns.shown(0)
        _print(f"Recommender: {turns.utterances[0]}")
        for place, item in enumerate(shown, 1):
            print(f"  {place}. {catalog.names[item]}")
        said = _ask_about(len(shown))
        if said is None:
            break
        decision, accepted = Decision.CONTINUE, None
        if said.isdecimal():
            decision, accepted = Decision.ACCEPT, shown[int(said) - 1]
            said = f"I'll take {catalog.names[accepted]}."
        elif said.lower() in ("bye", "bye.", "bye!"):
            decision = Decision.LEAVE
        named = catalog.resolver.resolve(said)
        result = engine.respond(UserTurns.of([UserTurn(said, decision, accepted, named)]))
        total += float(result.rewards[0])
    _tell_the_end(game, total)


def _tell_the_profile(game: Game, task: Task) -> None:
    catalog = game.world.catalog
    print("You are the user. What you know of yourself:")
    for word, items in (("like", task.profile.likes), ("dislike", task.profile.dislikes)):
        if items:
            _print(f"  you {word}: " + "; ".join(catalog.names[item] for item in items))
    taste = task.profile.taste
    if taste is not None:
        for word, facets in (("love", taste.facets[taste.weights > 0]), ("avoid", taste.facets[taste.weights < 0])):
            if len(facets):
                _print(f"  you {word}: " + ", ".join(catalog.facet_names[facet] for facet in facets.tolist()))
    print()


def _tell_the_end(game: Game, total: float) -> None:
    engine = game.engine
    names = game.world.catalog.names
    targets = "; ".join(names[item] for item in engine.task(0).targets)
    print(f"\nOutcome: {engine.outcome(0) or 'broken off'}. The user wanted: {targets}.")
    if engine.error(0) is not None:
        print(f"The simulator failed: {engine.error(0)}")
    print(f"Success: {'yes' if engine.success[0] else 'no'}. Return: {total:+.2f}.")


def _ask_about(shown: int) -> str | None:
    """The user's answer to a turn that shows so many films: words, or the number of one of them."""
    prompt = "User (a number accepts that film, 'bye' leaves): " if shown else "User ('bye' leaves): "
    while (said := _ask(prompt)) is not None:
        if not said.isdecimal() or 1 <= int(said) <= shown:
            return said
        print(f"  There is no film {said}: " + (f"choose 1 to {shown}." if shown else "none was shown."))
    return None


def _ask(prompt: str) -> str | None:
    """A line from the keyboard, without the spaces around it; `None` when it is closed."""
    try:
        said = input(prompt).strip()
    except EOFError:
        print()
        return None
    if not sys.stdin.isatty():  # a terminal shows what is typed; of a pipe or a file, the transcript should, too
        print(said)
    return said


def _print(text: str) -> None:
    """Print a long line, wrapped where it comes to the terminal's edge."""
    for line in text.split("\n"):
        print(textwrap.fill(line, shutil.get_terminal_size().columns, subsequent_indent="    ", break_on_hyphens=False))
