"""Assignments: names, attributes, elements, and what is unpacked into them."""

import ast

from clones.engines.security.taint import operators, sinks
from clones.engines.security.taint.base import Arguments, Base
from clones.engines.security.taint.values import UNKNOWN, Value, join

_TELLS = (ast.Call, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Attribute, ast.BinOp, ast.Subscript)


def assignment(frame: Base, node: ast.Assign) -> None:
    """Execute `a = b = …`."""
    value = frame.evaluate(node.value)
    for target in node.targets:
        assign(frame, target, value)
        _note(frame, target, node.value)


def annotated(frame: Base, node: ast.AnnAssign) -> None:
    """Execute `a: b = …`."""
    if node.value is not None:
        value = frame.evaluate(node.value)
        if value.other and not value.refs and not value.funcs:
            value = join(value, frame.annotated(node.annotation, node).with_taints(value.taints))
        assign(frame, node.target, value)
        _note(frame, node.target, node.value)


def augmented(frame: Base, node: ast.AugAssign) -> None:
    """Execute `a += …`."""
    load = ast.copy_location(_loaded(node.target), node.target)
    current, operand = frame.evaluate(load), frame.evaluate(node.value)
    objects = [(identity, obj) for identity, obj in frame.now.objects(current) if obj.kind in {"list", "set", "dict"}]
    if objects and isinstance(node.op, ast.Add | ast.BitOr):
        for identity, _ in objects:
            only = Value(refs=frozenset((identity,)))
            frame.call_method(only, "extend" if isinstance(node.op, ast.Add) else "update", Arguments([operand]), node)
        return
    assign(frame, node.target, operators.operate(frame, node.op, current, operand, node))


def assign(frame: Base, target: ast.expr, value: Value) -> None:
    """Bind a target."""
    if isinstance(target, ast.Name):
        _assign_name(frame, target, value)
    elif isinstance(target, ast.Attribute):
        frame.set_attribute(frame.evaluate(target.value), target.attr, _told(frame, value, target), target)
    elif isinstance(target, ast.Subscript):
        container = frame.evaluate(target.value)
        key = UNKNOWN if isinstance(target.slice, ast.Slice) else frame.evaluate(target.slice)
        frame.set_item(container, key, _told(frame, value, target), target)
    elif isinstance(target, ast.Tuple | ast.List):
        _unpack(frame, target.elts, value, target)
    elif isinstance(target, ast.Starred):
        assign(frame, target.value, frame.container("list", target, [], frame.elements(value, target)))


def _told(frame: Base, value: Value, target: ast.expr) -> Value:
    if value.taints and isinstance(target, ast.Attribute):
        sinks.name_secret(frame, target.attr, value, target)
    elif value.taints and isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
        sinks.name_secret(frame, str(target.slice.value), value, target)
    return value.stepped(frame.step(target, f"kept in `{ast.unparse(target)[:60]}`")) if value.taints else value


def _assign_name(frame: Base, target: ast.Name, value: Value) -> None:
    name = target.id
    if value.taints:
        value = value.stepped(frame.step(target, f"assigned to `{name}`"))
        sinks.name_secret(frame, name, value, target)
    state = frame.now
    state.vars[name] = value
    if state.facts:
        state.facts = {known: fact for known, fact in state.facts.items() if known != name and name not in fact[1]}
    if state.checked:
        state.checked = {known: each for known, each in state.checked.items() if name not in each[1]}
    if frame.info is None:
        return
    if name in frame.info.globals:
        frame.analysis.set_global(frame.module, name, value, state)
    elif name in frame.info.nonlocals:
        _assign_outer(frame, name, value)


def _assign_outer(frame: Base, name: str, value: Value) -> None:
    closure = frame.closure
    while closure is not None:
        outer = frame.now.get(closure)
        if outer is None:
            return
        if name in outer.items or "closure" not in outer.attrs:
            frame.store(closure, outer.changed(items={**outer.items, name: value}))
            return
        closure = next(iter(outer.attrs["closure"].refs))


def _note(frame: Base, target: ast.expr, made_by: ast.expr) -> None:
    """Remember what a variable was made by: a later condition on it tells of what it was made from."""
    if isinstance(target, ast.Name) and isinstance(made_by, _TELLS):
        mentioned = frozenset(each.id for each in ast.walk(made_by) if isinstance(each, ast.Name))
        if target.id not in mentioned:
            state = frame.now
            state.facts = {**state.facts, target.id: (made_by, mentioned)}


def _unpack(frame: Base, targets: list[ast.expr], value: Value, node: ast.expr) -> None:
    objects = [obj for _, obj in frame.now.objects(value)]
    exact = len(objects) == 1 and objects[0].is_exact and objects[0].kind in {"list", "tuple"} and not value.other
    elements = list(objects[0].items.values()) if exact else []
    stars = [place for place, each in enumerate(targets) if isinstance(each, ast.Starred)]
    if exact and not stars and len(elements) == len(targets):
        for target, element in zip(targets, elements, strict=True):
            assign(frame, target, element)
        return
    if exact and stars and len(elements) >= len(targets) - 1:
        _unpack_starred(frame, targets, elements, stars[0])
        return
    element = frame.elements(value, node)
    for target in targets:
        assign(frame, target, value if isinstance(target, ast.Starred) else element)


def _unpack_starred(frame: Base, targets: list[ast.expr], elements: list[Value], star: int) -> None:
    after = len(targets) - star - 1
    middle = elements[star : len(elements) - after]
    for target, element in zip(targets[:star], elements[:star], strict=True):
        assign(frame, target, element)
    starred = targets[star]
    if isinstance(starred, ast.Starred):
        assign(frame, starred.value, frame.container("list", starred, middle))
    for target, element in zip(targets[star + 1 :], elements[len(elements) - after :], strict=True):
        assign(frame, target, element)


def delete(frame: Base, node: ast.Delete) -> None:
    """Execute `del a`, `del a[b]`."""
    for target in node.targets:
        if isinstance(target, ast.Name):
            frame.now.vars.pop(target.id, None)
        elif isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
            key = frame.evaluate(target.slice)
            for identity, obj in frame.now.objects(frame.evaluate(target.value)):
                frame.remove_item(identity, obj, key)


def _loaded(target: ast.expr) -> ast.expr:
    if isinstance(target, ast.Name):
        return ast.Name(target.id, ast.Load())
    if isinstance(target, ast.Attribute):
        return ast.Attribute(target.value, target.attr, ast.Load())
    if isinstance(target, ast.Subscript):
        return ast.Subscript(target.value, target.slice, ast.Load())
    return target
