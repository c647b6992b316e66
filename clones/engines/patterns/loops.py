"""Work in loops that grows with the square of what they work on. Pure."""

import ast
from collections.abc import Iterator

from clones.engines.patterns.code import Assigned, Loops, Scope, line_of
from clones.engines.patterns.rules import Found

_GROWS = frozenset({"append", "extend", "insert"})
_SHORT = 8
"""A list written out with no more items is searched as fast as a set."""


def found_in(scope: Scope, file: str) -> Iterator[Found]:
    """Yield what a function's own code shows."""
    grown = {_receiver(node) for node, _ in scope.nodes if _method(node) in _GROWS}
    for node, loops in scope.nodes:
        if not loops:
            continue
        shown = (
            _string(scope, node, loops)
            or _searched(scope, node, loops, grown)
            or _shifted(scope, node, loops)
            or _compiled(node)
        )
        if shown is not None:
            rule, before = shown
            line = line_of(node)
            evidence = {line_of(loops[-1]), *([before.line] if before is not None else [])} - {line}
            yield Found(rule=rule, file=file, line=line, evidence=tuple(sorted(evidence)))


Shown = tuple[str, Assigned | None] | None
"""The rule, and where what the loop works on was built."""


def _string(scope: Scope, node: ast.AST, loops: Loops) -> Shown:
    match node:
        case ast.AugAssign(op=ast.Add(), target=ast.Name(id=name)):
            before = scope.built_before(name, loops)
            return ("string-built-in-loop", before) if before is not None and _is_string(before.value) else None
        case ast.AugAssign(op=ast.Add(), target=ast.Attribute(), value=value) if _is_string(value):
            return "string-built-in-loop", None
    return None


def _searched(scope: Scope, node: ast.AST, loops: Loops, grown: set[str]) -> Shown:
    match node:
        case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[ast.Name(id=name)]):
            before = scope.built_before(name, loops)
            if before is None:
                return None
            written = before.value.elts if isinstance(before.value, ast.List) else None
            long = len(written) > _SHORT or name in grown if written is not None else _is_list(before.value)
            return ("list-searched-in-loop", before) if long else None
    return None


def _shifted(scope: Scope, node: ast.AST, loops: Loops) -> Shown:
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id=name), attr="pop"), args=[ast.Constant(value=0)], keywords=[]
        ):
            # nothing else that is tested for being empty is popped by 0: a deque's takes no argument
            queue = (
                isinstance(loops[-1], ast.While) and isinstance(loops[-1].test, ast.Name) and loops[-1].test.id == name
            )
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="insert"), args=[ast.Constant(value=0), _]):
            queue = False
        case ast.Delete(targets=[ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=0))]):
            queue = False
        case _:
            return None
    before = scope.built_before(name, loops)
    known = before is not None and (isinstance(before.value, ast.List) or _is_list(before.value))
    return ("list-shifted-in-loop", before) if known or queue else None


def _compiled(node: ast.AST) -> Shown:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr="compile"), args=[ast.Constant(), *_]):
            return "pattern-compiled-in-loop", None
    return None


def _is_string(value: ast.AST | None) -> bool:
    match value:
        case ast.Constant(value=str()) | ast.JoinedStr():
            return True
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return _is_string(left) or _is_string(right)
    return False


def _is_list(value: ast.AST | None) -> bool:
    match value:
        case ast.ListComp() | ast.Call(func=ast.Attribute(attr="split" | "rsplit" | "splitlines" | "readlines")):
            return True
        case ast.Call(func=ast.Name(id="list" | "sorted")):
            return True
    return False


def _method(node: ast.AST) -> str:
    return node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""


def _receiver(node: ast.AST) -> str:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name))):
            return name
    return ""
