"""Entries in other forms, each held against what its specification says."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import msgspec
import pytest

from bus.jetstream import StoredMessage
from bus.subjects import Subjects
from ops.cli.lines import plain
from ops.entries import Entry, read_entry
from ops.exports.cloud_events import CloudEvents
from ops.exports.json_lines import JsonLines
from ops.exports.spans import MOST_EVENTS, Spans

SUBJECTS = Subjects("r")
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)

CLOUD_EVENT: dict[str, Any] = {
    # What https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/cloudevents.json demands.
    "type": "object",
    "required": ["id", "source", "specversion", "type"],
    "properties": {
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1},
        "specversion": {"const": "1.0"},
        "type": {"type": "string", "minLength": 1},
        "subject": {"type": "string", "minLength": 1},
        "datacontenttype": {"type": "string", "minLength": 1},
        "time": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"},
        "data_base64": {"type": "string", "contentEncoding": "base64"},
    },
    "propertyNames": {"pattern": "^([a-z0-9]{1,20}|data_base64)$"},
    "not": {"required": ["data", "data_base64"]},
}


def entry(
    sequence: int, subject: str, body: Any = b"", *, after_s: float = 0.0, content_type: str | None = None
) -> Entry:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    headers = {"Content-Type": content_type} if content_type else {}
    message = StoredMessage(f"r.{subject}", sequence, AT + timedelta(seconds=after_s), data, headers)
    return read_entry(SUBJECTS, message)


TASK = entry(1, "task.x", {"params": {"a": 1}, "id": "t", "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"})
STRANGE = [
    entry(2, "task.x", b"\xff\x00 no json"),
    entry(
        3, "task.x", msgspec.msgpack.encode({"params": {"a": b"bytes"}, "id": "m"}), content_type="application/msgpack"
    ),
    entry(
        4, "event.x.t", msgspec.msgpack.encode({"a": msgspec.msgpack.Ext(3, b"x")}), content_type="application/msgpack"
    ),
    entry(5, "result.x.t", b"[" * 2000 + b"]" * 2000),
    entry(6, "command.x", "only text\n\u2028\x00"),
    entry(
        7, "history.w", {"type": "WorkflowEntry", "events": [{"type": "WorkflowBegun", "secret": "hush", "input": {}}]}
    ),
]


def test_a_cloud_event() -> None:
    (line,) = CloudEvents("r").take(TASK)
    told = json.loads(line)
    assert told == {
        "specversion": "1.0",
        "id": "1",
        "source": "/sanctuary/r/ledger",
        "type": "sanctuary.TaskAssignment",
        "subject": "t",
        "time": "2026-11-23T12:00:00Z",
        "sequence": f"{1:020}",
        "natssubject": "r.task.x",
        "tasktype": "x",
        "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
        "datacontenttype": "application/json",
        "data": {"params": {"a": 1}, "id": "t", "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"},
    }


@pytest.mark.parametrize("each", [TASK, *STRANGE], ids=lambda each: str(each.sequence))
def test_whatever_the_ledger_holds_is_one_line_of_its_form(each: Entry) -> None:
    (event,) = CloudEvents("r").take(each)
    jsonschema.validate(json.loads(event), CLOUD_EVENT)
    (line,) = JsonLines(plain).take(each)
    assert json.loads(line)["sequence"] == each.sequence
    for text in (event, line):
        assert b"\n" not in text
        assert b"hush" not in text


def spans(*entries: Entry) -> list[dict[str, Any]]:
    """The spans of all entries, in order."""
    form = Spans("r")
    found = []
    for each in entries:
        for line in form.take(each):
            (resource,) = json.loads(line)["resourceSpans"]
            assert resource["resource"]["attributes"][0] == {
                "key": "service.name",
                "value": {"stringValue": "sanctuary"},
            }
            found += resource["scopeSpans"][0]["spans"]
    return found


def told(attempt: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "task_id": "t", "task_type": "x", "attempt": attempt, "instance": f"i-{attempt}", **fields}


def ns(after_s: float) -> str:
    return str(round((AT.timestamp() + after_s) * 1e9))


def at(after_s: float) -> str:
    return (AT + timedelta(seconds=after_s)).isoformat()


def test_a_task_is_a_span_and_each_attempt_below_it() -> None:
    whole, first, lost, last = spans(
        TASK,
        entry(2, "event.x.t", told(1, "TaskStarted", at=at(1)), after_s=1.1),
        entry(3, "event.x.t", told(1, "TaskProgress", fraction=0.5), after_s=2),
        entry(4, "event.x.t", told(1, "TaskRetrying", code="c", message="broke"), after_s=3),
        entry(5, "event.x.t", told(2, "TaskStarted", at=at(5)), after_s=5.1),
        entry(6, "event.x.t", told(3, "TaskStarted", at=at(8)), after_s=8.1),
        entry(7, "result.x.t", told(3, "TaskCompletion", started_at=at(8), finished_at=at(9)), after_s=9.2),
    )
    assert (whole["traceId"], whole["parentSpanId"]) == ("a" * 32, "b" * 16)
    assert (whole["startTimeUnixNano"], whole["endTimeUnixNano"]) == (ns(0), ns(9.2))
    assert whole["status"] == {"code": 1}
    assert [event["name"] for event in whole["events"]] == [
        "TaskStarted",
        "TaskProgress",
        "TaskRetrying",
        "TaskStarted",
        "TaskStarted",
    ]
    assert whole["events"][1]["timeUnixNano"] == ns(2)
    for each in (first, lost, last):
        assert (each["traceId"], each["parentSpanId"]) == (whole["traceId"], whole["spanId"])
    assert [(each["startTimeUnixNano"], each["endTimeUnixNano"]) for each in (first, lost, last)] == [
        (ns(1), ns(3)),
        (ns(5), ns(8)),
        (ns(8), ns(9)),
    ]
    assert [each["status"] for each in (first, lost, last)] == [
        {"code": 2, "message": "broke"},
        {"code": 2, "message": "ended without a word"},
        {"code": 1},
    ]
    assert len({each["spanId"] for each in (whole, first, lost, last)}) == 4
    assert all(len(each["spanId"]) == 16 for each in (whole, first, lost, last))


def test_a_quick_task_has_its_attempt_from_its_result() -> None:
    whole, attempt = spans(
        entry(1, "task.x", {"id": "t"}),
        entry(
            2,
            "result.x.t",
            told(1, "TaskFailure", code="c", message="no", started_at=at(1), finished_at=at(2)),
            after_s=3,
        ),
    )
    assert "parentSpanId" not in whole
    assert (len(whole["traceId"]), whole["status"]) == (32, {"code": 2, "message": "no"})
    assert (attempt["startTimeUnixNano"], attempt["endTimeUnixNano"], attempt["status"]["code"]) == (ns(1), ns(2), 2)


def test_what_a_workflow_asked_for_lies_below_it_in_one_trace() -> None:
    found = spans(
        entry(1, "workflow.review", {"id": "w", "input": {}}),
        entry(2, "task.x", {"id": "t", "parent_id": "w"}),
        entry(3, "task.y", {"id": "u", "parent_id": "t", "parent_type": "x"}),
        entry(4, "result.y.u", {"type": "TaskCompletion"}),
        entry(5, "result.x.t", {"type": "TaskCompletion"}),
        entry(6, "result.workflow.w", {"type": "WorkflowCompletion"}),
    )
    inner, middle, outer = found
    assert outer["name"] == "workflow review"
    assert inner["traceId"] == middle["traceId"] == outer["traceId"]
    assert (inner["parentSpanId"], middle["parentSpanId"]) == (middle["spanId"], outer["spanId"])
    assert "parentSpanId" not in outer


def test_a_span_has_so_many_events_and_no_strange_values_break_it() -> None:
    progress = [
        entry(number, "event.x.t", told(1, "TaskProgress", fraction=[1])) for number in range(2, MOST_EVENTS + 12)
    ]
    (whole,) = spans(
        entry(
            1,
            "task.x",
            {"id": "t", "labels": {"a": {"b": 1}}, "traceparent": "00-" + "0" * 32 + "-" + "b" * 16 + "-01"},
        ),
        *progress,
        entry(998, "event.x.t", {"type": "TaskRetrying", "attempt": [1]}),
        entry(999, "result.x.t", {"attempt": "many", "started_at": 5, "type": 7}),
    )
    assert (len(whole["events"]), whole["droppedEventsCount"]) == (MOST_EVENTS, 11)
    assert whole["traceId"] != "0" * 32
    assert spans(*STRANGE[:3], STRANGE[4], STRANGE[5]) == []
    assert len(spans(STRANGE[3])) == 1
