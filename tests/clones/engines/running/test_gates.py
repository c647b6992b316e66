"""Gates, and the coverage of what was changed: each verdict with the figure that decides it."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from clones.engines.running.diff_coverage import changed_lines
from clones.engines.running.gates import judge
from clones.engines.testing import analyse
from clones.params import Gates
from clones.params import TestingParams as Params
from tests.clones.engines.claims import wrong
from tests.clones.engines.history import History

pytestmark = pytest.mark.timeout(600)  # a busy machine takes its time

DATA: dict[str, Any] = {
    "counts": {"failed": 0, "errors": 0},
    "complete": True,
    "duration_s": 2.0,
    "coverage": {"line_percent": 79.99, "branch_percent": None},
    "shuffles": {"asked": 3, "done": 3, "runs": 4, "tests": []},
    "diff_coverage": {"since": "v1", "lines_total": 4, "percent": 75.0},
}


@pytest.mark.parametrize(
    ("gates", "changes", "verdict"),
    [
        (Gates(line_percent=80), {}, "failed"),
        (Gates(line_percent=79.99), {}, "passed"),
        (Gates(line_percent=1), {"coverage": None}, "unknown"),
        (Gates(branch_percent=0), {}, "unknown"),
        (Gates(diff_percent=75), {}, "passed"),
        (Gates(diff_percent=76), {}, "failed"),
        (Gates(diff_percent=100), {"diff_coverage": {"since": "v1", "lines_total": 0, "percent": None}}, "passed"),
        (Gates(diff_percent=0), {"diff_coverage": {"reason": "no history"}}, "unknown"),
        (Gates(no_failures=True), {}, "passed"),
        (Gates(no_failures=True), {"counts": {"failed": 0, "errors": 1}}, "failed"),
        (Gates(no_failures=True), {"complete": False, "reason": "crashed"}, "unknown"),
        (Gates(no_flaky=True), {}, "passed"),
        (Gates(no_flaky=True), {"shuffles": {"asked": 9, "done": 3, "runs": 4, "tests": [{}]}}, "failed"),
        (Gates(no_flaky=True), {"shuffles": {"asked": 9, "done": 3, "runs": 4, "tests": []}}, "unknown"),
        (Gates(no_flaky=True), {"shuffles": None}, "unknown"),
        (Gates(max_duration_s=2), {}, "passed"),
        (Gates(max_duration_s=1.9), {}, "failed"),
        (Gates(max_duration_s=9), {"complete": False}, "unknown"),
    ],
)
def test_a_gate_passes_only_by_a_figure(gates: Gates, changes: dict[str, Any], verdict: str) -> None:
    (told,) = judge(gates, DATA | changes)
    assert (told["verdict"], bool(told["reason"])) == (verdict, True)


def test_the_lines_changed_since_a_revision_are_counted_by_what_ran(tmp_path: Path) -> None:
    history = History(tmp_path / "shop")
    history.commit("Begin", {"src/shop/__init__.py": "def old():\n    return 1\n", "tests/test_a.py": ""})
    history.git("tag", "v1")
    code = "def old():\n    return 1\n\n\ndef new(a):\n    if a:\n        return 2\n    return 3\n"
    test = "import shop\n\ndef test_new(): assert shop.new(1) == 2\n"
    history.commit("Grow", {"src/shop/__init__.py": code, "tests/test_a.py": test})
    history.write({"src/shop/more.py": "X = 1\n"})
    assert changed_lines(history.root, "v1", "src/shop/__init__.py") == {3, 4, 5, 6, 7, 8}
    (tmp_path / "out").mkdir()
    gates = Gates(no_failures=True, line_percent=10, diff_percent=80, max_duration_s=0.001)
    params = Params(target=str(history.root), since="v1", gates=gates, budget_s=500.0)
    output = analyse(history.root, params, tmp_path / "out", lambda *_: None)
    diff = output.data["diff_coverage"]
    assert (diff["since"], diff["lines_covered"], diff["lines_total"], diff["percent"]) == ("v1", 3, 5, 60.0)
    assert [(row["file"], row["missing"]) for row in diff["files"]] == [
        ("src/shop/__init__.py", ["8"]),
        ("src/shop/more.py", ["1"]),
    ]
    shutil.copy2(tmp_path / "out" / "coverage.xml", history.root)
    assert wrong(diff, history.root) == []
    told = {row["gate"]: row["verdict"] for row in output.data["gates"]}
    assert told == {
        "no_failures": "passed",
        "line_percent": "passed",
        "diff_percent": "failed",
        "max_duration_s": "failed",
    }
    assert "; gates: diff_percent, max_duration_s not passed." in output.summary
