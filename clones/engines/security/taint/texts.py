"""Texts that are made of values: `f"…"`, `text % values`, and values one after another."""

import ast
from collections.abc import Iterable

from clones.engines.security.taint import constants, formats
from clones.engines.security.taint.base import Base
from clones.engines.security.taint.taints import LINES, OBJECTS, merge
from clones.engines.security.taint.values import UNKNOWN, Value, beginning, const, join_all


def formatted(frame: Base, node: ast.JoinedStr) -> Value:
    """Evaluate `f"…"`."""
    return text_of(frame, [piece(frame, part) for part in node.values])


def piece(frame: Base, part: ast.expr) -> Value:
    """Evaluate one part of it: `…` or `{a!r:b}`."""
    if not isinstance(part, ast.FormattedValue):
        return frame.evaluate(part)
    value = frame.evaluate(part.value)
    if part.format_spec is not None:
        spec = frame.evaluate(part.format_spec).constant
        is_number = isinstance(spec, str) and spec[-1:] in {*"dfeEgGxXobn%"} and spec
        return _opaque(value).cleansed("*") if is_number else _opaque(value)
    return _opaque(value).cleansed(LINES) if part.conversion not in {-1, ord("s")} else value


def text_of(frame: Base, parts: Iterable[Value]) -> Value:
    """Return the text that is made by writing values one after another."""
    state = frame.now
    result = const("")
    for part in parts:
        text = constants.function("str", [part]) if part.is_constant else part
        folded = constants.binary(ast.Add(), result, text) if result.is_constant else UNKNOWN
        if folded.is_constant:
            result = folded
            continue
        known = result.constant if result.is_single else None
        start = f"{known}{beginning(text)}" if isinstance(known, str) else beginning(result)
        result = Value(taints=merge(result.taints, state.taints(part)), other=True, prefix=start)
    return result.cleansed(OBJECTS)


def put_in(frame: Base, text: str, right: Value) -> Value:
    """Return what `text % right` is made of beside the text."""
    objects = [obj for _, obj in frame.now.objects(right)]
    if len(objects) == 1 and objects[0].kind == "tuple" and objects[0].is_exact and not right.other:
        written = formats.put_in(text, list(objects[0].items.values()))
    else:
        written = None if objects else formats.put_in(text, [right])
    return right if written is None else join_all(written)


def beginning_of(frame: Base, text: str, right: Value) -> str:
    """Return the text with which `text % right` begins for sure."""
    start, _, rest = text.partition("%")
    if start or not rest.startswith("s"):
        return start
    firsts = [obj.items.get(0, UNKNOWN) for _, obj in frame.now.objects(right)] or [right]
    first = firsts[0]
    return f"{first.constant}{rest[1:].partition('%')[0]}" if isinstance(first.constant, str) else beginning(first)


def _opaque(value: Value) -> Value:
    """Return a text of which only its origin is known."""
    return Value(taints=value.taints, refs=value.refs, other=True) if not value.is_constant else UNKNOWN
