"""The environment that pages are rendered in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2


def environment(package: str) -> jinja2.Environment:
    """Templates of a package, and `base.css`, the style sheet of all pages.

    Every text on a page is escaped, whoever wrote it; a name that a template misses is an error.

    Args:
        package: Whose folder `templates/` holds them.
    """
    import jinja2

    return jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package), jinja2.PackageLoader("crs_gym.pages")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
