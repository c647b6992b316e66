"""What is said of bodies that are no commands."""

import pytest

from bus.intake import describe_command
from schemas import Command, SchemaError, decode


@pytest.mark.parametrize(
    ("body", "names_the_kinds"),
    [
        (b"{", True),
        (b"[]", True),
        (b"{}", True),
        (b'{"type":"TaskCancle"}', True),
        (b'{"type":"TaskCancel","task_id":"t"}', False),
        (b'{"type":"TaskCancel","task_id":"t","task_type":"a b"}', False),
        (b'{"type":"TaskCancel","task_id":"t","task_type":"t","force":true}', False),
        (b'{"type":"RecoveryAction","task_id":"t","task_type":"t","action":"retryy"}', False),
    ],
)
def test_the_kinds_of_commands_are_named_where_the_kind_is_wrong(body: bytes, names_the_kinds: bool) -> None:
    with pytest.raises(SchemaError) as raised:
        decode(Command, body)
    words = describe_command(raised.value.message)
    assert words.startswith(raised.value.message)
    assert ("`type` is one of TaskCancel" in words) == names_the_kinds
