"""Displays and comprehensions: `[…]`, `{…}`, `(… for … in …)`."""

import ast

from clones.engines.security.taint import assignments, sinks
from clones.engines.security.taint.base import Base
from clones.engines.security.taint.heap import Key, Obj, State
from clones.engines.security.taint.taints import OBJECTS
from clones.engines.security.taint.values import NOTHING, Value, const, join, tainted

_MAX_UNROLLED = 8
_ANY_VALUE = "$eq"
"""A key of a query to a document database below which whatever stands is compared, and none of it an operator."""


def sequence(frame: Base, node: ast.List | ast.Tuple | ast.Set) -> Value:
    """Evaluate `[a, *b]`, `(a, b)`, `{a, b}`."""
    kind = {ast.List: "list", ast.Tuple: "tuple", ast.Set: "set"}[type(node)]
    elements: list[Value] = []
    rest = NOTHING
    for each in node.elts:
        if not isinstance(each, ast.Starred):
            elements.append(frame.evaluate(each))
            continue
        value = frame.evaluate(each.value)
        objects = [obj for _, obj in frame.now.objects(value)]
        if len(objects) == 1 and objects[0].is_exact and objects[0].kind in {"list", "tuple"} and not value.other:
            elements.extend(objects[0].items.values())
        else:
            rest = join(rest, frame.elements(value, each))
    return frame.container(kind, node, elements, rest)


def mapping(frame: Base, node: ast.Dict) -> Value:
    """Evaluate `{a: b, **c}`."""
    items: dict[Key, Value] = {}
    rest, is_open = NOTHING, False
    for key_node, value_node in zip(node.keys, node.values, strict=True):
        value = frame.evaluate(value_node)
        if key_node is None:
            for _, obj in frame.now.objects(value):
                items.update(obj.items)
                rest = join(rest, obj.rest)
                is_open |= obj.open
            if value.other or value.names:
                rest, is_open = join(rest, tainted(value.taints)), True
            continue
        key = frame.evaluate(key_node)
        if key.is_single:
            items[key.constant] = value if key.constant != _ANY_VALUE else value.cleansed(OBJECTS)
            sinks.name_secret(frame, str(key.constant), value, value_node)
        else:
            rest = join(rest, value)
    return frame.allocate(node, Obj("dict", items=items, rest=rest, open=is_open))


def comprehension(frame: Base, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Value:
    """Evaluate `[a for b in c if d]` and its like."""
    before = dict(frame.now.vars)
    if isinstance(node, ast.ListComp | ast.DictComp) and (unrolled := _unrolled(frame, node)) is not None:
        frame.now.vars = before
        return unrolled
    made = Value()
    if _enter(frame, node.generators):
        made = frame.evaluate(node.value if isinstance(node, ast.DictComp) else node.elt)
        if isinstance(node, ast.DictComp):
            frame.evaluate(node.key)
    state: State = frame.now
    state.vars = before
    kinds = {ast.ListComp: "list", ast.SetComp: "set", ast.DictComp: "dict"}
    return frame.allocate(node, Obj(kinds.get(type(node), "iterator"), rest=made))


def _unrolled(frame: Base, node: ast.ListComp | ast.DictComp) -> Value | None:
    """Evaluate a comprehension over a few known elements one by one; None where there are others, or new objects."""
    first = node.generators[0]
    if len(node.generators) > 1 or first.ifs:
        return None
    iterable = frame.evaluate(first.iter)
    objects = [obj for _, obj in frame.now.objects(iterable)]
    if len(objects) != 1 or iterable.other or not objects[0].is_exact or objects[0].kind not in {"list", "tuple"}:
        return None
    if len(objects[0].items) > _MAX_UNROLLED:
        return None
    items: dict[Key, Value] = {}
    for place, element in enumerate(objects[0].items.values()):
        assignments.assign(frame, first.target, element)
        key = frame.evaluate(node.key) if isinstance(node, ast.DictComp) else const(place)
        value = frame.evaluate(node.value if isinstance(node, ast.DictComp) else node.elt)
        if value.refs or value.funcs or not key.is_single:
            return None  # what one place in the code makes is one object here, whatever the turn
        items[key.constant] = value
    return frame.allocate(node, Obj("list" if isinstance(node, ast.ListComp) else "dict", items=items))


def _enter(frame: Base, generators: list[ast.comprehension]) -> bool:
    """Bind the targets; False where the conditions never hold."""
    for each in generators:
        assignments.assign(frame, each.target, frame.elements(frame.evaluate(each.iter), each.iter))
        for test in each.ifs:
            before = frame.state
            held, _ = frame.branch(test)
            if held is None:
                frame.state = before
                return False
            frame.state = held
    return True
