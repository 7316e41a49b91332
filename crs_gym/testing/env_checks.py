"""What crs-gym counts on in an environment."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

import gymnasium as gym
import numpy as np

from crs_gym.catalog import Catalog
from crs_gym.task import Message
from crs_gym.testing.check import BrokenError, Check, require, run_checks, same, scramble_global_generators

EPISODES: Final = 8
"""How many episodes a check plays."""
LONGEST: Final = 200
"""After so many steps an episode is taken never to end."""
TELLING_NAME: Final = 12
"""Item names of at least so many characters (years included) are looked for in plain text: shorter ones are words."""


@dataclass(frozen=True)
class EnvSubject:
    """Makes the environment under test, anew each time."""

    make: Callable[[], gym.Env[Any, Any]]


Step = tuple[Any, ...]
"""`(observation, info)` after a reset, and `(observation, reward, terminated, truncated, info)` after a step."""


def check_env(env: str | Callable[[], gym.Env[Any, Any]]) -> None:
    """Check an environment: spaces, determinism, observations of their own, secrets, rewards.

    Args:
        env: A registered id, or a function without arguments that makes the environment, e.g.
            `lambda: gym.make("CRS-Sample-v0", simulator=MINE)`. It is called several times, since the checks compare
            separate instances.

    Raises:
        ConformanceError: The first check that fails, and the way out.
    """
    if isinstance(env, str):
        run_checks(ENV_CHECKS, EnvSubject(lambda: gym.make(env)), f"environment {env}")
    else:
        run_checks(ENV_CHECKS, EnvSubject(env), f"environment {getattr(env, '__name__', env)}")


def play(env: gym.Env[Any, Any], episodes: int = EPISODES, seed: int = 0) -> Iterator[Step]:
    """Play with actions drawn by an action space of our own, so that twins are given the same ones."""
    actions = deepcopy(env.action_space)
    actions.seed(seed)
    for episode in range(episodes):
        yield env.reset(seed=seed if episode == 0 else None)
        for _ in range(LONGEST):
            step = env.step(actions.sample())
            yield step
            require(len(step) == 5, f"step returns {len(step)} values, not 5")
            if step[2] or step[3]:
                break
        else:
            raise BrokenError(f"an episode did not end within {LONGEST} steps")


def check_api(subject: EnvSubject) -> None:
    """Reset and step give what gymnasium's API says."""
    for step in play(subject.make()):
        require(len(step) in (2, 5), f"reset returns {len(step)} values, not 2")
        require(isinstance(step[-1], dict), f"info is a {type(step[-1]).__name__}, not a dict")
        if len(step) == 5:
            _, reward, terminated, truncated, _ = step
            require(type(reward) in (int, float) or isinstance(reward, np.number), f"the reward is {reward!r}")
            require(np.isfinite(reward), f"the reward is {reward}")
            for name, flag in (("terminated", terminated), ("truncated", truncated)):
                require(isinstance(flag, bool | np.bool_), f"{name} is a {type(flag).__name__}, not a bool")


def check_spaces(subject: EnvSubject) -> None:
    """Observations are in the observation space."""
    env = subject.make()
    for step in play(env):
        require(env.observation_space.contains(step[0]), f"an observation is not in the space: {str(step[0])[:200]}")


def check_gymnasium(subject: EnvSubject) -> None:
    """Gymnasium's own checker is content."""
    from gymnasium.utils.env_checker import check_env as gymnasiums_check

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gymnasiums_check(subject.make(), skip_render_check=True)


def check_determinism(subject: EnvSubject) -> None:
    """Two instances of the same seed agree, with another env stepped and global generators changed in between."""
    first, second, other = subject.make(), subject.make(), play(subject.make(), 10**6, seed=99)
    for number, (one, two) in enumerate(zip(play(first), _disturbed(play(second), other), strict=True)):
        require(same(one, two), f"two instances with the same seed differ at step {number}: {_difference(one, two)}")


def check_fresh_start(subject: EnvSubject) -> None:
    """`reset(seed=s)` starts the same episodes whatever was played before."""
    used, fresh = subject.make(), subject.make()
    for _ in play(used, seed=1):
        pass
    for one, two in zip(play(used, 3), play(fresh, 3), strict=True):
        require(same(one, two), f"after other episodes, reset(seed=0) starts differently: {_difference(one, two)}")


def check_seeds(subject: EnvSubject) -> None:
    """Seeds matter: different ones do not all start the same episode, and a seed's episodes are not all one."""
    env = subject.make()
    starts = {str(env.reset(seed=seed)) for seed in range(EPISODES)}
    require(len(starts) > 1, f"{EPISODES} different seeds start the same episode")
    env.reset(seed=0)
    require(
        len({str(env.reset()) for _ in range(EPISODES)}) > 1, f"a seed's first {EPISODES} episodes are all the same"
    )


def check_own_buffers(subject: EnvSubject) -> None:
    """What was returned once is not changed by later steps."""
    kept = [(step, deepcopy(step)) for step in play(subject.make(), 3)]
    for number, (step, copy) in enumerate(kept):
        require(same(step, copy), f"what step {number} returned was changed by later steps")


def check_actions_untouched(subject: EnvSubject) -> None:
    """An action is only read."""
    env = subject.make()
    actions = deepcopy(env.action_space)
    actions.seed(0)
    env.reset(seed=0)
    for _ in range(LONGEST):
        action = actions.sample()
        copy = deepcopy(action)
        _, _, terminated, truncated, _ = env.step(action)
        require(same(action, copy), "step changes the action that it is given")
        if terminated or truncated:
            break


