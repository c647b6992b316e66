"""What a ledger entry says, in one line."""

import json
import math
from collections.abc import Callable
from typing import Any

import click
import msgspec

from ops import history_words
from ops.cli.text import clean, duration, moment, shortened
from ops.entries import CHECKPOINT, UNREADABLE, Entry, text
from schemas import JSON, ErrorCode, SchemaError, WorkflowEntry, decode

MAX_TEXT = 200
WIDEST_KIND = len("WorkflowCompletion")
COLOURS = {
    "TaskAssignment": "blue",
    "WorkflowStart": "blue",
    "TaskStarted": "cyan",
    "TaskProgress": "bright_black",
    "TaskRetrying": "yellow",
    "TaskReassigned": "yellow",
    "TaskParked": "magenta",
    "TaskResumed": "cyan",
    "TaskAsked": "blue",
    "WorkflowWaiting": "yellow",
    "WorkflowEntry": "cyan",
    "TaskCompletion": "green",
    "WorkflowCompletion": "green",
    "TaskFailure": "red",
    "WorkflowFailure": "red",
    "ErrorEscalation": "bright_red",
    "TaskCancel": "magenta",
    "RecoveryAction": "magenta",
    "Decision": "magenta",
    "RouteChange": "magenta",
    "WorkflowPut": "magenta",
    "ScheduleChange": "magenta",
    "InstanceChanged": "bright_black",
    CHECKPOINT: "bright_black",
    UNREADABLE: "red",
}


def describe(entry: Entry) -> str:
    """Return what the entry tells beyond its kind, type and id, in at most `MAX_TEXT` characters."""
    teller = _TELLERS.get(entry.kind)
    if teller is not None:
        told = teller(entry)
    elif entry.body is None:
        told = f"{len(entry.data):,} bytes that are no {entry.content_type}"
    else:
        told = _json(entry.body)
    return shortened(told, MAX_TEXT)


def _assignment(entry: Entry) -> str:
    priority = entry.subject.split(".")[3:]
    return " ".join([*priority, _json(entry.fields.get("params", entry.body))])


def _workflow(entry: Entry) -> str:
    if entry.family == "wake-up":
        return f"wakes {entry.subject.rpartition('.')[2]}"
    return f"{entry.subject.rpartition('.')[2]} {_json(entry.fields.get('input', entry.body))}"


def _history(entry: Entry) -> str:
    try:
        return history_words.of_entry(decode(WorkflowEntry, entry.data, entry.content_type))
    except SchemaError:
        return _json(entry.body)


def _of(entry: Entry, *names: str) -> str:
    return ": ".join(str(entry.fields[name]) for name in names if entry.fields.get(name))


def _named(word: str, entry: Entry, name: str) -> str:
    return f"{word} {entry.fields[name]} " if entry.fields.get(name) else ""


def _failure(entry: Entry) -> str:
    # The message of what was cancelled says so itself.
    cancelled = entry.fields.get("code") == ErrorCode.CANCELLED and entry.fields.get("message")
    return str(cancelled) if cancelled else _of(entry, "code", "message")


def _completion(entry: Entry) -> str:
    return f"by {_of(entry, 'instance')}, attempt {_of(entry, 'attempt')}: {_of(entry, 'summary')}"


