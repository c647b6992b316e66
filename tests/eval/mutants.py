"""Delta's `mutation` on a project that is made here, beside each of its changes tried by hand with plain pytest."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from clones.engines.mutation import analyse
from clones.engines.mutation.mutants import Mutant, mutants
from clones.params import MutationParams
from tests.eval.knots import counted, write
from tests.eval.outcome import Part, Row, Told, Verdict, flawless

OURS = "mutation"
BY_HAND = "pytest, each change"
_TIMEOUT_S = 60.0
MODULE = "till.py"

FILES: Mapping[str, str] = {
    MODULE: '''\
"""A till: some of what it does is looked at by its tests, some is only run, and some is not."""


def total(prices):
    whole = 0
    for price in prices:
        whole += price
    return whole


def discount(price, count):
    if count > 10:
        return price * 9 // 10
    return price


def change(paid, price):
    if paid < price:
        raise ValueError("not enough")
    return paid - price


def label(price, sold):
    text = "sold" if sold else "open"
    return text


def unlooked(price):
    return price + 1
''',
    "tests/test_till.py": """\
import pytest
from till import change, discount, label, total


def test_total():
    assert total([1, 2, 4]) == 7
    assert total([]) == 0


def test_discount_far_from_its_boundary():
    assert discount(100, 50) == 90
    assert discount(100, 1) == 100


def test_change():
    assert change(10, 4) == 6
    with pytest.raises(ValueError):
        change(3, 4)


def test_label_is_only_run():
    label(3, True)
""",
}
"""`discount` is not tried at 10 and 11, `change` not with what is just enough, and nothing looks at `label`."""


def measure(tell: Told) -> Part:
    """Have Delta try every change, and try each by hand: a change survives where the whole suite passes with it."""
    with tempfile.TemporaryDirectory(prefix="sanctuary-eval-") as scratch:
        target, out = Path(scratch) / "target", Path(scratch) / "out"
        write(target, FILES)
        out.mkdir()
        source = (target / MODULE).read_bytes()
        every = mutants(MODULE, source)
        tell(f"{len(every)} changes")
        begin = time.monotonic()
        params = MutationParams(target=str(target), mutants=len(every), budget_s=600)
        data = analyse(target, params, out, lambda *_: None).data
        took = time.monotonic() - begin
        said = {str(row["diff"]) for row in data["survivors"]}
        begin = time.monotonic()
        passing = {each.diff(source): _passes(target, each, source, Path(scratch) / "by-hand") for each in every}
        by_hand = time.monotonic() - begin
    unlooked = {each.diff(source) for each in every if _function(source, each) == "unlooked"}
    survivors = {diff for diff, passes in passing.items() if passes} - unlooked
    noticed = passing.keys() - survivors - unlooked
    rows = (
        Row(material="changes", engine=OURS, score=counted(said, survivors, noticed), seconds=took),
        Row(material="changes", engine=BY_HAND, score=counted(survivors, survivors, noticed), seconds=by_hand),
    )
    totals = data["totals"]
    agreed = (totals["killed"] + totals["timeout"], totals["survived"], totals["no_tests"])
    counts = (len(noticed), len(survivors), len(unlooked))
    return Part(
        name="mutants",
        title="small changes to the code that no test notices",
        rows=rows,
        verdicts=(
            flawless(rows, OURS, "changes that survive"),
            Verdict(
                text=f"as many noticed, survived and in lines without tests as by hand: {counts}, told: {agreed}",
                holds=agreed == counts,
            ),
        ),
        wrong=(
            *(f"missed: {diff}" for diff in sorted(survivors - said)),
            *(f"false: {diff}" for diff in sorted(said & noticed)),
        ),
    )


def _passes(target: Path, mutant: Mutant, source: bytes, copy: Path) -> bool:
    """Return whether the whole suite passes with one change; one that does not end in time is noticed."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(target, copy)
    (copy / MODULE).write_bytes(mutant.applied(source))
    argv = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--rootdir", str(copy)]
    try:
        done = subprocess.run(argv, cwd=copy, capture_output=True, check=False, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _function(source: bytes, mutant: Mutant) -> str:
    """Return the name of the function that a change is in."""
    before = source[: mutant.begin].decode().splitlines()
    return next(line for line in reversed(before) if line.startswith("def "))[4:].partition("(")[0]
