"""The worker's pure decisions: which attempt, how long, how late, what comes in, what differs."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.attempts import NotNow, Run, backoff_delay_s, turn
from bus.deadlines import missed_deadline, time_limit_s
from bus.delivery import Delivery, parse
from bus.intake import MAX_BODY_BYTES, Refusal, Request, is_inbox, read
from bus.subjects import COMMAND_TYPE, ESCALATION_TYPE, WORKFLOW_TYPE, Subjects
from bus.task import MAX_MESSAGE_CHARS, TaskError, printable
from bus.topology import Limits, differences, omega_consumers, streams, task_consumers
from schemas import (
    MSGPACK,
    Backoff,
    TaskAssignment,
    TaskEvent,
    TaskParked,
    TaskProgress,
    TaskReassigned,
    TaskResumed,
    TaskRetrying,
    TaskStarted,
    encode,
)

STORED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def event(kind: type[TaskEvent], attempt: int, **fields: int) -> TaskEvent:
    more: dict[type[TaskEvent], dict[str, object]] = {
        TaskRetrying: {"code": "x", "message": "", "delay_s": 1.0},
        TaskReassigned: {"reason": ""},
        TaskProgress: {"fraction": 0.5},
        TaskParked: {"code": "x", "message": ""},
        TaskResumed: {"command": 9},
    }
    known = {"task_id": "a", "task_type": "t", "clone": "c", "instance": "i", "attempt": attempt, "at": STORED}
    return kind(**known, **fields, **more.get(kind, {}))  # type: ignore[arg-type]  # chosen by kind above


class TestAttempts:
    def test_a_task_of_which_nothing_was_told_is_at_its_first_attempt(self) -> None:
        assert turn(7, None) == Run(1)

    @pytest.mark.parametrize("kind", [TaskStarted, TaskProgress])
    def test_an_attempt_that_began_and_of_which_nothing_came_is_used_up(self, kind: type[TaskEvent]) -> None:
        assert turn(7, event(kind, 3)) == Run(4, after_death=True)

    def test_an_attempt_that_ran_when_the_server_went_away_keeps_its_number(self) -> None:
        before, after = STORED - timedelta(seconds=1), STORED + timedelta(seconds=1)
        assert turn(7, event(TaskStarted, 3), reconnected_at=after) == Run(3, cut_off=True)
        assert turn(7, event(TaskStarted, 3), reconnected_at=before) == Run(4, after_death=True)
        assert turn(7, event(TaskRetrying, 3), reconnected_at=after) == Run(4)

    def test_a_failed_attempt_is_used_up(self) -> None:
        assert turn(7, event(TaskRetrying, 3)) == Run(4)

    def test_an_attempt_that_was_handed_back_keeps_its_number(self) -> None:
        assert turn(7, event(TaskReassigned, 3)) == Run(3)

    def test_an_event_of_an_unknown_kind_counts_as_an_attempt(self) -> None:
        assert turn(7, event(TaskEvent, 3)) == Run(4, after_death=True)

    def test_a_parked_task_stays_parked(self) -> None:
        assert turn(7, event(TaskParked, 3, sequence=7)) is NotNow.PARKED

    def test_a_resumed_task_goes_on_with_its_next_attempt_and_the_others_forgiven(self) -> None:
        assert turn(7, event(TaskResumed, 3, sequence=7, forgiven=3)) == Run(4, 3)
        assert turn(7, event(TaskStarted, 4, sequence=7, forgiven=3)) == Run(5, 3, after_death=True)

    @pytest.mark.parametrize("kind", [TaskStarted, TaskRetrying, TaskReassigned, TaskResumed, TaskParked])
    def test_another_assignment_in_charge(self, kind: type[TaskEvent]) -> None:
        assert turn(7, event(kind, 3, sequence=8)) is NotNow.SUPERSEDED
        assert turn(7, event(kind, 3, sequence=6)) is NotNow.EARLY

    @given(attempt=st.integers(1, 101))
    def test_the_delay_grows_to_its_maximum_with_jitter(self, attempt: int) -> None:
        backoff = Backoff(initial_s=1, coefficient=2, maximum_s=60, jitter=0.5)
        full = min(60.0, 2.0 ** (attempt - 1))
        assert full / 2 <= backoff_delay_s(backoff, attempt) <= full
        assert backoff_delay_s(Backoff(jitter=0), attempt) == full


class TestDeadlines:
    def at(self, seconds: float) -> datetime:
        return STORED + timedelta(seconds=seconds)

    def test_no_limits(self) -> None:
        assert missed_deadline(TaskAssignment(), STORED, self.at(1e9), begun=False) is None
        assert time_limit_s(TaskAssignment(), STORED, self.at(1e6), 60) == 60

    def test_to_start(self) -> None:
        assignment = TaskAssignment(schedule_to_start_s=10)
        assert missed_deadline(assignment, STORED, self.at(9.9), begun=False) is None
        said = missed_deadline(assignment, STORED, self.at(10), begun=False)
        assert said == "the task was to start within 10 s (schedule_to_start_s) and 10.0 s have passed"
        assert missed_deadline(assignment, STORED, self.at(99), begun=True) is None

    def test_to_close(self) -> None:
        assignment = TaskAssignment(schedule_to_close_s=10, schedule_to_start_s=3)
        for begun in (True, False):
            said = missed_deadline(assignment, STORED, self.at(12.34), begun=begun)
            assert said == "the task was to end within 10 s (schedule_to_close_s) and 12.3 s have passed"

    def test_a_publisher_whose_clock_runs_ahead_misses_nothing(self) -> None:
        assert missed_deadline(TaskAssignment(schedule_to_start_s=1), STORED, self.at(-5), begun=False) is None

    def test_an_attempt_may_run_until_the_nearest_limit(self) -> None:
        assert time_limit_s(TaskAssignment(timeout_s=5), STORED, STORED, 60) == 5
        assert time_limit_s(TaskAssignment(timeout_s=100), STORED, STORED, 60) == 100
        assert time_limit_s(TaskAssignment(schedule_to_close_s=30), STORED, self.at(10), 60) == 20
        assert time_limit_s(TaskAssignment(schedule_to_close_s=30, timeout_s=5), STORED, self.at(10), 60) == 5

    @given(close=st.floats(0.001, 1e6), passed=st.floats(0, 1e6), limit=st.floats(0.001, 1e6))
    def test_a_task_that_missed_nothing_has_time_left(self, close: float, passed: float, limit: float) -> None:
        assignment = TaskAssignment(schedule_to_close_s=close, timeout_s=limit)
        if missed_deadline(assignment, STORED, self.at(passed), begun=True) is None:
            assert 0 < time_limit_s(assignment, STORED, self.at(passed), 60) <= limit


SUBJECTS = Subjects()


def delivery(body: bytes, *, subject: str = "sanctuary.task.security", content_type: str | None = None) -> Delivery:
    return Delivery(
        subject=subject,
        data=body,
        headers={"Content-Type": content_type} if content_type else {},
        ack_subject="$JS.ACK.x",
        consumer="task_security",
        sequence=17,
        stored_at_s=0.0,
        delivered=1,
    )


def intake(body: bytes, *, content_type: str | None = None) -> Request | Refusal:
    return read(SUBJECTS, "security", delivery(body, content_type=content_type))


class TestIntake:
    @pytest.mark.parametrize("content_type", [None, MSGPACK, "text/plain"])
    def test_a_task(self, content_type: str | None) -> None:
        assignment = TaskAssignment(id="a", params={"target": "."})
        request = intake(encode(assignment, content_type or ""), content_type=content_type)
        assert request == Request("a", "security", assignment)

    def test_without_an_id(self) -> None:
        request = intake(b"{}")
        assert isinstance(request, Request)
        assert request.id == "seq-17"

    @pytest.mark.parametrize("chosen", ["seq-17", "seq-", "seq-x"])
    def test_the_networks_ids_cannot_be_chosen(self, chosen: str) -> None:
        refusal = intake(encode({"id": chosen, "reply_to": "_INBOX.a"}))
        assert isinstance(refusal, Refusal)
        assert (refusal.id, refusal.reply_to) == ("seq-17", "_INBOX.a")
        assert refusal.message.endswith("- at `$.id`")

    @pytest.mark.parametrize("inbox", ["_INBOX.a", "_INBOX.a.b-c_D~!$", "_INBOX." + "x" * 240])
    def test_inboxes(self, inbox: str) -> None:
        assert is_inbox(inbox)
        assert isinstance(intake(encode({"reply_to": inbox})), Request)

    @pytest.mark.parametrize(
        "elsewhere",
        [
            "",
            "_INBOX",
            "_INBOX.",
            "_INBOX..a",
            "_INBOX.a..b",
            "_INBOX.a.",
            "_INBOX.*",
            "_INBOX.a.>",
            "_INBOX.a b",
            "_INBOX.a\r\nPUB x 0",
            "_INBOX.a\n",
            "_INBOX.a\t",
            "_INBOX.ä",
            "_INBOX.\x7f",
            "_INBOX." + "x" * 241,
            "_INBOXa",
            "_INBOX_beta.a",
            "a._INBOX.b",
            "_inbox.a",
            "sanctuary.settle.security.a",
            "sanctuary.result.security.a",
            "$JS.ACK.x",
            "$JS.API.STREAM.DELETE.SANCTUARY_LEDGER",
        ],
    )
    def test_nothing_else_is_replied_to(self, elsewhere: str) -> None:
        assert not is_inbox(elsewhere)
        refusal = intake(encode({"id": "a", "reply_to": elsewhere}))
        assert isinstance(refusal, Refusal)
        assert (refusal.id, refusal.reply_to) == ("a", None)
        assert "`$.reply_to`" in refusal.message

    @given(st.text(max_size=300))
    def test_an_inbox_is_one_subject_that_names_one_place(self, tail: str) -> None:
        if is_inbox(f"_INBOX.{tail}"):
            tokens = tail.split(".")
            assert all(token and not set(token) & set("*> \t\r\n") and token.isascii() for token in tokens)

    def test_the_largest_body(self) -> None:
        frame = b'{"params":{"a":"%s"}}'
        most = frame % (b"x" * (MAX_BODY_BYTES - len(frame) + 2))
        assert len(most) == MAX_BODY_BYTES
        assert isinstance(intake(most), Request)
        refusal = intake(most + b" ")
        assert isinstance(refusal, Refusal)
        assert refusal.message.startswith("the body has 1,048,577 bytes; a task may have 1,048,576.")

    def test_a_command_that_json_cannot_hold_is_refused(self) -> None:
        action = {"type": "RecoveryAction", "task_id": "x", "task_type": "security", "action": "complete"}
        body = msgspec.msgpack.encode({**action, "output": msgspec.msgpack.Ext(5, b"")})
        command = delivery(body, subject="sanctuary.command.security", content_type=MSGPACK)
        refusal = read(SUBJECTS, COMMAND_TYPE, command)
        assert isinstance(refusal, Refusal)
        assert "cannot be written as JSON" in refusal.message

    def test_a_wrong_escalation_is_not_told_what_a_command_is(self) -> None:
        refusal = read(SUBJECTS, ESCALATION_TYPE, delivery(b"{}", subject="sanctuary.escalation.high.beta"))
        assert isinstance(refusal, Refusal)
        assert "command" not in refusal.message

    def test_a_wrong_body_is_answered_under_its_id_where_that_can_be_read(self) -> None:
        refusal = intake(b'{"id": "mine", "reply_to": "_INBOX.a", "parms": 1}')
        assert isinstance(refusal, Refusal)
        assert (refusal.id, refusal.reply_to) == ("mine", "_INBOX.a")
        assert refusal.message.startswith("Object contains unknown field `parms`. A TaskAssignment takes: params, id,")

    @pytest.mark.parametrize(
        "body", [b'{"id": 5, "x": 1}', b'{"id": "a.b", "x": 1}', b'{"id": "seq-1", "x": 1}', b"[]", b"\xff"]
    )
    def test_and_otherwise_under_the_messages_own(self, body: bytes) -> None:
        refusal = intake(body)
        assert isinstance(refusal, Refusal)
        assert refusal.id == "seq-17"

    def test_a_reason_is_bounded(self) -> None:
        refusal = intake(b'{"' + b"x" * 1_000_000 + b'": 1}')
        assert isinstance(refusal, Refusal)
        assert len(refusal.message) < MAX_MESSAGE_CHARS + 100

    def test_a_workflow_start(self) -> None:
        body = b'{"input": {"target": "."}, "id": "w", "timeout_s": 5, "retry_of": "v", "version": 3}'
        request = read(SUBJECTS, WORKFLOW_TYPE, delivery(body, subject="sanctuary.workflow.review"))
        assert isinstance(request, Request)
        assert (request.id, request.assignment.params) == ("w", {"target": "."})
        # The run's limit is not the limit of whoever drives it.
        assert (request.assignment.timeout_s, request.assignment.retry_of) == (None, "v")
        assert request.start is not None
        assert (request.start.timeout_s, request.start.version) == (5, 3)
        refusal = read(SUBJECTS, WORKFLOW_TYPE, delivery(b'{"params": {}}', subject="sanctuary.workflow.review"))
        assert isinstance(refusal, Refusal)


class TestDeliveries:
    class Message:
        def __init__(self, reply: str) -> None:
            self.subject, self.data, self.headers, self.reply = "s", b"d", None, reply

    @pytest.mark.parametrize("origin", ["LEDGER", "hub.ACCHASH.LEDGER"])
    def test_what_the_acknowledgement_subject_says(self, origin: str) -> None:
        tail = "" if origin == "LEDGER" else ".random"
        parsed = parse(self.Message(f"$JS.ACK.{origin}.task_a+high.3.17.5.1700000000500000000.9{tail}"))  # type: ignore[arg-type]
        assert parsed is not None
        assert (parsed.consumer, parsed.delivered, parsed.sequence, parsed.pending) == ("task_a+high", 3, 17, 9)
        assert parsed.stored_at_s == 1700000000.5
        assert parsed.stored_at.isoformat() == "2023-11-14T22:13:20.500000+00:00"

    @pytest.mark.parametrize(
        "reply", ["", "_INBOX.a", "$JS.FC.x.y.z", "$JS.ACK.short", "$JS.API.CONSUMER.MSG.NEXT.a.b.c.d.e.f"]
    )
    def test_statuses_are_no_deliveries(self, reply: str) -> None:
        assert parse(self.Message(reply)) is None  # type: ignore[arg-type]


class TestMessagesForPeople:
    def test_short_ones_stay(self) -> None:
        assert printable("größer") == "größer"

    @given(st.text(max_size=50))
    def test_any_text_can_be_sent(self, message: str) -> None:
        encode({"message": printable(message)})

    def test_an_error_keeps_its_code_and_whether_it_may_be_tried_again(self) -> None:
        assert TaskError("engine_crashed", "x").retryable
        assert not TaskError("engine_crashed", "x", retryable=False).retryable
        assert not TaskError("engine_failed", "x").retryable
        assert TaskError.incompatible("x").code == "incompatible_task"


class TestDifferences:
    def test_none(self) -> None:
        for wanted in (
            *streams(SUBJECTS, Limits()),
            *task_consumers(SUBJECTS, "a", ["c"]),
            *omega_consumers(SUBJECTS),
        ):
            assert differences(wanted, wanted) == []
            assert differences(wanted, wanted | {"added_by_the_server": 1}) == []

    def test_each_in_words(self) -> None:
        wanted = {"a": 1, "b": {"c": [1]}, "sources": [{"name": "R"}]}
        found = {"a": 2, "b": {"c": [2]}, "sources": [{"name": "Q", "more": 1}]}
        assert differences(wanted, found) == [
            "a: is 2, should be 1",
            "b.c: is [2], should be [1]",
            "sources: is ['Q'], should be ['R']",
        ]

    def test_a_field_that_is_missing(self) -> None:
        assert differences({"a": 1}, {}) == ["a: is None, should be 1"]
        assert differences({"sources": [{"name": "R"}]}, {}) == ["sources: is [], should be ['R']"]

    @pytest.mark.parametrize("value", [False, 0])
    def test_servers_leave_out_what_is_off(self, value: object) -> None:
        assert differences({"a": value}, {}) == []

    def test_every_task_subject_has_a_consumer_of_its_own(self) -> None:
        made = [
            *task_consumers(SUBJECTS, "a", ["c", "d"]),
            *task_consumers(SUBJECTS, "b", ["c"]),
            *omega_consumers(SUBJECTS),
        ]
        assert len({consumer["name"] for consumer in made}) == len(made)
        assert len({consumer["filter_subject"] for consumer in made}) == len(made) == 14
