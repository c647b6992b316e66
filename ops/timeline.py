"""A task's whole story as a list of moments: what was asked, what happened, what was decided about it, and how it ended. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from clones.omega.wording import cancelled
from ops.entries import Entry, text
from ops.stories import Event, Story
from schemas import (
    TaskAsked,
    TaskCompletion,
    TaskFailure,
    TaskParked,
    TaskProgress,
    TaskReassigned,
    TaskResult,
    TaskResumed,
    TaskRetrying,
    TaskStarted,
    WorkflowWaiting,
)


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened to a task."""

    at: datetime
    """When the ledger stored it; of the result, when the task ended."""
    sequence: int | None
    """In the ledger; of several in one, the first."""
    kind: str
    """submitted, started, progress, retrying, reassigned, parked, resumed, asked, waiting, escalation, command, completed, failed or
    cancelled."""
    words: str
    attempt: int | None = None
    instance: str | None = None


def timeline(story: Story, about: Iterable[Entry], verdicts: Mapping[int, TaskResult]) -> list[Moment]:
    """Return a task's moments in order.

    `about` holds the commands and escalations that name the task, `verdicts` what became of them by their numbers.
    """
    moments = list(_events(story.events))
    moments += [_said(entry, verdicts.get(entry.sequence or 0)) for entry in about]
    # Stable: what was stored at the same time stays in the ledger's order.
    moments.sort(key=lambda moment: (moment.at, moment.sequence or 0))
    if story.assignment is not None:
        moments.insert(0, _submitted(story.assignment))
    if story.result is not None:
        _insert(moments, _ended(story, story.result), story.events)
    return moments


def _insert(moments: list[Moment], ended: Moment, events: Sequence[Event]) -> None:
    """Put the end behind all events, which came before it whatever the clocks say, and behind what was said until then."""
    last = events[-1].entry.sequence if events else None
    place = 1 if moments and moments[0].kind == "submitted" else 0
    for index, moment in enumerate(moments):
        if moment.at <= ended.at or (last is not None and moment.sequence is not None and moment.sequence <= last):
            place = max(place, index + 1)
    moments.insert(place, ended)


def _submitted(entry: Entry) -> Moment:
    rest = entry.subject.split(".")[3:] if entry.kind == "TaskAssignment" else entry.subject.split(".")[2:]
    fields = entry.fields
    asked = fields.get("params" if entry.kind == "TaskAssignment" else "input", entry.body)
    unreadable = f"{len(entry.data):,} bytes that are no {entry.content_type}"
    # MessagePack has values that JSON has not.
    words = [*rest, unreadable if asked is None else json.dumps(asked, ensure_ascii=False, default=repr)]
    if (earlier := text(fields.get("retry_of"))) is not None:
        words.insert(0, f"to run {earlier} again")
    if (parent := text(fields.get("parent_id"))) is not None:
        words.insert(0, f"for {parent}")
    return Moment(entry.stored_at, entry.sequence, "submitted", " ".join(words))


def _events(events: Sequence[Event]) -> Iterator[Moment]:
    """Yield the events, with what one attempt reported in a row as one."""
    run: list[Event] = []
    for told in events:
        if run and not (isinstance(told.event, TaskProgress) and told.event.attempt == run[0].event.attempt):
            yield _progress(run)
            run = []
        if isinstance(told.event, TaskProgress):
            run.append(told)
        else:
            yield _event(told)
    if run:
        yield _progress(run)


def _progress(run: list[Event]) -> Moment:
    shares = [told.event.fraction for told in run if isinstance(told.event, TaskProgress)]
    last = run[-1].event
    message = last.message if isinstance(last, TaskProgress) else ""
    span = f"{shares[0]:.0%}" if len(run) == 1 else f"{shares[0]:.0%} to {shares[-1]:.0%} in {len(run)} reports"
    return _at(run[0], "progress", f"{span}: {message}" if message else span)


def _event(told: Event) -> Moment:  # noqa: PLR0911  one for each kind of event
    match told.event:
        case TaskStarted() as event:
            return _at(told, "started", f"attempt {event.attempt} on {event.instance}")
        case TaskRetrying() as event:
            words = f"attempt {event.attempt} failed, again in {event.delay_s:.1f} s; {event.code}: {event.message}"
            return _at(told, "retrying", words)
        case TaskReassigned() as event:
            return _at(told, "reassigned", f"{event.instance} handed attempt {event.attempt} back: {event.reason}")
        case TaskParked() as event:
            words = f"after attempt {event.attempt} on {event.instance}; {event.code}: {event.message}"
            return _at(told, "parked", words)
        case TaskResumed() as event:
            to = f"with {event.to}" if event.to else "with whoever is free"
            return _at(told, "resumed", f"{to}, by command #{event.command}; {_forgiven(event.forgiven)}")
        case TaskAsked() as event:
            return _at(told, "asked", f"for {event.child_type}")
        case WorkflowWaiting() as event:
            until = f", until {event.until:%Y-%m-%d %H:%M:%S} UTC at the latest" if event.until else ""
            return _at(told, "waiting", f"{event.message}{until}")
        case TaskProgress():
            return _progress([told])


def _forgiven(attempts: int) -> str:
    return "1 attempt is forgiven" if attempts == 1 else f"{attempts} attempts are forgiven"


def _at(told: Event, kind: str, words: str) -> Moment:
    event = told.event
    return Moment(told.entry.stored_at, told.entry.sequence, kind, words, event.attempt, event.instance)


def _said(entry: Entry, verdict: TaskResult | None) -> Moment:
    """Return a command or an escalation, with what became of it."""
    fields = entry.fields
    if entry.family == "escalation":
        words = f"{fields.get('severity')} by {fields.get('instance')}; {fields.get('code')}: {fields.get('message')}"
        if not fields.get("awaits_decision"):
            return Moment(entry.stored_at, entry.sequence, "escalation", words)
        kind = "escalation"
    else:
        what = "cancel" if entry.kind == "TaskCancel" else str(fields.get("action") or fields.get("verdict"))
        to = f" to {fields['clone']}" if fields.get("clone") else ""
        by = text(fields.get("by")) or text(fields.get("decided_by")) or "somebody"
        why = text(fields.get("reason")) or text(fields.get("comment"))
        words, kind = f"{what}{to} by {by}" + (f" ({why})" if why else ""), "command"
    return Moment(entry.stored_at, entry.sequence, kind, f"{words} → {_verdict(entry, verdict)}")


def _verdict(entry: Entry, verdict: TaskResult | None) -> str:
    match verdict:
        case TaskCompletion():
            return verdict.summary or "done"
        case TaskFailure():
            return f"{verdict.code}: {verdict.message}"
    return "no decision yet" if entry.family == "escalation" else "not carried out yet"


def _ended(story: Story, result: TaskResult) -> Moment:
    sequence = story.result_entry.sequence if story.result_entry else None
    if isinstance(result, TaskFailure) and story.state == "cancelled":
        # The kind says it, and who carried it out did not decide it.
        words = cancelled(result).removeprefix("cancelled").removeprefix(":").strip()
    else:
        told = result.summary if isinstance(result, TaskCompletion) else f"{result.code}: {result.message}"
        attempt = f", attempt {result.attempt}" if result.attempt else ""
        words = f"by {result.instance}{attempt}" + (f": {told}" if told else "")
    return Moment(
        result.finished_at,
        sequence,
        story.state,
        words,
        result.attempt or None,
        result.instance,
    )
