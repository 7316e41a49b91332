"""What HTML pages share: their style sheet, the environment of their templates, and plots in the page's colours."""

from crs_gym.pages.svg import Plot, Sheet
from crs_gym.pages.template import environment

__all__ = ["Plot", "Sheet", "environment"]
