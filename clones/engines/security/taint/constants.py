"""Folding of constants: what an operation on known values gives, within bounds on size."""

import ast
import operator
import re
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from clones.engines.security.taint.values import MAX_CONSTANTS, NOTHING, UNKNOWN, Constant, Value

_MAX_LENGTH = 20_000
_MAX_INTEGER = 1 << 128
_KINDS = (str, bytes, int, float, complex, bool, type(None))

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.RShift: operator.rshift,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: lambda a, b: a is b or (type(a) is type(b) and a == b),
    ast.IsNot: lambda a, b: not (a is b or (type(a) is type(b) and a == b)),
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.Not: operator.not_,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}
_TEXT_METHODS = frozenset(
    {
        *("upper", "lower", "title", "capitalize", "casefold", "swapcase", "strip", "lstrip", "rstrip", "replace"),
        *("startswith", "endswith", "find", "rfind", "index", "rindex", "count", "isdigit", "isalpha", "isalnum"),
        *("isnumeric", "isdecimal", "isspace", "isupper", "islower", "isidentifier", "encode", "decode", "format"),
        *("join", "removeprefix", "removesuffix", "zfill", "center", "ljust", "rjust", "hex", "bit_length"),
    }
)
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": len,
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "abs": abs,
    "chr": chr,
    "ord": ord,
    "repr": repr,
    "round": round,
    "min": min,
    "max": max,
    "hex": hex,
    "bin": bin,
    "oct": oct,
    "ascii": ascii,
}
_ERRORS = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, MemoryError)


def _fold(call: Callable[..., Any], operands: Sequence[Value]) -> Value:
    """Return what a call gives for any choice of the operands' constants."""
    count = 1
    for each in operands:
        count *= len(each.consts)
    if not count or count > MAX_CONSTANTS * 2 or not all(each.is_constant for each in operands):
        return UNKNOWN
    results: list[Constant] = []
    for chosen in product(*(each.consts for each in operands)):
        try:
            result = call(*chosen)
        except _ERRORS:
            continue  # this way ends in an exception
        if not isinstance(result, _KINDS) or _is_large(result):
            return UNKNOWN
        if not any(type(each) is type(result) and each == result for each in results):
            results.append(result)
    if not results or len(results) > MAX_CONSTANTS:
        return UNKNOWN
    return Value(consts=tuple(results))


def _is_large(constant: Constant) -> bool:
    if isinstance(constant, str | bytes):
        return len(constant) > _MAX_LENGTH
    return isinstance(constant, int) and abs(constant) > _MAX_INTEGER


def binary(kind: ast.operator, left: Value, right: Value) -> Value:
    """Fold `left <kind> right`; unknown where it cannot be."""
    if isinstance(kind, ast.Pow):
        return _fold(_power, (left, right))
    if isinstance(kind, ast.Mult):
        return _fold(_times, (left, right))
    if isinstance(kind, ast.Mod):
        return _fold(_modulo, (left, right))
    call = _BINARY.get(type(kind))
    return _fold(call, (left, right)) if call else UNKNOWN


def _power(base: Any, exponent: Any) -> Any:
    if not isinstance(exponent, int) or not 0 <= exponent <= 64:
        raise ValueError
    return base**exponent


def _times(first: Any, second: Any) -> Any:
    for text, times in ((first, second), (second, first)):
        if isinstance(text, str | bytes) and (not isinstance(times, int) or len(text) * times > _MAX_LENGTH):
            raise ValueError
    return first * second


_WIDTH = re.compile(r"\d{4,}|\*")


def _modulo(first: Any, second: Any) -> Any:
    if isinstance(first, str | bytes) and _WIDTH.search(first if isinstance(first, str) else first.decode("latin-1")):
        raise ValueError
    return first % second


def unary(kind: ast.unaryop, operand: Value) -> Value:
    """Fold `<kind> operand`."""
    return _fold(_UNARY[type(kind)], (operand,))


def compare(kind: ast.cmpop, left: Value, right: Value) -> Value:
    """Fold `left <kind> right`."""
    return _fold(_COMPARE[type(kind)], (left, right))


def method(name: str, receiver: Value, arguments: Sequence[Value]) -> Value:
    """Fold the call of a method of a text or number."""
    if name not in _TEXT_METHODS or (name == "format" and _formats_wide(receiver)):
        return UNKNOWN
    if name in {"zfill", "center", "ljust", "rjust"} and any(
        isinstance(each, int) and each > _MAX_LENGTH for value in arguments for each in value.consts
    ):
        return UNKNOWN
    return _fold(lambda text, *rest: getattr(text, name)(*rest), (receiver, *arguments))


def _formats_wide(receiver: Value) -> bool:
    return any(isinstance(each, str) and (_WIDTH.search(each) or "{:{" in each) for each in receiver.consts)


def function(name: str, arguments: Sequence[Value]) -> Value:
    """Fold the call of a function of Python's own."""
    call = _FUNCTIONS.get(name)
    return _fold(call, arguments) if call and arguments else UNKNOWN


def item(container: Value, key: Value) -> Value:
    """Fold `container[key]` on a text."""
    return _fold(operator.getitem, (container, key))


def part(container: Value, bounds: Sequence[Value]) -> Value:
    """Fold `container[a:b:c]` on a text."""
    return _fold(lambda text, *ends: text[slice(*ends)], (container, *bounds))


def truth(value: Value) -> bool | None:
    """Return whether a value counts as true; None where it may be either."""
    if value.is_constant:
        found = {bool(each) for each in value.consts}
        return found.pop() if len(found) == 1 else None
    if value.funcs and not (value.other or value.names or value.consts or value.taints or value.refs):
        return True
    return None


def without_false(value: Value, wanted: bool) -> Value:
    """Return what a value is where its truth is known."""
    kept = tuple(each for each in value.consts if bool(each) is wanted)
    if len(kept) == len(value.consts):
        return value
    if not kept and value.is_constant:
        return NOTHING
    return value.changed(consts=kept)
