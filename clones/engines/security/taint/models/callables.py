"""Functions that call others, and those that reach attributes by name."""

import ast

from clones.engines.security.taint.base import Arguments, Base
from clones.engines.security.taint.heap import Key, Obj
from clones.engines.security.taint.models.signatures import FunctionModel, ReceiverModel
from clones.engines.security.taint.values import NOTHING, UNKNOWN, Partial, Value, beginning, const, join_all, tainted

_MAX_CHOSEN = 20


def _submitted(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """`executor.submit(function, …)`, whose `result()` is what the function returns."""
    made = _called(frame, name, arguments, node)
    return frame.allocate((node, "future"), Obj("instance", names=frozenset(("concurrent.futures.Future",)), rest=made))


def _called(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """Call a function that is handed over with its arguments."""
    function, *given = arguments.positional or [UNKNOWN]
    inner = Arguments(given, arguments.keywords, rest=arguments.rest, rest_keywords=arguments.rest_keywords)
    return frame.call(function, inner, node)


def _called_later(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """`loop.run_in_executor(pool, function, …)`."""
    return _called(frame, name, Arguments(arguments.positional[1:], rest=arguments.rest), node)


def _partial(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    function, *given = arguments.positional or [UNKNOWN]
    if not function.funcs and not function.names:
        return tainted(frame.now.taints(join_all(given)))
    return Value(funcs=(Partial(function, tuple(given), tuple(sorted(arguments.keywords.items()))),))


def _held(frame: Base, name: str, arguments: Arguments, node: ast.AST, receiver: Value | None) -> Value:
    return join_all(obj.rest for _, obj in frame.now.objects(receiver or NOTHING))


def _get_attribute(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    owner, attribute = arguments.first, arguments.get(1) or UNKNOWN
    if attribute.is_constant:
        found = [frame.attribute(owner, each, node) for each in attribute.consts if isinstance(each, str)]
        return join_all(found)
    start = beginning(attribute)
    methods = [
        frame.attribute(Value(refs=frozenset((identity,))), name, node)
        for identity, obj in frame.now.objects(owner)
        for name in (_named_so(obj, start) if start else ())
    ]
    return join_all(methods) if methods else tainted(frame.now.taints(owner))


def _named_so(obj: Obj, start: str) -> list[str]:
    """Return the methods of an instance whose names begin like this, as where one is chosen by a word from outside."""
    names = {name for cls in (obj.cls.mro() if obj.cls is not None else ()) for name in cls.methods}
    return sorted(name for name in names if name.startswith(start))[:_MAX_CHOSEN]


def _set_attribute(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    attribute = arguments.get(1) or UNKNOWN
    for each in attribute.consts:
        if isinstance(each, str):
            frame.set_attribute(arguments.first, each, arguments.get(2) or UNKNOWN, node)
    return const(None)


def _variables(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    for _, obj in frame.now.objects(arguments.first):
        items: dict[Key, Value] = {}
        items.update(obj.attrs)
        return frame.allocate((node, "vars"), Obj("dict", items=items, rest=obj.rest, open=obj.open))
    return UNKNOWN


def _same(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    return arguments.first


def _deep_copy(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    value = arguments.first
    copies = [frame.allocate((node, identity), obj) for identity, obj in frame.now.objects(value)]
    return join_all(copies) if copies else value


FUNCTIONS: dict[str, FunctionModel] = {
    "functools.partial": _partial,
    "concurrent.futures.ThreadPoolExecutor.submit": _submitted,
    "concurrent.futures.ProcessPoolExecutor.submit": _submitted,
    "asyncio.to_thread": _called,
    "asyncio.AbstractEventLoop.run_in_executor": _called_later,
    "getattr": _get_attribute,
    "setattr": _set_attribute,
    "vars": _variables,
    "copy.copy": _deep_copy,
    "copy.deepcopy": _deep_copy,
    "typing.cast": lambda frame, name, arguments, node: arguments.get(1) or UNKNOWN,
    "asyncio.wait_for": _same,
    "asyncio.create_task": _same,
    "asyncio.run": _same,
    "asyncio.ensure_future": _same,
    "contextlib.closing": _same,
}
OF_RECEIVER: dict[str, ReceiverModel] = {"concurrent.futures.Future.result": _held}
