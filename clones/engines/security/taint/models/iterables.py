"""Functions that take or make what can be iterated over."""

import ast

from clones.engines.security.taint import constants
from clones.engines.security.taint.base import Arguments, Base
from clones.engines.security.taint.heap import Obj
from clones.engines.security.taint.models.signatures import FunctionModel
from clones.engines.security.taint.values import MAX_REFS, NOTHING, UNKNOWN, Value, const, join, join_all

_COPIES = {"list": "list", "tuple": "tuple", "set": "set", "frozenset": "set", "reversed": "list"}
_LETTERS = {f"str.{name}" for name in ("isalnum", "isdigit", "isalpha", "isdecimal", "isnumeric", "isidentifier")}


def _copy(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    kind = _COPIES[name]
    if not arguments.positional:
        return frame.container(kind, node, [])
    value = arguments.positional[0]
    objects = [obj for _, obj in frame.now.objects(value)]
    if len(objects) == 1 and objects[0].is_exact and objects[0].kind in {"list", "tuple"} and kind != "set":
        elements = list(objects[0].items.values())
        return frame.container(kind, node, elements)
    if len(objects) == 1 and objects[0].kind in {"list", "tuple", "set"} and objects[0].is_exact:
        return frame.container(kind, node, list(objects[0].items.values()))
    return frame.container(kind, node, [], frame.elements(value, node))


def _sorted(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    return frame.container("list", node, [], frame.elements(arguments.first, node))


def _map(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    function, *iterables = arguments.positional or [UNKNOWN]
    made = frame.call(function, Arguments([frame.elements(each, node) for each in iterables]), (node))
    return frame.allocate((node, "map"), Obj("iterator", rest=made))


def _filter(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    rest = frame.elements(arguments.get(1) or UNKNOWN, node)
    if arguments.first.names and arguments.first.names <= _LETTERS:
        rest = rest.cleansed("*")
    return frame.allocate((node, "filter"), Obj("iterator", rest=rest))


def _reduce(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    element = frame.elements(arguments.get(1) or UNKNOWN, node)
    return frame.call(arguments.first, Arguments([join(element, arguments.get(2) or NOTHING), element]), node)


def _enumerate(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    pair = frame.container("tuple", (node, "pair"), [UNKNOWN, frame.elements(arguments.first, node)])
    return frame.allocate((node, "enumerate"), Obj("iterator", rest=pair))


def _exact(frame: Base, value: Value) -> list[Value] | None:
    """Return the elements of a sequence of which all are known."""
    objects = [obj for _, obj in frame.now.objects(value)]
    known = len(objects) == 1 and objects[0].is_exact and objects[0].kind in {"list", "tuple"} and not value.other
    return list(objects[0].items.values()) if known else None


def _zip(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    rows = [_exact(frame, each) for each in arguments.positional]
    columns = [row for row in rows if row is not None and len(row) <= MAX_REFS]
    if columns and len(columns) == len(rows):
        groups = zip(*columns, strict=False)
        made = [frame.container("tuple", (node, place), list(each)) for place, each in enumerate(groups)]
        return frame.container("list", node, made)
    group = frame.container("tuple", (node, "group"), [frame.elements(each, node) for each in arguments.positional])
    return frame.allocate((node, "zip"), Obj("iterator", rest=group))


def _elements(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    return join(frame.elements(arguments.first, node), arguments.get(1) or NOTHING)


def _iterate(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    return frame.allocate((node, "iter"), Obj("iterator", rest=frame.elements(arguments.first, node)))


def _chain(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    rest = join_all(frame.elements(each, node) for each in arguments.all())
    return frame.allocate((node, "chain"), Obj("iterator", rest=rest))


def _length(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    value = arguments.first
    objects = [obj for _, obj in frame.now.objects(value)]
    if len(objects) == 1 and objects[0].is_exact and not value.other and objects[0].kind != "instance":
        return const(len(objects[0].items))
    folded = constants.function("len", [value])
    return folded if folded.is_constant else UNKNOWN


def _smallest(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    folded = constants.function(name, arguments.positional) if len(arguments.positional) > 1 else UNKNOWN
    if folded.is_constant:
        return folded
    if len(arguments.positional) == 1:
        return frame.elements(arguments.positional[0], node)
    return join_all(arguments.positional)


FUNCTIONS: dict[str, FunctionModel] = {
    **dict.fromkeys(_COPIES, _copy),
    "sorted": _sorted,
    "len": _length,
    "min": _smallest,
    "max": _smallest,
    "map": _map,
    "filter": _filter,
    "functools.reduce": _reduce,
    "enumerate": _enumerate,
    "zip": _zip,
    "itertools.zip_longest": _zip,
    "iter": _iterate,
    "next": _elements,
    "random.choice": _elements,
    "itertools.chain": _chain,
    "itertools.cycle": _iterate,
    "itertools.islice": _iterate,
    "concurrent.futures.ThreadPoolExecutor.map": _map,
    "concurrent.futures.ProcessPoolExecutor.map": _map,
    "asyncio.gather": _chain,
}
