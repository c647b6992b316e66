"""Messages there and back, how they may grow, and what hostile bytes come to."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import (
    JSON,
    MSGPACK,
    AnyTaskEvent,
    Route,
    RoutesInForce,
    RoutingTable,
    Schedule,
    ScheduleInForce,
    SchemaError,
    StatusQuery,
    TaskAssignment,
    TaskCompletion,
    TaskFailure,
    TaskProgress,
    TaskResult,
    WorkflowInForce,
    convert,
    decode,
    decode_grown,
    encode,
    encode_grown,
    to_plain,
)
from schemas.base import Asked, Told
from tests.contract.messages import SENT, vectors_of

BOTH = pytest.mark.parametrize("content_type", [JSON, MSGPACK])

text = st.text(st.characters(exclude_categories=["Cs"]))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
)
plain = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=12
)
ids = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
times = st.datetimes(timezones=st.just(UTC))
seconds = st.floats(min_value=0, max_value=31_536_000, exclude_min=True, allow_subnormal=False)

assignments = st.builds(
    TaskAssignment,
    params=st.dictionaries(text, plain, max_size=4),
    id=st.none() | ids,
    timeout_s=st.none() | seconds,
    schedule_to_close_s=st.none() | seconds,
    retries=st.none() | st.integers(0, 100),
    labels=st.dictionaries(text, st.text(st.characters(exclude_categories=["Cs"]), max_size=256), max_size=4),
)
completions = st.builds(
    TaskCompletion,
    task_id=ids,
    task_type=st.just("security"),
    clone=text,
    instance=text,
    attempt=st.integers(1, 101),
    started_at=times,
    finished_at=times,
    writer=text,
    summary=text,
    output=plain,
    artifacts=st.just(()),
    labels=st.just({}),
    retry_of=st.none() | ids,
    traceparent=st.none(),
)


class TestThereAndBack:
    @BOTH
    @given(assignment=assignments)
    def test_an_assignment(self, content_type: str, assignment: TaskAssignment) -> None:
        back: TaskAssignment = decode(TaskAssignment, encode(assignment, content_type), content_type)
        assert back == assignment

    @BOTH
    @given(completion=completions)
    def test_a_completion(self, content_type: str, completion: TaskCompletion) -> None:
        back: TaskResult = decode(TaskResult, encode(completion, content_type), content_type)
        assert back == completion

    @given(completion=completions)
    def test_as_plain_values(self, completion: TaskCompletion) -> None:
        assert msgspec.json.encode(to_plain(completion)) == encode(completion)
        assert convert(TaskCompletion, to_plain(completion)) == completion

    def test_times_are_rfc_3339_in_utc(self) -> None:
        moment = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
        assert b'"2026-01-02T03:04:05.678901Z"' in encode({"at": moment})

    @BOTH
    def test_what_is_not_a_number_becomes_null_in_json(self, content_type: str) -> None:
        packed = encode({"a": math.nan}, content_type)
        value = msgspec.msgpack.decode(packed)["a"] if content_type == MSGPACK else msgspec.json.decode(packed)["a"]
        assert value is None if content_type == JSON else math.isnan(value)


class TestGrowing:
    """The rules by which versions of the protocol live side by side."""

    @BOTH
    @pytest.mark.parametrize("name", SENT)
    def test_a_field_that_is_not_known(self, name: str, content_type: str) -> None:
        kind, path = SENT[name], vectors_of(name)[0]
        newer = msgspec.json.decode(path.read_bytes()) | {"of_a_later_version": {"deep": [1]}}
        body = encode(newer, content_type)
        if issubclass(kind, Asked):
            with pytest.raises(SchemaError, match="unknown field `of_a_later_version`"):
                decode(kind, body, content_type)
        else:
            assert issubclass(kind, Told)
            now: msgspec.Struct = decode(kind, body, content_type)
            assert now == decode(kind, path.read_bytes())

    @pytest.mark.parametrize("name", SENT)
    def test_fields_with_defaults_may_be_left_out_and_are_left_out(self, name: str) -> None:
        kind = SENT[name]
        required = {field.encode_name for field in msgspec.structs.fields(kind) if field.required}
        whole = msgspec.json.decode(vectors_of(name)[0].read_bytes())
        least: msgspec.Struct = decode(kind, encode({field: whole[field] for field in required} | {"type": name}))
        assert msgspec.json.decode(encode(least)).keys() == required | {"type"}

    @pytest.mark.parametrize("name", SENT)
    def test_a_required_field_that_is_missing_is_named(self, name: str) -> None:
        kind = SENT[name]
        whole = msgspec.json.decode(vectors_of(name)[0].read_bytes())
        for field in msgspec.structs.fields(kind):
            if field.required:
                with pytest.raises(SchemaError, match=f"missing required field `{field.encode_name}`"):
                    decode(kind, encode({key: value for key, value in whole.items() if key != field.encode_name}))

    @pytest.mark.parametrize("name", SENT)
    def test_the_type_says_which_message_it_is(self, name: str) -> None:
        path = vectors_of(name)[0]
        other = msgspec.json.decode(path.read_bytes()) | {"type": "SomethingElse"}
        with pytest.raises(SchemaError, match=r"Invalid value 'SomethingElse' - at `\$.type`"):
            decode(SENT[name], encode(other))

    def test_an_assignment_may_leave_its_type_out_because_its_subject_says_it(self) -> None:
        assert decode(TaskAssignment, b"{}") == TaskAssignment()
        assert decode(StatusQuery, b"{}") == StatusQuery()

    @pytest.mark.parametrize("family", [TaskResult, AnyTaskEvent])
    def test_among_several_kinds_the_type_is_needed(self, family: Any) -> None:
        with pytest.raises(SchemaError, match="missing required field `type`"):
            decode(family, b"{}")

    @pytest.mark.parametrize("name", SENT)
    def test_messages_cannot_be_changed(self, name: str) -> None:
        message: Any = decode(SENT[name], vectors_of(name)[0].read_bytes())
        for field in SENT[name].__struct_fields__:
            with pytest.raises(AttributeError):
                setattr(message, field, None)

    def test_no_two_messages_share_a_default(self) -> None:
        first, second = TaskAssignment(), TaskAssignment()
        assert first.params is not second.params


class TestRefused:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b'{"params": 5}', r"Expected `object`, got `int` - at `\$.params`"),
            (b'{"params": null}', r"Expected `object`, got `null` - at `\$.params`"),
            (b'{"labels": {"a": 5}}', r"Expected `str`, got `int` - at `\$.labels\[...\]`"),
            (b'{"id": 5}', r"Expected `str \| null`, got `int` - at `\$.id`"),
            (b'{"id": ""}', r"1 to 64 .* - at `\$.id`"),
            (b'{"timeout_s": "soon"}', r"Expected `float \| null`, got `str` - at `\$.timeout_s`"),
            (b'{"timeout_s": 0}', r"> 0.0 - at `\$.timeout_s`"),
            (b'{"timeout_s": 1e9}', r"<= 31536000.0 - at `\$.timeout_s`"),
            (b'{"timeout_s": 1e400}', r"out of range - at `\$.timeout_s`"),
            (b'{"retries": 1.5}', r"Expected `int \| null`, got `float` - at `\$.retries`"),
            (b'{"retries": 101}', r"<= 100 - at `\$.retries`"),
            (b'{"retries": %s}' % (b"9" * 5000), r"out of range - at `\$.retries`"),
            (b'{"params": {"a": %s}}' % (b"9" * 5000), r"out of range - at `\$.params"),
            (b'{"params": {"a": 1e999}}', r"out of range - at `\$.params"),
            (b'{"labels": {%s}}' % b",".join(b'"%d":""' % n for n in range(33)), r"length <= 32 - at `\$.labels`"),
            (b'{"labels": {"a": "%s"}}' % (b"x" * 257), r"length <= 256 - at `\$.labels\[...\]`"),
        ],
    )
    def test_says_what_and_where(self, body: bytes, reason: str) -> None:
        with pytest.raises(SchemaError, match=reason) as caught:
            decode(TaskAssignment, body)
        assert caught.value.message == str(caught.value)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b" ",
            b"hello",
            b"{",
            b"{} {}",
            b'{"params": {"a": NaN}}',
            b'{"params": {"a": Infinity}}',
            b'{"params": {"a": "\xff"}}',
            b'{"params": {"a": "\\ud800"}}',
            b"\xef\xbb\xbf{}",
            "{}".encode("utf-16"),
            b"\x00" * 100,
        ],
    )
    def test_no_json(self, body: bytes) -> None:
        with pytest.raises(SchemaError, match="the body is not JSON: "):
            decode(TaskAssignment, body)

    @pytest.mark.parametrize("body", [b"", b"\xc1", b"{}", b"\x81\xa6params\x81\xa1a\xa1\xff", b"\xdf\xff\xff\xff\xff"])
    def test_no_messagepack(self, body: bytes) -> None:
        with pytest.raises(SchemaError):
            decode(TaskAssignment, body, MSGPACK)

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_a_limit_that_is_no_number(self, value: float) -> None:
        """JSON has none of these; MessagePack does."""
        with pytest.raises(SchemaError, match=r"at `\$.timeout_s`"):
            decode(TaskAssignment, encode({"timeout_s": value}, MSGPACK), MSGPACK)

    @pytest.mark.parametrize("opening", [b"[", b'{"a":'])
    def test_nesting_without_end(self, opening: bytes) -> None:
        with pytest.raises(SchemaError, match="nested too deeply"):
            decode(TaskAssignment, b'{"params": {"a":' + opening * 200_000)
        with pytest.raises(SchemaError, match="nested too deeply"):
            decode(TaskAssignment, b"\x81\xa6params\x81\xa1a" + b"\x91" * 200_000, MSGPACK)

    @given(body=st.binary(max_size=200))
    def test_any_bytes_are_a_message_or_refused(self, body: bytes) -> None:
        for content_type in (JSON, MSGPACK):
            for kind in (TaskAssignment, TaskResult, AnyTaskEvent):
                try:
                    decode(kind, body, content_type)
                except SchemaError:
                    continue

    def test_plain_values_that_do_not_fit(self) -> None:
        with pytest.raises(SchemaError, match=r"Expected `object`, got `int` - at `\$.params`"):
            convert(TaskAssignment, {"params": 5})

    def test_progress_lies_between_0_and_1(self) -> None:
        whole = msgspec.json.decode(vectors_of("TaskProgress")[0].read_bytes())
        for fraction in (-0.1, 1.1):
            with pytest.raises(SchemaError, match=r"at `\$.fraction`"):
                decode(TaskProgress, encode(whole | {"fraction": fraction}))

    def test_a_failure_of_a_later_version_is_read(self) -> None:
        """Codes are text on the wire, so that one which is not known here is still a failure."""
        whole = msgspec.json.decode(vectors_of("TaskFailure")[0].read_bytes()) | {"code": "of_a_later_version"}
        result: TaskResult = decode(TaskResult, encode(whole))
        assert isinstance(result, TaskFailure)
        assert result.code == "of_a_later_version"


class TestGrown:
    """A routing table is strict where it is asked for, and may have grown where it is read."""

    body = encode(
        RoutesInForce(
            table=RoutingTable(routes={"a": Route(clone="b", timeout_s=5)}),
            at=datetime(2026, 1, 2, tzinfo=UTC),
            command=7,
        )
    )

    def test_what_is_known_stays(self) -> None:
        assert decode_grown(RoutesInForce, self.body) == decode(RoutesInForce, self.body)

    def test_what_a_later_version_added_is_left_out_at_any_depth(self) -> None:
        grown = json.loads(self.body)
        grown["new"] = grown["table"]["new"] = grown["table"]["routes"]["a"]["new"] = {"x": 1}
        grown["table"]["weights"] = {"high": 8, "medium": 3, "low": 1, "none": 0}
        body = json.dumps(grown).encode()
        with pytest.raises(SchemaError, match="unknown field"):
            decode(RoutesInForce, body)
        assert decode_grown(RoutesInForce, body) == decode(RoutesInForce, self.body)

    def test_also_in_what_may_be_null(self) -> None:
        path = vectors_of("WorkflowInForce")[0]
        grown = json.loads(path.read_bytes())
        steps = grown["definition"]["steps"]
        steps["new"] = {"task": "a", "new": 1}
        for part in (steps["approve"]["decision"], steps["pause"]["wait"], steps["tests"]["compensate"]):
            part["new"] = {"x": 1}
        known = json.loads(path.read_bytes())
        known["definition"]["steps"]["new"] = {"task": "a"}
        assert decode_grown(WorkflowInForce, encode(grown)) == decode(WorkflowInForce, encode(known))

    def test_who_writes_it_again_keeps_what_he_does_not_know(self) -> None:
        """And nothing that he has taken away: what is known here is as he has it."""
        record = ScheduleInForce(
            schedule=Schedule(workflow="a", every_s=60), at=datetime(2026, 1, 2, tzinfo=UTC), command=7, reason="so"
        )
        grown = json.loads(encode(record))
        grown["new"], grown["schedule"]["new"] = {"x": 1}, [2]
        written = msgspec.structs.replace(record, reason="", done_until=datetime(2026, 1, 3, tzinfo=UTC))
        found = json.loads(encode_grown(written, json.dumps(grown).encode()))
        assert (found.pop("new"), found["schedule"].pop("new")) == ({"x": 1}, [2])
        assert found == json.loads(encode(written))

    def test_what_is_wrong_is_told(self) -> None:
        with pytest.raises(SchemaError, match="timeout_s"):
            decode_grown(RoutesInForce, self.body.replace(b":5}", b':"x"}'))
        with pytest.raises(SchemaError, match="not JSON"):
            decode_grown(RoutesInForce, b"{")
