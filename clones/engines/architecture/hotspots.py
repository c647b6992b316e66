"""Functions worth a look first: complex, and often changed."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from clones.engines import syntax
from clones.engines.architecture.churn import Churn
from clones.engines.architecture.sizes import COMPLEX, FileSize, FunctionSize

MAX_HOT_SPOTS = 25


class HotSpot(msgspec.Struct, frozen=True, kw_only=True):
    """A complex function and the number of commits that touch its file."""

    size: FunctionSize
    churn: int | None
    """None without a git history."""

    @property
    def score(self) -> int:
        """Complexity times commits (Tornhill, Your Code as a Crime Scene); just complexity without a git history."""
        return self.size.complexity * (1 if self.churn is None else self.churn)


def find(target: Path, sizes: Sequence[FileSize], churn: Churn) -> list[HotSpot]:
    """Return the functions of a complexity above `COMPLEX`, the highest score first, at most `MAX_HOT_SPOTS`.

    Python's are named with the classes and functions around them, which lizard leaves out. Generated files are passed over:
    nobody reads them, and their generator is what would be changed.
    """
    found = [
        HotSpot(size=function, churn=None if churn.commits is None else churn.commits.get(function.file, 0))
        for file in sizes
        if not file.generated
        for function in file.functions
        if function.complexity > COMPLEX
    ]
    found.sort(key=lambda spot: (-spot.score, -spot.size.complexity, spot.size.file, spot.size.line))
    chosen = found[:MAX_HOT_SPOTS]
    names = {file: _names(target / file) for file in {spot.size.file for spot in chosen} if file.endswith(".py")}
    return [_renamed(spot, names.get(spot.size.file, {}).get(spot.size.line, "")) for spot in chosen]


def _renamed(spot: HotSpot, name: str) -> HotSpot:
    return msgspec.structs.replace(spot, size=msgspec.structs.replace(spot.size, function=name or spot.size.function))


def _names(file: Path) -> dict[int, str]:
    """Return each function's dotted name by the line of its `def`; none of a file that cannot be parsed."""
    tree = syntax.parsed_file(file)
    return {} if tree is None else {line: name for line, name in _named(tree) if name}


def _named(tree: ast.Module) -> Iterator[tuple[int, str]]:
    stack: list[tuple[ast.AST, str]] = [(tree, "")]
    while stack:
        node, above = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            above = f"{above}.{node.name}" if above else node.name
            if not isinstance(node, ast.ClassDef):
                yield node.lineno, above
        stack.extend((child, above) for child in ast.iter_child_nodes(node))
