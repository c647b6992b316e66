"""Driving one run under one message of the ledger, the start or a wake-up: its *activation*.

The history is the truth. Everything that happens to the run is appended to it by compare-and-set, and what is to be done
follows from it. So an Omega may die between any two steps, and whoever takes the run up makes the same of it. A driver's
first entry names its activation; who finds an entry of a later one lets go.

A message may be given to two at a time, or to one after the other: the server was killed and forgot, or somebody died. Either
may acknowledge it, so only the first who writes under it goes by it. The second has the run go on under another message.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from bus.journal import insist
from bus.sleepers import sleeper
from bus.task import Ended, LetGo, Outcome, Suspended, Task, TaskError
from clones.omega.workflows.chronicle import HEADROOM_BYTES, Chronicle, Overtaken
from clones.omega.workflows.issuing import Issuing
from clones.omega.workflows.means import Books, Means
from clones.omega.workflows.nudges import Nudges
from clones.omega.workflows.outcomes import result_of
from clones.omega.workflows.seeking import Seeking
from clones.omega.workflows.taking_up import TakingUp
from clones.omega.workflows.waiting_words import waits_for_what
from clones.workflows.commands import Command, Finish
from clones.workflows.ids import new_proof, step_id
from clones.workflows.state import State
from clones.workflows.views import awaited_decisions, finished, timers
from schemas import (
    ErrorCode,
    SchemaError,
    StepEnded,
    StepInvalid,
    TimerFired,
    WorkflowEvent,
    WorkflowStart,
)

TASKS_SILENT_S = 10.0
"""A run that waits for tasks goes to sleep when none has ended for so long."""
ALL_SILENT_S = 0.5
"""As above, of a run that waits for no task but for decisions, sub-workflows or timers."""
SOON_S = 5.0
"""A timer that fires sooner is waited for."""
TOLD_AFTER_S = 1.0
"""A run that is over sooner tells nothing of how far it is."""


class Driver:
    """One run under one activation."""

    def __init__(self, task: Task, start: WorkflowStart, books: Books, means: Means) -> None:
        self._task = task
        self._start = start
        self._books = books
        self._means = means
        self._wake = asyncio.Event()
        self._nudges = Nudges(means.network, task.id, self._wake)
        self._seeking = Seeking(means, self._wake)
        self._chronicle = Chronicle(task, books.histories, books.clock, self._note)
        self._issuing = Issuing(means, self._chronicle, self._seeking)
        self._began_at = self._heard_at = asyncio.get_running_loop().time()
        """When it was begun to drive it, and when something happened last, by the loop's clock."""
        self._alarm: asyncio.TimerHandle | None = None

    async def run(self) -> Outcome:
        """Drive the run to its end, or until it only waits.

        Raises:
            TaskError: it cannot begin, or cannot be driven here.
        """
        # Before the history is read: who adds to it later is heard.
        await self._nudges.listen()
        try:
            return await self._drive()
        except Overtaken:
            return LetGo()
        except SchemaError as error:
            # An Omega of that version is to go on with it.
            message = f"the run is left to an Omega of a later version, as it cannot be read here: {error.message}"
            raise TaskError(ErrorCode.HANDLER_FAILED, message, retryable=True) from None
        finally:
            self._alarm_off()
            self._seeking.close()
            await self._nudges.stop()

    async def _drive(self) -> Outcome:
        taking_up = TakingUp(
            self._task, self._start, self._books, self._means, self._chronicle, self._seeking, self._issuing
        )
        commands = await taking_up.commands()
        self._heard_at = asyncio.get_running_loop().time()
        while True:
            while commands:
                commands = await self._carry_out(commands)
            state = self._chronicle.state
            if (finish := finished(state)) is not None:
                return self._ended(state, finish)
            events = await self._next(state)
            if events is not None:
                commands = await self._record(events)
            elif (suspended := await self._lie_down(state)) is not None:
                return suspended

    def _note(self, event: WorkflowEvent) -> None:
        """Take in an event of the history: what has ended is sought no more."""
        match event:
            case StepEnded():
                self._seeking.drop(event.task_id)
            case StepInvalid():
                secret = self._chronicle.state.begun.secret
                for undone in (False, True):
                    own = step_id(self._task.id, event.step, event.index, compensation=undone, secret=secret)
                    self._seeking.drop(own)

    # What is done, and what happens

    async def _carry_out(self, commands: Sequence[Command]) -> Sequence[Command]:
        """Do what `commands` say; returns what is to be done because some of it cannot be."""
        invalid = await self._issuing.carry_out(commands)
        self._heard_at = asyncio.get_running_loop().time()
        return await self._record(invalid) if invalid else ()

    async def _record(self, events: Sequence[WorkflowEvent]) -> Sequence[Command]:
        """Append `events` to the history, and take in what stands by then; returns what is to be done for all of it."""
        told = self._chronicle.take_in(await self._chronicle.added()) if self._nudges.take() else ()
        commands = [*told, *await self._chronicle.record(events)]
        self._heard_at = asyncio.get_running_loop().time()
        if self._heard_at - self._began_at > TOLD_AFTER_S:
            self._report(events)
        return commands

    def _report(self, events: Sequence[WorkflowEvent]) -> None:
        ended = [event.step for event in events if isinstance(event, StepEnded) and not event.compensation]
        if ended:
            state = self._chronicle.state
            self._task.report(1 - state.pending / len(state.steps), f"{', '.join(dict.fromkeys(ended))}: done")

    async def _next(self, state: State) -> Sequence[WorkflowEvent] | None:
        """Return what has happened, once something has; None: nothing has for so long that the run may sleep.

        Nothing at all: the history has grown.
        """
        clock = asyncio.get_running_loop().time
        due = timers(self._chronicle.definition, state)
        while not self._nudges.told:
            self._wake.clear()
            now = self._books.clock.now()
            events: list[WorkflowEvent] = [event for moment, event in due if moment <= now]
            events += await self._seeking.ended(
                self._chronicle.definition, self._means.network.max_payload - HEADROOM_BYTES
            )
            if events:
                return events
            left_s = self._patience_s(due, now) - (clock() - self._heard_at)
            if left_s <= 0:
                return None
            await self._wait(min(left_s, self._seeking.look_again_s()), due[0][0] if due else None)
        return ()

    def _patience_s(self, due: Sequence[tuple[datetime, TimerFired]], now: datetime) -> float:
        if due and (due[0][0] - now).total_seconds() < SOON_S:
            return float("inf")
        return TASKS_SILENT_S if self._seeking.has_tasks() else ALL_SILENT_S

    async def _wait(self, limit_s: float, timer: datetime | None) -> None:
        """Return when something may have happened, when a timer fires, or after `limit_s` seconds."""
        self._wake_within(limit_s)
        if timer is None:
            await self._wake.wait()
            return
        ringing = asyncio.create_task(self._ring(timer))
        try:
            await self._wake.wait()
        finally:
            ringing.cancel()

    def _wake_within(self, limit_s: float) -> None:
        """Have an alarm go off within `limit_s`. One that was set to go off sooner stays: most steps end long before any does."""
        loop = asyncio.get_running_loop()
        moment = loop.time() + limit_s
        if self._alarm is None or self._alarm.when() > moment:
            self._alarm_off()
            self._alarm = loop.call_at(moment, self._alarmed)

    def _alarmed(self) -> None:
        self._alarm = None
        self._wake.set()

    def _alarm_off(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    async def _ring(self, timer: datetime) -> None:
        await self._books.clock.sleep_until(timer)
        self._wake.set()

    # How it is left

    async def _lie_down(self, state: State) -> Suspended | None:
        """Have the run sleep; None where its history has grown meanwhile."""
        await self._nudges.stop()
        due = timers(self._chronicle.definition, state)
        until = due[0][0] if due else None
        decisions = awaited_decisions(self._chronicle.definition, state)
        record = sleeper(
            self._chronicle.definition.name,
            self._task.id,
            self._start,
            activation=self._task.sequence,
            since=self._books.clock.now(),
            waits_for=self._seeking.by_type(),
            until=until,
            awaits=tuple(each.step for each in decisions),
            nonce=new_proof(self._task.id, secret=state.begun.secret),
        )
        if not await insist(lambda: self._books.sleepers.lie_down(record)):
            raise Overtaken
        # Looked at after the record is written: who adds to the history, and finds no record, is heard.
        if await self._chronicle.added():
            await self._nudges.listen()
            await insist(lambda: self._books.sleepers.remove(record))
            self._nudges.tell()
            return None
        return Suspended(waits_for_what(decisions, len(self._seeking), until), until)

    def _ended(self, state: State, finish: Finish) -> Ended:
        result = result_of(
            self._chronicle.definition,
            state,
            finish,
            task=self._task,
            identity=self._means.identity,
            finished_at=self._books.clock.now(),
        )
        return Ended(result)
