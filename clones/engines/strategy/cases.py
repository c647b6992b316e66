"""Test cases that a function's own branches and parameters ask for. Pure; from the syntax tree alone."""

import ast
import re
from collections.abc import Iterator

import msgspec

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

MAX_CASES = 10
_MAX_SLUG_CHARS = 48
_MAX_CONDITION_CHARS = 120
_BOUNDARIES = {
    "int": ("0", "1", "-1"),
    "float": ("0.0", "-1.0", 'float("inf")'),
    "str": ('""', '"é"', "a text of several lines"),
    "bytes": ('b""', 'b"\\x00"'),
    "bool": ("True", "False"),
    "list": ("[]", "one item", "several"),
    "tuple": ("()", "one item", "several"),
    "set": ("set()", "one item"),
    "dict": ("{}", "one key", "a key that is not known"),
    "None": ("None",),
}
_ALIKE = {
    **dict.fromkeys(("List", "Sequence", "Iterable", "Collection", "Iterator"), "list"),
    **dict.fromkeys(("Tuple",), "tuple"),
    **dict.fromkeys(("Set", "frozenset", "AbstractSet"), "set"),
    **dict.fromkeys(("Dict", "Mapping", "MutableMapping"), "dict"),
    "Optional": "None",
}


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One test that is worth writing."""

    name: str
    """Of the test function."""
    line: int
    """The branch or parameter that asks for it."""
    given: str
    """Inputs, in words and code between backticks."""
    covers: tuple[int, ...] = ()
    """Lines that it reaches."""


def cases(function: FunctionNode, missing: frozenset[int]) -> list[Case]:
    """Return the cases for a function, those that reach lines in `missing` first, then in the order of the source."""
    found = [*_branches(function), *_parameters(function)]
    named: dict[str, Case] = {}
    for case in sorted(found, key=lambda case: (not missing.intersection(case.covers), not case.covers, case.line)):
        named.setdefault(case.name, case)
    return list(named.values())[:MAX_CASES]


def own_statements(function: FunctionNode) -> list[int]:
    """Return the lines at which statements of the function begin; its docstring and what nested definitions hold left out."""
    body = function.body
    if (
        isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    ):
        body = body[1:]
    return sorted({node.lineno for statement in body for node in _own(statement) if isinstance(node, ast.stmt)})


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and what is below it, without the inside of definitions."""
    yield node
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _own(child)


def _branches(function: FunctionNode) -> Iterator[Case]:
    name = function.name.strip("_") or "it"
    for statement in function.body:
        for node in _own(statement):
            match node:
                case ast.If(test=test, body=body, orelse=orelse):
                    text = _text(test)
                    yield _case(
                        f"{name}_when", text, node.lineno, f"{_inputs(test, True)}: `{text}` holds{_ends(body)}", body
                    )
                    if not (len(orelse) == 1 and isinstance(orelse[0], ast.If)):
                        given = f"{_inputs(test, False)}: `{text}` does not hold{_ends(orelse)}"
                        yield _case(f"{name}_unless", text, node.lineno, given, orelse)
                case ast.For(iter=over, body=body) | ast.AsyncFor(iter=over, body=body):
                    text = _text(over)
                    yield _case(
                        f"{name}_without_any", text, node.lineno, f"nothing in `{text}`: the loop does not run", []
                    )
                    yield _case(f"{name}_with_several", text, node.lineno, f"two and more in `{text}`", body)
                case ast.While(test=test, body=body):
                    text = _text(test)
                    yield _case(f"{name}_while", text, node.lineno, f"`{text}` holds once, then no more", body)
                case ast.ExceptHandler(type=kind, body=body):
                    text = _text(kind) if kind is not None else "any error"
                    given = f"what is called in the `try` raises `{text}`{_ends(body)}"
                    yield _case(f"{name}_after", text, node.lineno, given, body)
                case ast.match_case(pattern=pattern, body=body):
                    text = _text(pattern)
                    yield _case(
                        f"{name}_matching", text, pattern.lineno, f"a value that matches `{text}`{_ends(body)}", body
                    )
                case ast.Assert(test=test):
                    text = _text(test)
                    yield _case(f"{name}_asserts", text, node.lineno, f"`{text}` does not hold: AssertionError", [])


