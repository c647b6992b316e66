"""How a schedule goes on: which start is made, put off or left out when it is due. Pure.

Whoever looks at a schedule decides the same from its record; the first who writes what follows makes the start.
"""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from msgspec.structs import replace

from clones.schedule_times import LABEL, next_due
from clones.workflows.ids import secret_id
from schemas import Schedule, ScheduleInForce, WorkflowStart

LATE_S = 10.0
"""A start that is this late was not missed, whatever the schedule says of catching up: an Omega took over meanwhile."""


class Move(NamedTuple):
    """What a schedule does next."""

    kind: Literal["begin", "put_off", "leave_out", "missed"]
    """A run begins; its start waits for the run before; it is left out, because of that one; the time for it is past."""
    record: ScheduleInForce
    """As it is then; where a run begins, `last_id` and `last_due` are its."""


def run_id(name: str, record: ScheduleInForce, due: datetime) -> str:
    """Return the id of the schedule's run that is due then: the same for whoever reads the record, and known to nobody else."""
    return secret_id(record.secret, f"{name}/{record.command}/{due.isoformat()}")


def start_of(name: str, record: ScheduleInForce) -> WorkflowStart:
    """Return the start of the schedule's newest run."""
    schedule = record.schedule
    return WorkflowStart(id=record.last_id, input=schedule.input, labels={LABEL: name, **schedule.labels})


def upcoming(record: ScheduleInForce) -> datetime | None:
    """Return the due time that is not dealt with yet, perhaps past; None: none comes any more. Raises as `next_due`."""
    return next_due(record.schedule, since=record.at, after=record.done_until)


def is_asked(record: ScheduleInForce, now: datetime) -> bool:
    """Tell whether something is to be done that may depend on whether the newest run is over; raises as `next_due`."""
    if record.schedule.paused:
        return False
    return record.buffered is not None or ((due := upcoming(record)) is not None and due <= now)


def move(name: str, record: ScheduleInForce, now: datetime, *, over: bool) -> Move | None:
    """Return what the schedule does now, one thing at a time; None: nothing. `over`: its newest run has ended, or there is none.

    Raises:
        InvalidSchedule: as of `next_due`.
    """
    if not is_asked(record, now):
        return None
    if record.buffered is not None and over:
        return _begin(name, replace(record, buffered=None), record.buffered)
    due = upcoming(record)
    return None if due is None or due > now else _at(name, record, due, now, over=over)


def _at(name: str, record: ScheduleInForce, due: datetime, now: datetime, *, over: bool) -> Move:
    """Return what becomes of the start that is due."""
    schedule = record.schedule
    if due < (past := _past(schedule, now)):
        return Move("missed", replace(record, done_until=past))
    if over or schedule.overlap == "allow_all":
        return _begin(name, replace(record, done_until=due), due)
    dealt_with = replace(record, done_until=now)
    if schedule.overlap == "skip" or (schedule.overlap == "buffer_one" and record.buffered is not None):
        return Move("leave_out", dealt_with)
    return Move("put_off", replace(dealt_with, buffered=due))


def is_missed(schedule: Schedule, now: datetime) -> bool:
    """Tell whether a schedule of one start is put into force too late for it."""
    return schedule.at is not None and schedule.at < _past(schedule, now)


def to_cancel(record: ScheduleInForce) -> str | None:
    """Return the run that is to be cancelled unless it is over, for the one that waits for it; None: none is."""
    schedule = record.schedule
    wanted = schedule.overlap == "cancel_other" and record.buffered is not None and not schedule.paused
    return record.last_id if wanted else None


def changed(old: ScheduleInForce | None, new: ScheduleInForce) -> ScheduleInForce:
    """Return the record of a schedule that is put into force in place of `old`.

    It knows the newest run, so as not to overlap it. Where the times stay as they were, as when a schedule is paused, intervals
    are counted on, and a start that waits for the run before still does; what was due meanwhile is not made up for.
    """
    if old is None:
        return new
    kept = replace(new, last_due=old.last_due, last_id=old.last_id)
    if _times(old) == _times(new):
        done = new.at if new.schedule.at is None else old.done_until
        return replace(kept, at=old.at, done_until=done, buffered=old.buffered)
    return kept


def _past(schedule: Schedule, now: datetime) -> datetime:
    """Return the moment before which starts are missed."""
    return now - timedelta(seconds=max(schedule.catch_up_s, LATE_S))


def _times(record: ScheduleInForce) -> tuple[object, ...]:
    schedule = record.schedule
    return schedule.cron, schedule.timezone, schedule.every_s, schedule.at


def _begin(name: str, record: ScheduleInForce, due: datetime) -> Move:
    return Move("begin", replace(record, last_due=due, last_id=run_id(name, record, due)))
