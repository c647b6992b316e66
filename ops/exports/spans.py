"""The ledger as OpenTelemetry spans, in OTLP's JSON (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding). Pure.

A span for each task and each run of a workflow that has its result, a child span for each attempt, what was told of it as span
events. A task that came with a `traceparent` lies in that trace; one that another asked for lies below that one; any other begins a
trace of its own. Ids that the ledger does not name follow from the realm, the type and the id, so that an export made again has the
same. Each line is a whole ExportTraceServiceRequest, as the Collector's file receiver takes it.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from bus.subjects import WORKFLOW_TYPE
from ops.entries import Entry, text
from ops.stories import Key

MOST_EVENTS = 128
"""Events of one span, as OpenTelemetry's own default limit has it; later ones are counted."""
_INTERNAL, _CONSUMER = 1, 5
_OK, _ERROR = 1, 2
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")
_BEGINNINGS = ("task", "workflow")
_ENDED = {"TaskRetrying": _ERROR, "TaskParked": _ERROR, "TaskReassigned": None}
"""Events that end an attempt, and what they say of it."""

Json = dict[str, Any]


@dataclass(slots=True)
class _Attempt:
    number: int
    begin_ns: int
    instance: str | None
    end_ns: int | None = None
    status: int | None = None
    message: str = ""


@dataclass(slots=True)
class _Task:
    """A task that has no result yet."""

    trace_id: str
    parent_span: str | None
    begin_ns: int
    name: str
    attributes: list[msgspec.Raw]
    """Encoded, as the next: a tenth of the memory."""
    attempts: dict[int, _Attempt] = field(default_factory=dict)
    events: list[msgspec.Raw] = field(default_factory=list)
    dropped: int = 0


class Spans:
    """As `ops.exports.outputs.LineFormat`: a task and its attempts a line, when it has its result. Memory holds what is open."""

    follows = True

    def __init__(self, realm: str) -> None:
        self._realm = realm
        self._open: dict[Key, _Task] = {}

    def take(self, entry: Entry) -> Iterable[bytes]:
        """Return the spans of the task that the entry ends, if it ends one."""
        if entry.task_type is None or entry.task_id is None:
            return
        key = entry.task_type, entry.task_id
        if entry.family in _BEGINNINGS:
            if key not in self._open:
                self._open[key] = self._begun(key, entry)
            return
        if entry.family != "result":
            self._tell(key, entry)
            return
        task = self._open.pop(key, None) or self._begun(key, entry)
        yield msgspec.json.encode(self._request(self._ended(key, task, entry)))

    def _begun(self, key: Key, entry: Entry) -> _Task:
        """Return a task by its assignment, or by its result where that is all that is known."""
        given = _TRACEPARENT.fullmatch(text(entry.fields.get("traceparent")) or "")
        parent_span = None if given is None else given[2]
        trace_id = None if given is None else given[1]
        if entry.parent_id is not None:
            parent = text(entry.fields.get("parent_type")) or WORKFLOW_TYPE, entry.parent_id
            parent_span = self._id(8, *parent)
            known = self._open.get(parent)
            trace_id = trace_id or (self._id(16, *parent) if known is None else known.trace_id)
        named = entry.subject.split(".")[2] if entry.family == "workflow" else key[0]
        begin_ns = _moment_ns(entry, "started_at") if entry.family == "result" else _stored_ns(entry)
        attributes = {
            "sanctuary.realm": self._realm,
            "sanctuary.task.type": key[0],
            "sanctuary.task.id": key[1],
            "sanctuary.workflow": named if entry.family == "workflow" else None,
            "sanctuary.retry_of": text(entry.fields.get("retry_of")),
            **{f"sanctuary.label.{name}": value for name, value in _labels(entry).items()},
        }
        name = f"{key[0]} {named}" if entry.family == "workflow" else key[0]
        encoded = [_encoded(each) for each in _attributes(attributes)]
        return _Task(trace_id or self._id(16, *key), parent_span, begin_ns, name, encoded)

    def _tell(self, key: Key, entry: Entry) -> None:
        """Take in what was told of a task."""
        task = self._open.get(key)
        if task is None:
            return
        number = entry.fields.get("attempt")
        if entry.kind == "TaskStarted" and isinstance(number, int):
            at_ns = _moment_ns(entry, "at")
            for other in task.attempts.values():
                if other.end_ns is None:
                    other.end_ns, other.status, other.message = at_ns, _ERROR, "ended without a word"
            task.attempts[number] = _Attempt(number, at_ns, text(entry.fields.get("instance")))
        elif entry.kind in _ENDED and isinstance(number, int) and (attempt := _under_way(task, number)) is not None:
            attempt.end_ns, attempt.status = _stored_ns(entry), _ENDED[entry.kind]
            attempt.message = text(entry.fields.get("message")) or ""
        if len(task.events) == MOST_EVENTS:
            task.dropped += 1
        else:
            task.events.append(_encoded(_event(entry)))

    def _ended(self, key: Key, task: _Task, result: Entry) -> list[Json]:
        """Return the spans of a task and of its attempts."""
        end_ns = max(task.begin_ns, _stored_ns(result))
        failed = result.kind in ("TaskFailure", "WorkflowFailure")
        message = (text(result.fields.get("message")) or "") if failed else ""
        number = result.fields.get("attempt")
        if isinstance(number, int) and number and number not in task.attempts and result.fields.get("started_at"):
            started = _Attempt(number, _moment_ns(result, "started_at"), text(result.fields.get("instance")))
            task.attempts[number] = started
        for attempt in task.attempts.values():
            if attempt.end_ns is None:
                last = attempt.number == number
                attempt.end_ns = _moment_ns(result, "finished_at") if last else end_ns
                attempt.status = (_ERROR if failed else _OK) if last else _ERROR
                attempt.message = message if last else "ended without a word"
        span_id = self._id(8, *key)
        told = {
            "sanctuary.outcome": "failed" if failed else "completed",
            "sanctuary.error.code": text(result.fields.get("code")),
            "sanctuary.clone": text(result.fields.get("clone")),
            "sanctuary.result.sequence": result.sequence,
        }
        whole = {
            "traceId": task.trace_id,
            "spanId": span_id,
            "name": task.name,
            "kind": _INTERNAL,
            "startTimeUnixNano": str(task.begin_ns),
            "endTimeUnixNano": str(end_ns),
            "attributes": [*task.attributes, *_attributes(told)],
            "events": task.events,
            "droppedEventsCount": task.dropped,
            "status": _status(_ERROR if failed else _OK, message),
        }
        if task.parent_span is not None:
            whole["parentSpanId"] = task.parent_span
        return [whole, *(self._attempt(key, task, each) for each in task.attempts.values())]

    def _attempt(self, key: Key, task: _Task, attempt: _Attempt) -> Json:
        attributes = {"sanctuary.attempt": attempt.number, "sanctuary.instance": attempt.instance}
        return {
            "traceId": task.trace_id,
            "spanId": self._id(8, *key, str(attempt.number)),
            "parentSpanId": self._id(8, *key),
            "name": f"{task.name} attempt {attempt.number}",
            "kind": _CONSUMER,
            "startTimeUnixNano": str(attempt.begin_ns),
            "endTimeUnixNano": str(max(attempt.begin_ns, attempt.end_ns or 0)),
            "attributes": _attributes(attributes),
            "status": _status(attempt.status, attempt.message),
        }

    def _request(self, spans: list[Json]) -> Json:
        resource = _attributes({"service.name": "sanctuary", "service.namespace": self._realm})
        scope = {"scope": {"name": "sanctuary"}, "spans": spans}
        return {"resourceSpans": [{"resource": {"attributes": resource}, "scopeSpans": [scope]}]}

    def _id(self, length: int, *named: str) -> str:
        """Return an id of so many bytes in hex, made of names none of which holds a slash."""
        return hashlib.sha256("/".join((self._realm, *named)).encode(errors="replace")).hexdigest()[: 2 * length]


