"""The target's Python as syntax trees, without running it."""

import ast
import tokenize
import warnings
from pathlib import Path


def parsed(source: str | bytes) -> ast.Module | None:
    """Return the syntax tree of `source`, or None where this interpreter's grammar, or its depth, does not reach."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the target's invalid escapes are not ours to report
            return ast.parse(source)
    except (SyntaxError, ValueError, LookupError, RecursionError, MemoryError):
        return None


def parsed_file(path: Path) -> ast.Module | None:
    """As `parsed`, of a file in whatever encoding it declares; None too where it cannot be read."""
    try:
        with tokenize.open(path) as opened:
            text = opened.read()
    except (SyntaxError, ValueError, LookupError, OSError):
        return None
    return parsed(text)
