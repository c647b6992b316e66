"""What a measurement says: percentiles, and one row of the table from its rounds. Pure."""

import statistics
from collections.abc import Iterable, Sequence

import msgspec


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One side's part of a pair."""

    seconds: float
    """From the first submit to the last result seen."""
    latencies_s: list[float]
    """Of each task, from its submit to its result seen by the submitter."""
    starts_s: list[float] = []
    """Of each task, from stored in the ledger to handler start; the floor has none."""

    @property
    def tasks_per_s(self) -> float:
        """The throughput of the round."""
        return len(self.latencies_s) / self.seconds


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One setting, measured: medians over its pairs of rounds, percentiles over the tasks of all of them."""

    sync: str
    """`default` (the server calls fsync every 100 ms) or `always` (before each acknowledgement)."""
    in_flight: int
    pairs: int
    """How many rounds each side ran, in turn."""
    tasks: int
    """Measured on our side, all pairs together."""
    tasks_per_s: float
    p50_ms: float
    """Submit to result seen."""
    p99_ms: float
    start_p50_ms: float
    """Stored to handler start."""
    start_p99_ms: float
    floor_tasks_per_s: float
    floor_p50_ms: float
    floor_p99_ms: float
    ratio_to_floor: float
    """The median of the pairs' ratios, each of two rounds next to each other in time: what slows the machine slows both."""
    ratio_lowest: float
    ratio_highest: float


def summarise(sync: str, in_flight: int, pairs: Sequence[tuple[Round, Round]]) -> Run:
    """Return the row of `pairs` of a floor's round and ours, at least one."""
    floors, ours = [floor for floor, _ in pairs], [own for _, own in pairs]
    ratios = [own.tasks_per_s / floor.tasks_per_s for floor, own in pairs]
    latencies, floor_latencies = _all(own.latencies_s for own in ours), _all(floor.latencies_s for floor in floors)
    starts = _all(own.starts_s for own in ours)
    return Run(
        sync=sync,
        in_flight=in_flight,
        pairs=len(pairs),
        tasks=len(latencies),
        tasks_per_s=round(statistics.median(own.tasks_per_s for own in ours), 1),
        p50_ms=_milliseconds(latencies, 0.50),
        p99_ms=_milliseconds(latencies, 0.99),
        start_p50_ms=_milliseconds(starts, 0.50),
        start_p99_ms=_milliseconds(starts, 0.99),
        floor_tasks_per_s=round(statistics.median(floor.tasks_per_s for floor in floors), 1),
        floor_p50_ms=_milliseconds(floor_latencies, 0.50),
        floor_p99_ms=_milliseconds(floor_latencies, 0.99),
        ratio_to_floor=round(statistics.median(ratios), 3),
        ratio_lowest=round(min(ratios), 3),
        ratio_highest=round(max(ratios), 3),
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 to 1) of `ordered` do not exceed: the nearest-rank percentile."""
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def _milliseconds(ordered: Sequence[float], share: float) -> float:
    return round(percentile(ordered, share) * 1000, 3)


def _all(parts: Iterable[list[float]]) -> list[float]:
    return sorted(value for part in parts for value in part)
