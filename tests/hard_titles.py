"""A small catalogue that is hard for a title resolver."""

from __future__ import annotations

import numpy as np

from crs_gym.resolver import TitleResolver
from crs_gym.resolver.naming import display_names

# Title, year (0: not known), popularity. Real films; years and popularities partly made up to make the cases hard.
FILMS = [
    ("Heat", 1995, 50), ("The Heat", 2013, 30), ("Alien", 1979, 60), ("Aliens", 1986, 55), ("Up", 2009, 80),
    ("It", 2017, 90), ("It", 1990, 40), ("Her", 2013, 30), ("Big", 1988, 30), ("Us", 2019, 30), ("Saw", 2004, 40),
    ("The Matrix", 1999, 90), ("The Matrix Reloaded", 2003, 50), ("Amélie", 2001, 40), ("Ghost", 1990, 30),
    ("Mission: Impossible", 1996, 50), ("Ocean's Eleven", 2001, 60), ("Ocean's Eleven", 1960, 10),
    ("Ocean's Twelve", 2004, 30), ("Rocky", 1976, 60), ("Rocky II", 1979, 30), ("Rocky III", 1982, 20),
    ("Toy Story", 1995, 90), ("Toy Story 2", 1999, 60), ("Toy Story 3", 2010, 60), ("The Thing", 1982, 50),
    ("The Thing", 2011, 10), ("9", 2009, 10), ("Nine", 2009, 5), ("1917", 2019, 30), ("300", 2006, 30),
    ("The Good, the Bad and the Ugly", 1966, 40), ("Me, Myself & Irene", 2000, 20), ("I, Tonya", 2017, 20),
    ("O Brother, Where Art Thou?", 2000, 20), ("Shall We Dance?", 2004, 10), ("WALL·E", 2008, 60),
    ("Spider-Man", 2002, 60), ("E.T. the Extra-Terrestrial", 1982, 50), ("S.W.A.T.", 2003, 10), ("Frozen", 2013, 70),
    ("Kill Bill: Volume 1", 2003, 50), ("Kill Bill: Volume 2", 2004, 45), ("The Godfather", 1972, 80),
    ("The Godfather: Part II", 1974, 60), ("Back to the Future", 1985, 70), ("Back to the Future Part II", 1989, 50),
    ("Blade Runner", 1982, 50), ("Blade Runner 2049", 2017, 40), ("2012", 2009, 20), ("1984", 1984, 10),
    ("Thanks", 2011, 1), ("Yes", 2004, 1), ("I", 2015, 2), ("The Movie", 2000, 1), ("Signs", 2002, 30),
    ("Seven", 1995, 50), ("Taken", 2008, 50), ("Anchorman: The Legend of Ron Burgundy", 2004, 40), ("Home", 2015, 20),
    ("mother!", 2017, 20), ("Mother", 2017, 30), ("$", 1971, 1), ("The Shawshank Redemption", 1994, 80),
    ("Pulp Fiction", 1994, 70), ("Dr. Strangelove", 1964, 20), ("Romeo + Juliet", 1996, 20), ("Get Out", 2017, 70),
    ("What's Up, Doc?", 1972, 9), ("Jaws", 1975, 50), ("Jaws", 0, 2), ("Grown-Ups", 0, 3), ("Grown Ups", 2010, 30),
    ("X", 0, 4), ("The Lion, the Witch and the Wardrobe", 0, 8), ("54", 0, 1), ("Pride & Prejudice", 2005, 30),
    ("Tron", 1982, 20), ("Tron", 1982, 30), ("Cube", 1997, 5), ("Cube", 1997, 5), ("Airplane!", 1980, 20),
    ("50/50", 2011, 20), ("Love & Friendship", 2016, 5), ("And Then There Were None", 1945, 5), ("Brazil", 1985, 9),
    ("...And Justice for All", 1979, 5), ("10 Things I Hate About You", 1999, 30), ("The Ring", 2002, 30),
    ("Die Hard", 1988, 60), ("Face/Off", 1997, 20), ("Léon: The Professional", 1994, 40), ("Once", 2007, 20),
    ("Мама", 1999, 1), ("英雄", 2002, 3), ("Él", 1953, 1), ("The One", 0, 3), ("This Is It", 2009, 4),
    ("Fargo", 1996, 4), ("Emma", 1815, 3), ("The Toy", 1982, 5), ("Blues Brothers 2000", 1998, 9),
    ("The Brothers", 2001, 5), ("Descent", 2005, 1), ("The Descent", 2005, 20), ("Home Alone", 1990, 60),
    ("The Watch", 2012, 5), ("Zookeeper", 2011, 5), ("The Comedian", 2016, 1), ("Date Night", 2010, 9),
    ("Something New", 2006, 3), ("The Boy", 2016, 3), ("Warrior", 2011, 9), ("The One Warrior", 0, 1),
    ("Legendary", 2010, 2), ("Class of 1984", 1982, 5), ("Class of", 1984, 1),
    ("Story", 1996, 1), ("Class of (1984) Again", 1999, 1),
]  # fmt: skip
TITLES = [title for title, _, _ in FILMS]
YEARS = [year for _, year, _ in FILMS]
NAMES = display_names(TITLES, YEARS)


def build(films: list[tuple[str, int, int]]) -> TitleResolver:
    return TitleResolver(
        [title for title, _, _ in films],
        np.array([year for _, year, _ in films], np.int16),
        np.array([popularity for _, _, popularity in films], np.float32),
    )


RESOLVER = build(FILMS)


def meant(item: int) -> int:
    """The item that an item's display name means: of exact duplicates the most popular, then the first."""
    alike = [other for other, name in enumerate(NAMES) if name == NAMES[item]]
    return min(alike, key=lambda other: (-FILMS[other][2], other))
