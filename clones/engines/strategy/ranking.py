"""Which functions deserve tests first: complex, often changed, and not tested."""

import ast
from collections.abc import Mapping, Sequence

import msgspec

from clones.engines.architecture.churn import Churn
from clones.engines.architecture.sizes import FileSize
from clones.engines.strategy.cases import Case, FunctionNode, cases, own_statements
from clones.params import CoveredFile

MAX_RANKED = 25
_LEAST_COMPLEXITY = 3
"""Below this a function has at most one branch."""
_UNNAMED, _SELDOM, _OFTEN = 1.0, 0.5, 0.25
"""What stands for the missing coverage where none was measured: no test file has the function's name, one or two have, more."""
CAPPED_RANGES = 40
"""A testing task tells that many ranges of lines of a file; of what lies behind the last of them nothing is known then."""


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """One function that is worth testing."""

    function: str
    """With its class, as Python's `__qualname__`."""
    name: str
    file: str
    line: int
    end_line: int
    complexity: int
    commits: int | None
    """That touch the file; None without a history."""
    named_in: int
    """Test files that have the function's name as a word."""
    statements: int
    missing: tuple[int, ...] | None
    """Lines of its statements that no test ran; None where that was not measured."""
    untested: float
    """Share of it that is not tested: measured, or by `named_in`."""
    cases: tuple[Case, ...]

    @property
    def risk(self) -> float:
        """Complexity times commits times the untested share."""
        return self.complexity * (1 if self.commits is None else self.commits) * self.untested


def rank(
    sizes: Sequence[FileSize],
    trees: Mapping[str, ast.Module],
    churn: Churn,
    words: Mapping[str, int],
    coverage: Mapping[str, CoveredFile] | None,
) -> list[Ranked]:
    """Return the functions with the highest risk, at most `MAX_RANKED`; what is tested in full is not among them.

    `words` is how many test files have a word; `coverage`, by file, is what a testing task measured.
    """
    found = []
    for size in sizes:
        if size.generated or size.file not in trees:
            continue
        nodes = {node.lineno: (name, node) for name, node in _functions(trees[size.file])}
        for function in size.functions:
            if function.complexity < _LEAST_COMPLEXITY or function.line not in nodes:
                continue
            qualified, node = nodes[function.line]
            statements = own_statements(node)
            missing = _missing(coverage, size.file, statements)
            named_in = words.get(node.name, 0)
            untested = len(missing) / len(statements) if missing is not None and statements else _guess(named_in)
            found.append(
                Ranked(
                    function=qualified,
                    name=node.name,
                    file=size.file,
                    line=function.line,
                    end_line=node.end_lineno or function.line,
                    complexity=function.complexity,
                    commits=None if churn.commits is None else churn.commits.get(size.file, 0),
                    named_in=named_in,
                    statements=len(statements),
                    missing=missing,
                    untested=untested,
                    cases=tuple(cases(node, frozenset(missing or ()))),
                )
            )
    ranked = sorted(found, key=lambda item: (-item.risk, -item.complexity, item.file, item.line))
    return [item for item in ranked if item.risk > 0][:MAX_RANKED]


def _guess(named_in: int) -> float:
    return _UNNAMED if named_in == 0 else _SELDOM if named_in <= 2 else _OFTEN


def _missing(
    coverage: Mapping[str, CoveredFile] | None, file: str, statements: Sequence[int]
) -> tuple[int, ...] | None:
    if coverage is None or file not in coverage:
        return None
    spans = [tuple(map(int, text.split("-"))) for text in coverage[file].missing]
    last = max((span[-1] for span in spans), default=0)
    if len(spans) >= CAPPED_RANGES and statements and statements[-1] > last:
        return None
    return tuple(line for line in statements if any(span[0] <= line <= span[-1] for span in spans))


def _functions(tree: ast.Module) -> list[tuple[str, FunctionNode]]:
    found: list[tuple[str, FunctionNode]] = []
    stack: list[tuple[str, ast.AST]] = [("", tree)]
    while stack:
        prefix, node = stack.pop()
        for child in ast.iter_child_nodes(node):
            name = prefix
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                found.append((f"{prefix}{child.name}", child))
                name = f"{prefix}{child.name}.<locals>."
            elif isinstance(child, ast.ClassDef):
                name = f"{prefix}{child.name}."
            stack.append((name, child))
    return found
