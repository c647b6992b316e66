"""Driving one run under one message of the ledger, the start or a wake-up: its *activation*.

The history is the truth. Everything that happens to the run is appended to it by compare-and-set, and what is to be done
follows from it. So an Omega may die between any two steps, and whoever takes the run up makes the same of it. A driver's
first entry names its activation; who finds an entry of a later one lets go.

A message may be given to two at a time, or to one after the other: the server was killed and forgot, or somebody died. Either
may acknowledge it, so only the first who writes under it goes by it. The second has the run go on under another message.
"""

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NoReturn

from msgspec.structs import replace

from bus.histories import Written
from bus.journal import insist
from bus.sleepers import anew, sleeper
from bus.task import Ended, LetGo, Outcome, Suspended, Task, TaskError
from clones.omega.clock import Clock
from clones.omega.workflows.beginning import first_event, may_begin, new_secret, version_kept
from clones.omega.workflows.issuing import Issuing
from clones.omega.workflows.means import Means, asked_by
from clones.omega.workflows.nudges import Nudges
from clones.omega.workflows.outcomes import result_of
from clones.omega.workflows.ports import Definitions, Histories, Sleepers
from clones.omega.workflows.seeking import Seeking
from clones.omega.workflows.waiting_words import waits_for_what
from clones.omega.workflows.wake_ups import mark_of
from clones.workflows.advance import advance
from clones.workflows.commands import Command, Finish
from clones.workflows.ids import step_id
from clones.workflows.state import State
from clones.workflows.views import awaited_decisions, expected, finished, outstanding, timers
from schemas import (
    SEQUENCE_PREFIX,
    ErrorCode,
    SchemaError,
    StepEnded,
    StepInvalid,
    TimerFired,
    WorkflowBegun,
    WorkflowDefinition,
    WorkflowEntry,
    WorkflowEvent,
    WorkflowStart,
    encode,
    sequence_id,
)

TASKS_SILENT_S = 10.0
"""A run that waits for tasks goes to sleep when none has ended for so long."""
ALL_SILENT_S = 0.5
"""As above, of a run that waits for no task but for decisions, sub-workflows or timers."""
SOON_S = 5.0
"""A timer that fires sooner is waited for."""
MOST_BYTES = 256 * 1024
"""Of the events of one entry, unless it is one event alone."""
HEADROOM_BYTES = 4096
"""What an entry needs beside its events."""


class Overtaken(Exception):
    """A later activation has the run."""


