"""Where the corpora are published: addresses pinned by commit, sha256 of every file, licences.

A file's path here is its path below `CRS_GYM_DATA` and below the cache, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_REDIAL: Final = "ReDialData/website"
_IEVALM: Final = "https://raw.githubusercontent.com/RUCAIBox/iEvaLM-CRS/162e2f442fb0799550af587dce0285a2d5ca897f/data"
_INSPIRED: Final = (
    "https://raw.githubusercontent.com/sweetpeach/Inspired/782d7c1845d11f75d2542809c7f2a51b63ef0304/data/dialog_data"
)


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an archive, for telling its content whatever the archive's own bytes are.

    Attributes:
        name: Its name in the archive.
        lines: How many JSON lines it holds.
        sha256: Of its bytes; `None` where only the count is known.
    """

    name: str
    lines: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One file of a corpus.

    Attributes:
        path: Where it stands below the data folder and the cache, with `/`.
        url: Where it is published, pinned by commit.
        sha256: Of its published bytes; `None` where no one has recorded it: the first download then pins it.
        members: For an archive, its content. An archive of other bytes that holds this content is accepted as well.
        required: Whether a data folder without it is of no use; a file that is not required is one split.
    """

    path: str
    url: str
    sha256: str | None
    members: tuple[Member, ...] = ()
    required: bool = True


@dataclass(frozen=True, slots=True)
class Corpus:
    """The files of one world, and what their publisher allows.

    Attributes:
        name: The world's name.
        credit: Who made it.
        licence: As its publisher states it.
        files: Everything that the world reads.
    """

    name: str
    credit: str
    licence: str
    files: tuple[PublishedFile, ...]


_REDIAL_FILMS: Final = (
    PublishedFile(
        "redial/movies_with_mentions.csv",
        f"https://raw.githubusercontent.com/{_REDIAL}/849e9eb1bb60e312f8bf4daa82fc10a285e9318b/movies_with_mentions.csv",
        "0d408daa474ac95b959a739a261dddd997dd800f5ea585da15a434a26187dbb0",
    ),
    PublishedFile(
        "redial/id2info.json",
        f"{_IEVALM}/redial/id2info.json",
        "7bdfe9a9c7f1b4d59aa9a5aeba0029071fd5a7232b61c8257212a335ffe424f7",
    ),
)

REDIAL: Final = Corpus(
    name="redial",
    credit="ReDial (Li et al., NeurIPS 2018), film facts by iEvaLM-CRS (Wang et al., EMNLP 2023)",
    licence="CC BY 4.0; film facts MIT",
    files=(
        PublishedFile(
            "redial/redial_dataset.zip",
            f"https://github.com/{_REDIAL}/raw/27ae7ac0c212af62ca6b873cd5f08a469eda411e/redial_dataset.zip",
            "b48756681ec6f84e0af36979c5e9baa21ea8d9e7036b8764ea9b787bb0baf69b",
            members=(
                Member("train_data.jsonl", 10_006),
                Member("test_data.jsonl", 1_342, "d7781750787d104ac005e829cc7e6277d25b14644a223b0c2445aaaded6b19ac"),
            ),
        ),
        *_REDIAL_FILMS,
    ),
)

OPENDIALKG: Final = Corpus(
    name="opendialkg",
    credit="OpenDialKG (Moon et al., ACL 2019), as processed by iEvaLM-CRS (Wang et al., EMNLP 2023)",
    licence="CC BY-NC 4.0 (no commercial use)",
    files=(
        *(
            PublishedFile(
                f"opendialkg/{split}_data_processed.jsonl",
                f"{_IEVALM}/opendialkg_eval/{split}_data_processed.jsonl",
                sha256,
            )
            for split, sha256 in (
                ("train", "472243b8c12c8e1eb44598d094e8b6e03a148ce13dc3f58ea9b323ba4ed27018"),
                ("valid", "21bbf814ad76f36f058678b1bf4e9a77ca01ca00766bd8eb39780d1163f74bd2"),
                ("test", "055eb9481823517099f0109929ea640662d58287af708e99983d9b97e2ce51a4"),
            )
        ),
        *(
            PublishedFile(f"opendialkg/{name}.json", f"{_IEVALM}/opendialkg/{name}.json", sha256)
            for name, sha256 in (
                ("id2info", "a8ce8de8c957a1d339c80ff548e13eb32a66ee639243f67bc479ce09ad1c299e"),
                ("item_ids", "c7f7d151066c41a2b70d3df9b414e1d3c67ac48e978e222a90319e1dbfa7e98f"),
                ("entity2id", "394e2e101463052c6b41f14d87b1420f936528c6f81ed50c22388c51fcda4e81"),
            )
        ),
    ),
)

INSPIRED: Final = Corpus(
    name="inspired",
    credit="INSPIRED (Hayati et al., EMNLP 2020), with ReDial's film table",
    licence="none stated for INSPIRED; film table CC BY 4.0; film facts MIT",
    files=(
        *(
            PublishedFile(f"inspired/{part}.tsv", f"{_INSPIRED}/{part}.tsv", sha256, required=False)
            for part, sha256 in (
                ("train", None),
                ("dev", "15a955be002222ba9e95f886802e06a91fb5e457f8a25deae3e7908d58faa947"),
                ("test", None),
            )
        ),
        *_REDIAL_FILMS,
    ),
)

CORPORA: Final = {corpus.name: corpus for corpus in (REDIAL, OPENDIALKG, INSPIRED)}
"""Every published corpus by its world's name."""
