"""Schedules: Omega starts workflows when they are due, once, whichever Omega is there and whatever dies meanwhile.

Every Omega watches the bucket. What a schedule does next follows from its record alone, and whoever is first writes it by
compare-and-set. Then the run is started under an id that follows from the record, which begins nothing twice: whoever meets a
record for the first time looks whether its newest run was started, and starts it where it was not.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime

from bus.client import Submitter
from bus.identity import OMEGA
from bus.jetstream import last_of, last_of_each, publish
from bus.network import Network
from bus.schedules import Standing, put, schedules
from bus.subjects import WORKFLOW_TYPE
from clones.omega.clock import Clock
from clones.omega.once import mark_of
from clones.omega.repeating import attempt
from clones.omega.workflows.observer import WorkflowObserver
from clones.schedule_times import InvalidSchedule
from clones.scheduling import is_asked, move, start_of, to_cancel, upcoming
from schemas import ScheduleInForce, TaskCancel, encode

LOOK_EVERY_S = 1.0
"""How soon each Omega knows of a change, and that a run is over which another one waits for."""
LEAST_PAUSE_S = 0.02
AT_ONCE = 32
"""Schedules that are worked on at the same time."""
MOVES = 100
"""Of one schedule before the others have their turn."""
WHAT = "look after schedules"

log = logging.getLogger(__name__)


async def ensure_started(network: Network, submitter: Submitter, name: str, record: ScheduleInForce) -> None:
    """Store the start of the schedule's newest run where nothing is known of that run; otherwise, and without one, do nothing.

    Raises:
        SanctuaryError: whether it is stored is unknown.
    """
    if record.last_id is None:
        return
    subjects = network.subjects
    traces = (
        subjects.history(record.last_id),
        subjects.event(WORKFLOW_TYPE, record.last_id),
        subjects.result(WORKFLOW_TYPE, record.last_id),
    )
    if not await last_of_each(network.requester, subjects.ledger, traces):
        # One that waits in the ledger for an Omega may be stored again, and comes to nothing then.
        await submitter.start_workflow(record.schedule.workflow, start_of(name, record))


@dataclass(slots=True)
class _Followed:
    """A schedule as this Omega knows it; the ids are those of its runs."""

    name: str
    revision: int
    stored_at: datetime | None
    """When its record was stored; None: it was written here and has not been read yet."""
    record: ScheduleInForce
    body: bytes = b""
    """What the record was made of."""
    due: datetime | None = None
    """When it is due next; None: it is paused, or never."""
    started: str | None = None
    """The newest run that is known to be in the ledger."""
    over: str | None = None
    """The newest run that is known to have ended."""
    cancelled: str | None = None
    """The newest run that was asked to end for the next one."""

    def take(self, revision: int, stored_at: datetime | None, record: ScheduleInForce) -> None:
        """Go on with another record."""
        self.revision, self.stored_at, self.record = revision, stored_at, record
        self.due = None if record.schedule.paused else upcoming(record)

    def is_wanting(self, now: datetime) -> bool:
        """Tell whether there is something to be done."""
        waits = self.record.buffered is not None and not self.record.schedule.paused
        return waits or self.record.last_id != self.started or (self.due is not None and self.due <= now)


class Schedules:
    """Starts what is due; several Omegas may do so at once."""

    def __init__(
        self, network: Network, submitter: Submitter, clock: Clock, observer: WorkflowObserver | None = None
    ) -> None:
        self._observer = WorkflowObserver() if observer is None else observer
        self._network = network
        self._submitter = submitter
        self._clock = clock
        self._read = 0
        """The revision up to which the bucket was read."""
        self._followed: dict[str, _Followed] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        forget = self._network.on_reconnect(self._begin_anew)
        try:
            while True:
                looked = await attempt(self.look, WHAT)
                due = [each.due for each in self._followed.values() if each.due is not None]
                await self._pause(min(due, default=None) if looked else None)
        finally:
            forget()

    def _begin_anew(self) -> None:
        """Read everything again: a server that died may have lost what it stored last, and given its revisions anew."""
        self._read = 0
        self._followed.clear()

    async def _pause(self, soonest: datetime | None) -> None:
        if soonest is None:
            await asyncio.sleep(LOOK_EVERY_S)
            return
        await asyncio.sleep(LEAST_PAUSE_S)  # whatever is due
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._clock.sleep_until(soonest)
        except TimeoutError:
            pass  # the bucket may have changed

    async def look(self) -> None:
        """Do what is to be done now.

        Raises:
            SanctuaryError: the network did not answer; what was not done is done the next time.
        """
        async for each in schedules(self._network, after=self._read):
            self._take(each)
            self._read = each.revision
        now = self._clock.now()
        wanting = [each for each in self._followed.values() if each.is_wanting(now)]
        for first in range(0, len(wanting), AT_ONCE):
            # All of them, also where one meets a network that does not answer: none may be cut off between two writes.
            told = await asyncio.gather(
                *(self._tend(each, now) for each in wanting[first : first + AT_ONCE]), return_exceptions=True
            )
            for error in told:
                if error is not None:
                    raise error

    def _take(self, found: Standing) -> None:
        """Follow what stands in the bucket."""
        record, problem = found.record, found.problem
        if record is not None:
            try:
                upcoming(record)
            except InvalidSchedule as error:
                # By an Omega of another version, or where other time zones are installed.
                record, problem = None, str(error)
        if problem:
            log.error("the schedule %s cannot be kept here: %s", found.name, problem)
        if record is None:
            self._followed.pop(found.name, None)
            return
        known = self._followed.setdefault(found.name, _Followed(found.name, 0, None, record))
        known.body = found.body
        known.take(found.revision, found.stored_at, record)

    async def _tend(self, each: _Followed, now: datetime) -> None:
        """Do what one schedule wants."""
        if each.record.last_id != each.started:
            await ensure_started(self._network, self._submitter, each.name, each.record)
            each.started = each.record.last_id
        for _ in range(MOVES):
            if not is_asked(each.record, now) or not await self._move(each, now):
                break
        await self._cancel(each)

    async def _move(self, each: _Followed, now: datetime) -> bool:
        """Do the next thing; False: there is none, or another Omega was first."""
        made = move(each.name, each.record, now, over=await self._is_over(each))
        if made is None:
            return False
        revision = await put(self._network, each.name, made.record, each.revision, before=each.body)
        if revision is None:
            return False  # it is read the next time
        each.take(revision, None, made.record)
        self._observer.scheduled(made.kind)
        if made.kind == "begin":
            await self._submitter.start_workflow(made.record.schedule.workflow, start_of(each.name, made.record))
            each.started = made.record.last_id
        elif made.kind == "missed":
            log.warning("starts of the schedule %s were missed up to %s", each.name, made.record.done_until)
        return True

    async def _is_over(self, each: _Followed) -> bool:
        """Tell whether the newest run has ended, or there is none."""
        run = each.record.last_id
        if run is None or each.over == run:
            return True
        # The ledger keeps its copy when the result has expired, which comes a moment later.
        for stream in (self._network.subjects.results, self._network.subjects.ledger):
            subject = self._network.subjects.result(WORKFLOW_TYPE, run)
            if await last_of(self._network.requester, stream, subject) is not None:
                each.over = run
                return True
        return False

    async def _cancel(self, each: _Followed) -> None:
        """Have the run end that the next one waits for."""
        run = to_cancel(each.record)
        if run is None or run in (each.cancelled, each.over) or each.stored_at is None:
            return
        cancel = TaskCancel(
            task_id=run, task_type=WORKFLOW_TYPE, reason=f"the schedule {each.name} starts it anew", by=OMEGA
        )
        mark = {"Nats-Msg-Id": mark_of("overlap", each.revision, each.stored_at)}
        await publish(
            self._network.requester, self._network.subjects.command(WORKFLOW_TYPE), encode(cancel), headers=mark
        )
        each.cancelled = run
