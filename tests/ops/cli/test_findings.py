"""What a result found, a line each."""

from typing import Any

import pytest

from ops.cli.findings import MAX_ROWS, MAX_WIDTH, found

CHECK = {"text": "README.md:3: `gone.md` is not there", "how_to_check": "ls gone.md", "expected": ""}


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (
            {"findings": [{"severity": "high", "title": "Pickled data is loaded", "file": "a.py", "line": 3}]},
            ["high: Pickled data is loaded (a.py:3)"],
        ),
        (
            {"findings": [{"severity": "low", "title": "An assertion", "file": "a.py", "line": 3, "state": "new"}]},
            ["new, low: An assertion (a.py:3)"],
        ),
        (
            {"reviews": [{"severity": "low", "title": "An assertion", "file": "a.py", "line": 3}]},
            ["to review: An assertion (a.py:3)"],
        ),
        (
            {"hot": [{"self_share": share, "function": "f", "file": "a.py", "line": 3} for share in (0.856, 0.001)]},
            ["86% of the time in f (a.py:3)"],
        ),
        (
            {"failures": [{"test": "test_a.py::test_b", "message": "assert 1 == 2\n + where", "check": CHECK}]},
            ["test_a.py::test_b failed: assert 1 == 2"],
        ),
        (
            {
                "gates": [
                    {"gate": "no_flaky", "verdict": "passed", "reason": ""},
                    {"gate": "line_percent", "verdict": "failed", "reason": "28 % of lines covered"},
                ]
            },
            ["gate line_percent failed: 28 % of lines covered"],
        ),
        ({"cycle_details": [{"shortest": ["a", "b"]}]}, ["cycle: a -> b -> a"]),
        (
            {"contracts": {"declared": [{"violations": []}, {"violations": [{"text": "`layers` is broken: a -> b"}]}]}},
            ["`layers` is broken: a -> b"],
        ),
        ({"documents": {"findings": [{"rule": "dead-link", "check": CHECK}]}}, [CHECK["text"]]),
        (
            {
                "properties": {
                    "tests": [{"outcome": "holds", "text": "holds"}, {"outcome": "fails", "text": "not for 0"}]
                }
            },
            ["not for 0"],
        ),
        ({"files": [{"text": "not asked for"}], "modules": 3, "findings": "none", "gates": None}, []),
    ],
)
def test_each_list_is_told_in_words(data: dict[str, Any], lines: list[str]) -> None:
    assert list(found(data)) == lines


def test_of_many_the_first_are_told_and_how_many_more_there_are() -> None:
    survivors = [{"text": f"change {number}"} for number in range(MAX_ROWS + 2)]
    told = [*(f"change {number}" for number in range(MAX_ROWS)), "and 2 more of `survivors`"]
    assert list(found({"survivors": survivors})) == told
    assert list(found({"survivors": survivors, "survivors_total": 100}))[-1] == "and 95 more of `survivors`"


def test_what_a_target_is_called_cannot_write_to_the_terminal() -> None:
    (line,) = found({"ranked": [{"text": "\x1b[31m" + "x" * 1000}]})
    assert "\x1b" not in line
    assert len(line) == MAX_WIDTH
