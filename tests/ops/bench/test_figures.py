"""Percentiles and rows, from rounds that are known by hand."""

import pytest

from ops.bench.figures import Round, percentile, summarise


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.01, 1), (0.5, 50), (0.501, 51), (0.99, 99), (0.991, 100), (1.0, 100)]
)
def test_percentile_is_the_nearest_rank(share: float, expected: int) -> None:
    assert percentile(range(1, 101), share) == expected


def test_percentile_of_one_value_is_that_value() -> None:
    assert [percentile([7.0], share) for share in (0.0, 0.5, 0.99, 1.0)] == [7.0] * 4


def test_the_ratio_is_the_median_of_pairs_and_not_the_ratio_of_medians() -> None:
    def pair(floor_s: float, own_s: float) -> tuple[Round, Round]:
        return (
            Round(seconds=floor_s, latencies_s=[0.001] * 10),
            Round(seconds=own_s, latencies_s=[0.002, 0.004] * 5, starts_s=[0.0005] * 10),
        )

    # The machine was three times slower during the second pair and ten times during the third.
    run = summarise("always", 4, [pair(1, 2), pair(3, 4), pair(10, 50)])

    assert run.ratio_to_floor == 0.5
    assert (run.ratio_lowest, run.ratio_highest) == (0.2, 0.75)
    assert (run.pairs, run.tasks) == (3, 30)
    assert (run.tasks_per_s, run.floor_tasks_per_s) == (2.5, 3.3)
    assert (run.p50_ms, run.p99_ms, run.floor_p50_ms, run.floor_p99_ms) == (2, 4, 1, 1)
    assert (run.start_p50_ms, run.start_p99_ms) == (0.5, 0.5)
