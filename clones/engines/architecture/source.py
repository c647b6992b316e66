"""What the syntax tree of one Python file says, without running it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from clones.engines import syntax

_DOTTED = re.compile(r"[A-Za-z_]\w*(?:[.:][A-Za-z_]\w*)+")


class SourceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about one file; all empty where this interpreter's grammar cannot parse it (grimp's may)."""

    imported: frozenset[str] = frozenset()
    """Dotted names of the absolute imports; `from a import b` gives `a` and `a.b`."""
    relative: frozenset[tuple[int, str]] = frozenset()
    """Level (the number of leading dots) and dotted name of the relative imports, as for `imported`."""
    deferred_lines: frozenset[int] = frozenset()
    """Lines of imports inside functions: they run when the function is called, not when the module is imported."""
    named: frozenset[str] = frozenset()
    """String constants that look like dotted names, with dots for colons: code is loaded through them."""
    is_empty: bool = False
    """Nothing but docstrings."""
    is_script: bool = False
    """Has `if __name__ == "__main__"`."""


def read(path: Path) -> SourceFacts:
    """Parse the file at `path`."""
    tree = syntax.parsed_file(path)
    return SourceFacts() if tree is None else _facts(tree)


def _facts(tree: ast.Module) -> SourceFacts:
    imported: set[str] = set()
    relative: set[tuple[int, str]] = set()
    deferred: set[int] = set()
    named: set[str] = set()
    for node, in_function in _walk(tree):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            imported.add(node.module)
            imported.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = [node.module] if node.module else []
            relative.update((node.level, ".".join((*module, alias.name))) for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
            named.add(node.value.replace(":", "."))
        if in_function and isinstance(node, ast.Import | ast.ImportFrom):
            deferred.add(node.lineno)
    return SourceFacts(
        imported=frozenset(imported),
        relative=frozenset(relative),
        deferred_lines=frozenset(deferred),
        named=frozenset(named),
        is_empty=all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in tree.body),
        is_script=any(_is_main_guard(node) for node in tree.body),
    )


def _walk(tree: ast.Module) -> Iterator[tuple[ast.AST, bool]]:
    """Yield every node, and whether it is inside a function; without recursion, for deep trees."""
    stack: list[tuple[ast.AST, bool]] = [(tree, False)]
    while stack:
        node, in_function = stack.pop()
        yield node, in_function
        inside = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        stack.extend((child, inside) for child in ast.iter_child_nodes(node))


def _is_main_guard(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and isinstance(node.test.left, ast.Name)
        and node.test.left.id == "__name__"
    )
