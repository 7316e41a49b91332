"""`smtpo:DIR`: a trained policy as an agent. All dialogues of a call are written for together."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final, get_args

from crs_agents.smtpo.candidates import scorer_of
from crs_agents.smtpo.options import FILE, OWN_RETRIEVER, OWN_WEIGHTS, Explore, PolicyOptions, read_options
from crs_agents.smtpo.policy import SAMPLING, SmtpoPolicy
from crs_gym.agent import Observation
from crs_gym.errors import LanguageModelError, WeightsError
from crs_gym.lm import Generation, GuidedWriting, LanguageModel, Prompt
from crs_gym.lm.loading import load_language_model
from crs_gym.simulator import parse_options
from crs_gym.turns import AgentTurn
from crs_gym.worlds.world import World
from crs_gym.writing import earlier_observations

STAGES: Final = ("grpo", "sft")
"""Folders of a training's stages, the last one first."""

ADAPTER_FILE: Final = "adapter_config.json"

AT_ONCE: Final = 32
"""Dialogues that the model reads at once (our choice): the keys and values of 32 with five turns fill 2 GB."""

KEPT: Final = 200_000
"""Characters whose keys and values are kept between turns: about 50,000 tokens, 1.2 GB for the small base model."""


@dataclass(frozen=True, kw_only=True)
class PlayOptions:
    """How a trained policy is played, as in `smtpo:DIR,temperature=0`."""

    temperature: float = 0.0
    """Divides the logits; 0 writes the most probable text."""
    explore: Explore = "all"
    """What is drawn at a temperature above 0: every choice, or the question alone, as `--grpo.explore` was."""
    max_tokens: int = SAMPLING.max_tokens
    """The longest text."""
    base: str = ""
    """Where the base model is, if not where it was in training."""
    candidates: str = ""
    """Who recalls candidates, if not who did in training."""
    guided: bool = True
    """Whether it is held to its grammar and only chooses; else it writes freely, and what is wrong is repaired."""


class SmtpoAgent:
    """A recommender that thinks in words and ranks candidates.

    Nothing that it keeps between calls changes an answer: the model's cache saves reading a dialogue's text again.

    Args:
        policy: From observations to prompts, and from texts to turns.
        model: Writes.
    """

    def __init__(self, policy: SmtpoPolicy, model: LanguageModel) -> None:
        self.policy = policy
        self._model = model
        self._slots: dict[tuple[str, ...], list[tuple[object, int]]] = {}  # by the text that a slot has read
        self._place = object()  # tells this agent's slots from those of others in the model's cache
        self._made = 0
        weakref.finalize(self, _forget, model, self._slots).atexit = False

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        """One turn for each observation, in order.

        Raises:
            LanguageModelError: The model could not write.
        """
        texts = self._texts(observations)
        slots = [self._slot(text) for text in texts]
        self._model.forget([slot for unused in self._slots.values() for slot in unused])  # their dialogues are over
        self._slots.clear()
        written = self._written(observations, texts, slots)
        self._keep(observations, texts, slots)
        return self.policy.turns(observations, written)

    def _texts(self, observations: Sequence[Observation]) -> list[tuple[str, ...]]:
        """Each episode's text so far: piece, what was written, piece, …, piece."""
        all_seen = [[*earlier_observations(observation), observation] for observation in observations]
        pieces = iter(self.policy.pieces([one for seen in all_seen for one in seen]))
        end = self.policy.sampling.stop[0]
        texts = []
        for observation, seen in zip(observations, all_seen, strict=True):
            parts: list[str] = []
            for turn in range(len(seen)):
                parts.append(next(pieces))
                if turn < observation.turn:  # an earlier turn may be another agent's, without thoughts
                    parts.append((observation.thoughts[turn] if turn < len(observation.thoughts) else "") + end)
            texts.append(tuple(parts))
        return texts

    def _slot(self, text: tuple[str, ...]) -> tuple[object, int]:
        """A slot that has read what came before this turn, or a new one."""
        kept = self._slots.get(text[:-2])
        if kept:
            return kept.pop()
        self._made += 1
        return self._place, self._made

    def _written(
        self,
        observations: Sequence[Observation],
        texts: Sequence[tuple[str, ...]],
        slots: Sequence[tuple[object, int]],
    ) -> list[str]:
        written: list[str] = []
        for start in range(0, len(texts), AT_ONCE):
            rows = slice(start, start + AT_ONCE)
            prompts = [Prompt(text) for text in texts[rows]]
            keys = [observation.key for observation in observations[rows]]
            guides = self.policy.guides(observations[rows])
            if guides is None or not isinstance(self._model, GuidedWriting):
                answers = self._model.generate(prompts, self.policy.sampling, keys, slots=slots[rows])
            else:
                answers = self._model.generate_guided(prompts, self.policy.sampling, keys, guides, slots=slots[rows])
            for answer in answers:
                if isinstance(answer, LanguageModelError):
                    raise answer
                assert isinstance(answer, Generation)
                written.append(answer.text)
        return written

    def _keep(
        self,
        observations: Sequence[Observation],
        texts: Sequence[tuple[str, ...]],
        slots: Sequence[tuple[object, int]],
    ) -> None:
        """Remember which slot has read which text, as far as there is room and a turn to come."""
        room = KEPT
        for observation, text, slot in zip(observations, texts, slots, strict=True):
            room -= sum(map(len, text))
            if room >= 0 and observation.turn + 1 < observation.max_turns:
                self._slots.setdefault(text, []).append(slot)
            else:
                self._model.forget([slot])


