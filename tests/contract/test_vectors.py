"""The wire as it was promised: each vector decodes to the same message and encodes to the same bytes, for ever.

A vector is not edited to make a test pass: a change that it refuses would break whoever speaks the protocol already.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas import JSON, MSGPACK, AnyTaskEvent, Command, TaskResult, WorkflowEvent, decode, encode
from tests.contract.messages import EVENTS_OF_RUNS, KINDS, SENT, VECTORS, vectors_of

ALL = sorted(VECTORS.glob("*.json"))
FAMILIES: dict[str, Any] = {
    "TaskCompletion": TaskResult,
    "TaskFailure": TaskResult,
    "TaskStarted": AnyTaskEvent,
    "TaskProgress": AnyTaskEvent,
    "TaskRetrying": AnyTaskEvent,
    "TaskReassigned": AnyTaskEvent,
    "TaskParked": AnyTaskEvent,
    "TaskCancel": Command,
    "RecoveryAction": Command,
    "Decision": Command,
    "RouteChange": Command,
    "TaskResumed": AnyTaskEvent,
    "TaskAsked": AnyTaskEvent,
    "WorkflowWaiting": AnyTaskEvent,
    "WorkflowPut": Command,
    "ScheduleChange": Command,
    "WorkflowCompletion": TaskResult,
    "WorkflowFailure": TaskResult,
} | dict.fromkeys(EVENTS_OF_RUNS, WorkflowEvent)


def kind_of(path: Path) -> type[msgspec.Struct]:
    return KINDS[path.name.split(".")[0]]


@pytest.mark.parametrize("name", SENT)
def test_every_message_has_a_vector_that_uses_every_field(name: str) -> None:
    used: set[str] = set()
    for path in vectors_of(name):
        used |= json.loads(path.read_bytes()).keys()
    fields = msgspec.structs.fields(SENT[name])
    assert used == {field.encode_name for field in fields} | {"type"}


@pytest.mark.parametrize("name", SENT)
def test_every_message_has_a_vector_of_its_required_fields_alone(name: str) -> None:
    required = {field.encode_name for field in msgspec.structs.fields(SENT[name]) if field.required} | {"type"}
    assert any(json.loads(path.read_bytes()).keys() == required for path in vectors_of(name))


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
class TestVector:
    def test_decodes_and_encodes_to_the_same_json(self, path: Path) -> None:
        expected = json.loads(path.read_bytes())
        message: msgspec.Struct = decode(kind_of(path), path.read_bytes())
        again = encode(message)
        assert json.loads(again) == expected
        assert list(json.loads(again)) == list(expected)  # in this order too: signatures and digests may lie over it
        assert b"\n" not in again

    def test_says_the_same_in_messagepack(self, path: Path) -> None:
        message: msgspec.Struct = decode(kind_of(path), path.read_bytes(), JSON)
        packed = encode(message, MSGPACK)
        from_packed: msgspec.Struct = decode(kind_of(path), packed, MSGPACK)
        assert from_packed == message
        assert msgspec.msgpack.decode(packed).keys() == json.loads(path.read_bytes()).keys()

    def test_is_known_by_its_type_among_its_kind(self, path: Path) -> None:
        family = FAMILIES.get(kind_of(path).__name__)
        if family is None:
            assert kind_of(path).__name__ not in str(TaskResult | AnyTaskEvent | Command | WorkflowEvent)
        else:
            message = decode(family, path.read_bytes())
            assert type(message) is kind_of(path)
