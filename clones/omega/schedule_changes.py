"""Carrying out a ScheduleChange: the schedule is put into force or removed, once, or refused in words."""

import secrets
from datetime import datetime

from bus.client import Submitter
from bus.definitions import Definitions
from bus.network import Network
from bus.schedules import Standing, put, remove, standing
from bus.task import Done
from clones.omega.clock import Clock
from clones.omega.schedules import ensure_started
from clones.omega.wording import refused
from clones.schedule_times import InvalidSchedule, check, in_words
from clones.scheduling import changed, is_missed, upcoming
from clones.workflows.ids import SECRET_BYTES
from clones.workflows.inputs import filled
from clones.workflows.problems import InvalidInput
from schemas import Schedule, ScheduleChange, ScheduleInForce


async def change_schedule(
    network: Network,
    submitter: Submitter,
    definitions: Definitions,
    clock: Clock,
    change: ScheduleChange,
    *,
    sequence: int,
) -> Done:
    """Carry out `change`, the ledger's entry `sequence`; carried out again, nothing is done twice.

    `output`: `{"name", "revision", "next": time | null}`.

    Raises:
        TaskError: `command_refused`: it cannot be kept, its workflow or input does not fit, or there is none to remove.
        SanctuaryError: the network did not answer; trying again repeats nothing.
    """
    while True:
        found = await standing(network, change.name)
        if found is not None and found.record is not None:
            if found.record.command == sequence:
                return _in_force(found.name, found.revision, found.record)
            if found.record.command > sequence:
                raise refused(f"a later change of the schedule {change.name} is in force, #{found.record.command}")
            # The last chance of a run whose Omega died between the record and the start.
            await ensure_started(network, submitter, change.name, found.record)
        if change.schedule is None:
            if (done := await _remove(network, change.name, found)) is not None:
                return done
            continue
        now = clock.now()
        old = None if found is None else found.record
        await _check(change.schedule, old, definitions, now)
        new = ScheduleInForce(
            schedule=change.schedule,
            at=now,
            command=sequence,
            by=change.by,
            reason=change.reason,
            secret=secrets.token_hex(SECRET_BYTES),
        )
        record = changed(old, new)
        revision = await put(network, change.name, record, 0 if found is None else found.revision)
        if revision is not None:
            return _in_force(change.name, revision, record)


async def _remove(network: Network, name: str, found: Standing | None) -> Done | None:
    """Remove what stands there; None: something else does by now."""
    if found is None:
        raise refused(f"there is no schedule {name} (sanctuary schedule list)")
    if found.record is None and not found.problem:
        # By this very command perhaps, whose Omega died.
        return _removed(name, found.revision)
    revision = await remove(network, name, found.revision)
    return None if revision is None else _removed(name, revision)


async def _check(schedule: Schedule, old: ScheduleInForce | None, definitions: Definitions, now: datetime) -> None:
    try:
        check(schedule)
    except InvalidSchedule as error:
        raise refused(str(error)) from None
    if is_missed(schedule, now) and (old is None or old.schedule.at != schedule.at):
        raise refused(f"{in_words(schedule)} is past: write a later time, or a longer `catch_up_s`")
    workflow = await definitions.newest(schedule.workflow)
    if words := await definitions.unreadable(schedule.workflow):
        raise refused(words)
    if workflow is None:
        known = ", ".join(await definitions.all_newest()) or "none"
        raise refused(f"there is no workflow {schedule.workflow}; known: {known}")
    try:
        filled(workflow.definition, schedule.input)
    except InvalidInput as error:
        raise refused(error.message) from None


def _in_force(name: str, revision: int, record: ScheduleInForce) -> Done:
    due = upcoming(record)
    following = "paused" if record.schedule.paused else "over" if due is None else f"next {due:%Y-%m-%d %H:%M:%S} UTC"
    summary = f"the schedule {name} starts {record.schedule.workflow}, {in_words(record.schedule)}; {following}"
    return Done(summary=summary, output={"name": name, "revision": revision, "next": due and due.isoformat()})


def _removed(name: str, revision: int) -> Done:
    return Done(
        summary=f"the schedule {name} is removed; a run that has begun goes on",
        output={"name": name, "revision": revision, "next": None},
    )
