"""The row of the bench of the notary, from rounds that are known by hand."""

from ops.bench.figures import Round
from ops.bench.notary_figures import SignedRound, summarise


def pair(plain_s: float, signed_s: float, after_s: float, notary: float | None) -> tuple[Round, SignedRound]:
    done = Round(seconds=signed_s, latencies_s=[0.001] * 10)
    cores = None if notary is None else {"broker": 0.5, "notary": notary}
    signed = SignedRound(round=done, entries=20, signed_after_s=after_s, cores=cores)
    return Round(seconds=plain_s, latencies_s=[0.001] * 10), signed


def test_the_ratio_is_the_median_of_pairs() -> None:
    # The machine was ten times slower during the third pair.
    run = summarise(5, [pair(1, 2, 1, 0.1), pair(1, 1, 3, 0.2), pair(10, 12.5, 2, 0.3)])
    assert (run.ratio, run.ratio_lowest, run.ratio_highest) == (0.8, 0.5, 1.0)
    assert (run.in_flight, run.pairs, run.entries) == (5, 3, 20)
    assert (run.tasks_per_s, run.signed_tasks_per_s, run.entries_per_s) == (10.0, 5.0, 10.0)
    assert (run.signed_after_s, run.notary_cores, run.broker_cores) == (2, 0.2, 0.5)


def test_where_nothing_is_known_of_processors_nothing_is_told() -> None:
    run = summarise(5, [pair(1, 2, 1, None)])
    assert (run.notary_cores, run.broker_cores) == (None, None)
