"""The page and the terminal's table: whole, self-contained, and safe whatever a simulator says."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from small_people import catalog

from crs_gym.cli.fidelity import Fidelity
from crs_gym.errors import SimulatorError, TraceError
from crs_gym.fidelity import Report, read_findings
from crs_gym.fidelity.page import render, write_page
from crs_gym.fidelity.shown import duration, figure, interval, number
from crs_gym.fidelity.subject import Subject
from crs_gym.fidelity.tables import print_findings
from crs_gym.simulator import Likelihood, NamedSimulator, Seeker
from crs_gym.task import Profile
from crs_gym.turns import AgentTurns, Decision, UserTurn, UserTurns
from crs_simulators.scripted import ScriptedSimulator


def test_the_page_holds_every_figure_and_nothing_from_elsewhere(obedient: Report, tmp_path: Path) -> None:
    report = obedient
    page = write_page(report, tmp_path).read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert "url(http" not in page
    assert set(re.findall(r"var\(--([\w-]+)", page)) <= set(re.findall(r"--([\w-]+):", page))
    for section in report.sections:
        assert f'id="{section.key}"' in page
        for row in section.rows:
            assert row.name.replace("'", "&#39;") in page
    assert page.count("<svg") >= 4
    assert "does not hold" in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert render(report) == render(report)


def test_the_table_fits_eighty_columns_and_cuts_nothing(obedient: Report) -> None:
    report = obedient
    out = io.StringIO()
    print_findings(report, Console(file=out, width=80))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text.replace("… that", "")
    for section in report.sections:
        for row in section.rows:
            assert figure(row.simulator, row.unit) in text
    assert "does not hold" in text
    assert "known-test on people test" in text


def test_numbers() -> None:
    assert number(-0.0001, "share") == "0.0"
    assert number(0.123, "share") == "12.3"
    assert number(2.4, "number") == "2.40"
    assert figure(None, "share") == "–"
    assert interval(None, "share") == ""
    assert (duration(48.2), duration(720)) == ("48 s", "12 min")


def test_the_command_measures_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "made"
    command = Fidelity(simulator="silent", out=out, world="sample", tasks=5, agents=("random", "oracle"), quick=True)
    assert command.run() == 0
    printed = capsys.readouterr().out
    assert "Not scored: sample has no recorded dialogues in this split." in printed
    assert (out / "fidelity.html").is_file()
    report = read_findings(out)
    assert report.settings.tasks == 5
    assert report.section("taste").rows[0].simulator is None
    assert str(out) in command.after_interrupt()


def test_a_damaged_report_names_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "fidelity.json").write_text("{}")
    with pytest.raises(TraceError, match="run crs-gym fidelity again"):
        read_findings(tmp_path)


class Wrong:
    """Answers that are none."""

    revision = "wrong"
    likely = 1.2
    said_of = Likelihood(float("nan"), 3)

    def reset(self, *_: object) -> None: ...
    def open(self, *_: object) -> None: ...
    def reply(self, *_: object) -> None: ...

    def acceptance(self, seekers: list[object], items: list[int]) -> list[float]:
        return [self.likely] * len(items)

    def said(self, seekers: list[object], utterances: list[str]) -> list[Likelihood]:
        return [self.said_of] * (len(utterances) + (self.said_of.tokens == 9))


def test_answers_that_are_none_are_refused() -> None:
    wrong = Wrong()
    subject = Subject(NamedSimulator("wrong", wrong), catalog())  # type: ignore[arg-type]
    seeker = Seeker((), Profile(), 1)
    with pytest.raises(ValueError, match=r"'wrong': acceptance .* probabilities"):
        subject.acceptance([(seeker, 3)])
    with pytest.raises(ValueError, match="'wrong': said returned"):
        subject.said([(seeker, "Hi")])
    wrong.said_of = Likelihood(-1.0, 9)
    with pytest.raises(ValueError, match="2 answers to 1 questions"):
        subject.said([(seeker, "Hi")])


def test_a_simulator_that_fails_in_a_question_says_why() -> None:
    script = [SimulatorError("the server is gone"), UserTurn("Hm")]
    simulator = ScriptedSimulator(catalog(), num_dialogues=64, max_turns=5, script=script)
    with pytest.raises(SimulatorError, match="server is gone"):
        Subject(NamedSimulator("scripted", simulator), catalog()).acceptance([(Seeker((), Profile(), 1), 3)])


def test_a_simulator_that_fails_on_some_films_is_scored_on_the_others() -> None:
    class Moody:
        revision = "moody"

        def reset(self, rows: object, seekers: object) -> None: ...
        def open(self, rows: object) -> None: ...

        def reply(self, rows: list[int], turns: AgentTurns) -> UserTurns:
            shown = [turns.shown(i)[0] for i in range(len(rows))]
            return UserTurns.of(
                [SimulatorError("no") if item == 3 else UserTurn("Yes", Decision.ACCEPT, item) for item in shown]
            )

    subject = Subject(NamedSimulator("moody", Moody()), catalog())  # type: ignore[arg-type]
    seeker = Seeker((), Profile(), 1)
    assert subject.acceptance([(seeker, 3), (seeker, 4)]) == [None, 1.0]
