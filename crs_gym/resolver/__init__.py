"""Finds the catalogue titles that a text names.

The reading, in short. Words fold (case, accents, apostrophes, `&`), and the longest known title that starts at a word
wins, so that `Toy Story 2` never yields `Toy Story`.

- A year decides between films of one title: the film of that year; else of the year before or after (corpora and people
  differ on festival and release years); else one whose year the catalogue does not know. A year that fits none of them
  names a film that the catalogue does not hold, so nothing is found: a wrong item is worse than none.
- `(undated)` in a year's place fits only an item whose year the catalogue does not know.
- Without a year, the most popular film of that title.
- A title of common words (`It`, `Up`, `Get Out`) counts only with a cue beside it: see `crs_gym.resolver.cues`.
- Misspelt titles are looked for only where a cue says that a title stands there: see `crs_gym.resolver.fuzzy`.
"""

from crs_gym.resolver.finder import Mention, TitleResolver

__all__ = ["Mention", "TitleResolver"]
