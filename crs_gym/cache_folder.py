"""Where downloads, parsed corpora and converted models are kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The cache: `CRS_GYM_CACHE`, else the user's cache folder."""
    name = os.environ.get("CRS_GYM_CACHE", "")
    if name:
        return Path(name).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("crs-gym", appauthor=False)
