"""What hypothesis makes up for a parameter: from its annotation, else from its default or from what is done with it. Pure."""

import ast
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

_TEXT = "st.text(max_size=30)"
_BYTES = "st.binary(max_size=30)"
_WHOLE = "st.integers(-1000, 1000)"
"""Bounded: what counts up to a number, or makes a list of that length, is to come to its end."""

_SIMPLE = {
    "str": _TEXT,
    "bytes": _BYTES,
    "int": _WHOLE,
    "bool": "st.booleans()",
    "float": "st.floats(-1e6, 1e6)",
    "None": "st.none()",
    "datetime.date": "st.dates()",
    "datetime.datetime": "st.datetimes()",
    "datetime.timedelta": "st.timedeltas()",
    "decimal.Decimal": "st.decimals(-1000, 1000, places=2)",
    "fractions.Fraction": "st.fractions(-1000, 1000, max_denominator=100)",
    "uuid.UUID": "st.uuids()",
}
NOTHING: Mapping[str, Any] = MappingProxyType({})
_SIZE = "max_size=8"
_TELLING_CHARS = 3
"""Of a literal: a longer one is a message rather than what a function looks for in a text."""
_MAX_LETTERS = 12
_LISTS = frozenset({"list", "typing.List"})
_SETS = frozenset({"set", "typing.Set", "frozenset", "typing.FrozenSet"})
_TUPLES = frozenset({"tuple", "typing.Tuple"})
_DICTIONARIES = frozenset({"dict", "typing.Dict"})
_ABSTRACT = frozenset({"Sequence", "Iterable", "Collection", "Mapping", "MutableSequence", "MutableMapping"})
_MODULES = ("typing", "collections.abc")
_HASHABLE = frozenset(_SIMPLE)
_TEXT_METHODS = frozenset(
    {
        *("casefold", "encode", "isdecimal", "isidentifier", "isnumeric", "isprintable"),
        *("strip", "lstrip", "rstrip", "lower", "upper", "splitlines", "title", "capitalize", "swapcase", "isdigit"),
    }
)
"""The last of them are bytes' methods too; without an annotation text is meant nearly always."""
_EITHER_METHODS = frozenset(
    {
        *("split", "rsplit", "partition", "rpartition", "startswith", "endswith", "replace", "removeprefix"),
        *("removesuffix", "strip", "lstrip", "rstrip", "find", "rfind", "count"),
    }
)
"""Methods of text and of bytes, whose first argument tells which."""


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter, and what is passed for it."""

    name: str
    values: str
    """A strategy of hypothesis, as source text; `st` is `hypothesis.strategies`."""
    by_keyword: bool
    inferred: bool = False
    """Whether there is no annotation that says so."""
    is_exact: bool = True
    """Whether a value that comes back unchanged is equal: a list is passed for a `Sequence`, and a tuple may come back."""


class OwnType(msgspec.Struct, frozen=True, kw_only=True):
    """A class of the module's own whose objects can be made up."""

    values: str
    """Their strategy."""
    compares: bool
    """Whether two that are made of the same are equal."""


def inputs(
    function: ast.FunctionDef, origins: Mapping[str, str], own: Mapping[str, OwnType] = NOTHING
) -> list[Input] | None:
    """Return what is passed to a function; None where a parameter without a default takes what cannot be made up.

    `origins` is where the module's names come from (`{"date": "datetime.date"}`); its own ones lead nowhere, but for the
    classes in `own`.
    """
    found: list[Input] = []
    text_values = _text_values(function)
    for parameter, default, by_keyword in parameters(function):
        annotation = parameter.annotation
        values = (
            of_annotation(annotation, origins, own) if annotation is not None else _guess(parameter, default, function)
        )
        if values is None and default is None:
            return None
        if values is not None:
            found.append(
                Input(
                    name=parameter.arg,
                    values=values.replace(_TEXT, text_values),
                    by_keyword=by_keyword,
                    inferred=annotation is None,
                    is_exact=annotation is None or is_exact(annotation, own),
                )
            )
    return found


def _text_values(function: ast.FunctionDef) -> str:
    """Return the strategy for texts: any, and ones of the characters that the function's own short literals are made of.

    What a text is taken apart by stands there, and hardly ever in a text of any characters.
    """
    letters = {
        letter
        for node in ast.walk(function)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) <= _TELLING_CHARS
        for letter in node.value
    }
    if not letters:
        return _TEXT
    return f"({_TEXT} | st.text({''.join(sorted(letters)[:_MAX_LETTERS]) + 'a'!r}, max_size=30))"


def required(function: ast.FunctionDef) -> list[str]:
    """Return the names of the parameters that have no default."""
    return [parameter.arg for parameter, default, _ in parameters(function) if default is None]


def parameters(function: ast.FunctionDef) -> list[tuple[ast.arg, ast.expr | None, bool]]:
    """Return each parameter with its default; whether it is passed by keyword: all behind one that may be left out are."""
    signature = function.args
    placed = [*signature.posonlyargs, *signature.args]
    without = len(placed) - len(signature.defaults)
    defaults = [*[None] * without, *signature.defaults]
    found = [
        (parameter, default, at >= max(without, len(signature.posonlyargs)))
        for at, (parameter, default) in enumerate(zip(placed, defaults, strict=True))
        # a parameter by place only that has a default keeps that: the one before it may keep its own
        if default is None or at >= len(signature.posonlyargs)
    ]
    keywords = zip(signature.kwonlyargs, signature.kw_defaults, strict=True)
    return [*found, *((parameter, default, True) for parameter, default in keywords)]


