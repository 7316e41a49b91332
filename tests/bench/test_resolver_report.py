"""The resolver's measurement: its arithmetic by hand on a tiny catalogue, and the real corpus where it is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpora import need_corpora

from crs_gym.bench.resolver import FORMS, LOWER, TITLE, TITLE_YEAR, FormScore, ResolverReport, measure, score_form
from crs_gym.catalog import Catalog
from crs_gym.errors import WorldError
from crs_gym.resolver import TitleResolver
from crs_gym.task import Message
from crs_gym.worlds.files import store

CATALOG = Catalog.from_rows(
    [
        ("a", "The Thing", 1982, {}),
        ("b", "The Thing", 2011, {}),
        ("c", "Alien", 1979, {}),
        ("d", "Shrek", 2001, {}),
        ("e", "Up", 2009, {}),
    ],
    popularity=[5, 1, 4, 3, 2],
)
MESSAGES = [
    Message("user", "I love The Thing (1982) and Shrek (2001).", (0, 3)),
    Message("recommender", "How about The Thing (2011)? Or shrek again?", (1,)),  # Shrek is typed by hand, not marked
    Message("user", "the thing is up to you", ()),
    Message("recommender", "see above", (4,)),  # shown beside the text, so not a mention
]


def test_with_years_only_what_was_typed_by_hand_is_extra() -> None:
    score = score_form(CATALOG, MESSAGES, TITLE_YEAR, CATALOG.resolver)
    # Marked: The Thing (1982), Shrek; The Thing (2011): 3, all found. Extra: the typed Shrek.
    assert (score.messages, score.mentions, score.right, score.extra, score.namesakes) == (4, 3, 3, 1, 0)
    assert score.precision == pytest.approx(3 / 4)
    assert score.recall == 1.0
    assert score.f1 == pytest.approx(6 / 7)  # 2 · 3 / (2 · 3 + 1 + 0)
    assert score.ceiling == 1.0


def test_a_bare_namesake_is_extra_and_bounds_recall() -> None:
    score = score_form(CATALOG, MESSAGES, TITLE, CATALOG.resolver)
    # The Thing (2011), written `The Thing`, is read as the film of 1982: one of the three missed, and a namesake.
    assert (score.mentions, score.right, score.extra, score.namesakes) == (3, 2, 2, 1)
    assert score.precision == pytest.approx(2 / 4)
    assert score.title_precision == pytest.approx(2 / 3)  # without the namesake
    # Best any reader of bare titles can do: one of the two Things, and Shrek.
    assert score.ceiling == pytest.approx(2 / 3)


def test_an_undated_item_is_recorded_bare_and_written_with_its_mark() -> None:
    catalog = Catalog.from_rows([("a", "Moana", 2016, {}), ("b", "Moana", None, {})], popularity=[5, 1])
    messages = [Message("user", "I saw Moana", (1,)), Message("user", "I saw Moana (2016)", (0,))]
    score = score_form(catalog, messages, TITLE_YEAR, catalog.resolver)  # reads `I saw Moana (undated)`
    assert (score.mentions, score.right, score.extra) == (2, 2, 0)
    score = score_form(catalog, messages, TITLE, catalog.resolver)  # both are read as the film of 2016
    assert (score.mentions, score.right, score.extra, score.namesakes) == (2, 1, 1, 1)


def test_a_reader_that_finds_nothing_has_no_precision() -> None:
    deaf = TitleResolver([], CATALOG.years[:0], CATALOG.popularity[:0])
    score = score_form(CATALOG, MESSAGES, LOWER, deaf)
    assert (score.right, score.extra, score.precision, score.recall, score.f1) == (0, 0, None, 0.0, 0.0)


def test_an_unknown_form_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"no form 'loud'.*lower-title"):
        score_form(CATALOG, MESSAGES, "loud", CATALOG.resolver)


def test_rows_are_text_for_a_table() -> None:
    score = FormScore(TITLE, 9, mentions=8, right=6, extra=2, namesakes=1, ceiling=0.875)
    report = ResolverReport("redial", "test", (score,))
    (row,) = report.rows()
    assert row["form"] == "title"
    assert row["precision %"] == row["recall %"] == "75.0"  # 6 of 8 found, 6 of 8 marked
    assert row["recall ceiling %"] == "87.5"
    assert report[TITLE] is score
    with pytest.raises(KeyError, match="no form 'x'"):
        report["x"]


def test_a_world_without_recorded_dialogues_cannot_be_measured() -> None:
    with pytest.raises(WorldError):
        measure("sample", "test")


@pytest.mark.data
def test_real_talk_is_read_well(monkeypatch: pytest.MonkeyPatch, real_cache: Path) -> None:
    data = need_corpora("redial")
    monkeypatch.setenv("CRS_GYM_DATA", str(data))
    monkeypatch.setenv("CRS_GYM_CACHE", str(real_cache))
    assert store.data_folder() == data
    report = measure("redial", "test")
    for form in FORMS:
        score = report[form]
        assert score.precision is not None
        assert score.recall is not None
        # Precision counts what people typed by hand as wrong; see the module's docstring.
        assert score.precision > {TITLE_YEAR: 0.93, TITLE: 0.89, LOWER: 0.89}[form]
        assert score.recall > {TITLE_YEAR: 0.99, TITLE: 0.93, LOWER: 0.83}[form]
