"""Both sides learn: recommender and user of one PettingZoo environment, and what becomes of them with other partners.

python examples/train_both_sides.py [PAIRS] [EPISODES] [TEST_USERS]

The user says which genre it is in the mood for, and accepts or goes on; the recommender shows popular films of a genre.
Both are tables and a few weights, learned by REINFORCE (Williams, 1992). Pairs are trained from different seeds, once
for the outcome alone and once for being like people, too. Then each recommender meets each user, and both meet partners
that never learned. A pair that has agreed on a code of its own is good at home, and lost abroad: cross-play, as in
Hu et al., "Other-Play" (ICML 2020). See docs/both_sides.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.stats import t as student

from crs_gym.agent import load_agent
from crs_gym.catalog import FACET_KINDS
from crs_gym.pettingzoo import AgentPolicy, SimulatorPolicy, conversation_v0
from crs_gym.worlds import load_world

PAIRS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
EPISODES = int(sys.argv[2]) if len(sys.argv) > 2 else 4_000
TESTED = int(sys.argv[3]) if len(sys.argv) > 3 else 200  # users, the same for every pair
RATE = 0.2
HELP = {"outcome": 1.0, "success": 1.0}
"""The user is helped: it accepts a target, and a target was shown."""
PEOPLE = HELP | {"agreement": 0.5, "truth": 0.5}
"""Besides, it decides as the simulator would, and what it says is true."""
CATALOG = load_world("sample").catalog
GENRES = ("drama", "comedy", "action", "adventure", "crime", "thriller", "sci-fi", "romance")
FACETS = {
    (FACET_KINDS[kind], name): facet
    for facet, (kind, name) in enumerate(zip(CATALOG.facet_kinds.tolist(), CATALOG.facet_names, strict=True))
}
FILMS = [
    [i for i in CATALOG.by_popularity.tolist() if FACETS["genre", genre] in CATALOG.facets_of(i)] for genre in GENRES
]
READER: Any = load_agent("popularity", load_world("sample")).agent.candidates  # reads words for and against facets

Array = np.ndarray[Any, np.dtype[np.float64]]


@lru_cache(maxsize=10_000)
def genres_in(text: str, items: tuple[int, ...]) -> list[int]:
    """The genres that a user's words speak for."""
    facets = [CATALOG.facet_names[facet] for facet, sign in READER.said(text, items).facets if sign > 0]
    return [GENRES.index(name) for name in facets if name in GENRES]


@lru_cache(maxsize=8)
def taste_in(profile: str) -> tuple[list[set[int]], set[int], list[int]]:
    """Facets that the seeker likes, by kind, genres that it avoids, and those of `GENRES` that it likes, best first."""
    lines = dict(line.split(": ", 1) for line in profile.split("\n"))
    names = {what: [name for name in text.split("; ") if name] for what, text in lines.items()}
    liked = [{FACETS[kind, name] for name in names.get(f"Each {kind} I like", ())} for kind in FACET_KINDS]
    avoided = {FACETS["genre", name] for name in names.get("Each genre I avoid", ())}
    return liked, avoided, [GENRES.index(name) for name in names.get("Each genre I like", ()) if name in GENRES]


class Learner:
    """Picks by softmax, remembers what it picked, and makes what went well likelier."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.learning = True
        self.steps: list[tuple[Array, Array]] = []  # what was picked by, and in which direction it grows likelier
        self.rewards: list[float] = []
        self.usual = np.zeros(6)  # the mean return from each turn on

    def pick(self, weights: Array, options: Array) -> int:
        """One of `(n, m)` options, by their scores under `(m,)` weights; of a table, the identity."""
        scores = options @ weights
        odds = np.exp(scores - scores.max())
        odds /= odds.sum()
        picked = int(self.rng.choice(len(odds), p=odds)) if self.learning else int(odds.argmax())
        self.steps.append((weights, options[picked] - odds @ options))
        return picked

    def learn(self, per_turn: int) -> None:
        """At an episode's end; `per_turn` picks were made on each turn."""
        returns = np.cumsum(self.rewards[::-1])[::-1]
        for turn, value in enumerate(returns):
            self.usual[turn] += 0.01 * (value - self.usual[turn])
            for weights, direction in self.steps[turn * per_turn : (turn + 1) * per_turn]:
                weights[:] += RATE * (value - self.usual[turn]) * direction


