"""From ledger entries to the story of each task. Pure.

The ledger is ordered, but its copies of results come late and out of line with the events, and a worker that lost its
task may still write events. So a task is told by its id and its attempts: a result ends it wherever it stands, events
after that are legal and say nothing, and of two attempts the later one counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from ops.entries import Entry
from schemas import (
    AnyTaskEvent,
    ErrorCode,
    SchemaError,
    TaskAsked,
    TaskCompletion,
    TaskParked,
    TaskProgress,
    TaskReassigned,
    TaskResult,
    TaskRetrying,
    TaskStarted,
    WorkflowWaiting,
    decode,
)

State = Literal["queued", "running", "waiting", "retrying", "parked", "completed", "failed", "cancelled"]
STATES: tuple[State, ...] = get_args(State)

Key = tuple[str, str]
"""A task's type and id."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a task, as it stands in the ledger."""

    entry: Entry
    event: AnyTaskEvent


@dataclass(frozen=True, slots=True)
class Story:
    """What the ledger tells of one task."""

    task_type: str
    task_id: str
    assignment: Entry | None
    """The first one under this id; None where it was not found."""
    events: tuple[Event, ...]
    """By attempt, then in the ledger's order, without those that count no more."""
    ignored: tuple[Entry, ...]
    """Events of a worker that had lost the task or came after its end, and events of kinds that are unknown here."""
    result: TaskResult | None
    result_entry: Entry | None

    @property
    def state(self) -> State:
        """How the task fares."""
        if self.result is not None:
            return _ended(self.result)
        match self.events[-1].event if self.events else None:
            case TaskStarted() | TaskProgress() | TaskAsked():
                return "running"
            case WorkflowWaiting():
                return "waiting"
            case TaskRetrying():
                return "retrying"
            case TaskParked():
                return "parked"
        # TaskReassigned and TaskResumed too: the task waits in the queue again.
        return "queued"

    @property
    def attempt(self) -> int:
        """The last attempt that was begun; 0: none, as far as is known."""
        if self.result is not None:
            return self.result.attempt
        return self.events[-1].event.attempt if self.events else 0

    @property
    def clone(self) -> str | None:
        """Who ended the task, or had it last."""
        if self.result is not None:
            return self.result.clone
        return self.events[-1].event.clone if self.events else None

    @property
    def labels(self) -> dict[str, Any]:
        """What the task is to be found by; empty where its assignment is not known."""
        labels = self.assignment.fields.get("labels") if self.assignment else None
        return labels if isinstance(labels, dict) else {}

    @property
    def submitted_at(self) -> datetime | None:
        """When the ledger stored the task."""
        return self.assignment.stored_at if self.assignment else None

    @property
    def started_at(self) -> datetime | None:
        """When the last attempt began."""
        if self.result is not None and self.result.started_at is not None:
            return self.result.started_at
        starts = [told.event.at for told in self.events if isinstance(told.event, TaskStarted)]
        return starts[-1] if starts else None

    @property
    def waited_s(self) -> float | None:
        """From stored to the start of the last attempt, in seconds."""
        return _seconds(self.submitted_at, self.started_at)

    @property
    def ran_s(self) -> float | None:
        """How long the last attempt ran, in seconds; what is parked or waits to be tried again runs no more."""
        if self.result is None:
            return None
        stopped: datetime | None = None
        if self.result.started_at is None:
            # Not by who ran it, and perhaps long after.
            for told in self.events:
                match told.event:
                    case TaskStarted():
                        stopped = None
                    case TaskParked() | TaskRetrying() | TaskReassigned():
                        stopped = told.event.at
        return _seconds(self.started_at, stopped or self.result.finished_at)

    @property
    def took_s(self) -> float | None:
        """From stored to the result, in seconds."""
        return _seconds(self.submitted_at, self.result.finished_at if self.result else None)


def _ended(result: TaskResult) -> State:
    if isinstance(result, TaskCompletion):
        return "completed"
    # Whoever looks for what went wrong does not look for what was called off.
    return "cancelled" if result.code == ErrorCode.CANCELLED else "failed"


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    # Two clocks are compared here; an id that was used before may also end before it is stored again.
    return max(0.0, (end - begin).total_seconds()) if begin is not None and end is not None else None


def fold(entries: Iterable[Entry]) -> dict[Key, Story]:
    """Return the stories of all tasks in `entries`, which may come in any order and hold other things too."""
    by_task: dict[Key, list[Entry]] = {}
    for entry in entries:
        if entry.family in ("task", "workflow", "event", "result") and entry.task_type and entry.task_id:
            by_task.setdefault((entry.task_type, entry.task_id), []).append(entry)
    return {key: _story(key, found) for key, found in by_task.items()}


def _story(key: Key, found: list[Entry]) -> Story:
    ordered = sorted(found, key=_place)
    result, result_entry = _result(ordered)
    events, ignored = _events([entry for entry in ordered if entry.family == "event"], result)
    return Story(
        task_type=key[0],
        task_id=key[1],
        assignment=next((entry for entry in ordered if entry.family in ("task", "workflow")), None),
        events=events,
        ignored=ignored,
        result=result,
        result_entry=result_entry,
    )


def _place(entry: Entry) -> tuple[bool, int]:
    return entry.sequence is None, entry.sequence or 0


def _result(ordered: list[Entry]) -> tuple[TaskResult | None, Entry | None]:
    """Return the task's result; the ledger's copy of it before the original, which has no place in the ledger."""
    for entry in ordered:
        if entry.family == "result":
            try:
                result: TaskResult = decode(TaskResult, entry.data, entry.content_type)
            except SchemaError:
                continue
            return result, entry
    return None, None


def _events(ordered: list[Entry], result: TaskResult | None) -> tuple[tuple[Event, ...], tuple[Entry, ...]]:
    told: list[Event] = []
    ignored: list[Entry] = []
    newest = in_charge = 0
    for entry in ordered:
        try:
            event: AnyTaskEvent = decode(AnyTaskEvent, entry.data, entry.content_type)
        except SchemaError:
            ignored.append(entry)
            continue
        # A drained attempt hands its number on, so the same number may follow; a lower one comes from who lost the task.
        late = result is not None and event.at > result.finished_at
        # One that names an earlier assignment comes from who had the task before it was handed over.
        superseded = event.sequence is not None and event.sequence < in_charge
        if late or superseded or event.attempt < newest:
            ignored.append(entry)
            continue
        newest, in_charge = event.attempt, event.sequence or in_charge
        told.append(Event(entry, event))
    return tuple(told), tuple(ignored)