def _forget(model: LanguageModel, slots: dict[tuple[str, ...], list[tuple[object, int]]]) -> None:
    model.forget([slot for unused in slots.values() for slot in unused])


def build(world: World, argument: str = "") -> SmtpoAgent:
    """The agent `smtpo:DIR` for a world; options behind the folder, as in `smtpo:DIR,temperature=0`.

    Raises:
        ValueError: No folder is named, or an option is unknown or has no such value.
        WeightsError: The folder holds no policy, or its base model or retriever is not on this machine.
    """
    directory, _, options = argument.partition(",")
    if not directory or "=" in directory:
        raise ValueError(
            "smtpo needs the folder of a training: smtpo:DIR. Way out: crs-gym train smtpo --out DIR --stage sft"
        )
    return load_agent_from(Path(directory).expanduser(), world, play_options(options))


def load_agent_from(directory: Path, world: World, playing: PlayOptions) -> SmtpoAgent:
    """The agent that a training left in a folder: its last stage, or the stage whose folder it is.

    Raises:
        WeightsError: The folder holds no policy, or its base model or retriever is not on this machine.
    """
    folder = stage_folder(directory)
    options = read_options(folder)
    base = playing.base or (str(folder) if options.base == OWN_WEIGHTS else options.base)
    adapter = folder if (folder / ADAPTER_FILE).is_file() else None
    sampling = replace(SAMPLING, temperature=playing.temperature, max_tokens=playing.max_tokens)
    policy = SmtpoPolicy(
        world.catalog,
        scorer_of(playing.candidates or candidates_of(options, folder), world),
        options,
        sampling=sampling,
        guided=playing.guided,
        explore=playing.explore,
    )
    model = load_language_model(base, adapter=adapter)
    return SmtpoAgent(policy, model)


def stage_folder(directory: Path) -> Path:
    """The folder of the last stage in a training's folder.

    Raises:
        WeightsError: There is none.
    """
    for folder in (directory, *(directory / stage for stage in STAGES)):
        if (folder / FILE).is_file():
            return folder
    raise WeightsError(f"{directory} holds no trained policy ({FILE}). Way out: crs-gym train smtpo --out DIR")


def candidates_of(options: PolicyOptions, folder: Path) -> str:
    """Who recalls candidates for the policy in a stage's folder, as an agent's name."""
    if options.candidates == OWN_RETRIEVER:
        return f"dual-view:{folder.parent / OWN_RETRIEVER}"
    return options.candidates


def play_options(text: str) -> PlayOptions:
    """`"temperature=1,max_tokens=80"` as settings.

    Raises:
        ValueError: An unknown name or an unusable value.
    """
    given = parse_options(text)
    known = {field.name: field for field in fields(PlayOptions)}
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"smtpo: no setting is named {name!r}; known: {', '.join(known)}")
        default = known[name].default
        if isinstance(default, str):
            given[name] = str(value)
            if name == "explore" and value not in get_args(Explore):
                raise ValueError(f"smtpo: explore={value!r}: known: {', '.join(get_args(Explore))}")
        elif isinstance(default, bool):
            if not isinstance(value, bool):
                raise ValueError(f"smtpo: {name}={value!r} must be true or false")
        elif isinstance(value, bool | str) or (isinstance(default, int) and not isinstance(value, int)):
            raise ValueError(f"smtpo: {name}={value!r} must be a number")
    return PlayOptions(**given)  # type: ignore[arg-type]  # as checked above
