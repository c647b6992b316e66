"""Tests that are flaky, and tests that follow the order: each told from the other, with what shows it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from clones.engines.contract import EngineOutput
from clones.engines.shuffles.rounds import shuffle
from clones.engines.testing import analyse
from clones.engines.triage.running import Failure, Ran
from clones.params import TestingParams as Params
from tests.clones.engines.claims import wrong
from tests.clones.engines.running.projects import project

POLLUTED = {
    "state.py": "SEEN = []\n",
    "tests/test_a.py": "import state\n\ndef test_clean():\n    assert state.SEEN == []\n\ndef test_other(): pass\n\n"
    "def test_pollutes():\n    state.SEEN.append(1)\n",
}
TURNS = """
import pathlib

def test_turns():
    mark = pathlib.Path(MARK)
    mark.write_text(mark.read_text() + ".")
    assert len(mark.read_text()) % 2

def test_steady(): pass
"""

pytestmark = pytest.mark.timeout(600)  # a busy machine takes its time


def run(tmp_path: Path, files: Mapping[str, str], **params: Any) -> tuple[Path, EngineOutput]:
    target = project(tmp_path / "target", files)
    out = tmp_path / "out"
    out.mkdir()
    output = analyse(target, Params(target=str(target), budget_s=500.0, **params), out, lambda *_: None)
    assert {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()} == set(files)
    return target, output


def test_what_follows_the_order_has_its_polluter(tmp_path: Path) -> None:
    target, output = run(tmp_path, POLLUTED, shuffles=1)
    shuffles = output.data["shuffles"]
    assert (shuffles["asked"], shuffles["done"], shuffles["seeds"]) == (1, 1, [1])
    (row,) = shuffles["tests"]
    assert (row["test"], row["verdict"]) == ("tests/test_a.py::test_clean", "order-dependent")
    assert (row["alone"], row["behind"]) == ("passes", ["tests/test_a.py::test_pollutes"])
    assert wrong(shuffles, target) == []
    assert "0 flaky and 1 order-dependent" in output.summary


def test_what_follows_nothing_is_flaky(tmp_path: Path) -> None:
    (tmp_path / "mark").touch()
    _, output = run(tmp_path, {"tests/test_f.py": TURNS.replace("MARK", repr(str(tmp_path / "mark")))}, shuffles=1)
    (row,) = output.data["shuffles"]["tests"]
    assert (row["test"], row["verdict"]) == ("tests/test_f.py::test_turns", "flaky")
    assert row["passed"] + row["failed"] == output.data["shuffles"]["runs"]
    lines = (tmp_path / "out" / "shuffles.txt").read_text(encoding="utf-8").splitlines()
    assert sum(" failed " in line for line in lines) == row["failed"]


def test_files_that_a_run_leaves_are_gone_in_the_next(tmp_path: Path) -> None:
    code = "import pathlib\n\ndef test_once():\n    mark = pathlib.Path('mark')\n    assert not mark.exists()\n    mark.touch()\n"
    _, output = run(tmp_path, {"tests/test_m.py": code}, shuffles=1)
    assert output.data["shuffles"]["tests"] == []


def ran(order: Sequence[str], failed: Sequence[str]) -> Ran:
    passed = frozenset(order) - set(failed)
    said = {test: Failure(message="assert False", said="") for test in failed}
    status = 1 if failed else 0
    return Ran(
        passed=passed,
        failed=said,
        order=tuple(order),
        interrupted=False,
        exit_status=status,
        duration_s=1.0,
        last_words="",
    )


class Suite:
    """A suite of 40 tests whose outcome `fails` decides from the order; runs are counted."""

    def __init__(self, fails: Any, seconds: float = 1e9) -> None:
        self.names = [f"t::{number:02d}" for number in range(40)]
        self.fails = fails
        self.left = seconds

    def run(self, tests: Sequence[str], seed: int | None) -> Ran:
        self.left -= 1.0
        order = list(tests) or (self.names if seed is None else self.names[seed * 7 :] + self.names[: seed * 7])
        return ran(order, [test for at, test in enumerate(order) if self.fails(test, order[:at])])

    def shuffled(self, asked: int) -> Any:
        return shuffle(self.run, asked, lambda: self.left, lambda _: None)


def test_two_tests_far_apart_that_break_a_third_together_are_both_found() -> None:
    suite = Suite(lambda test, before: test == "t::05" and {"t::20", "t::33"} <= set(before))
    (changed,) = suite.shuffled(4).changed
    assert (changed.cause.verdict, changed.cause.alone, changed.cause.behind) == (
        "order-dependent",
        True,
        ("t::20", "t::33"),
    )


def test_what_fails_alone_has_what_it_needs() -> None:
    suite = Suite(lambda test, before: test == "t::20" and "t::05" not in before)
    (changed,) = suite.shuffled(4).changed
    assert (changed.cause.verdict, changed.cause.alone, changed.cause.behind) == ("order-dependent", False, ("t::05",))


def test_without_time_nothing_is_claimed() -> None:
    suite = Suite(lambda test, before: test == "t::05" and "t::20" in before, seconds=4.0)
    found = suite.shuffled(9)
    assert found.done < 9
    assert [changed.cause.verdict for changed in found.changed] == ["undecided"]


@pytest.mark.parametrize("period", [2, 3, 5])
def test_what_changes_in_the_same_order_is_never_said_to_follow_it(period: int) -> None:
    count = iter(range(10**6))
    suite = Suite(lambda test, _: test == "t::05" and next(count) % period == 0)
    (changed,) = suite.shuffled(6).changed
    assert changed.cause.verdict == "flaky"
