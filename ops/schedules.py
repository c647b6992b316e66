"""The schedules in force as people look at them: when they start a run next, and how the newest one fares."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from bus.errors import SanctuaryError
from bus.network import Network
from bus.schedules import Standing, schedules, standing
from bus.subjects import WORKFLOW_TYPE
from clones.schedule_times import InvalidSchedule, following
from ops.hints import command_line
from schemas import ErrorCode, ScheduleInForce, TaskCompletion

ScheduleState = Literal["on", "paused", "waiting", "over", "unreadable"]
"""`waiting`: a start is put off until the run before is over; `over`: no start comes any more."""
RunState = Literal["open", "completed", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Known:
    """A schedule and its newest run."""

    name: str
    revision: int
    record: ScheduleInForce | None
    """None: it cannot be read here, as `problem` says."""
    upcoming: tuple[datetime, ...]
    """Its next due times; of a paused one, when it would be due if it were resumed now."""
    last_state: RunState | None
    """How its newest run fares, as far as results are kept; None: there is none yet."""
    problem: str = ""

    @property
    def state(self) -> ScheduleState:
        """What it does just now."""
        if self.record is None:
            return "unreadable"
        if self.record.schedule.paused:
            return "paused"
        if self.record.buffered is not None:
            return "waiting"
        return "on" if self.upcoming else "over"


async def all_known(network: Network) -> list[Known]:
    """Return all schedules, by name.

    Raises:
        SanctuaryError: they could not be read.
    """
    found = [each async for each in schedules(network) if each.record is not None or each.problem]
    return await asyncio.gather(*(_known(network, each, 1) for each in sorted(found, key=lambda each: each.name)))


async def known(network: Network, name: str, *, count: int = 1) -> Known:
    """Return the schedule of this name with its next `count` due times.

    Raises:
        SanctuaryError: there is none, or it could not be read.
    """
    found = await standing(network, name)
    if found is None or (found.record is None and not found.problem):
        raise SanctuaryError(f"there is no schedule {name}; `{command_line('schedule list')}` shows all")
    return await _known(network, found, count)


async def _known(network: Network, found: Standing, count: int) -> Known:
    record, problem = found.record, found.problem
    upcoming: tuple[datetime, ...] = ()
    if record is not None:
        after = record.done_until
        if record.schedule.paused and record.schedule.at is None:
            after = datetime.now(UTC)
        try:
            upcoming = following(record.schedule, since=record.at, after=after, count=count)
        except InvalidSchedule as error:
            problem = str(error)
    last = None if record is None or record.last_id is None else await _run_state(network, record.last_id)
    return Known(found.name, found.revision, record, upcoming, last, problem)


async def _run_state(network: Network, run_id: str) -> RunState:
    result = await network.results.read(WORKFLOW_TYPE, run_id)
    if result is None:
        return "open"
    if isinstance(result, TaskCompletion):
        return "completed"
    return "cancelled" if result.code == ErrorCode.CANCELLED else "failed"
