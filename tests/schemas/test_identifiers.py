"""Names that become subject tokens."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import (
    SEQUENCE_PREFIX,
    SchemaError,
    TaskAssignment,
    TaskCancel,
    decode,
    encode,
    is_task_id,
    is_token,
    new_id,
    sequence_id,
)


@pytest.mark.parametrize("text", ["a", "A-b_9", "seq-17", "x" * 64, "-", "_"])
def test_ids(text: str) -> None:
    assert is_task_id(text)
    assignment: TaskAssignment = decode(TaskAssignment, encode({"id": text}))
    assert assignment.id == text


@pytest.mark.parametrize(
    "text", ["", "x" * 65, "a.b", "a b", "a*", ">", "a\n", "\na", "a\r\n", "a\u2028", "ä", "a/b", "\x00", "٣"]
)
def test_no_ids(text: str) -> None:
    assert not is_task_id(text)
    with pytest.raises(SchemaError, match=r"at `\$.id`"):
        decode(TaskAssignment, encode({"id": text}))


@pytest.mark.parametrize("text", ["a", "0", "a-b_9", "x" * 64])
def test_tokens(text: str) -> None:
    assert is_token(text)
    cancel: TaskCancel = decode(TaskCancel, encode({"type": "TaskCancel", "task_id": "a", "task_type": text}))
    assert cancel.task_type == text


@pytest.mark.parametrize("text", ["", "x" * 65, "A", "-a", "_a", "a.b", "a+b", "a\n", "ä", "a b", "*", ">"])
def test_no_tokens(text: str) -> None:
    assert not is_token(text)
    with pytest.raises(SchemaError, match=r"at `\$.task_type`"):
        decode(TaskCancel, encode({"type": "TaskCancel", "task_id": "a", "task_type": text}))


@given(st.text(max_size=70))
def test_an_id_is_exactly_what_the_rule_says(text: str) -> None:
    assert is_task_id(text) == (re.fullmatch("[A-Za-z0-9_-]{1,64}", text) is not None)
    assert is_token(text) == (re.fullmatch("[a-z0-9][a-z0-9_-]{0,63}", text) is not None)


def test_new_ids_differ_and_never_look_like_the_networks() -> None:
    made = {new_id() for _ in range(1000)}
    assert len(made) == 1000
    assert all(is_task_id(one) and len(one) == 22 for one in made)


def test_the_networks_ids() -> None:
    assert sequence_id(17) == "seq-17"
    assert sequence_id(17).startswith(SEQUENCE_PREFIX)
    assert is_task_id(sequence_id(2**64))
