"""Gates, changed lines and unsteady tests stand in the part of the tests, with their checks."""

from pathlib import Path

from tests.clones.engines.report.flows import stated
from tests.clones.engines.report.inputs import TESTING, review, section
from tests.clones.engines.report.writing import write

FURTHER = {
    "gates": [{"gate": "line_percent", "limit": 90.0, "verdict": "failed", "reason": "62.5 % of lines covered"}],
    "diff_coverage": {
        "since": "v1.2.0",
        "percent": 75.0,
        "files": [{"file": "src/shop/cart.py", "percent": 75.0, "missing": ["61"], **stated("1 of 4 changed lines")}],
    },
    "shuffles": {
        "done": 3,
        "tests": [
            {
                "test": "tests/test_cart.py::test_total",
                "verdict": "order-dependent",
                "passed": 4,
                "failed": 2,
                "behind": ["tests/test_tax.py::test_tax"],
                **stated("It passes by itself and fails after the other"),
            }
        ],
    },
}


def test_they_stand_in_the_part_of_the_tests(tmp_path: Path) -> None:
    written = write(review(section("testing", data=TESTING | FURTHER)), tmp_path)
    for text in written.texts:
        for said in (
            "62.5 % of lines covered",
            "order-dependent",
            "tests/test_tax.py::test_tax",
            "Since v1.2.0: 75.0%",
        ):
            assert said in text
    told = {each["text"] for each in written.told["statements"]}
    assert {"1 of 4 changed lines", "It passes by itself and fails after the other"} <= told


def test_without_them_nothing_is_said(tmp_path: Path) -> None:
    written = write(review(section("testing", data=TESTING)), tmp_path)
    assert not any("Gates" in text or "change their outcome" in text for text in written.texts)
