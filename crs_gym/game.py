"""From settings to a game that can be played: world, tasks, user, engine. Every face begins here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from crs_gym.catalog import Catalog
from crs_gym.config import EnvConfig
from crs_gym.engine import DialogueEngine
from crs_gym.episodes import Episode, Episodes
from crs_gym.randomness import index_below
from crs_gym.simulator import load_simulator
from crs_gym.task import Task
from crs_gym.trace import Setting
from crs_gym.worlds import load_world

if TYPE_CHECKING:
    from crs_gym.worlds.world import World


_AHEAD: Final = 32
"""How many episodes are made at once where one follows the other: seekers are cheaper by the dozen."""


class Game:
    """A world, its tasks, and an engine for `num_dialogues` dialogues side by side, as `config` says.

    Args:
        config: The settings.
        num_dialogues: How many dialogues run side by side.
        user: `False` leaves the users to someone else (PettingZoo, replays).

    Raises:
        UnknownNameError: An unknown world, simulator or reward term.
        WorldError: The world has no such split or kind of task, or its files cannot be had.
    """

    def __init__(self, config: EnvConfig, num_dialogues: int, *, user: bool = True) -> None:
        self.config = config
        self.world: World = load_world(config.world)
        self.tasks: Sequence[Task] = self.world.tasks(config.split, config.kind)
        simulator = load_simulator(
            config.simulator, self.world.catalog, num_dialogues=num_dialogues, max_turns=config.max_turns
        )
        self.simulator = simulator
        self.engine = DialogueEngine(
            self.world.catalog,
            simulator if user else None,
            num_dialogues=num_dialogues,
            k=config.k,
            max_turns=config.max_turns,
            reward=config.reward,
        )
        self._ahead: dict[tuple[int, int], Episode] = {}
        self.setting = Setting(
            world=self.world.name,
            world_fingerprint=self.world.fingerprint,
            split=config.split,
            kind=config.kind,
            simulator=simulator.name,
            simulator_revision=simulator.simulator.revision,
            k=config.k,
            max_turns=config.max_turns,
            depth=config.depth,
            reward=dict(config.reward),
        )

    def episodes(self, numbers: Sequence[tuple[int, int]]) -> Episodes:
        """The `episode`-th episode of each `(seed, episode)`: its task is drawn from the split by that key."""
        n = len(self.tasks)
        indices = [index_below(n, seed, episode) for seed, episode in numbers]
        take = getattr(self.tasks, "take", None)  # several at once, where the world can make them cheaper
        tasks = take(indices) if take is not None else [self.tasks[index] for index in indices]
        return Episodes(tasks, numbers)

    def next_episode(self, seed: int, episode: int) -> Episode:
        """The `episode`-th episode of `seed`. Where they are played one after the other, some are made ahead."""
        found = self._ahead.pop((seed, episode), None)
        if found is None:
            ahead = _AHEAD if episode > 0 else 1  # a second episode shows that the seed is played on
            made = self.episodes([(seed, episode + i) for i in range(ahead)])
            found, *rest = made
            self._ahead = {(seed, later.episode): later for later in rest}
        return found

    def episode_on(self, task: Any, seed: int, episode: int) -> Episode:
        """The `episode`-th episode of `seed` on a task of one's choice.

        Args:
            task: A task id, or a number within the split.
            seed: The seed.
            episode: The number of the episode.

        Raises:
            WorldError: The world has no such task.
            ValueError: `task` is neither an id nor a number within the split.
        """
        if isinstance(task, str):
            return Episode(self.world.task(task), seed, episode)
        if isinstance(task, bool) or not isinstance(task, int) or not 0 <= task < len(self.tasks):
            raise ValueError(f"task={task!r}: give a task id, or a number from 0 to {len(self.tasks) - 1}")
        return Episode(self.tasks[task], seed, episode)


class EpisodeCounter:
    """Which episode comes next in one place: the n-th of a seed, counted from the last `reset(seed=…)`."""

    def __init__(self) -> None:
        self._seed: int | None = None
        self._episode = 0

    @property
    def unseeded(self) -> bool:
        """No seed was given so far."""
        return self._seed is None

    def next(self, seed: int | None, fresh_seed: int) -> tuple[int, int]:
        """`(seed, episode)`; `seed` starts anew, `None` goes on, from `fresh_seed` if there was never a seed."""
        if seed is not None:
            self._seed, self._episode = seed, 0
        elif self._seed is None:
            self._seed, self._episode = fresh_seed, 0
        else:
            self._episode += 1
        return self._seed, self._episode


class GameFace:
    """What every face of gymnasium shows of the game behind it."""

    game: Game

    @property
    def config(self) -> EnvConfig:
        """The settings."""
        return self.game.config

    @property
    def setting(self) -> Setting:
        """The settings as traces keep them, with the revisions of world and user."""
        return self.game.setting

    @property
    def world(self) -> World:
        """The world that the seekers come from."""
        return self.game.world

    @property
    def catalog(self) -> Catalog:
        """What can be recommended."""
        return self.game.world.catalog

    @property
    def engine(self) -> DialogueEngine:
        """The engine behind: a row for each dialogue."""
        return self.game.engine
