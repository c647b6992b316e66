"""Texts: what makes them of values, their methods, and texts in memory."""

import ast
from collections.abc import Iterable

from clones.engines.security.taint import constants, texts
from clones.engines.security.taint.base import Arguments, Base
from clones.engines.security.taint.elements import SEQUENCES
from clones.engines.security.taint.heap import Obj
from clones.engines.security.taint.models import sequences
from clones.engines.security.taint.models.signatures import FunctionModel, MethodModel
from clones.engines.security.taint.taints import LINES, merge
from clones.engines.security.taint.values import (
    NORMAL_PATH,
    NOTHING,
    UNKNOWN,
    Constant,
    Value,
    beginning,
    const,
    join,
    tainted,
)

_KEEPS_BEGINNING = {"rstrip", "encode", "decode", "expandtabs", "removesuffix", "ljust"}
_CLEANSED_BY_REPLACING = {
    "\n": LINES,
    "\r": LINES,
    "\r\n": LINES,
    "<": frozenset(("xss",)),
    "'": frozenset(("xpath-injection",)),
}
"""What taking a text out of another makes it harmless for."""


def call_method(frame: Base, receiver: Value, name: str, arguments: Arguments) -> Value:
    """Call a method of a text, or of what is not known."""
    values = arguments.all()
    if receiver.is_constant and not arguments.keywords:
        folded = constants.method(name, receiver, values) if name != "join" else NOTHING
        if folded.is_constant:
            return folded
    if name == "join" and values:
        return _joined(frame, receiver, values[0])
    taints = receiver.taints
    for each in values:
        taints = merge(taints, frame.now.taints(each))
    start = ""
    if name == "format":
        start = _format_start(beginning(receiver), arguments)
    elif name in _KEEPS_BEGINNING:
        start = receiver.prefix
    result = Value(taints=taints, other=True, prefix=start)
    if name in {"replace", "translate"} and values and isinstance(values[0].constant, str):
        return result.cleansed(_harmless_without(values[0].constant, values[1].constant if values[1:] else None))
    if name == "splitlines" or (name == "split" and not values):
        return result.cleansed(LINES)
    return result


def _joined(frame: Base, separator: Value, value: Value) -> Value:
    objects = [obj for _, obj in frame.now.objects(value)]
    if len(objects) == 1 and objects[0].is_exact and separator.is_single and objects[0].kind in SEQUENCES:
        parts: list[Value] = []
        for each in objects[0].items.values():
            parts += [separator, each] if parts else [each]
        return texts.text_of(frame, parts)
    return tainted(merge(separator.taints, frame.now.taints(value)))


def _format_start(text: str, arguments: Arguments) -> str:
    start, brace, rest = text.partition("{")
    if start or not brace:
        return start
    field = rest.partition("}")[0]
    value = arguments.get(int(field) if field.isdigit() and len(field) < 3 else 0, field)
    return beginning(value) if value is not None else ""


def _write(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    value = arguments.get(0) or UNKNOWN
    frame.store(identity, obj.changed(rest=tainted(frame.now.taints(join(obj.rest, value)))))
    return UNKNOWN


def _harmless_without(part: str, replacement: Constant) -> Iterable[str]:
    """Return the categories that a text is harmless for in which `replacement` stands wherever `part` stood."""
    if replacement == part * 2 == "''":
        return ("sql-injection",)  # how SQL writes a quote within quotes
    return _CLEANSED_BY_REPLACING.get(part, ()) if not isinstance(replacement, str) or part not in replacement else ()


def _represented(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    return _text(frame, name, arguments, node).cleansed(LINES)


def _text(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    value = arguments.get(0)
    if value is None:
        return const("")
    converter = "__repr__" if name == "repr" else "__str__"
    for identity, obj in frame.now.objects(value):
        if obj.cls is not None and obj.cls.method(converter) is not None:
            return frame.call(frame.attribute(Value(refs=frozenset((identity,))), converter, node), Arguments([]), node)
    folded = constants.function(name, [value])
    return (
        folded
        if folded.is_constant
        else Value(
            taints=frame.now.taints(value), names=value.names & {NORMAL_PATH}, other=True, prefix=beginning(value)
        )
    )


FUNCTIONS: dict[str, FunctionModel] = {
    "str": _text,
    "repr": _represented,
    "format": _text,
    "ascii": _represented,
    "os.fspath": _text,
    "bytes": _text,
    "bytearray": _text,
    "memoryview": _text,
}
STREAM: dict[str, MethodModel] = {
    "write": _write,
    "getvalue": sequences.any_element,
    "read": sequences.any_element,
    "seek": sequences.plain,
}
"""Methods of `io.StringIO` and `io.BytesIO`."""
