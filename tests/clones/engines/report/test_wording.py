"""Figures in words: units, and rounding that never makes more of a number than it is."""

import pytest

from clones.engines.report import wording

UNKNOWN = "\N{EN DASH}"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, UNKNOWN),
        (float("nan"), UNKNOWN),
        (0.0, "0 ms"),
        (0.34, "340 ms"),
        (0.9996, "1.0 s"),
        (12.34, "12.3 s"),
        (99.96, "1 min 40 s"),
        (245.2, "4 min 5 s"),
        (7380.0, "2 h 3 min"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, UNKNOWN), (0.0, "0.0%"), (0.01, "< 0.1%"), (73.75, "73.8%"), (99.96, "99.9%"), (100.0, "100.0%")],
)
def test_percents_never_round_a_part_to_a_whole(value: float | None, text: str) -> None:
    assert wording.percent(value) == text


def test_coverage_is_never_more_than_there_is() -> None:
    assert wording.covered(76.47) == "76.4%"
    assert wording.covered(99.99) == "99.9%"


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        ([], ""),
        ([3, 4, 5, 9], "3-5, 9"),
        ([[3, 7], 8], "3-8"),
        (["3-7", "9"], "3-7, 9"),
        (list(range(1, 40, 2)), "1, 3, … 18 more"),
    ],
)
def test_lines_become_ranges(missing: list[object], text: str) -> None:
    assert wording.lines(missing, 2) == text


def test_the_rest_of_a_list_is_counted() -> None:
    assert wording.some([1, 2, 3], 2) == wording.Some((1, 2), 1)
    assert wording.some([1, 2], 5, total=40).more == 38
    assert wording.some([1, 2], 5).more == 0
