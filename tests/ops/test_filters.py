"""Which entries are wanted: by their bytes nothing is lost, and what they decode to decides."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.jetstream import StoredMessage
from bus.subjects import Subjects
from ops.entries import Entry, read_entry
from ops.filters import Filter
from schemas import MSGPACK

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SUBJECTS = Subjects()


def message(subject: str, body: Any, headers: dict[str, str] | None = None) -> StoredMessage:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return StoredMessage(f"sanctuary.{subject}", 7, NOW, data, headers or {})


def is_wanted(wanted: Filter, stored: StoredMessage) -> bool:
    """Whether an entry is wanted, asked both ways; what matches must not be lost by its bytes."""
    matches = wanted.matches(read_entry(SUBJECTS, stored))
    headers = "".join(f"{name}: {value}\r\n" for name, value in stored.headers.items()).encode()
    assert wanted.may_match(stored.subject, stored.data, headers) or not matches
    return matches


COMPLETED = message(
    "result.security.t1",
    {"type": "TaskCompletion", "clone": "beta", "instance": "beta-1", "labels": {"team": "a", "x": "y"}},
    {"Sanctuary-Signer": "UKEY"},
)
FAILED = message("result.testing.t2", {"type": "TaskFailure", "code": "timeout", "clone": "delta"})
CANCELLED = message("result.testing.t3", {"type": "TaskFailure", "code": "cancelled", "clone": "omega"})
ASKED = message("task.security.high", {"params": {"target": "/srv/Shop"}, "labels": {"team": "a"}})
STARTED = message("event.security.t1", {"type": "TaskStarted", "clone": "beta", "instance": "beta-1"})
HANDED = message("handover.security.delta", {"id": "t4"})
DECIDED = message(
    "command.workflow", {"type": "Decision", "workflow_id": "w", "decided_by": "ann", "verdict": "approve"}
)
BEGUN = message("workflow.review", {"input": {"target": "."}})
SIGNED = message("checkpoint.log", b"log\n3\nabc=\n")
NOISE = message("task.security", b"\xff\x00 not a message")
ALL = (COMPLETED, FAILED, CANCELLED, ASKED, STARTED, HANDED, DECIDED, BEGUN, SIGNED, NOISE)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), ALL),
        (Filter(types=["security"]), (COMPLETED, ASKED, STARTED, HANDED, NOISE)),
        (Filter(types=["workflow"]), (DECIDED, BEGUN)),
        (Filter(types=["security", "workflow"], kinds=["TaskAssignment", "Decision"]), (ASKED, HANDED, DECIDED, NOISE)),
        (Filter(clones=["beta"]), (COMPLETED, STARTED)),
        (Filter(clones=["delta"]), (FAILED, HANDED)),
        (Filter(outcomes=["completed"]), (COMPLETED,)),
        (Filter(outcomes=["failed"]), (FAILED,)),
        (Filter(outcomes=["cancelled", "failed"]), (FAILED, CANCELLED)),
        (Filter(kinds=["TaskFailure"]), (FAILED, CANCELLED)),
        (Filter(kinds=["Checkpoint"]), (SIGNED,)),
        (Filter(labels={"team": "a"}), (COMPLETED, ASKED)),
        (Filter(labels={"team": "a", "x": "y"}), (COMPLETED,)),
        (Filter(labels={"team": "b"}), ()),
        (Filter(by=["ann"]), (DECIDED,)),
        (Filter(by=["beta-1"]), (COMPLETED, STARTED)),
        (Filter(by=["UKEY"]), (COMPLETED,)),
        (Filter(by=["UKE"]), ()),
        (Filter(text="/SRV/shop"), (ASKED,)),
        (Filter(text="result.testing"), (FAILED, CANCELLED)),
        (Filter(text="not a message"), (NOISE,)),
        (Filter(since=NOW, until=NOW + timedelta(seconds=1)), ALL),
        (Filter(until=NOW), ()),
        (Filter(since=NOW + timedelta(microseconds=1)), ()),
    ],
)
def test_a_filter_takes_what_it_names(wanted: Filter, found: tuple[StoredMessage, ...]) -> None:
    assert tuple(each for each in ALL if is_wanted(wanted, each)) == found


def test_what_cannot_match_is_seen_by_its_bytes() -> None:
    """So that millions are not decoded for a few."""
    for wanted in (
        Filter(types=["testing"]),
        Filter(outcomes=["completed"]),
        Filter(kinds=["TaskFailure"]),
        Filter(clones=["delta"]),
        Filter(labels={"team": "red"}),
        Filter(by=["ann"]),
        Filter(text="shop floor"),
    ):
        assert not wanted.may_match(ASKED.subject, ASKED.data)


def test_a_person_is_found_on_whatever_machine() -> None:
    asked = message("decision.w1", b'{"type": "Decision", "workflow_id": "w1", "decided_by": "ann@laptop"}')
    assert is_wanted(Filter(by=["ann"]), asked)
    assert is_wanted(Filter(by=["ann@laptop"]), asked)
    for other in ("an", "laptop", "ann@", "ann@desk", ""):
        assert not is_wanted(Filter(by=[other]), asked)


def test_escapes_of_json_hide_nothing() -> None:
    body = b'{"type": "\\u0054askFailure", "clone": "\\u0062eta", "instance": "beta\\u002d1", "message": "say \\"\\u0068i\\" \\u00e9"}'
    hidden = message("result.security.t1", body)
    for wanted in (
        Filter(kinds=["TaskFailure"]),
        Filter(clones=["beta"]),
        Filter(by=["beta-1"]),
        Filter(text='say "HI" é'),
    ):
        assert is_wanted(wanted, hidden)
    assert not is_wanted(Filter(text="say no"), hidden)


def test_messagepack_is_searched_too() -> None:
    body = msgspec.msgpack.encode({"params": {"q": 'a "b" \\ é'}, "labels": {"team": "ü"}})
    packed = message("task.security", body, {"Content-Type": MSGPACK})
    assert is_wanted(Filter(text='a "b" \\ é', labels={"team": "ü"}), packed)


def test_aliases_are_resolved() -> None:
    wanted = Filter(types=["test-strategy", "x"]).with_aliases({"test-strategy": "testing"})
    assert wanted == replace(wanted, types=("testing", "x"))


def test_a_text_that_is_no_text_finds_nothing() -> None:
    assert not is_wanted(Filter(text="\udcff\udcfe"), message("task.security", b'{"x": "\\\\"}'))


_values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))


@given(
    st.dictionaries(
        st.sampled_from(["type", "clone", "by", "code", "labels", "instance", "x"]), _values | st.just({"a": "b"})
    ),
    st.sampled_from([subject.subject.partition(".")[2] for subject in ALL]),
    st.booleans(),
    st.text(min_size=1, max_size=3),
)
def test_nothing_that_matches_is_lost_by_its_bytes(
    body: dict[str, Any], subject: str, ascii_only: bool, text: str
) -> None:
    stored = message(subject, json.dumps(body, ensure_ascii=ascii_only).encode(errors="surrogatepass"))
    entry: Entry = read_entry(SUBJECTS, stored)
    for wanted in (
        Filter(text=text),
        Filter(kinds=[entry.kind]),
        Filter(types=[entry.task_type or "-"]),
        Filter(clones=[str(body.get("clone"))]),
        Filter(by=[str(body.get("by"))]),
        Filter(labels={"a": "b"}),
    ):
        is_wanted(wanted, stored)
