"""The network's state as it follows from the ledger's entries up to one of them, taken in one after the other. Pure.

Memory goes with what has not ended, not with how much there was: of what has ended only its number is kept.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from bus.delivery import from_ledger
from bus.identity import OMEGA
from bus.intake import read
from bus.queues import HANDED_OVER, NO_PRIORITY
from bus.records import Record, as_message
from bus.subjects import COMMAND_TYPE, ESCALATION_TYPE, INSTANCE_TYPE, WORKFLOW_TYPE, Subjects
from clones.omega.once import is_new_task, is_wake_up
from clones.routing import DEFAULT_TABLE, types_by_clone
from ops.filters import Outcome, outcome
from ops.past_snapshot import Instance, KnownSchedule, Parked, PastSnapshot, Runs
from ops.stories import Key, State
from schemas import (
    AnyTaskEvent,
    Command,
    InstanceChanged,
    QueueStatus,
    RouteChange,
    RoutesInForce,
    RoutingTable,
    Schedule,
    ScheduleChange,
    SchemaError,
    TaskAsked,
    TaskCompletion,
    TaskParked,
    TaskProgress,
    TaskResult,
    TaskRetrying,
    TaskStarted,
    WorkflowWaiting,
    decode,
    sequence_id,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MISSED_FOR = timedelta(hours=1)
"""How long one that is suspect or dead is told, as by `sanctuary status`."""
DRAINING_FOR = timedelta(minutes=1)
"""How long one is told that drains: nothing says when it has ended."""
MOST_INSTANCES = 10_000
"""Beyond these, those that are gone are forgotten, the first to go first."""

_STATES: Mapping[type, State] = {
    TaskStarted: "running",
    TaskProgress: "running",
    TaskAsked: "running",
    TaskRetrying: "retrying",
    TaskParked: "parked",
    WorkflowWaiting: "waiting",
}
"""What a task is after an event; after all others it waits in the queue again."""


@dataclass(slots=True)
class _Open:
    """A task or a run that has not ended."""

    name: str
    """The task type, or the workflow."""
    priority: str
    stored_at_ns: int
    state: State = "queued"
    attempt: int = 0
    in_charge: int = 0
    parked: TaskParked | None = None


class _Ended(msgspec.Struct, frozen=True):
    """What counts of a result."""

    type: str = ""
    code: str | None = None
    workflow: str = ""


class Past:
    """Knows the network up to the last entry that it took in. Entries come in the ledger's order."""

    def __init__(self, subjects: Subjects) -> None:
        self._subjects = subjects
        self._open: dict[Key, _Open] = {}
        self._ended: Counter[tuple[bool, str, Outcome]] = Counter()
        """Whether it is a workflow, the task type or workflow, and how it ended."""
        self._instances: dict[str, InstanceChanged] = {}
        """In the order of their last words."""
        self._asked: dict[str, RouteChange | ScheduleChange] = {}
        """What is not decided yet, by the id of its verdict."""
        self._routes: tuple[int, RoutesInForce] | None = None
        self._schedules: dict[str, KnownSchedule] = {}
        self._count = 0
        self._sequence = 0
        self._last_at_ns: int | None = None

    def take(self, record: Record) -> None:
        """Take in the next entry; it need not be well-formed."""
        self._count += 1
        self._sequence, self._last_at_ns = record.sequence, record.stored_at_ns
        _, family, *rest = [*record.subject.split("."), "", ""]
        try:
            match family:
                case "task" | "workflow" | "handover":
                    self._begin(record, family, rest)
                case "event" if rest[0] == INSTANCE_TYPE:
                    self._change_instance(decode(InstanceChanged, record.data))
                case "event":
                    self._go_on(record, (rest[0], rest[1]))
                case "result" if rest[0] in (COMMAND_TYPE, ESCALATION_TYPE):
                    self._decide(record, rest[1])
                case "result":
                    self._end(record, (rest[0], rest[1]))
                case "history":
                    self._drive((WORKFLOW_TYPE, rest[0]))
                case "command":
                    self._ask(record)
        except SchemaError:
            pass  # nobody could read it then, either

    def doubtful(self) -> Iterator[tuple[Key, datetime]]:
        """Yield what is queued under an id that its submitter chose, and when it was stored: the id may have had a result before."""
        for key, task in self._open.items():
            if task.state == "queued" and not task.attempt:
                yield key, _moment(task.stored_at_ns)

    def forget(self, keys: Iterable[Key]) -> None:
        """Leave out tasks that had ended before they were stored again under the same id: nothing comes of those."""
        for key in keys:
            self._open.pop(key, None)

    def snapshot(self, at: datetime) -> PastSnapshot:
        """Return the state at `at`, all entries up to then being taken in."""
        table = self._routes[1].table if self._routes else DEFAULT_TABLE
        there = tuple(self._there(at))
        clones = {each.clone for each in there}
        runs = Counter(task.state for key, task in self._open.items() if key[0] == WORKFLOW_TYPE)
        return PastSnapshot(
            at=at,
            sequence=self._sequence,
            entries=self._count,
            last_at=None if self._last_at_ns is None else _moment(self._last_at_ns),
            instances=there,
            missing=tuple(clone for clone in (OMEGA, *types_by_clone(table)) if clone not in clones),
            missed=tuple(
                change
                for change in self._instances.values()
                if change.state in ("suspect", "dead") and change.at > at - MISSED_FOR
            ),
            queues=self._queues(table, at),
            runs=Runs(waiting=runs["queued"], active=runs["running"], asleep=runs["waiting"]),
            schedules=tuple(schedule for _, schedule in sorted(self._schedules.items())),
            routes_revision=self._routes[0] if self._routes else 0,
            routes=self._routes[1] if self._routes else None,
            tasks=self._counts(workflows=False),
            workflows=self._counts(workflows=True),
            parked=tuple(self._parked()),
        )

    def _begin(self, record: Record, family: str, rest: list[str]) -> None:
        message = as_message(record)
        if (family == "workflow" and is_wake_up(message)) or (family == "handover" and not is_new_task(message)):
            return
        task_type = WORKFLOW_TYPE if family == "workflow" else rest[0]
        task_id = read(self._subjects, task_type, from_ledger(message)).id
        priority = HANDED_OVER if family == "handover" else NO_PRIORITY if family == "workflow" else rest[1]
        # Of two assignments under one id, the first is in charge.
        self._open.setdefault((task_type, task_id), _Open(rest[0], priority, record.stored_at_ns))

    def _go_on(self, record: Record, key: Key) -> None:
        task = self._open.get(key)
        if task is None:
            return
        event: AnyTaskEvent = decode(AnyTaskEvent, record.data)
        # As in `ops.stories`: who has lost the task, or had it before it was handed over, says nothing that counts.
        if event.attempt < task.attempt or (event.sequence is not None and event.sequence < task.in_charge):
            return
        task.attempt, task.in_charge = event.attempt, event.sequence or task.in_charge
        task.parked = event if isinstance(event, TaskParked) else None
        task.state = _STATES.get(type(event), "queued")

    def _drive(self, key: Key) -> None:
        task = self._open.get(key)
        if task is not None and task.state in ("queued", "waiting"):
            task.state = "running"

    def _end(self, record: Record, key: Key) -> None:
        ended: _Ended = decode(_Ended, record.data)
        task = self._open.pop(key, None)
        how = outcome(ended.type, ended.code)
        if how is not None:
            is_workflow = key[0] == WORKFLOW_TYPE
            name = task.name if task else (ended.workflow or "-") if is_workflow else key[0]
            self._ended[is_workflow, name, how] += 1

    def _ask(self, record: Record) -> None:
        command: Any = decode(Command, record.data)
        if isinstance(command, RouteChange | ScheduleChange):
            self._asked[sequence_id(record.sequence)] = command

    def _decide(self, record: Record, command_id: str) -> None:
        change = self._asked.pop(command_id, None)
        if change is None:
            return
        verdict: TaskResult = decode(TaskResult, record.data)
        if not isinstance(verdict, TaskCompletion):
            return  # it was refused
        number = int(command_id.rpartition("-")[2])
        if isinstance(change, ScheduleChange):
            self._put_schedule(change, number)
            return
        told = verdict.output if isinstance(verdict.output, dict) else {}
        revision, replaced = told.get("revision"), told.get("replaced")
        # A change that changes nothing tells at least which table is in force.
        if isinstance(revision, int) and (revision != replaced or self._routes is None):
            routes = RoutesInForce(
                table=change.table, at=verdict.finished_at, command=number, by=change.by, reason=change.reason
            )
            self._routes = revision, routes

    def _put_schedule(self, change: ScheduleChange, command: int) -> None:
        schedule: Schedule | None = change.schedule
        if schedule is None:
            self._schedules.pop(change.name, None)
        else:
            self._schedules[change.name] = KnownSchedule(
                name=change.name,
                state="paused" if schedule.paused else "on",
                workflow=schedule.workflow,
                command=command,
                by=change.by,
            )

    def _change_instance(self, change: InstanceChanged) -> None:
        self._instances.pop(change.instance, None)
        self._instances[change.instance] = change
        if len(self._instances) > MOST_INSTANCES:
            gone = (name for name, each in self._instances.items() if each.state in ("dead", "draining"))
            self._instances.pop(next(gone, ""), None)

    def _there(self, at: datetime) -> Iterator[Instance]:
        for change in sorted(self._instances.values(), key=lambda each: (each.clone, each.instance)):
            state = change.state
            if state != "dead" and (state != "draining" or change.at > at - DRAINING_FOR):
                yield Instance(clone=change.clone, instance=change.instance, state=state, since=change.at)

    def _queues(self, table: RoutingTable, at: datetime) -> tuple[QueueStatus, ...]:
        waiting: Counter[tuple[str, str]] = Counter()
        taken: Counter[tuple[str, str]] = Counter()
        oldest: dict[tuple[str, str], int] = {}
        for (task_type, _), task in self._open.items():
            route = table.routes.get(task_type)
            queue = task_type, task.priority or (route.default_priority if route else "")
            if task.state == "queued":
                waiting[queue] += 1
                oldest[queue] = min(oldest.get(queue, task.stored_at_ns), task.stored_at_ns)
            elif task.state != "waiting":
                taken[queue] += 1
        return tuple(
            QueueStatus(
                task_type=queue[0],
                priority=queue[1],
                waiting=waiting[queue],
                taken=taken[queue],
                oldest_s=max(0.0, (at - _moment(oldest[queue])).total_seconds()) if queue in oldest else None,
            )
            for queue in sorted({*waiting, *taken})
        )

    def _counts(self, *, workflows: bool) -> dict[str, dict[State, int]]:
        total: Counter[tuple[str, State]] = Counter()
        for (task_type, _), task in self._open.items():
            if (task_type == WORKFLOW_TYPE) is workflows:
                total[task.name, task.state] += 1
        for (is_workflow, name, how), count in self._ended.items():
            if is_workflow is workflows:
                total[name, how] += count
        counts: dict[str, dict[State, int]] = {}
        for (name, state), count in sorted(total.items()):
            counts.setdefault(name, {})[state] = count
        return counts

    def _parked(self) -> Iterator[Parked]:
        found = ((key, task.parked) for key, task in self._open.items() if task.parked is not None)
        for (task_type, task_id), event in sorted(found, key=lambda each: (each[1].at, each[0])):
            yield Parked(task_type=task_type, task_id=task_id, since=event.at, code=event.code, message=event.message)


def _moment(nanoseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)
