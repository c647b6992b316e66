"""One replay from its plan to what it came to."""

from collections.abc import Callable

from bus.network import Network
from ops.archive.source import Source, open_source
from ops.replaying.comparing import Tally, compare
from ops.replaying.driving import carry, drive, look_fit, mark_of, standing
from ops.replaying.plan import Selection, planned
from ops.replaying.report import Replay
from ops.replaying.sides import Side
from ops.replaying.waiting import ended

Progress = Callable[[str, int, int], None]
"""Hears what is done, how many are, and of how many."""


async def replay(
    source: Source,
    recorded: Network,
    target: Network,
    selection: Selection,
    *,
    speed: float,
    wait_s: float,
    progress: Progress,
) -> Replay:
    """Drive the selected submissions of a ledger into another realm, wait for what comes of them, and compare.

    Nothing is written where it was recorded. Broken off and begun again, it goes on: what stands in the target is known by a
    mark. `speed` is how many times as fast as recorded; `wait_s` how long nothing may end before what is left counts as pending.

    Raises:
        Unfit: the target cannot take it.
        SanctuaryError: an id that was named is not recorded; or one of the sides could not be read, or the target not be written.
        OSError: the archive could not be read.
    """
    mark = await mark_of(recorded)
    plans = await planned(source, selection, mark)
    await look_fit(recorded, target, plans)
    driven = await standing(target, plans, mark)
    went_on = len(driven.sequences)
    gone = await carry(recorded, target, {name for plan in plans for name in plan.artifacts})
    count = len(plans)
    await drive(
        source,
        target,
        selection,
        driven,
        mark=mark,
        speed=speed,
        progress=lambda stored: progress("submitted", stored, count),
    )
    before = Side(recorded, source)
    after = Side(target, await open_source(target, None, target.subjects.realm))
    await ended(
        before, after, plans, driven, wait_s=wait_s, progress=lambda left: progress("ended", count - left, count)
    )
    tally = Tally()
    for number, plan in enumerate(plans, 1):
        for row in await compare(before, after, plan, driven):
            tally.add(row)
        progress("compared", number, count)
    notes = [
        f"artifact {name!r} is gone from the recorded realm, so that its tasks cannot end as they did" for name in gone
    ]
    if went_on:
        notes.append(f"{went_on} of the submissions stood in the target already, from an earlier run of this replay")
    return Replay(
        recorded=recorded.subjects.realm,
        into=target.subjects.realm,
        speed="max" if speed == float("inf") else f"{speed:g}",
        first=plans[0].stored_at if plans else None,
        last=plans[-1].stored_at if plans else None,
        submissions=count,
        late_s=round(driven.late_s, 3),
        equal=tally.is_equal,
        counts=dict(tally.counts),
        rows=tuple(tally.rows),
        left_out=tally.left_out,
        durations=tuple(tally.durations()),
        ids={plan.task_id: driven.id_of(plan) for plan in plans if driven.id_of(plan) != plan.task_id},
        notes=tuple(notes),
    )
