"""What the measurement of workflows says: rows from rounds, and what kept more Omegas from being faster. Pure."""

import statistics
from collections.abc import Iterable, Sequence

import msgspec

from ops.bench.figures import Round, percentile

BUSY = 0.9
"""A part that uses so much of what it can have is the limit."""


class Cores(msgspec.Struct, frozen=True, kw_only=True):
    """How many cores were used, on average over a round."""

    broker: float
    omegas: tuple[float, ...]
    worker: float
    submitter: float
    machine: float
    """By all that ran on the machine, other programs too."""


class FlowRound(msgspec.Struct, frozen=True, kw_only=True):
    """A number of runs by a number of Omegas."""

    round: Round
    """Of the runs, not of their steps."""
    cores: Cores | None
    """None: it is not known here."""


class Overhead(msgspec.Struct, frozen=True, kw_only=True):
    """Steps of chains against bare tasks, as many of them, with the same worker and as many in flight."""

    in_flight: int
    pairs: int
    steps: int
    """In each round, and as many bare tasks."""
    tasks_per_s: float
    steps_per_s: float
    task_p50_ms: float
    step_p50_ms: float
    """A run's time divided by its steps."""
    throughput_ratio: float
    """Bare tasks a second to steps a second: the median of the pairs' ratios, each of two rounds next to each other in time."""
    latency_ratio: float
    """A step's time to a bare task's, of the medians of each round; otherwise the same."""


class Sharing(msgspec.Struct, frozen=True, kw_only=True):
    """The same runs by one Omega and by more."""

    runs: int
    pairs: int
    omegas: int
    steps_per_s: tuple[float, float]
    """Of one Omega and of more: medians."""
    speed_up: float
    """The median of the pairs' ratios."""
    cores: tuple[Cores, Cores] | None
    machine_cores: int
    limit: str
    """What kept more Omegas from being faster still, in words."""


def overhead(in_flight: int, steps_per_run: int, pairs: Sequence[tuple[Round, Round]]) -> Overhead:
    """Return the row of `pairs` of a round of bare tasks and one of runs."""

    def median(latencies_s: list[float]) -> float:
        return percentile(sorted(latencies_s), 0.5)

    tasks, flows = [bare for bare, _ in pairs], [flow for _, flow in pairs]
    step_s = [median(flow.latencies_s) / steps_per_run for flow in flows]
    task_s = [median(bare.latencies_s) for bare in tasks]
    ratios = [bare.tasks_per_s / (flow.tasks_per_s * steps_per_run) for bare, flow in pairs]
    return Overhead(
        in_flight=in_flight,
        pairs=len(pairs),
        steps=len(flows[0].latencies_s) * steps_per_run,
        tasks_per_s=round(statistics.median(bare.tasks_per_s for bare in tasks), 1),
        steps_per_s=round(statistics.median(flow.tasks_per_s * steps_per_run for flow in flows), 1),
        task_p50_ms=round(statistics.median(task_s) * 1000, 3),
        step_p50_ms=round(statistics.median(step_s) * 1000, 3),
        throughput_ratio=round(statistics.median(ratios), 3),
        latency_ratio=round(statistics.median(of / to for of, to in zip(step_s, task_s, strict=True)), 3),
    )


def sharing(
    omegas: int, steps_per_run: int, machine_cores: int, pairs: Sequence[tuple[FlowRound, FlowRound]]
) -> Sharing:
    """Return the row of `pairs` of a round by one Omega and one by `omegas`."""
    one, more = [each for each, _ in pairs], [each for _, each in pairs]
    used_by_one, used = _median_cores(one), _median_cores(more)
    return Sharing(
        runs=len(one[0].round.latencies_s),
        pairs=len(pairs),
        omegas=omegas,
        steps_per_s=(_steps_per_s(one, steps_per_run), _steps_per_s(more, steps_per_run)),
        speed_up=round(statistics.median(b.round.tasks_per_s / a.round.tasks_per_s for a, b in pairs), 3),
        cores=None if used_by_one is None or used is None else (used_by_one, used),
        machine_cores=machine_cores,
        limit=limit(used, machine_cores),
    )


def limit(used: Cores | None, machine_cores: int) -> str:
    """Return in words what a round was limited by, from what it used."""
    if used is None:
        return "not known: there is no /proc here"
    told = []
    if used.broker >= BUSY:
        told.append(f"the broker used {used.broker:.0%} of a core")
    if used.machine >= BUSY * machine_cores:
        own = used.broker + sum(used.omegas) + used.worker + used.submitter
        told.append(
            f"the machine's {machine_cores} cores were {used.machine / machine_cores:.0%} in use, "
            f"{own / machine_cores:.0%} by the bench"
        )
    if used.worker >= BUSY:
        told.append(f"the worker used {used.worker:.0%} of a core")
    busy = sum(each >= BUSY for each in used.omegas)
    if busy:
        told.append(f"{busy} of {len(used.omegas)} Omegas used {BUSY:.0%} of a core or more")
    return "; ".join(told) or "no processor: what is left is waiting"


def _steps_per_s(rounds: Sequence[FlowRound], steps_per_run: int) -> float:
    return round(statistics.median(each.round.tasks_per_s * steps_per_run for each in rounds), 1)


def _median_cores(rounds: Sequence[FlowRound]) -> Cores | None:
    known = [each.cores for each in rounds if each.cores is not None]
    if not known:
        return None
    return Cores(
        broker=_median(each.broker for each in known),
        omegas=tuple(_median(shares) for shares in zip(*(each.omegas for each in known), strict=True)),
        worker=_median(each.worker for each in known),
        submitter=_median(each.submitter for each in known),
        machine=_median(each.machine for each in known),
    )


def _median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 3)
