"""Exceptions that come over the wire."""

import asyncio

import msgspec
import pytest
from autogen_core.exceptions import CantHandleException
from autogen_core.tool_agent import ToolExecutionException

from bus.agents import wire
from bus.agents.errors import RemoteError
from bus.agents.faults import from_fault, to_fault
from tests.bus.agents.cast import OwnError


def _through(error: BaseException) -> BaseException:
    fault = msgspec.msgpack.decode(wire.encode(to_fault(error)), type=wire.Fault)
    return from_fault(fault)


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text from me")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a", 1),
        KeyError("k"),
        FileNotFoundError(2, "No such file", "/x"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
        CantHandleException("that"),
        OwnError("mine", code=3),
        TimeoutError(),
        StopAsyncIteration("end"),
        ToolExecutionException(call_id="1", content="x", name="n"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_same_exception_arrives(error: BaseException) -> None:
    arrived = _through(error)
    assert type(arrived) is type(error)
    assert (arrived.args, str(arrived), vars(arrived)) == (error.args, str(error), vars(error))
    assert isinstance(arrived.__cause__, RemoteError)


def test_arguments_that_cannot_travel_are_described() -> None:
    arrived = _through(ValueError("a", object))
    assert arrived.args == ("a", "<class 'object'>")


def test_a_class_that_is_not_loaded_is_named() -> None:
    arrived = from_fault(wire.Fault("far.away:TheirError", "went wrong", traceback="Traceback: far away"))
    assert isinstance(arrived, RemoteError)
    assert str(arrived) == "far.away:TheirError: went wrong"
    assert arrived.ref == "far.away:TheirError"
    assert "far away" in str(arrived.__cause__)


@pytest.mark.parametrize(
    "ref", ["builtins:SystemExit", "builtins:KeyboardInterrupt", "asyncio.exceptions:CancelledError"]
)
def test_no_peer_ends_this_process(ref: str) -> None:
    assert isinstance(from_fault(wire.Fault(ref, "1", (1,))), RemoteError)


def test_a_class_that_is_no_exception_is_not_made() -> None:
    assert isinstance(from_fault(wire.Fault("pathlib:Path", "x", ("/",))), RemoteError)


def test_an_exception_without_a_text_arrives_as_an_error() -> None:
    assert isinstance(_through(Silent()), RemoteError)


def test_cancellation_is_no_fault() -> None:
    assert isinstance(_through(asyncio.CancelledError()), RemoteError)
