"""Delta's `strategy`: what it ranks, the cases it proposes, and that each of its statements holds by its own check."""

import ast
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clones.engines.contract import EngineOutput
from clones.engines.strategy import analyse
from clones.engines.strategy.cases import cases, own_statements
from clones.engines.testing import analyse as run_tests
from clones.params import CoveredFile, StrategyParams
from clones.params import TestingParams as RunParams
from tests.clones.engines.architecture.projects import write
from tests.clones.engines.checking import statements
from tests.clones.engines.claims import wrong

Strategy = Callable[..., EngineOutput]

pytestmark = pytest.mark.timeout(600)  # a busy machine takes its time

BILL: dict[str, str | bytes] = {
    "bill.py": '''"""Bills."""


def total(items: list[int], rate: float | None = None) -> float:
    """Add up."""
    if not items:
        raise ValueError("nothing")
    whole = 0.0
    for item in items:
        if item > 100:
            whole += item * 0.9
        else:
            whole += item
    if rate is not None:
        whole *= rate
    return whole


class Account:
    def close(self, force: bool = False) -> str:
        try:
            left = int(self.left)
        except ValueError as error:
            return str(error)
        if left == 0 or force:
            return "closed"
        return "open"


def plain(x):
    return x
''',
    "tests/test_bill.py": "from bill import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n",
}


@pytest.fixture
def strategy(tmp_path: Path) -> Strategy:
    def run(
        files: dict[str, str | bytes], coverage: tuple[CoveredFile, ...] | None = None, drafts: int = 0
    ) -> EngineOutput:
        target, out = write(tmp_path / "target", files), tmp_path / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        params = StrategyParams(target=str(target), coverage=coverage, drafts=drafts)
        return analyse(target, params, out, lambda *_: None)

    return run


def test_without_coverage_what_no_test_names_comes_first(strategy: Strategy) -> None:
    output = strategy(BILL)
    assert [(row["function"], row["untested"]) for row in output.data["ranked"]] == [
        ("Account.close", 1.0),
        ("total", 0.5),
    ]
    assert output.data["tests_in"] == ["tests"]
    assert "coverage" in {item.subject for item in output.not_analysed}


def test_with_coverage_what_ran_in_no_test_counts(strategy: Strategy, tmp_path: Path) -> None:
    target = write(tmp_path / "target", BILL)
    (tmp_path / "tested").mkdir()
    tested = run_tests(target, RunParams(target=str(target), budget_s=500), tmp_path / "tested", lambda *_: None)
    coverage = tuple(
        CoveredFile(file=item["file"], missing=tuple(item["missing"]))
        for item in json.loads(json.dumps(tested.data))["files"]
    )
    output = strategy(BILL, coverage)
    close, total = output.data["ranked"]
    assert (close["function"], close["untested"], close["missing"]) == ("Account.close", 1.0, [21, 22, 24, 25, 26, 27])
    assert (total["function"], total["missing"]) == ("total", [7, 11, 15])
    # What reaches unrun lines is proposed first.
    assert [case["reaches"] for case in total["cases"]][:5] == [[7], [11], [11], [15], []]
    shutil.copy(tmp_path / "tested" / "coverage.xml", target)
    assert close["coverage"]["needs_file"] == "coverage.xml"
    assert wrong(output.data, target) == []


def test_every_statement_holds_by_its_own_check(strategy: Strategy, tmp_path: Path) -> None:
    output = strategy(BILL)
    assert len(list(statements(output.data))) > 8
    assert wrong(output.data, tmp_path / "target") == []
    assert (tmp_path / "out" / "strategy.md").read_text().startswith("# Test strategy for ")


def test_a_function_that_is_tested_in_full_is_not_told(strategy: Strategy) -> None:
    output = strategy(BILL, (CoveredFile(file="bill.py", missing=("20-27",)),))
    assert [row["function"] for row in output.data["ranked"]] == ["Account.close"]


def test_of_lines_behind_a_capped_list_nothing_is_said(strategy: Strategy) -> None:
    ranges = tuple(f"{line}" for line in range(101, 181, 2))
    source = BILL["bill.py"]
    assert isinstance(source, str)
    files = {"bill.py": "\n" * 200 + source, "tests/test_bill.py": BILL["tests/test_bill.py"]}
    output = strategy(files, (CoveredFile(file="bill.py", missing=ranges),))
    assert [row["missing"] for row in output.data["ranked"]] == [None, None]


