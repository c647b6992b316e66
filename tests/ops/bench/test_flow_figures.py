"""Rows of the bench of workflows, from rounds that are known by hand."""

import pytest
from msgspec.structs import replace

from ops.bench.figures import Round
from ops.bench.flow_figures import Cores, FlowRound, limit, overhead, sharing

IDLE = Cores(broker=0.3, omegas=(0.2, 0.2, 0.2), worker=0.2, submitter=0.1, machine=1.2)


def test_a_step_is_a_tenth_of_its_run_and_ratios_are_of_pairs() -> None:
    def pair(bare_s: float, flow_s: float) -> tuple[Round, Round]:
        # Twenty bare tasks, and two runs of ten steps.
        bare = Round(seconds=bare_s, latencies_s=[bare_s / 10] * 20)
        return bare, Round(seconds=flow_s, latencies_s=[flow_s] * 2)

    # The machine was ten times slower during the third pair.
    row = overhead(2, 10, [pair(1, 1.5), pair(1, 1.2), pair(10, 18)])

    assert (row.pairs, row.steps) == (3, 20)
    assert (row.tasks_per_s, row.task_p50_ms) == (20.0, 100.0)
    assert (row.steps_per_s, row.step_p50_ms) == (13.3, 150.0)
    assert (row.throughput_ratio, row.latency_ratio) == (1.5, 1.5)


def test_the_speed_up_is_the_median_of_pairs() -> None:
    def round_of(seconds: float) -> FlowRound:
        return FlowRound(round=Round(seconds=seconds, latencies_s=[1.0] * 10), cores=None)

    pairs = [(round_of(4), round_of(2)), (round_of(40), round_of(25)), (round_of(4), round_of(2.5))]
    row = sharing(3, 10, 2, pairs)

    assert row.speed_up == 1.6
    assert row.steps_per_s == (25.0, 40.0)
    assert row.cores is None
    assert row.limit == "not known: there is no /proc here"


@pytest.mark.parametrize(
    ("used", "words"),
    [
        (IDLE, "no processor: what is left is waiting"),
        (replace(IDLE, broker=0.93), "the broker used 93% of a core"),
        (replace(IDLE, machine=1.9), "the machine's 2 cores were 95% in use, 60% by the bench"),
        (replace(IDLE, worker=0.9), "the worker used 90% of a core"),
        (replace(IDLE, omegas=(0.95, 0.2, 0.9)), "2 of 3 Omegas used 90% of a core or more"),
        (
            replace(IDLE, broker=1.0, machine=2.0),
            "the broker used 100% of a core; the machine's 2 cores were 100% in use, 95% by the bench",
        ),
    ],
)
def test_the_limit_is_whatever_was_used_up(used: Cores, words: str) -> None:
    assert limit(used, 2) == words
