"""Annotations: what a parameter or field that has one can hold."""

import ast
from collections.abc import Iterable

from clones.engines.security.taint.base import Base
from clones.engines.security.taint.patterns import harmless_for
from clones.engines.security.taint.rule_file import ALL
from clones.engines.security.taint.values import Class

_UNIONS = {"Optional", "Union"}
_CONTAINERS = {
    "list",
    "set",
    "frozenset",
    "tuple",
    "dict",
    "List",
    "Set",
    "FrozenSet",
    "Tuple",
    "Dict",
    "Sequence",
    "Iterable",
}
_NUMBERS = {"conint", "confloat", "condecimal", "condate"}
_OPTION_TYPES = {"int", "float", "bool", "INT", "FLOAT", "BOOL", "UUID", "Choice", "IntRange", "FloatRange", "DateTime"}
_PLAIN = frozenset(("int", "float", "bool"))


def is_harmless(frame: Base, annotation: ast.expr | None, types: Iterable[str] = ()) -> bool:
    """Whether what is converted to an annotation can carry no text of somebody else's choice.

    So it is for numbers and the classes named in `types`, enumerations, literals, and texts that a pattern limits; for
    unions and containers of these.
    """
    node = _parsed(annotation)
    match node:
        case ast.Constant():
            return node.value is None or node.value is Ellipsis
        case ast.BinOp():
            return is_harmless(frame, node.left, types) and is_harmless(frame, node.right, types)
        case ast.Subscript():
            return _is_harmless_generic(frame, node, types)
        case ast.Call():
            return _last(node.func) in _NUMBERS or is_limited(node)
        case ast.Name() | ast.Attribute():
            value = frame.evaluate(node)
            is_enumeration = any(isinstance(each, Class) and _is_enumeration(each) for each in value.funcs)
            return is_enumeration or bool({frame.book.canonical(name) for name in value.names} & {*types, *_PLAIN})
    return False


def is_limited(default: ast.expr | None) -> bool:
    """Whether a default, `Field(pattern="…")` or its like, says that only harmless texts are taken."""
    keywords = default.keywords if isinstance(default, ast.Call) else []
    patterns = (each.value for each in keywords if each.arg in {"pattern", "regex"})
    texts = [each.value for each in patterns if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return any(ALL in harmless_for(text, "search") for text in texts)


def is_converted(decorators: Iterable[ast.expr], name: str) -> bool:
    """Whether a decorator, `@click.option("--name", type=int)` or its like, converts a parameter to what carries no text."""
    for each in decorators:
        if not isinstance(each, ast.Call) or _last(each.func) not in {"option", "argument"}:
            continue
        texts = [given.value for given in each.args if isinstance(given, ast.Constant) and isinstance(given.value, str)]
        if name in {text.lstrip("-").replace("-", "_") for text in texts}:
            return _is_option_harmless({keyword.arg: keyword.value for keyword in each.keywords})
    return False


def _is_option_harmless(keywords: dict[str | None, ast.expr]) -> bool:
    kind = keywords.get("type")
    last = _last(kind.func if isinstance(kind, ast.Call) else kind) if kind is not None else ""
    return last in _OPTION_TYPES or "is_flag" in keywords or "count" in keywords


def _is_harmless_generic(frame: Base, node: ast.Subscript, types: Iterable[str]) -> bool:
    outer = _last(node.value)
    inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if outer == "Literal":
        return True
    if outer == "Annotated":
        return is_harmless(frame, inner[0], types) or any(map(is_limited, inner[1:]))
    return outer in _UNIONS | _CONTAINERS and all(is_harmless(frame, each, types) for each in inner)


def _is_enumeration(cls: Class) -> bool:
    return any(name.startswith("enum.") for name in cls.info.outside_bases())


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _parsed(annotation: ast.expr | None) -> ast.expr | None:
    if not isinstance(annotation, ast.Constant) or not isinstance(annotation.value, str):
        return annotation
    try:
        return ast.parse(annotation.value, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
