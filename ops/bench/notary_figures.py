"""What the measurement of the notary says: medians over pairs of rounds. Pure."""

import statistics
from collections.abc import Sequence

import msgspec

from ops.bench.figures import Round


class SignedRound(msgspec.Struct, frozen=True, kw_only=True):
    """A round on a ledger that a notary signs."""

    round: Round
    entries: int
    """What the round stored in the ledger."""
    signed_after_s: float
    """From the last result seen to a checkpoint over all of it."""
    cores: dict[str, float] | None
    """How many cores `broker` and `notary` used during the round; None: it is not known here."""


class NotaryRun(msgspec.Struct, frozen=True, kw_only=True):
    """The row of the table."""

    in_flight: int
    pairs: int
    entries: int
    """Of a round."""
    entries_per_s: float
    """Stored while they were signed."""
    tasks_per_s: float
    """Without a notary."""
    signed_tasks_per_s: float
    ratio: float
    """With a notary to without one: the median of the pairs' ratios, each of two rounds next to each other in time."""
    ratio_lowest: float
    ratio_highest: float
    signed_after_s: float
    notary_cores: float | None
    broker_cores: float | None


def summarise(in_flight: int, pairs: Sequence[tuple[Round, SignedRound]]) -> NotaryRun:
    """Return the row of `pairs` of a round without a notary and one with it, at least one."""
    plain, signed = [each for each, _ in pairs], [each for _, each in pairs]
    ratios = [with_it.round.tasks_per_s / without.tasks_per_s for without, with_it in pairs]
    used = [each.cores for each in signed if each.cores is not None]
    return NotaryRun(
        in_flight=in_flight,
        pairs=len(pairs),
        entries=signed[0].entries,
        entries_per_s=round(statistics.median(each.entries / each.round.seconds for each in signed), 1),
        tasks_per_s=round(statistics.median(each.tasks_per_s for each in plain), 1),
        signed_tasks_per_s=round(statistics.median(each.round.tasks_per_s for each in signed), 1),
        ratio=round(statistics.median(ratios), 3),
        ratio_lowest=round(min(ratios), 3),
        ratio_highest=round(max(ratios), 3),
        signed_after_s=round(statistics.median(each.signed_after_s for each in signed), 2),
        notary_cores=round(statistics.median(each["notary"] for each in used), 3) if used else None,
        broker_cores=round(statistics.median(each["broker"] for each in used), 3) if used else None,
    )
