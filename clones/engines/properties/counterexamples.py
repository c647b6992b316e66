"""What hypothesis says of a property that fails. Pure."""

import ast
import re
from collections.abc import Sequence

import msgspec

_EXAMPLE = re.compile(r"(?:Falsifying example|Failing test case): \w+\(\n(?P<arguments>.*?)\n\s*\)", re.DOTALL)
_MAX_CHARS = 300


class Counterexample(msgspec.Struct, frozen=True, kw_only=True):
    """Values for which a property is not so."""

    arguments: tuple[str, ...]
    """As in a call, by keyword: `text=''`."""
    error: str
    """The name of what was raised; `AssertionError` where the property itself was not so."""


def read(message: str, own: Sequence[str] = ()) -> Counterexample | None:
    """Read what pytest shows of a failure; None where it holds no example that can be written down again.

    `own` are types of the module that is `subject`, as which they are written down.
    """
    found = _EXAMPLE.search(message)
    if found is None:
        return None
    try:
        call = ast.parse(f"f(\n{found['arguments']}\n)", mode="eval").body
    except (SyntaxError, ValueError):
        return None
    if not isinstance(call, ast.Call) or any(word.arg is None for word in call.keywords):
        return None
    if not all(_is_plain(word.value, own) for word in call.keywords):
        return None
    arguments = tuple(f"{word.arg}={ast.unparse(_OfSubject().visit(word.value))}" for word in call.keywords)
    if len(", ".join(arguments)) > _MAX_CHARS:
        return None
    return Counterexample(arguments=arguments, error=error_of(message))


def error_of(message: str) -> str:
    """Return the name of the error that a failure's message begins with; pytest leaves it away before `assert`."""
    found = re.match(r"[\w.]+", message)
    name = found[0].rpartition(".")[2] if found else ""
    return "AssertionError" if name == "assert" else name


def _is_plain(value: ast.expr, own: Sequence[str]) -> bool:
    """Say whether a value is written with literals and the `own` types alone, so that it can be read without hypothesis."""
    match value:
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
            return all(_is_plain(part, own) for part in parts)
        case ast.Dict(keys=keys, values=values):
            return all(part is not None and _is_plain(part, own) for part in (*keys, *values))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=words):
            return name in own and all(_is_plain(part, own) for part in (*arguments, *(word.value for word in words)))
        case ast.Attribute(value=ast.Name(id=name)):
            return name in own
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


class _OfSubject(ast.NodeTransformer):
    """Writes the names of own types as attributes of the module."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Attribute(value=ast.Name(id="subject"), attr=node.id)
