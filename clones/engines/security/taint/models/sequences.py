"""Methods of lists, sets, queues and iterators."""

import ast

from clones.engines.security.taint.base import Arguments, Base
from clones.engines.security.taint.elements import SEQUENCES, appended, loosened
from clones.engines.security.taint.heap import Obj
from clones.engines.security.taint.models.signatures import MethodModel
from clones.engines.security.taint.values import NOTHING, UNKNOWN, Value, const, join


def _append(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    for each in arguments.all():
        obj = appended(obj, each)
    frame.store(identity, obj)
    return const(None)


def _insert(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    place, value = arguments.get(0) or UNKNOWN, arguments.get(1) or UNKNOWN
    elements = list(obj.items.values())
    if obj.is_exact and isinstance(place.constant, int):
        elements.insert(place.constant, value)
        frame.store(identity, obj.changed(items=dict(enumerate(elements))))
    else:
        frame.store(identity, loosened(obj, value))
    return const(None)


def _append_left(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    return _insert(frame, identity, obj, Arguments([const(0), *arguments.positional]), node)


def extend(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    """Add the elements of others."""
    for each in arguments.all():
        objects = [other for _, other in frame.now.objects(each)]
        if len(objects) == 1 and objects[0].is_exact and objects[0].kind in SEQUENCES and obj.is_exact:
            for value in objects[0].items.values():
                obj = appended(obj, value)
        elif obj.kind in SEQUENCES:
            obj = obj.changed(rest=join(obj.rest, frame.elements(each, node)))  # those before keep their places
        else:
            obj = loosened(obj, frame.elements(each, node))
    frame.store(identity, obj)
    return const(None)


def pop(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    """Take the element of a place out, the last where none is named."""
    elements = list(obj.items.values())
    place = arguments.get(0) or const(-1)
    at = place.constant
    if obj.is_exact and isinstance(at, int) and -len(elements) <= at < len(elements):
        value = elements.pop(at)
        frame.store(identity, obj.changed(items=dict(enumerate(elements))))
        return value
    frame.store(identity, loosened(obj, NOTHING))
    return obj.element()


def _pop_left(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    return pop(frame, identity, obj, Arguments([const(0)]), node)


def _remove(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    value = arguments.get(0) or UNKNOWN
    elements = list(obj.items.values())
    known = obj.is_exact and value.is_single and all(each.is_single for each in elements)
    at = [place for place, each in enumerate(elements) if known and each.constant == value.constant]
    if at:
        del elements[at[0]]
        frame.store(identity, obj.changed(items=dict(enumerate(elements))))
    else:
        frame.store(identity, loosened(obj, NOTHING))
    return const(None)


def _reverse(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    frame.store(identity, obj.changed(items=dict(enumerate(reversed(list(obj.items.values()))))))
    return const(None)


def _sort(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    frame.store(identity, loosened(obj, NOTHING))
    return const(None)


def clear(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    """Take all elements out."""
    frame.store(identity, obj.changed(items={}, rest=NOTHING, open=False))
    return const(None)


def copy(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    """Return a copy of the container."""
    return frame.allocate((node, identity), obj)


def any_element(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    """Return an element, whichever."""
    return obj.element()


def plain(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    """Return what holds none of the elements."""
    return UNKNOWN


METHODS: dict[str, MethodModel] = {
    "append": _append,
    "appendleft": _append_left,
    "add": _append,
    "put": _append,
    "put_nowait": _append,
    "insert": _insert,
    "extend": extend,
    "update": extend,
    "pop": pop,
    "popleft": _pop_left,
    "get": _pop_left,
    "get_nowait": _pop_left,
    "remove": _remove,
    "discard": _remove,
    "reverse": _reverse,
    "sort": _sort,
    "clear": clear,
    "copy": copy,
    "count": plain,
    "index": plain,
    "__next__": any_element,
    "send": any_element,
    "union": any_element,
}