GAPS: dict[str, str | bytes] = {
    "shop/__init__.py": "",
    "shop/price.py": '''"""Prices."""


def with_tax(cents: int, rate: float, reduced: bool = False) -> float:
    if reduced:
        return cents * (1 + rate / 2)
    if cents < 0:
        raise ValueError("less than nothing")
    return cents * (1 + rate)


def rounded(cents: float, up: bool = False) -> int:
    if up:
        return int(cents) + 1
    return int(cents)
''',
    "shop/order.py": '''"""Orders."""


def state(paid: bool, sent: bool) -> str:
    if paid and sent:
        return "done"
    if paid:
        return "open"
    return "new"
''',
    "tests/test_shop.py": """from shop.order import state
from shop.price import rounded, with_tax


def test_tax():
    assert with_tax(100, 0.5) == 150


def test_state():
    assert state(True, True) == "done"
    assert state(True, False) == "open"
    assert state(False, False) == "new"


def test_rounded():
    assert (rounded(1.5), rounded(1.5, up=True)) == (1, 2)
""",
}


def test_the_gaps_that_were_left_in_a_project_are_named_and_nothing_else(strategy: Strategy, tmp_path: Path) -> None:
    target = write(tmp_path / "measured", GAPS)
    (tmp_path / "tested").mkdir()
    tested = run_tests(target, RunParams(target=str(target), budget_s=500), tmp_path / "tested", lambda *_: None)
    files = tuple(CoveredFile(file=each["file"], missing=tuple(each["missing"])) for each in tested.data["files"])
    ranked = strategy(GAPS, files).data["ranked"]
    assert [(row["function"], row["file"], row["missing"]) for row in ranked] == [("with_tax", "shop/price.py", [6, 8])]
    assert [(case["line"], case["reaches"]) for case in ranked[0]["cases"] if case["reaches"]] == [(5, [6]), (7, [8])]


def test_property_tests_are_drafted_run_and_told_with_what_they_found(strategy: Strategy, tmp_path: Path) -> None:
    output = strategy(BILL, drafts=5)
    found = output.data["properties"]
    assert [(row["function"], row["property"], row["outcome"]) for row in found["tests"]] == [
        ("total", "returns", "holds"),
        ("total", "errors", "holds"),
    ]
    assert {file.name for file in output.files} == {"strategy.md", "test_property_bill_total.py"}
    assert "2 property tests drafted and run, 0 with a counterexample" in output.summary
    assert "## Property tests" in (tmp_path / "out" / "strategy.md").read_text()
    for row in found["tests"]:
        shutil.copy(tmp_path / "out" / row["needs_file"], tmp_path / "target")
    assert wrong({"tests": found["tests"]}, tmp_path / "target") == []


def proposed(source: str) -> dict[str, str]:
    function: Any = ast.parse(source).body[0]
    return {case.name: case.given for case in cases(function, frozenset())}


def test_cases_follow_from_branches_and_parameters() -> None:
    found = proposed(
        "def f(n: int, names: list[str], s: 'str | None' = None):\n"
        "    if n >= 10:\n        raise KeyError(n)\n"
        "    for name in names:\n        g(name)\n"
        "    match s:\n        case None:\n            return 0\n"
    )
    assert found == {
        "test_f_when_n_10": "`n` at the boundary: 9, 10 and 11: `n >= 10` holds; expect `KeyError`",
        "test_f_unless_n_10": "`n` at the boundary: 9, 10 and 11: `n >= 10` does not hold",
        "test_f_without_any_names": "nothing in `names`: the loop does not run",
        "test_f_with_several_names": "two and more in `names`",
        "test_f_matching_none": "a value that matches `None`; expect `0`",
        "test_f_with_n_at_its_boundaries": "`n`: 0, 1, -1",
        "test_f_with_names_at_its_boundaries": "`names`: [], one item, several",
        "test_f_with_s_at_its_boundaries": '`s`: "", "é", a text of several lines, None',
    }


def test_the_inside_of_nested_definitions_is_not_the_functions_own() -> None:
    function: Any = ast.parse(
        "def f():\n    '''Doc.'''\n    def g():\n        if x:\n            pass\n    return g\n"
    ).body[0]
    assert own_statements(function) == [3, 6]
    assert cases(function, frozenset()) == []


def test_a_target_without_tests_or_branches(strategy: Strategy) -> None:
    output = strategy({"a.py": "def f(x):\n    return x\n"})
    assert output.data["ranked"] == []
    assert {item.subject for item in output.not_analysed} >= {"coverage", "tests"}
