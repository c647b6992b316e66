"""Properties that a function should have by its name, its annotations and what it says that it raises. Pure."""

import ast
import builtins
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from clones.engines.properties.inputs import Input, inputs, origin, required, unquoted

Kind = Literal["round trip", "idempotent", "bounds", "returns", "errors"]

_BACK = {
    "encode": ("decode",),
    "dumps": ("loads",),
    "serialize": ("deserialize",),
    "serialise": ("deserialise",),
    "pack": ("unpack",),
    "escape": ("unescape",),
    "quote": ("unquote",),
    "compress": ("decompress",),
    "encrypt": ("decrypt",),
    "marshal": ("unmarshal",),
    "format": ("parse",),
    "render": ("parse",),
    "unparse": ("parse",),
    "stringify": ("parse",),
    "hexlify": ("unhexlify",),
    "mangle": ("demangle", "unmangle"),
    "flatten": ("unflatten",),
    "to": ("from",),
}
"""Words of a name, and those that undo what they say."""
_ONCE = frozenset(
    {
        *("normalize", "normalise", "normalized", "canonicalize", "canonicalise", "canonical", "clean", "cleanup"),
        *("sanitize", "sanitise", "collapse", "simplify", "unique", "dedupe", "deduplicate", "slugify", "dedent"),
    }
)
"""What is done twice is as if it were done once."""
_CUT = frozenset({"truncate", "truncated", "shorten", "shortened", "abbreviate", "ellipsize", "ellipsis"})
_MOST = frozenset(
    {
        *("length", "max_length", "maxlen", "max_len", "limit", "width", "max_width", "max_size", "size", "max_chars"),
        *("maximum", "most", "chars", "n"),
    }
)
_CLAMP = frozenset({"clamp", "clamped", "clip"})
_CACHES = frozenset({"cache", "lru_cache", "functools.cache", "functools.lru_cache"})
_ERROR_WORD = re.compile(r"\b[A-Za-z_]\w*(?:Error|Exception|Warning|Exit|Interrupt|Iteration)\b")
_PLAIN_TYPES = frozenset({"str", "bytes", "int", "bool", "list", "dict", "set", "frozenset", "tuple"})
_OF_THE_TEST = frozenset({"subject", "result", "st", "given", "assume", "reject"})
_INFERRED_ERRORS = ("AttributeError", "TypeError")
"""May be the fault of the one who inferred what a function takes."""


class Property(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is so for whatever a function takes."""

    kind: Kind
    says: str
    """In words, code between backticks."""
    inputs: tuple[Input, ...]
    given: str
    """The call, as source text; `subject` is the function's module."""
    holds: str = ""
    """What of the call's `result` is true; empty where only what is raised counts."""
    told: tuple[str, ...] = ()
    """Errors that the call may raise, where they count, as source text."""
    assumed: str = ""
    """What is true of the inputs."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """The properties of one function."""

    module: str
    function: str
    file: str
    line: int
    properties: tuple[Property, ...]


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """A module whose functions are looked at."""

    name: str
    """As it is imported."""
    file: str
    tree: ast.Module

    def functions(self) -> dict[str, ast.FunctionDef]:
        """Return the plain functions at the top, by name; of one that is defined twice, the last."""
        return {node.name: node for node in self.tree.body if isinstance(node, ast.FunctionDef) and _is_plain(node)}

    def origins(self) -> dict[str, str]:
        """Return where the names at the top come from: full names of imported ones, nothing for the module's own."""
        found: dict[str, str] = {}
        for node in self.tree.body:
            match node:
                case ast.Import(names=names):
                    for alias in names:
                        top = alias.name if alias.asname else alias.name.partition(".")[0]
                        found[alias.asname or top] = top
                case ast.ImportFrom(module=str(source), names=names, level=0):
                    found |= {alias.asname or alias.name: f"{source}.{alias.name}" for alias in names}
                case ast.ImportFrom(names=names):
                    found |= {alias.asname or alias.name: "" for alias in names}
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    found[name] = ""
                case ast.Assign(targets=targets):
                    found |= {target.id: "" for target in targets if isinstance(target, ast.Name)}
        return found


def draft(module: Module, name: str) -> Draft | None:
    """Return the properties of one function of a module; None where it has none that could be tried."""
    functions, origins = module.functions(), module.origins()
    function = functions.get(name)
    if function is None:
        return None
    taken = inputs(function, origins)
    if not taken or any(each.name in _OF_THE_TEST for each in taken):
        return None
    found = [
        *_round_trips(functions, function, taken, origins),
        *_named(function, taken),
        *_said(module, function, taken),
    ]
    if not found:
        return None
    return Draft(module=module.name, function=name, file=module.file, line=function.lineno, properties=tuple(found))


def pairs(module: Module) -> list[str]:
    """Return the functions of a module that another one undoes."""
    functions = module.functions()
    return [name for name in functions if any(back in functions for back in _back(name))]


def _is_plain(function: ast.FunctionDef) -> bool:
    """Say whether calling it by its name runs its body, and gives what that returns."""
    decorators = (each.func if isinstance(each, ast.Call) else each for each in function.decorator_list)
    generates = any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(function))
    return (
        all(ast.unparse(each) in _CACHES for each in decorators)
        and not generates
        and not function.name.startswith("__")
    )