def _case(name: str, text: str, line: int, given: str, body: list[ast.stmt]) -> Case:
    """Return a case whose test is called after `name` and the condition `text`."""
    slug = re.sub(r"\W+", "_", re.sub(r"\bself\.", "", text)).strip("_").lower()[:_MAX_SLUG_CHARS].strip("_")
    return Case(
        name=f"test_{name}_{slug or 'this'}",
        line=line,
        given=given,
        covers=tuple(sorted({node.lineno for part in body for node in _own(part) if isinstance(node, ast.stmt)})),
    )


def _ends(body: list[ast.stmt]) -> str:
    """Say how a branch ends, where that is what a test would look at."""
    match body[-1] if body else None:
        case ast.Raise(exc=error) if error is not None:
            return f"; expect `{_text(error.func if isinstance(error, ast.Call) else error)}`"
        case ast.Return(value=None):
            return "; expect `None`"
        case ast.Return(value=value) if value is not None:
            return f"; expect `{_text(value)}`"
        case _:
            return ""


def _inputs(test: ast.expr, holds: bool) -> str:
    """Say what makes a condition hold, or not, as far as its form tells."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _inputs(operand, not holds)
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            return _compared(_text(left), operator, right, holds)
        case ast.Call(func=ast.Name(id="isinstance"), args=[value, kind]):
            return f"`{_text(value)}` {'a' if holds else 'no'} `{_text(kind)}`"
        case ast.BoolOp(op=operator, values=values):
            word = "all" if isinstance(operator, ast.And) == holds else "at least one"
            return f"{word} of {len(values)} conditions {'true' if holds else 'false'}, each in a test"
        case _:
            return f"`{_text(test)}` {'true' if holds else 'false or empty'}"


def _compared(left: str, operator: ast.cmpop, right: ast.expr, holds: bool) -> str:
    text = _text(right)
    number = right.value if isinstance(right, ast.Constant) and isinstance(right.value, int) else None
    match operator:
        case ast.Is() | ast.Eq():
            return f"`{left}` {'is' if holds else 'is not'} `{text}`"
        case ast.IsNot() | ast.NotEq():
            return f"`{left}` {'is not' if holds else 'is'} `{text}`"
        case ast.In() | ast.NotIn():
            return f"`{left}` {'in' if holds == isinstance(operator, ast.In) else 'not in'} `{text}`"
        case _ if number is not None and not isinstance(number, bool):
            return f"`{left}` at the boundary: {number - 1}, {number} and {number + 1}"
        case _:
            return f"`{left}` just below, at and just above `{text}`"


def _parameters(function: FunctionNode) -> Iterator[Case]:
    parameters = function.args
    every = [*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs]
    for parameter in every:
        values = _boundaries(parameter.annotation)
        if values:
            name = function.name.strip("_") or "it"
            yield Case(
                name=f"test_{name}_with_{parameter.arg.strip('_')}_at_its_boundaries",
                line=parameter.lineno,
                given=f"`{parameter.arg}`: {', '.join(values)}",
            )


def _boundaries(annotation: ast.expr | None) -> list[str]:
    if annotation is None:
        return []
    # names outside of brackets: what `list[int]` holds is not what is passed
    outer = re.sub(r"\[.*\]", "", ast.unparse(annotation).strip("'\""))
    kinds = [_ALIKE.get(word, word) for word in re.findall(r"\w+", outer)]
    return [value for kind in dict.fromkeys(kinds) for value in _BOUNDARIES.get(kind, ())]


def _text(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split()).replace("`", "'")
    return text if len(text) <= _MAX_CONDITION_CHARS else f"{text[: _MAX_CONDITION_CHARS - 1]}…"
