"""Delta on a project that is made here: tests that are flaky, tests that depend on their order, and tests that only look so."""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from clones.engines.testing import analyse
from clones.params import TestingParams
from tests.eval.knots import counted, write
from tests.eval.outcome import Part, Row, Told, flawless

OURS = "testing"
BY_HAND = "pytest, twice"
_SHUFFLES = 10
"""A coin falls on one side in all runs once in about a thousand measurements."""
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)

FILES = {
    "shared.py": "SEEN = []\nREADY = []\nCACHE = {}\n",
    "tests/test_flaky.py": """\
import os


def test_coin():
    assert os.urandom(1)[0] % 2


def test_two_coins():
    assert os.urandom(1)[0] % 2 == os.urandom(1)[0] % 2
""",
    "tests/test_left_behind.py": """\
import shared


def test_nothing_seen():
    assert shared.SEEN == []


def test_cache_is_cold():
    assert "warm" not in shared.CACHE


def test_sees():
    shared.SEEN.append(1)


def test_warms():
    shared.CACHE["warm"] = True
""",
    "tests/test_prepared.py": """\
import shared


def test_prepares():
    shared.READY.append(1)


def test_goes_on():
    assert shared.READY
""",
    "tests/test_steady.py": """\
import random
import time

import pytest
import shared


@pytest.fixture
def clean():
    before, shared.SEEN[:] = list(shared.SEEN), []
    yield shared.SEEN
    shared.SEEN[:] = before


def test_tidies_up(clean):
    clean.append(1)
    assert clean == [1]


def test_same_chance():
    assert random.Random(7).random() == random.Random(7).random()


def test_takes_its_time():
    time.sleep(0.1)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_many(number):
    assert number


def test_does_not_look():
    shared.READY.append(2)
    assert shared.READY
    shared.READY.pop()
""",
}
FLAKY = frozenset({"tests/test_flaky.py::test_coin", "tests/test_flaky.py::test_two_coins"})
ORDERED = frozenset(
    {
        "tests/test_left_behind.py::test_nothing_seen",
        "tests/test_left_behind.py::test_cache_is_cold",
        "tests/test_prepared.py::test_goes_on",
    }
)
STEADY = frozenset(
    {
        *(f"tests/test_steady.py::test_{name}" for name in ("tidies_up", "same_chance", "takes_its_time")),
        *(f"tests/test_steady.py::test_many[{number}]" for number in (1, 2, 3)),
        "tests/test_steady.py::test_does_not_look",
        *(f"tests/test_left_behind.py::test_{name}" for name in ("sees", "warms")),
        "tests/test_prepared.py::test_prepares",
    }
)
_TRUE = {*((test, "flaky") for test in FLAKY), *((test, "order-dependent") for test in ORDERED)}
_OTHER = {(test, verdict) for test in STEADY for verdict in ("flaky", "order-dependent")}
_OTHER |= {(test, "order-dependent") for test in FLAKY} | {(test, "flaky") for test in ORDERED}


def measure(tell: Told) -> Part:
    """Run Delta's engine on the project, and pytest by itself, which tells a test that fails in one of two runs as flaky."""
    tell(f"{_SHUFFLES} other orders")
    with tempfile.TemporaryDirectory(prefix="sanctuary-eval-") as scratch:
        target, out = Path(scratch) / "target", Path(scratch) / "out"
        out.mkdir()
        write(target, FILES)
        begin = time.monotonic()
        params = TestingParams(target=str(target), shuffles=_SHUFFLES, budget_s=300)
        data = analyse(target, params, out, lambda *_: None).data
        took = time.monotonic() - begin
        told = {(row["test"], row["verdict"]) for row in data["shuffles"]["tests"]}
        begin = time.monotonic()
        failed = _failed(target) ^ _failed(target)
        by_hand = time.monotonic() - begin
    rows = (
        Row(material="tests", engine=OURS, score=counted(told, _TRUE, _OTHER), seconds=took),
        Row(
            material="tests",
            engine=BY_HAND,
            score=counted({(test, "flaky") for test in failed}, _TRUE, _OTHER),
            seconds=by_hand,
        ),
    )
    return Part(
        name="orders",
        title="tests that are flaky or depend on their order, each told from the other",
        rows=rows,
        verdicts=(flawless(rows, OURS, "flaky and order-dependent tests"),),
        wrong=(
            *(f"missed: {test}: {verdict}" for test, verdict in sorted(_TRUE - told)),
            *(f"false: {test}: {verdict}" for test, verdict in sorted(told & _OTHER)),
        ),
    )


def _failed(target: Path) -> set[str]:
    pytest = (sys.executable, "-B", "-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider", "--rootdir", ".")
    ended = subprocess.run([*pytest, "tests"], cwd=target, capture_output=True, text=True, check=False, timeout=120)
    return set(_FAILED.findall(ended.stdout))
