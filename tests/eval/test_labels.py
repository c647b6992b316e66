"""Labels of the seeded applications: how they are read, and how findings are counted against them."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.eval.labels import CWES, Found, Label, Score, applications, by_category, labels_in, marks, read, score

OPEN = Path(__file__).parent / "seeded" / "open"


def label(line: int, *, flaw: bool = True, category: str = "sql-injection", path: str = "app.py") -> Label:
    return Label(path=path, line=line, category=category, flaw=flaw, kind="direct")


def found(line: int, *, cwe: int | None = 89, path: str = "app.py", end_line: int = 0) -> Found:
    return Found(path=path, line=line, cwe=cwe, end_line=end_line)


def test_a_comment_labels_its_line() -> None:
    text = "import os\n\nos.system(x)  # seeded: flaw command-injection helper\nos.system('ls')  # a comment\n"
    assert labels_in("a/b.py", text) == [
        Label(path="a/b.py", line=3, category="command-injection", flaw=True, kind="helper")
    ]


@pytest.mark.parametrize("text", ["flaw sql-injection", "flaws xss direct", "twin sqli direct", "twin xss somehow", ""])
def test_what_is_no_label_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(ValueError, match=r"app\.py:2"):
        labels_in("app.py", f"\nx  # seeded: {text}\n")


def test_found_and_missed_flaws_and_twins_are_counted() -> None:
    labels = [label(10), label(20), label(30, flaw=False), label(40, flaw=False)]
    assert score(marks(labels, [found(10), found(30)])) == Score(hit=1, missed=1, false=1, spared=1)


def test_a_finding_elsewhere_or_of_another_weakness_counts_for_nothing() -> None:
    elsewhere = [found(10, path="other.py"), found(10, cwe=78), found(10, cwe=None), found(14)]
    assert score(marks([label(10)], elsewhere)) == Score(missed=1)


def test_a_finding_counts_for_the_nearest_label_only() -> None:
    labels = [label(10, flaw=False), label(12)]
    assert score(marks(labels, [found(12)])) == Score(hit=1, spared=1)
    assert score(marks(labels, [found(11)])) == Score(missed=1, false=1)


def test_a_finding_of_several_lines_is_near_each_of_them() -> None:
    assert score(marks([label(15)], [found(10, end_line=14)])) == Score(hit=1)


def test_several_findings_at_one_label_count_once() -> None:
    assert score(marks([label(10)], [found(10), found(11), found(10, cwe=564)])) == Score(hit=1)


def test_ratios() -> None:
    counts = Score(hit=8, missed=2, false=4, spared=6)
    assert (counts.recall, counts.precision, counts.youden) == (0.8, 8 / 12, 0.4)
    assert counts.f1 == pytest.approx(2 * 0.8 * (8 / 12) / (0.8 + 8 / 12))
    assert (Score().recall, Score().precision, Score().f1, Score().youden) == (0, 0, 0, 0)


def test_counts_by_category() -> None:
    labels = [label(10), label(20, category="xss"), label(30, category="xss", flaw=False)]
    assert by_category(marks(labels, [found(10), found(30, cwe=79)])) == {
        "sql-injection": Score(hit=1),
        "xss": Score(missed=1, false=1),
    }


def test_a_part_that_is_not_written_yet_has_no_applications(tmp_path: Path) -> None:
    assert applications(tmp_path / "frozen") == []


def test_the_open_part_has_flaws_and_twins_of_every_category() -> None:
    labels = [each for application in applications(OPEN) for each in read(application)]
    flaws = Counter(each.category for each in labels if each.flaw)
    twins = Counter(each.category for each in labels if not each.flaw)
    assert min(flaws.total(), twins.total()) >= 120
    assert {category for category in CWES if min(flaws[category], twins[category]) < 2} == set()


def test_half_of_the_flows_cross_functions() -> None:
    kinds = Counter(each.kind for application in applications(OPEN) for each in read(application) if each.flaw)
    assert kinds.total() - kinds["direct"] - kinds["loop"] - kinds["branch"] >= kinds.total() / 2


def test_every_seeded_module_parses() -> None:
    files = sorted(OPEN.rglob("*.py"))
    assert files
    for file in files:
        ast.parse(file.read_text(encoding="utf-8"), str(file))
