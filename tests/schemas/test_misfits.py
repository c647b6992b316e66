"""What is said of values that a field does not take."""

from enum import StrEnum
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from schemas import Command, SchemaError, convert, decode


class Depth(StrEnum):
    SHALLOW = "shallow"
    DEEP = "deep"


class Params(msgspec.Struct, rename="camel"):
    modes: list[Literal["fast", "slow"]] = []
    limits: dict[Literal["a", "b"], dict[str, Literal[1, 2]]] = {}
    pair: tuple[int, Annotated[Depth | None, Meta(title="x")]] | None = None
    how_far: Annotated[tuple[Annotated[Literal["near"], Meta(title="x")], ...], Meta(max_length=3)] = ()
    inner: "Params | None" = None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"modes": ["fast", "no"]}, "Invalid enum value 'no' - at `$.modes[1]`, which takes fast, slow"),
        ({"limits": {"a": {"x": 3}}}, "Invalid enum value 3 - at `$.limits[...][...]`, which takes 1, 2"),
        ({"limits": {"c": {}}}, "Invalid enum value 'c' - at `key` in `$.limits`"),
        ({"pair": [1, "no"]}, "Invalid enum value 'no' - at `$.pair[1]`, which takes shallow, deep"),
        ({"howFar": ["a`\n"]}, "Invalid enum value 'a`\\n' - at `$.howFar[0]`, which takes near"),
        (
            {"inner": {"inner": {"modes": [""]}}},
            "Invalid enum value '' - at `$.inner.inner.modes[0]`, which takes fast, slow",
        ),
        ({"modes": "fast"}, "Expected `array`, got `str` - at `$.modes`"),
    ],
)
def test_the_values_that_a_field_takes_are_named(value: object, said: str) -> None:
    with pytest.raises(SchemaError) as raised:
        convert(Params, value)
    assert raised.value.message == said


def test_of_several_messages_those_count_that_have_the_field() -> None:
    body = b'{"type":"RecoveryAction","task_id":"a","task_type":"b","action":"retryy"}'
    with pytest.raises(SchemaError) as raised:
        decode(Command, body)
    assert raised.value.message.endswith(" - at `$.action`, which takes complete, fail, reassign, retry")
