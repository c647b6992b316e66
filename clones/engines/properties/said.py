"""What a function's annotations, docstring and `raise` statements say of what it returns and raises. Pure."""

import ast
import builtins
import re
from collections.abc import Iterator, Mapping, Sequence

from clones.engines.properties.drafts import Property
from clones.engines.properties.inputs import Input, origin, unquoted

_ERROR_WORD = re.compile(r"\b[A-Za-z_]\w*(?:Error|Exception|Warning|Exit|Interrupt|Iteration)\b")
_PLAIN_TYPES = frozenset({"str", "bytes", "int", "bool", "list", "dict", "set", "frozenset", "tuple"})
_INFERRED_ERRORS = ("AttributeError", "TypeError")
"""May be the fault of the one who inferred what a function takes."""


def said(
    function: ast.FunctionDef, taken: Sequence[Input], origins: Mapping[str, str], *, name: str, given: str
) -> Iterator[Property]:
    """Yield what a function says, which is told by `name`, and called as `given`.

    `origins` tell where the names of its module come from.
    """
    types = _types(function.returns, origins) if function.returns is not None else None
    if types is not None and function.returns is not None:
        says = f"`{name}` returns what its annotation says: `{ast.unparse(unquoted(function.returns))}`"
        yield Property(kind="returns", says=says, inputs=tuple(taken), given=given, holds=_instance(types))
    told = _told_errors(function, origins)
    if told is not None:
        if any(each.inferred for each in taken):
            told = sorted({*told, *_INFERRED_ERRORS})
        words = " or ".join(f"`{error.removeprefix('subject.')}`" for error in told)
        says = f"`{name}` raises nothing but {words}" if told else f"`{name}` raises nothing"
        yield Property(kind="errors", says=says, inputs=tuple(taken), given=given, told=tuple(told))


def _types(annotation: ast.expr, origins: Mapping[str, str]) -> list[str] | None:
    """Return the builtin types that an annotation allows, None where it allows others too."""
    node = unquoted(annotation)
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            either, other = _types(left, origins), _types(right, origins)
            return [*either, *other] if either is not None and other is not None else None
        case ast.Subscript(value=outer, slice=inner):
            name = origin(outer, origins)
            if name == "typing.Optional":
                of = _types(inner, origins)
                return [*of, "None"] if of is not None else None
            return [name] if name in _PLAIN_TYPES - {"str", "bytes", "int", "bool"} else None
    name = origin(node, origins)
    if name == "float":
        return ["float", "int"]  # PEP 484, the numeric tower
    return [name] if name in _PLAIN_TYPES or name == "None" else None


def _instance(types: Sequence[str]) -> str:
    kinds = [kind for kind in dict.fromkeys(types) if kind != "None"]
    tests = ["result is None"] if "None" in types else []
    if kinds:
        tests.append(f"isinstance(result, {kinds[0] if len(kinds) == 1 else ' | '.join(kinds)})")
    return " or ".join(tests)


def _told_errors(function: ast.FunctionDef, origins: Mapping[str, str]) -> list[str] | None:
    """Return the errors that a function names, in its docstring or its code; None where one cannot be named in a test."""
    names = set(_ERROR_WORD.findall(ast.get_docstring(function) or ""))
    found = {name for name in names if _in_test(name, origins) is not None}
    for node in ast.walk(function):
        match node:
            case ast.Raise(exc=error) if error is not None:
                named = ast.unparse(error.func if isinstance(error, ast.Call) else error)
                if _in_test(named, origins) is None:
                    return None
                found.add(named)
            case ast.ExceptHandler(type=kind, body=body) if any(_raises_again(part) for part in body):
                kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind] if kind is not None else []
                if not kinds or any(_in_test(ast.unparse(each), origins) is None for each in kinds):
                    return None
                found |= {ast.unparse(each) for each in kinds}
            case ast.Assert():
                found.add("AssertionError")
    return sorted({in_test for each in found if (in_test := _in_test(each, origins)) is not None})


def _raises_again(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Raise) and each.exc is None for each in ast.walk(node))


def _in_test(name: str, origins: Mapping[str, str]) -> str | None:
    """Return an exception's name as a test has it; None for what is no exception as far as can be seen."""
    first = name.partition(".")[0]
    if first in origins:
        return f"subject.{name}"
    kind = getattr(builtins, name, None)
    return name if isinstance(kind, type) and issubclass(kind, BaseException) else None
