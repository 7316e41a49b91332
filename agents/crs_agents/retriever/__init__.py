"""`dual-view`: a retriever with a semantic and a collaborative view of the dialogue (SMTPO, arXiv 2604.03671).

encodings.py               sentences as vectors, kept in the cache
documents.py, contexts.py  what is read of items and of dialogues
signals.py, leave_one_out  scores that are counted: EASE^R, stated facets, likeness
network.py                 the two views, cross-attention, the score of an item
examples.py, training.py … the training, behind `crs-gym train retriever`
retriever.py               the trained retriever: `Retriever.load(DIR, world).scores(observations)`
out_of_fold.py             the same for train dialogues, each by the networks that have not learned from it
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from crs_agents.ranking import RankingAgent, Scorer
from crs_gym.agent import AgentEntry
from crs_gym.errors import WeightsError
from crs_gym.worlds.world import World

if TYPE_CHECKING:
    from crs_agents.retriever.retriever import Retriever


def load_retriever(directory: str, world: World) -> Retriever:
    """The trained retriever in a folder, for a world.

    Raises:
        WeightsError: The folder holds none, or the packages or the sentence encoder that it needs are missing.
    """
    with _packages():
        from crs_agents.retriever.retriever import Retriever
    return Retriever.load(directory, world)


def load_out_of_fold(directory: str, world: World) -> Scorer:
    """Scores for the world's train dialogues, each by the networks that have not learned from it; the usual ones where
    there are none, or the retriever is of another catalogue.

    Raises:
        WeightsError: See `load_retriever`.
    """
    with _packages():
        from crs_agents.retriever.out_of_fold import OutOfFold
        from crs_agents.retriever.retriever import Retriever
        from crs_agents.retriever.saved import load_retriever as read
    saved = read(Path(directory).expanduser())
    folds = saved.facts.get("folds", 0)
    if not folds or saved.catalog_fingerprint != world.catalog.fingerprint:
        return Retriever(saved, world)
    return OutOfFold(saved, world, folds)


@contextmanager
def _packages() -> Iterator[None]:
    """Say which packages are missing.

    Raises:
        WeightsError: One is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("crs_gym", "crs_agents"):
            raise
        raise WeightsError(
            f'the retriever needs the package {error.name}. Way out: pip install "crs-gym[llm]"'
        ) from error


def build(world: World, directory: str = "") -> RankingAgent:
    """The agent `dual-view:DIR` for a world.

    Raises:
        ValueError: No folder is named.
        WeightsError: See `load_retriever`.
    """
    if not directory:
        raise ValueError(
            "dual-view needs the folder of a training: dual-view:DIR. Way out: crs-gym train retriever --out DIR"
        )
    return RankingAgent(world.catalog, load_retriever(directory, world).scores)


DUAL_VIEW = AgentEntry(build, "the dual-view retriever that crs-gym train retriever leaves in DIR (dual-view:DIR)")