def origin(node: ast.expr, origins: Mapping[str, str]) -> str:
    """Return the full name of what an annotation names, builtins by their own; empty where it is none that is known."""
    match node:
        case ast.Name(id=name):
            return origins.get(name, name)
        case ast.Attribute(value=ast.Name(id=module), attr=name) if module in origins:
            return f"{origins[module]}.{name}"
        case ast.Constant(value=None):
            return "None"
    return ""


def unquoted(annotation: ast.expr) -> ast.expr:
    """Return what an annotation in quotes holds; others as they are."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            return annotation
    return annotation


def is_exact(annotation: ast.expr, own: Mapping[str, OwnType]) -> bool:
    """Tell whether what comes back unchanged is equal to what was passed."""
    named = {node.id for node in ast.walk(unquoted(annotation)) if isinstance(node, ast.Name)}
    abstract = any(name in ast.unparse(annotation) for name in _ABSTRACT)
    return not abstract and all(own[name].compares for name in named & own.keys())


def of_annotation(annotation: ast.expr, origins: Mapping[str, str], own: Mapping[str, OwnType]) -> str | None:
    """Return the strategy for what an annotation allows; None for what cannot be made up."""
    node = unquoted(annotation)
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _either([left, right], origins, own)
        case ast.Subscript(value=outer, slice=inner):
            return _of_container(_plain(origin(outer, origins)), inner, origins, own)
        case ast.Name(id=name) if name in own:
            return own[name].values
    return _SIMPLE.get(origin(node, origins))


def _plain(name: str) -> str:
    """Return an abstract container's name without its module."""
    module, _, last = name.rpartition(".")
    return last if module in _MODULES and last in _ABSTRACT else name


def _of_container(name: str, inner: ast.expr, origins: Mapping[str, str], own: Mapping[str, OwnType]) -> str | None:
    parts = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
    if name == "typing.Literal":
        return f"st.sampled_from([{', '.join(map(ast.unparse, parts))}])"
    if name == "typing.Optional":
        return _either([inner, ast.Constant(None)], origins, own)
    if name == "typing.Union":
        return _either(parts, origins, own)
    is_open = isinstance(parts[-1], ast.Constant) and parts[-1].value is Ellipsis
    of = [of_annotation(part, origins, own) for part in (parts[:-1] if is_open else parts)]
    known = [part for part in of if part is not None]
    if len(known) < len(of):
        return None
    return _filled(name, known, is_open=is_open, keys=origin(unquoted(parts[0]), origins))


def _filled(name: str, of: list[str], *, is_open: bool, keys: str) -> str | None:
    """Return a container's strategy by those of what it holds; `keys` names what must be hashable."""
    if name in _TUPLES:
        return f"st.lists({of[0]}, {_SIZE}).map(tuple)" if is_open else f"st.tuples({', '.join(of)})"
    if len(of) == 1 and (name in _LISTS or name in {"Sequence", "Iterable", "Collection", "MutableSequence"}):
        return f"st.lists({of[0]}, {_SIZE})"
    if len(of) == 1 and name in _SETS and keys in _HASHABLE:
        kind = "frozensets" if name in {"frozenset", "typing.FrozenSet"} else "sets"
        return f"st.{kind}({of[0]}, {_SIZE})"
    if len(of) == 2 and (name in _DICTIONARIES or name in {"Mapping", "MutableMapping"}) and keys in _HASHABLE:
        return f"st.dictionaries({of[0]}, {of[1]}, {_SIZE})"
    return None


def _either(parts: list[ast.expr], origins: Mapping[str, str], own: Mapping[str, OwnType]) -> str | None:
    of = [of_annotation(part, origins, own) for part in parts]
    known = [part for part in of if part is not None]
    return " | ".join(known) if len(known) == len(of) else None


def _guess(parameter: ast.arg, default: ast.expr | None, function: ast.FunctionDef) -> str | None:
    """Return what a parameter without an annotation takes, by its default's type, else by what the body does with it."""
    if default is not None:
        kind = type(default.value).__name__ if isinstance(default, ast.Constant) else ""
        return _SIMPLE.get(kind) if kind in {"str", "bytes", "int", "float", "bool"} else None
    kinds = {kind for node in ast.walk(function) if (kind := _kind_by_use(node, parameter.arg))}
    return _SIMPLE[kinds.pop()] if len(kinds) == 1 else None


def _kind_by_use(node: ast.AST, name: str) -> str:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=used), attr=method), args=arguments) if used == name:
            first = arguments[0] if arguments else None
            if method in _EITHER_METHODS and isinstance(first, ast.Constant) and isinstance(first.value, str | bytes):
                return type(first.value).__name__
            return "str" if method in _TEXT_METHODS else "bytes" if method in {"decode", "hex"} else ""
        case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=used), ast.Name(id=kind)]) if used == name:
            return kind if kind in {"str", "bytes", "int", "float"} else ""
        case ast.Compare(left=ast.Name(id=used), comparators=[ast.Constant(value=value)]) if used == name:
            return type(value).__name__ if type(value) in (int, float) else ""
        case ast.BinOp(left=ast.Name(id=used), op=ast.Mod() | ast.FloorDiv() | ast.Sub(), right=ast.Constant()):
            return (
                "int" if used == name and isinstance(node.right, ast.Constant) and type(node.right.value) is int else ""
            )
    return ""
