"""What the evaluation demands, and how it is told."""

import io
import json
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from tests.eval import security, table
from tests.eval.labels import Found, Label, Score
from tests.eval.outcome import Part, Row, Verdict, absent, flawless, total


def row(engine: str, score: Score, *, material: str = "open", seconds: float = 1.0) -> Row:
    return Row(material=material, engine=engine, score=score, seconds=seconds)


GOOD = Score(hit=9, missed=1, false=1, spared=9)
POOR = Score(hit=5, missed=5, false=5, spared=5)


def test_rows_are_added_up_by_engine() -> None:
    rows = [row("a", GOOD), row("b", POOR), row("a", POOR, seconds=2.0)]
    assert total(rows, "all") == [
        row("a", Score(hit=14, missed=6, false=6, spared=14), material="all", seconds=3.0),
        row("b", POOR, material="all"),
    ]


def test_the_whole_engine_is_held_against_tools_run_by_hand_and_no_figure_may_be_lower_than_any() -> None:
    rows = [row(security.WHOLE, GOOD), row("bandit", POOR), row(security.OWN, GOOD)]
    assert [each.holds for each in security.demands(rows)] == [True, True, True]
    near = Score(hit=9, missed=1, false=3, spared=7)
    assert [each.holds for each in security.demands([*rows, row("ruff", near)])] == [False, True, True]
    precise = Score(hit=1, missed=9, spared=10)
    verdicts = list(security.demands([*rows, row("gitleaks", precise)]))
    assert [each.holds for each in verdicts] == [True, True, False]
    assert "gitleaks has 1.000" in verdicts[-1].text


def test_what_is_wrong_is_told_with_its_place() -> None:
    flaw = Label(path="a.py", line=3, category="xss", flaw=True, kind="direct")
    twin = Label(path="a.py", line=9, category="xss", flaw=False, kind="sanitised")
    assert list(security.in_words({flaw: False, twin: True})) == [
        "a.py:3: missed: xss (direct)",
        "a.py:9: false: xss (sanitised)",
    ]
    assert list(security.in_words({flaw: True, twin: False})) == []


def test_applications_are_scanned_without_their_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A label that takes the finding back as a comment would is not seen, and lines stay where they are."""
    (tmp_path / "app.py").write_text(
        "import subprocess\n\nsubprocess.run(input(), shell=True)  # seeded: flaw command-injection direct # nosec\n"
    )
    monkeypatch.setattr(security, "SCANNERS", ("bandit",))
    results = security.scanned(tmp_path)
    assert set(results) == {security.WHOLE, "bandit"}
    for found, seconds in results.values():
        assert Found(path="app.py", line=3, end_line=3, cwe=78) in found
        assert seconds > 0


def test_all_and_no_others() -> None:
    all_found = row("ours", Score(hit=2, spared=2))
    assert flawless([all_found, row("theirs", POOR)], "ours", "cuts").holds
    assert not flawless([row("ours", GOOD)], "ours", "cuts").holds
    assert not flawless([row("theirs", POOR)], "ours", "cuts").holds, "nothing measured is nothing found"


def test_material_that_is_not_there_fails_in_ci_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SANCTUARY_CI", raising=False)
    assert absent("no network", demanded=True).holds is None
    monkeypatch.setenv("SANCTUARY_CI", "1")
    assert absent("no network", demanded=True).holds is False
    assert absent("not written yet", demanded=False).holds is None


PART = Part(
    name="security",
    title="a title [with brackets]",
    rows=(row("whole engine", GOOD), row("bandit", POOR), Row(material="django", engine="security", seconds=3.25)),
    verdicts=(Verdict(text="F1 is high", holds=True), Verdict(text="no network", holds=None)),
    wrong=("app.py:3: missed: xss (direct)",),
)


def test_a_part_is_told_as_a_table_that_a_pipe_can_take() -> None:
    printed = io.StringIO()
    table.show(PART, Console(file=printed, width=120), why=False)
    lines = printed.getvalue().splitlines()
    assert lines[1] == "security: a title [with brackets]"
    assert lines[2].split() == [
        "material",
        "engine",
        "found",
        "false",
        "recall",
        "precision",
        "F1",
        "Youden",
        "seconds",
    ]
    assert lines[3].split() == ["open", "whole", "engine", "9/10", "1/10", "0.90", "0.90", "0.90", "0.80", "1.0"]
    assert lines[4].split() == ["bandit", "5/10", "5/10", "0.50", "0.50", "0.50", "0.00", "1.0"]
    assert lines[5].split() == ["django", "security", "3.2"]
    assert lines[6:] == ["holds  F1 is high", "open  no network"]


def test_what_was_wrong_is_told_where_it_is_asked_for() -> None:
    printed = io.StringIO()
    table.show(PART, Console(file=printed, width=120), why=True)
    assert printed.getvalue().endswith("  app.py:3: missed: xss (direct)\n")


def test_a_part_as_json_has_the_ratios_too() -> None:
    told = json.loads(msgspec.json.encode(table.plain(PART)))
    assert told["rows"][0]["score"]["hit"] == 9
    assert told["rows"][0]["score"]["f1"] == pytest.approx(0.9)
    assert told["rows"][2]["score"] is None
    assert [verdict["holds"] for verdict in told["verdicts"]] == [True, None]
