"""Exceptions over the wire: the same class with the same arguments where it is loaded here, otherwise RemoteError."""

import asyncio
import traceback
from typing import Any

import msgspec

from bus.agents.class_refs import class_ref, find_class
from bus.agents.errors import RemoteError
from bus.agents.wire import Fault

_LONGEST_TRACEBACK = 20_000
_NEVER = (SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError)
_PLAIN = (str, int, float, bool, bytes, type(None))


def to_fault(error: BaseException) -> Fault:
    """Return what is sent of an exception. Arguments and attributes that are no plain data go as their `repr`."""
    trace = "".join(traceback.format_exception(error))
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  an exception's own __str__ may fail; what it is must still be told
        text = "(no text)"
    return Fault(
        ref=class_ref(type(error)),
        text=text,
        args=tuple(map(_plain, _arguments(error))),
        state={name: _plain(value) for name, value in vars(error).items() if not name.startswith("__")},
        traceback=trace[-_LONGEST_TRACEBACK:],
    )


def _arguments(error: BaseException) -> tuple[Any, ...]:
    """Return what an exception is made of; those of files leave their name out of `args`."""
    return tuple(error.__reduce__()[1]) if isinstance(error, OSError) else error.args


def _plain(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return value
    try:
        msgspec.msgpack.encode(value)
    except (TypeError, ValueError, OverflowError):
        return repr(value)
    return value if isinstance(value, list | tuple | dict) else repr(value)


def from_fault(fault: Fault) -> BaseException:
    """Return the exception to raise; its cause holds the traceback of the other side."""
    cls = find_class(fault.ref, BaseException)
    # autogen-core itself has errors that are no `Exception`; but no peer ends this process.
    error = None if cls is None or issubclass(cls, _NEVER) else _made(cls, fault)
    if error is None:
        error = RemoteError(f"{fault.ref}: {fault.text}", ref=fault.ref)
    error.__cause__ = RemoteError(f"\n{fault.traceback}", ref=fault.ref)
    return error


def _made(cls: type[BaseException], fault: Fault) -> BaseException | None:
    try:
        if "__init__" in _python_methods(cls):
            # The constructor's parameters are not the arguments that it left behind: as pickle does it, without its help.
            error = cls.__new__(cls, *fault.args)
            error.args = fault.args
        else:
            error = cls(*fault.args)
        vars(error).update(fault.state)
        str(error)
    except Exception:  # noqa: BLE001  whatever a foreign class does on being made, its caller gets an error that says so
        return None
    return error if isinstance(error, BaseException) else None


def _python_methods(cls: type) -> set[str]:
    """Return the names that classes written in Python define, from `cls` up to the first built-in exception."""
    names: set[str] = set()
    for base in cls.__mro__:
        if base.__module__ == "builtins":
            break
        names.update(vars(base))
    return names