def check_bad_actions(subject: EnvSubject) -> None:
    """An unusable action is a `ValueError`, and has changed nothing."""
    first, second = subject.make().unwrapped, subject.make().unwrapped
    actions = deepcopy(first.action_space)
    actions.seed(0)
    good = actions.sample()
    first.reset(seed=0)
    second.reset(seed=0)
    for bad in (object(), None, 1.5, {"nonsense": 1}):
        try:
            first.step(bad)
        except ValueError:
            continue
        except Exception as error:
            raise BrokenError(f"the action {bad!r} raises {type(error).__name__}, not ValueError") from error
        raise BrokenError(f"the action {bad!r} is taken as if it were one")
    require(same(first.step(good), second.step(good)), "a refused action changed what the next step gives")


def check_end(subject: EnvSubject) -> None:
    """Who steps on after the end is told; the end says how it came."""
    env = subject.make()
    last: Step = ()
    for step in play(env, 1):
        last = step
    require("outcome" in last[-1], "at the end info has no 'outcome'")
    errored = last[-1]["outcome"] == "errored"
    for fact in ("success", "accepted"):
        require((fact in last[-1]) != errored, f"at the end ({last[-1]['outcome']}) info must hold {fact!r} iff scored")
    try:
        env.unwrapped.step(env.action_space.sample())
    except Exception:
        return
    raise BrokenError("a step after the end of an episode is taken as if nothing had happened")


def check_reward_terms(subject: EnvSubject) -> None:
    """Each reward term is in [0, 1]."""
    for step in play(subject.make()):
        for name, value in step[-1].get("reward_terms", {}).items():
            require(0.0 <= value <= 1.0, f"the reward term {name!r} is {value}")  # refuses nan, too


def check_secrets(subject: EnvSubject) -> None:
    """Before the end no target is told: not by name, not by number."""
    env = subject.make()
    catalog = getattr(env.unwrapped, "catalog", None)
    require(isinstance(catalog, Catalog), "env.unwrapped.catalog is no Catalog, so that its secrets cannot be checked")
    assert isinstance(catalog, Catalog)
    told_numbers: Counter[str] = Counter()
    episode: list[Step] = []
    for step in play(env):
        if len(step) == 2:
            episode = []
        if len(step) == 5 and (step[2] or step[3]):
            require("targets" in step[-1], "at the end info has no 'targets'")
            told_numbers.update(_told(episode, set(step[-1]["targets"]), catalog))
        else:
            episode.append((step[0], step[-1]))
    for path, count in told_numbers.items():
        # One number may be a target's by chance; the same place, in half of the episodes, is none.
        require(count < EPISODES / 2, f"{path} holds the number of a target before the end")


def _told(episode: list[Step], targets: set[int], catalog: Catalog) -> set[str]:
    """The places that hold a target's number before it was shown. Raises where one is named."""
    places: set[str] = set()
    secret = set(targets)
    for observation, info in episode:
        secret -= set(info.get("shown", ()))
        for message in info.get("messages", ()):
            secret -= set(message.items) if message.role == "recommender" else set()
        text = repr((observation, {key: value for key, value in info.items() if key != "shown"}))
        require("targets" not in info, "info holds 'targets' before the end")
        for target in secret:
            name = catalog.names[target]
            named = len(name) >= TELLING_NAME and name in text
            require(not named, f"{name!r}, a target, is named before it was shown")
        places |= {path for path, number in _numbers({"observation": observation, "info": info}) if number in secret}
    return places


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, int]]:
    """The whole numbers within a value, each with its place; sequences are one place."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _numbers(part, f"{path}[{key!r}]" if path else str(key))
    elif isinstance(value, Message):
        yield from _numbers(value.items, path)
    elif isinstance(value, np.ndarray):
        yield from _numbers(value.ravel().tolist(), path)
    elif isinstance(value, list | tuple | set | frozenset):
        for part in value:
            yield from _numbers(part, path)
    elif isinstance(value, int | np.integer) and not isinstance(value, bool):
        yield path, int(value)


def _disturbed(steps: Iterator[Step], other: Iterator[Step]) -> Iterator[Step]:
    for number, step in enumerate(steps):
        scramble_global_generators(number)
        next(other)
        yield step


def _difference(one: Step, two: Step) -> str:
    parts = ("observation", "info") if len(one) == 2 else ("observation", "reward", "terminated", "truncated", "info")
    different = [name for name, a, b in zip(parts, one, two, strict=False) if not same(a, b)]
    return ", ".join(different) or "length"


ENV_CHECKS: Final[Mapping[str, Check[EnvSubject]]] = {
    "api": Check(check_api, "return what gymnasium.Env.reset and .step document, in Python's own types"),
    "spaces": Check(check_spaces, "make observation_space as wide as what is observed, or mend the observation"),
    "determinism": Check(check_determinism, "key every draw by the episode (crs_gym.randomness), never globally"),
    "fresh-start": Check(check_fresh_start, "let reset(seed=…) forget everything that was played before"),
    "seeds": Check(check_seeds, "draw the episode from the seed, and the next one at each further reset()"),
    "own-buffers": Check(check_own_buffers, "return a new object at each step, or a copy of the buffer"),
    "actions-untouched": Check(check_actions_untouched, "copy the action before changing it"),
    "bad-actions": Check(check_bad_actions, "check the whole action first, and raise ValueError naming the field"),
    "reward-terms": Check(check_reward_terms, "scale each term into [0, 1] before its weight"),
    "secrets": Check(check_secrets, "keep task.targets, and all that only they explain, out until the end"),
    "end": Check(check_end, "give outcome (and success, accepted unless errored) at the end, and refuse further steps"),
    "gymnasium": Check(check_gymnasium, "see the message of gymnasium.utils.env_checker.check_env"),
}
"""The checks of an environment, in the order in which they run."""