def _round_trips(
    functions: Mapping[str, ast.FunctionDef],
    function: ast.FunctionDef,
    taken: Sequence[Input],
    origins: Mapping[str, str],
) -> Iterator[Property]:
    first = taken[0]
    if not first.is_exact or first.by_keyword:
        return
    for name in _back(function.name):
        back = functions.get(name)
        if back is None or not required(back):
            continue
        further = [each.arg for each in (*back.args.args[1:], *back.args.kwonlyargs)]
        shared = [each for each in taken[1:] if each.name in further]
        if set(required(back)[1:]) - {each.name for each in shared}:
            continue
        used = (first, *(each for each in taken[1:] if each in shared or each.name in required(function)))
        passed = "".join(f", {each.name}={each.name}" for each in shared)
        yield Property(
            kind="round trip",
            says=f"`{name}` gives back what `{function.name}` was given",
            inputs=used,
            given=_call(function.name, used),
            holds=f"subject.{name}(result{passed}) == {first.name}",
        )


def _back(name: str) -> list[str]:
    words = name.split("_")
    return [
        "_".join([*words[:at], back, *words[at + 1 :]]) for at, word in enumerate(words) for back in _BACK.get(word, ())
    ]


def _named(function: ast.FunctionDef, taken: Sequence[Input]) -> Iterator[Property]:
    """Yield what a function's name promises."""
    words = set(function.name.strip("_").split("_"))
    call, first = _call(function.name, taken), taken[0]
    again = _call(function.name, taken, result=True)
    if words & _ONCE and len(required(function)) == 1 and not first.by_keyword and _keeps_its_type(function):
        says = f"`{function.name}` changes nothing in what it has returned"
        yield Property(kind="idempotent", says=says, inputs=tuple(taken), given=call, holds=f"{again} == result")
    most = next((each for each in taken if each.name in _MOST and "integers" in each.values), None)
    if words & _CUT and most is not None and most is not first:
        bounded = [
            msgspec.structs.replace(each, values="st.integers(0, 50)") if each is most else each for each in taken
        ]
        says = f"`{function.name}` returns no more than `{most.name}` of it"
        yield Property(kind="bounds", says=says, inputs=tuple(bounded), given=call, holds=f"len(result) <= {most.name}")
    if (
        words & _CLAMP
        and len(taken) == 3
        and all("integers" in each.values or "floats" in each.values for each in taken)
    ):
        low, high = taken[1].name, taken[2].name
        yield Property(
            kind="bounds",
            says=f"`{function.name}` returns what is between `{low}` and `{high}`",
            inputs=tuple(taken),
            given=call,
            holds=f"{low} <= result <= {high}",
            assumed=f"{low} <= {high}",
        )


def _keeps_its_type(function: ast.FunctionDef) -> bool:
    first = [*function.args.posonlyargs, *function.args.args][0].annotation
    if first is None or function.returns is None:
        return True
    return ast.unparse(unquoted(first)) == ast.unparse(unquoted(function.returns))


def _said(module: Module, function: ast.FunctionDef, taken: Sequence[Input]) -> Iterator[Property]:
    """Yield what annotations, docstring and `raise` statements say."""
    origins, call = module.origins(), _call(function.name, taken)
    types = _types(function.returns, origins) if function.returns is not None else None
    if types is not None and function.returns is not None:
        says = f"`{function.name}` returns what its annotation says: `{ast.unparse(unquoted(function.returns))}`"
        yield Property(kind="returns", says=says, inputs=tuple(taken), given=call, holds=_instance(types))
    told = _told_errors(function, origins)
    if told is not None:
        if any(each.inferred for each in taken):
            told = sorted({*told, *_INFERRED_ERRORS})
        words = " or ".join(f"`{name.removeprefix('subject.')}`" for name in told)
        says = f"`{function.name}` raises nothing but {words}" if told else f"`{function.name}` raises nothing"
        yield Property(kind="errors", says=says, inputs=tuple(taken), given=call, told=tuple(told))


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


def _call(name: str, taken: Sequence[Input], *, result: bool = False) -> str:
    """Return the call with its inputs, with `result` that of the call before in place of the first."""
    placed = ["result" if result and each is taken[0] else each.name for each in taken if not each.by_keyword]
    named = [f"{each.name}={each.name}" for each in taken if each.by_keyword]
    return f"subject.{name}({', '.join((*placed, *named))})"