def _under_way(task: _Task, number: int) -> _Attempt | None:
    attempt = task.attempts.get(number)
    return attempt if attempt is not None and attempt.end_ns is None else None


def _encoded(value: Json) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _event(entry: Entry) -> Json:
    names = ("message", "code", "instance", "fraction", "reason", "by", "child_type", "child_id", "attempt")
    told = {f"sanctuary.{name}": entry.fields.get(name) for name in names}
    told["sanctuary.sequence"] = entry.sequence
    return {"timeUnixNano": str(_stored_ns(entry)), "name": entry.kind, "attributes": _attributes(told)}


def _labels(entry: Entry) -> Mapping[str, Any]:
    labels = entry.fields.get("labels")
    return labels if isinstance(labels, dict) else {}


def _attributes(values: Mapping[str, Any]) -> list[Json]:
    """Return those of the values that there are, as OTLP writes them; what is neither text nor a number is left out."""
    found: list[Json] = []
    for name, value in values.items():
        match value:
            case bool() | None:
                continue
            case str() if value:
                found.append({"key": name, "value": {"stringValue": value}})
            case int() if abs(value) < 2**63:
                found.append({"key": name, "value": {"intValue": str(value)}})
            case float():
                found.append({"key": name, "value": {"doubleValue": value}})
    return found


def _status(code: int | None, message: str) -> Json:
    if code is None:
        return {}
    return {"code": code, "message": message} if message else {"code": code}


def _stored_ns(entry: Entry) -> int:
    return _ns(entry.stored_at)


def _moment_ns(entry: Entry, name: str) -> int:
    """Return a time that a message tells, or else when it was stored."""
    try:
        return _ns(msgspec.convert(entry.fields.get(name), datetime))
    except msgspec.ValidationError:
        return _stored_ns(entry)


def _ns(at: datetime) -> int:
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0, int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1000)
