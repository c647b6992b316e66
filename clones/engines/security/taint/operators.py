"""What operators give: `+`, `%`, `|`, `not`, comparisons."""

import ast

from clones.engines.security.taint import constants, texts
from clones.engines.security.taint.base import Arguments, Base
from clones.engines.security.taint.heap import Obj
from clones.engines.security.taint.taints import OBJECTS, merge
from clones.engines.security.taint.values import (
    NORMAL_PATH,
    NOTHING,
    UNKNOWN,
    Value,
    beginning,
    const,
    join,
    join_all,
    named,
    tainted,
)

_DUNDER = {
    ast.Add: "__add__",
    ast.Mod: "__mod__",
    ast.BitOr: "__or__",
    ast.BitAnd: "__and__",
    ast.Div: "__truediv__",
    ast.Sub: "__sub__",
    ast.Mult: "__mul__",
}


def binary(frame: Base, node: ast.BinOp) -> Value:
    """Evaluate `a + b` and its like."""
    return operate(frame, node.op, frame.evaluate(node.left), frame.evaluate(node.right), node)


def operate(frame: Base, kind: ast.operator, left: Value, right: Value, node: ast.AST) -> Value:
    """Return `left <kind> right`."""
    folded = constants.binary(kind, left, right)
    if folded.is_constant:
        return folded
    state = frame.now
    for name in sorted(left.names):
        dunder = _DUNDER.get(type(kind))
        if dunder and frame.book.is_ruled(f"{name}.{dunder}"):
            return frame.call_outside(f"{name}.{dunder}", Arguments([right]), node, left)
    lists = [state.objects(each) for each in (left, right)]
    if isinstance(kind, ast.Add) and lists[0] and (lists[1] or right.other):
        return _concatenate(frame, [obj for _, obj in lists[0]], [obj for _, obj in lists[1]], right, node)
    if isinstance(kind, ast.BitOr) and all(lists):
        items = {**lists[0][0][1].items, **lists[1][0][1].items}
        rest = join(lists[0][0][1].rest, lists[1][0][1].rest)
        return frame.allocate(node, Obj(lists[0][0][1].kind, items=items, rest=rest))
    right_taints = state.taints(right)
    if isinstance(kind, ast.Mod) and isinstance(left.constant, str):
        right_taints = state.taints(texts.put_in(frame, left.constant, right))
    taints = merge(state.taints(left), right_taints)
    if isinstance(kind, ast.Mod) and isinstance(text := beginning(left), str) and "%" in text:
        start = texts.beginning_of(frame, text, right)
    elif isinstance(kind, ast.Add):
        start = f"{left.constant}{beginning(right)}" if isinstance(left.constant, str) else beginning(left)
    else:
        start = ""
    if isinstance(kind, ast.Div) and _is_path(frame, left):
        return named("pathlib.Path", taints=taints)
    names = frozenset(each for each in left.names if not each.startswith("?")) if taints else NOTHING.names
    made = Value(taints=taints, names=names, other=True, prefix=start)
    is_text = any(isinstance(each.constant, str) for each in (left, right))
    return made.cleansed(OBJECTS) if is_text else made


def _is_path(frame: Base, value: Value) -> bool:
    names = value.names.union(*(obj.names for _, obj in frame.now.objects(value))) - {NORMAL_PATH}
    return names == {"pathlib.Path"} and not value.consts


def _concatenate(frame: Base, left: list[Obj], right: list[Obj], loose: Value, node: ast.AST) -> Value:
    if not right:
        right = [Obj("list", rest=tainted(loose.taints))]
    if len(left) == len(right) == 1 and left[0].is_exact and right[0].is_exact:
        return frame.container(left[0].kind, node, [*left[0].items.values(), *right[0].items.values()])
    if len(left) == 1 and left[0].is_exact:
        return frame.container(left[0].kind, node, [*left[0].items.values()], join_all(obj.element() for obj in right))
    return frame.container(left[0].kind, node, [], join_all(obj.element() for obj in (*left, *right)))


def unary(frame: Base, node: ast.UnaryOp) -> Value:
    """Evaluate `not a`, `-a`."""
    operand = frame.evaluate(node.operand)
    if isinstance(node.op, ast.Not):
        known = constants.truth(operand)
        return UNKNOWN if known is None else const(not known)
    folded = constants.unary(node.op, operand)
    return folded if folded.is_constant else tainted(operand.taints)


def comparison(frame: Base, node: ast.Compare) -> Value:
    """Evaluate `a < b <= c`."""
    left = frame.evaluate(node.left)
    result: Value = const(True)
    for kind, right_node in zip(node.ops, node.comparators, strict=True):
        right = frame.evaluate(right_node)
        one = compare(frame, kind, left, right)
        known = constants.truth(one)
        if known is False:
            return const(False)
        if known is None:
            result = Value(consts=(True, False))
        left = right
    return result


def compare(frame: Base, kind: ast.cmpop, left: Value, right: Value) -> Value:
    """Return `left <kind> right`."""
    folded = constants.compare(kind, left, right)
    if folded.is_constant:
        return folded
    is_none = isinstance(kind, ast.Is | ast.IsNot) and right.is_single and right.constant is None
    if is_none and (left.refs or left.funcs) and not (left.consts or left.other or left.names):
        return const(isinstance(kind, ast.IsNot))
    if isinstance(kind, ast.In | ast.NotIn) and left.is_constant:
        found = [_contains(obj, left) for _, obj in frame.now.objects(right)]
        if found and not right.other and None not in found and len(set(found)) == 1:
            return const(found[0] is isinstance(kind, ast.In))
    return UNKNOWN


def _contains(obj: Obj, value: Value) -> bool | None:
    if not obj.is_exact or obj.kind == "instance":
        return None
    if obj.kind == "dict":
        inside = {each in obj.items for each in value.consts}
    elif all(each.is_single for each in obj.items.values()):
        inside = {any(each == one.constant for one in obj.items.values()) for each in value.consts}
    else:
        return None
    return inside.pop() if len(inside) == 1 else None