class Recommender(Learner):
    """Shows popular films of a genre, by the genre that it heard last."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.shown_for = np.zeros((len(GENRES) + 1, len(GENRES)))  # by genre heard; the last row: none so far

    def act(self, observation: Mapping[str, Any], info: Mapping[str, Any]) -> dict[str, Any]:
        """A slate, and the question that keeps the user talking."""
        told = [genre for m in info["messages"][1:] if m.role == "user" for genre in genres_in(m.text, m.items)]
        heard = told[-1] if told else len(GENRES)
        genre = self.pick(self.shown_for[heard], np.eye(len(GENRES)))
        named = {item for message in info["messages"] for item in message.items}
        slate = [item for item in FILMS[genre] if item not in named][:10]
        return {"utterance": "What genre are you in the mood for?", "items": np.array(slate)}


class User(Learner):
    """Says a genre for each that it likes, in its own words, and accepts films by how many of its likes they have."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.said_for = np.zeros((len(GENRES) + 1, len(GENRES)))  # by genre liked; the last row: none of these
        self.decision = np.array([-3.0, -3.0, 0, 0, 0, 0, 0])  # leave, accept, and for each match of a kind

    def act(self, observation: Mapping[str, Any], info: Mapping[str, Any]) -> dict[str, Any]:
        """Says a genre, and decides."""
        liked, avoided, moods = taste_in(observation["profile"])
        mood = moods[observation["turn"] % len(moods)] if moods else len(GENRES)
        options = np.zeros((2 + len(info["shown"]), 7))
        options[1, 0] = 1
        for option, item in zip(options[2:], info["shown"], strict=True):
            facets = CATALOG.facets_of(item).tolist()
            option[1:] = [1, *(len(kind.intersection(facets)) for kind in liked), len(avoided.intersection(facets))]
        said = GENRES[self.pick(self.said_for[mood], np.eye(len(GENRES)))]
        return {"utterance": f"I love {said} films.", "decision": self.pick(self.decision, options)}


def play(env: Any, recommender: Any, user: Any, episodes: int) -> Array:
    """`(episodes,)` whether a target was shown; who can learn does, unless it is told not to."""
    success = np.zeros(episodes)
    players = {"recommender": recommender, "user": user}
    learners = {name: player for name, player in players.items() if isinstance(player, Learner)}
    for episode in range(episodes):
        env.reset(seed=episode if env.unwrapped.game.config.split == "test" else None)
        for learner in learners.values():
            learner.steps.clear()
            learner.rewards.clear()
        while not any(env.terminations.values()) and not any(env.truncations.values()):
            side = env.agent_selection
            if side in learners:
                env.step(learners[side].act(env.observe(side), env.infos[side]))
            else:
                env.step(players[side].act())
            if side == "user":
                for name, learner in learners.items():
                    learner.rewards.append(env.rewards[name])
        success[episode] = env.infos["user"]["success"]
        for name, learner in learners.items():
            if learner.learning:
                learner.learn(per_turn=1 if name == "recommender" else 2)
    return success


def interval(values: Array) -> str:
    """The mean over pairs, with its 95% interval (Student's t)."""
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return f"{100 * values.mean():5.1f} ({100 * (values.mean() - half):.1f} to {100 * (values.mean() + half):.1f})"


def trained(reward: Mapping[str, float], seed: int) -> tuple[Recommender, User]:
    """A pair that has learned together, and learns no more."""
    env = conversation_v0.raw_env(user_reward=reward)
    env.reset(seed=1_000 + seed)
    recommender, user = Recommender(2 * seed), User(2 * seed + 1)
    play(env, recommender, user, EPISODES)
    recommender.learning = user.learning = False
    return recommender, user


def cross_play(name: str, reward: Mapping[str, float]) -> None:
    """Train pairs, let everybody meet, and print what came out."""
    pairs = [trained(reward, seed) for seed in range(PAIRS)]
    env = conversation_v0.raw_env(split="test", user_reward=reward)
    meet: Callable[[Any, Any], float] = lambda recommender, user: play(env, recommender, user, TESTED).mean()  # noqa: E731
    matrix = np.array([[meet(recommender, user) for _, user in pairs] for recommender, _ in pairs])
    print(f"\n{name}: success in %, {PAIRS} pairs, {EPISODES:,} episodes each, {TESTED} test users")
    print("rows: recommenders, columns: users, by seed")
    print("\n".join(" ".join(f"{100 * cell:5.1f}" for cell in row) for row in matrix))
    own = matrix.diagonal()
    others = (matrix.sum(axis=1) - own) / (PAIRS - 1)
    agenda = np.array([meet(recommender, SimulatorPolicy(env)) for recommender, _ in pairs])
    asker = np.array([meet(AgentPolicy(env, "ask-then-recommend"), user) for _, user in pairs])
    truthful = np.array([np.mean(user.said_for[:-1].argmax(axis=1) == np.arange(len(GENRES))) for _, user in pairs])
    for what, values in (
        ("own partner", own),
        ("partners of other seeds", others),
        ("own less others", own - others),
        ("recommenders with the user agenda", agenda),
        ("users with ask-then-recommend", asker),
        ("genres called by their own names", truthful),
    ):
        print(f"{what:35} {interval(values)}")


if __name__ == "__main__":
    cross_play("help alone", HELP)
    cross_play("help, and being like people", PEOPLE)