_TELLERS: dict[str, Callable[[Entry], str]] = {
    "TaskAssignment": _assignment,
    "WorkflowStart": _workflow,
    "TaskStarted": lambda entry: f"attempt {_of(entry, 'attempt')} on {_of(entry, 'instance')}",
    "TaskProgress": lambda entry: f"{_percent(entry.fields.get('fraction'))} {_of(entry, 'message')}",
    "TaskRetrying": lambda entry: f"{_of(entry, 'code', 'message')}; again in {_duration(entry.fields.get('delay_s'))}",
    "TaskReassigned": lambda entry: f"handed back by {_of(entry, 'instance', 'reason')}",
    "TaskParked": lambda entry: _of(entry, "code", "message"),
    "TaskResumed": lambda entry: (
        f"{_named('with', entry, 'to')}by command #{entry.fields.get('command')} {_of(entry, 'by', 'reason')}"
    ),
    "TaskFailure": _failure,
    "TaskAsked": lambda entry: f"for {_of(entry, 'child_type')} {_of(entry, 'child_id')}".rstrip(),
    "WorkflowWaiting": lambda entry: _of(entry, "message"),
    "WorkflowEntry": _history,
    "WorkflowFailure": _failure,
    "WorkflowCompletion": _completion,
    "TaskCompletion": _completion,
    "ErrorEscalation": lambda entry: f"{_of(entry, 'severity')} {_of(entry, 'code', 'message')}",
    "TaskCancel": lambda entry: _of(entry, "by", "reason"),
    "RecoveryAction": lambda entry: (
        f"{_of(entry, 'action')} {_named('to', entry, 'clone')}{_named('by', entry, 'by')}{_of(entry, 'reason')}"
    ),
    "RouteChange": lambda entry: (
        f"replaces revision {entry.fields.get('base_revision', 0)} {_of(entry, 'by', 'reason')}"
    ),
    "WorkflowPut": lambda entry: f"{_definition(entry)} {_named('by', entry, 'by')}{_of(entry, 'reason')}".rstrip(),
    "ScheduleChange": lambda entry: (
        f"{_of(entry, 'name')} {'removed ' if entry.fields.get('schedule') is None else ''}"
        f"{_named('by', entry, 'by')}{_of(entry, 'reason')}".rstrip()
    ),
    "InstanceChanged": lambda entry: f"{_of(entry, 'instance')} is {_of(entry, 'state')}",
    CHECKPOINT: lambda entry: " ".join(entry.data.decode(errors="replace").splitlines()[:3]),
    "Decision": lambda entry: f"{_of(entry, 'step', 'verdict')} by {_of(entry, 'decided_by', 'comment')}",
}


def _definition(entry: Entry) -> str:
    definition = entry.fields.get("definition")
    return str(definition.get("name")) if isinstance(definition, dict) else "?"


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):  # MessagePack has values that JSON has not
        return repr(value)


def _percent(fraction: Any) -> str:
    return f"{fraction:.0%}" if isinstance(fraction, int | float) else "?"


def _duration(seconds: Any) -> str:
    # MessagePack has infinity.
    return duration(seconds) if isinstance(seconds, int | float) and math.isfinite(seconds) else "?"


def line(entry: Entry) -> str:
    """Return the entry as a line of the audit trail, with colours that `click.echo` leaves out where they are not wanted."""
    number = "-" if entry.sequence is None else f"#{entry.sequence}"
    kind = click.style(f"{shortened(entry.kind, WIDEST_KIND):<{WIDEST_KIND}}", fg=COLOURS.get(entry.kind))
    task = clean(f"{entry.task_type or '-'} {entry.task_id or '-'}")
    when = click.style(moment(entry.stored_at), fg="bright_black")
    return f"{number:>8} {when} {kind} {task} {describe(entry)}".rstrip()


def plain(entry: Entry) -> dict[str, Any]:
    """Return the entry for JSON: `{"sequence", "stored_at", "subject", "kind", "task_type", "task_id", "message"}`.

    A message that is not JSON or MessagePack, or has values that JSON has not, stands as text in `message_text`, its undecodable
    bytes written out.
    """
    body = entry.body if entry.content_type == JSON or _is_writable(entry.body) else None
    shown: dict[str, Any] = {
        "sequence": entry.sequence,
        "stored_at": entry.stored_at.isoformat(),
        "subject": entry.subject,
        "kind": entry.kind,
        "task_type": entry.task_type,
        "task_id": text(entry.task_id),
        "message": body,
    }
    if body is None:
        shown["message_text"] = entry.data.decode(errors="backslashreplace")
    return shown


def _is_writable(body: Any) -> bool:
    """Tell whether JSON has values for all that a MessagePack body holds."""
    try:
        msgspec.json.encode(body)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
