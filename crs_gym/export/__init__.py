"""Recorded dialogues in the formats of other libraries.

recorded.py        the traces of run folders, all of one game
steps.py           an episode as a learner reads it, and what a view of it must answer
structured.py      dialogues as the text observations and actions of `CRS-*-v0`
numbers.py         dialogues as the observations and actions of the Discrete view
folder.py          where a dataset is written, whole or not at all
minari_episode.py  an episode as Minari keeps it
minari.py          a dataset that Minari loads

    from crs_gym.export import export_minari

Nothing here is imported by `import crs_gym`.
"""

from crs_gym.export.minari import Exported, export_minari

__all__ = ["Exported", "export_minari"]
