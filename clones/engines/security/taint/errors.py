"""Errors: what the ones that are raised say, and which of them a handler takes."""

import builtins
from collections.abc import Mapping

from clones.engines.security.taint.base import Base, Raised
from clones.engines.security.taint.project import ClassInfo
from clones.engines.security.taint.values import NOTHING, Class, Value, join, tainted

_ANY = ("Exception", "BaseException")


def note(frame: Base, raised: Mapping[ClassInfo | str, Value]) -> None:
    """Take errors to the handlers around, or out of the function."""
    taken = frame.attempts[-1].raised if frame.attempts else frame.raised
    for kind, value in raised.items():
        # an object of this function is nothing to those further out
        kept = value if frame.attempts else tainted(frame.now.taints(value))
        taken[kind] = join(taken.get(kind, NOTHING), kept)


def of(frame: Base, error: Value) -> Raised:
    """Return an error that is raised, by its class."""
    found: Raised = {each.info: error for each in error.funcs if isinstance(each, Class)}
    found |= dict.fromkeys(error.names, error)
    for identity, obj in frame.now.objects(error):
        one = Value(taints=error.taints, refs=frozenset((identity,)))
        found |= dict.fromkeys([obj.cls] if obj.cls is not None else sorted(obj.names), one)
    return found or {_ANY[0]: error}


def taken(frame: Base, handled: Value | None, raised: Mapping[ClassInfo | str, Value]) -> Raised:
    """Return those of `raised` that a handler takes; `handled` is what stands after `except`, None where nothing does."""
    if handled is None:
        return dict(raised)
    kinds = [handled]
    for _, obj in frame.now.objects(handled):
        kinds += obj.items.values()
    classes = [each.info for kind in kinds for each in kind.funcs if isinstance(each, Class)]
    names = [name for kind in kinds for name in kind.names]
    return {kind: value for kind, value in raised.items() if _is_one_of(kind, classes, names)}


def _is_one_of(kind: ClassInfo | str, classes: list[ClassInfo], names: list[str]) -> bool:
    if isinstance(kind, str):
        return any(_derives(kind, name) for name in names)
    bases = kind.outside_bases() or _ANY
    return any(each in kind.mro() for each in classes) or any(_derives(base, name) for base in bases for name in names)


def _derives(name: str, base: str) -> bool:
    if name == base or base in _ANY:
        return True
    inner, outer = getattr(builtins, name, None), getattr(builtins, base, None)
    return isinstance(inner, type) and isinstance(outer, type) and issubclass(inner, outer)