@dataclass(frozen=True, slots=True)
class Books:
    """What runs are read from and written to, for all runs of one Omega."""

    histories: Histories
    definitions: Definitions
    sleepers: Sleepers
    clock: Clock


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
        self._definition: WorkflowDefinition
        self._state: State | None = None
        self._issuing: Issuing
        self._last = 0
        """The sequence of the run's newest entry that is taken in."""
        self._heard_at = 0.0
        """When something happened last, by the loop's clock."""

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
            self._seeking.close()
            await self._nudges.stop()

    async def _drive(self) -> Outcome:
        commands = await self._take_up()
        while True:
            while commands:
                commands = await self._carry_out(commands)
            state = self._run
            if (finish := finished(state)) is not None:
                return self._ended(state, finish)
            events = await self._next(state)
            if events is not None:
                commands = await self._record(events)
            elif (suspended := await self._lie_down(state)) is not None:
                return suspended

    @property
    def _run(self) -> State:
        if self._state is None:
            raise RuntimeError(f"the history of {self._task.id} does not begin with its beginning")
        return self._state

    # Taking it up

    async def _take_up(self) -> Sequence[Command]:
        """Begin the run, or take in what it has come to; returns what is to be done for all that is known.

        Raises:
            Overtaken: it is for another one to go on with it.
        """
        run_id, books = self._task.id, self._books
        slept = (await insist(lambda: books.sleepers.read(run_id))).sleeper
        if not await insist(lambda: books.sleepers.get_up(run_id, activation=self._task.sequence)):
            raise Overtaken
        history = await insist(lambda: books.histories.read(run_id))
        if not history and (commands := await self._begin()) is not None:
            return commands if self._run.begun.secret else await self._unless_asked_before()
        history = history or await insist(lambda: books.histories.read(run_id))
        self._definition = (await version_kept(books.definitions, history[0].entry)).definition
        self._take_in(history)
        sequence = None
        while sequence is None:
            if finished(self._run) is not None:
                # Perhaps only just, by whoever drove it before.
                return ()
            if history[-1].entry.activation == self._task.sequence:
                await self._pass_on()
            sequence = await self._append(())
            self._take_in(added := await self._added())
            history += added
        # Read back, it tells the server's time.
        now = next((each.stored_at for each in history if each.sequence == sequence), history[-1].stored_at)
        stored = frozenset() if slept is None else frozenset(each for ids in slept.waits_for.values() for each in ids)
        return await self._outstanding(history, stored, now)

    async def _pass_on(self) -> NoReturn:
        """Have the run go on under a message of its own: somebody has driven it under this one, and may do so still.

        Raises:
            Overtaken: always.
        """
        subject = self._means.network.subjects.workflow(self._definition.name)
        start, mark = anew(self._start, self._task.id), mark_of(secrets.token_hex(8))
        driven = self._task.sequence
        await insist(lambda: self._means.submissions.go_on(subject, start, mark=mark, driven=driven))
        raise Overtaken

    async def _begin(self) -> Sequence[Command] | None:
        """Write the first entry; None where somebody has."""
        if self._task.id.startswith(SEQUENCE_PREFIX) and self._task.id != sequence_id(self._task.sequence):
            # It looks like a wake-up, of a run that never began. That id may be somebody else's, or will be.
            raise Overtaken
        if not await insist(lambda: may_begin(self._means.network, self._task)):
            raise Overtaken
        name = self._task.subject.rpartition(".")[2]
        begun, workflow = await first_event(name, self._start, self._books.definitions, self._means.others)
        # This one counts, and no other, if the entry is the first.
        begun = replace(begun, secret=await new_secret(self._means.network, self._task))
        self._definition = workflow.definition
        entry = self._entry((begun,), workflow.definition.name, workflow.version)
        if len(encode(entry)) > self._means.network.max_payload - HEADROOM_BYTES:
            raise TaskError.incompatible("the input, with what is kept of the run before, is too large for one message")
        sequence = await insist(lambda: self._books.histories.append(entry, last=0))
        return None if sequence is None else self._take_in([Written(sequence, entry.at, entry)])

    async def _unless_asked_before(self) -> Sequence[Command]:
        """Return what is to be done for a run that has begun before, and has no history until now.

        Omegas of earlier versions kept none. What they asked for has the same ids, and stands behind the start.
        """
        start = Written(
            self._task.sequence, self._task.stored_at, self._entry((), self._definition.name, self._run.version)
        )
        return await self._outstanding([start], frozenset(), self._task.started_at)

    async def _outstanding(
        self, history: Sequence[Written], stored: frozenset[str], now: datetime
    ) -> Sequence[Command]:
        """Return what is to be done for the run as it stands, but for what is known to be `stored`; `now` is the server's time."""
        commands = outstanding(self._definition, self._run)
        for each in expected(self._definition, self._run):
            self._seeking.seek(each)
        self._seeking.look_now()
        self._heard_at = asyncio.get_running_loop().time()
        unsure = [asked for each in commands if (asked := asked_by(self._means.network.subjects, each)) is not None]
        unsure = [asked for asked in unsure if asked.task_id not in stored]
        known = await self._issuing.known(unsure, history, now)
        self._seeking.sequences |= known
        done = stored | known.keys()
        return [
            each
            for each in commands
            if (asked := asked_by(self._means.network.subjects, each)) is None or asked.task_id not in done
        ]

    # What the history says

    def _take_in(self, written: Iterable[Written]) -> Sequence[Command]:
        """Bring the state up to entries that stand; returns what they want done.

        Raises:
            Overtaken: one is of a later activation.
        """
        commands: list[Command] = []
        for each in written:
            if each.entry.activation > self._task.sequence:
                raise Overtaken
            for event in each.entry.events:
                self._state, more = advance(
                    self._definition, self._state, event, each.entry.at, self._task.id, version=each.entry.version
                )
                commands += more
                self._note(event)
            self._last = each.sequence
        return commands

    def _note(self, event: WorkflowEvent) -> None:
        match event:
            case WorkflowBegun():
                self._issuing = Issuing(self._means, self._task.id, event, self._seeking)
            case StepEnded():
                self._seeking.drop(event.task_id)
            case StepInvalid():
                secret = self._run.begun.secret
                for undone in (False, True):
                    own = step_id(self._task.id, event.step, event.index, compensation=undone, secret=secret)
                    self._seeking.drop(own)

    async def _added(self) -> list[Written]:
        """Return what has been added to the history since it was read."""
        return await insist(lambda: self._books.histories.read(self._task.id, after=self._last))

    def _entry(self, events: Sequence[WorkflowEvent], workflow: str, version: int) -> WorkflowEntry:
        return WorkflowEntry(
            workflow_id=self._task.id,
            workflow=workflow,
            version=version,
            at=self._books.clock.now(),
            instance=self._task.instance,
            activation=self._task.sequence,
            events=tuple(events),
        )

    async def _append(self, events: Sequence[WorkflowEvent]) -> int | None:
        """Store an entry; None where the history has grown meanwhile."""
        entry = self._entry(events, self._definition.name, self._run.version)
        return await insist(partial(self._books.histories.append, entry, last=self._last))

    async def _record(self, events: Sequence[WorkflowEvent]) -> Sequence[Command]:
        """Append `events` to the history, and take in what stands by then; returns what is to be done for all of it."""
        commands: list[Command] = []
        if self._nudges.take():
            commands += self._take_in(await self._added())
        for part in parts(events):
            wanted: Sequence[WorkflowEvent] = part
            while wanted:
                entry = self._entry(wanted, self._definition.name, self._run.version)
                sequence = await insist(partial(self._books.histories.append, entry, last=self._last))
                if sequence is not None:
                    commands += self._take_in([Written(sequence, entry.at, entry)])
                    break
                # Somebody has told the run something, or the answer to this very append was lost.
                commands += self._take_in(await self._added())
                wanted = [event for event in wanted if self._is_news(event)]
        self._heard_at = asyncio.get_running_loop().time()
        ended = [event.step for event in events if isinstance(event, StepEnded) and not event.compensation]
        if ended:
            steps = self._run.steps
            self._task.report(1 - self._run.pending / len(steps), f"{', '.join(dict.fromkeys(ended))}: done")
        return commands

    def _is_news(self, event: WorkflowEvent) -> bool:
        state, commands = advance(
            self._definition, self._state, event, self._books.clock.now(), self._task.id, version=self._run.version
        )
        return bool(commands) or state is not self._state

    # What is done, and what happens

    async def _carry_out(self, commands: Sequence[Command]) -> Sequence[Command]:
        """Do what `commands` say; returns what is to be done because some of it cannot be."""
        invalid = await self._issuing.carry_out(commands)
        self._heard_at = asyncio.get_running_loop().time()
        return await self._record(invalid) if invalid else ()

    async def _next(self, state: State) -> Sequence[WorkflowEvent] | None:
        """Return what has happened, once something has; None: nothing has for so long that the run may sleep.

        Nothing at all: the history has grown.
        """
        clock = asyncio.get_running_loop().time
        due = timers(self._definition, state)
        while not self._nudges.told:
            self._wake.clear()
            now = self._books.clock.now()
            events: list[WorkflowEvent] = [event for moment, event in due if moment <= now]
            events += await self._seeking.ended(self._definition, self._means.network.max_payload - HEADROOM_BYTES)
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
        ringing = None if timer is None else asyncio.create_task(self._ring(timer))
        limit = asyncio.get_running_loop().call_later(limit_s, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            limit.cancel()
            if ringing is not None:
                ringing.cancel()

    async def _ring(self, timer: datetime) -> None:
        await self._books.clock.sleep_until(timer)
        self._wake.set()

    # How it is left

    async def _lie_down(self, state: State) -> Suspended | None:
        """Have the run sleep; None where its history has grown meanwhile."""
        await self._nudges.stop()
        due = timers(self._definition, state)
        until = due[0][0] if due else None
        decisions = awaited_decisions(self._definition, state)
        record = sleeper(
            self._definition.name,
            self._task.id,
            self._start,
            activation=self._task.sequence,
            since=self._books.clock.now(),
            waits_for=self._seeking.by_type(),
            until=until,
            awaits=tuple(each.step for each in decisions),
        )
        if not await insist(lambda: self._books.sleepers.lie_down(record)):
            raise Overtaken
        # Looked at after the record is written: who adds to the history, and finds no record, is heard.
        if await self._added():
            await self._nudges.listen()
            await insist(lambda: self._books.sleepers.remove(record))
            self._nudges.tell()
            return None
        return Suspended(waits_for_what(decisions, len(self._seeking), until), until)

    def _ended(self, state: State, finish: Finish) -> Ended:
        result = result_of(
            self._definition,
            state,
            finish,
            task=self._task,
            identity=self._means.identity,
            finished_at=self._books.clock.now(),
        )
        return Ended(result)


def parts(events: Sequence[WorkflowEvent]) -> list[list[WorkflowEvent]]:
    """Return events in order, in parts of at most `MOST_BYTES` or of one event."""
    if len(events) == 1:
        return [list(events)]
    made: list[list[WorkflowEvent]] = []
    size = MOST_BYTES
    for event in events:
        more = len(encode(event))
        if size + more > MOST_BYTES:
            made.append([])
            size = 0
        made[-1].append(event)
        size += more
    return made
