"""The shape of a function or class: its syntax without the names of its own variables, literals, annotations and docstrings.

Two pieces of the same shape do the same to the same outside: what is called, and which attributes are taken, counts.
"""

import ast
import hashlib
import zlib

import msgspec

MIN_TOKENS = 60
"""Shorter pieces are alike by chance."""
_WINDOW = 5
"""Tokens that a shingle spans."""
_SKIPPED = frozenset({"annotation", "returns", "type_comment", "decorator_list", "ctx", "type_params", "type_ignores"})


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared of one piece of code."""

    name: str
    file: str
    line: int
    end_line: int
    tokens: int
    digest: int
    """The same for the same shape; for others only by chance."""
    shingles: frozenset[int]
    """Checksums of every `_WINDOW` tokens in a row."""
    is_class: bool


def shape_of(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, name: str, file: str) -> Shape | None:
    """Return the shape; None of a piece that is too short to tell anything."""
    tokens = _tokens(node)
    if len(tokens) < MIN_TOKENS:
        return None
    windows = ("\0".join(tokens[at : at + _WINDOW]) for at in range(len(tokens) - _WINDOW + 1))
    whole = "\0".join(tokens).encode("utf-8", "replace")
    return Shape(
        name=name,
        file=file,
        line=node.lineno,
        end_line=node.end_lineno or node.lineno,
        tokens=len(tokens),
        digest=int.from_bytes(hashlib.blake2b(whole, digest_size=8).digest(), "big"),
        # checksums, for `hash` of a text is another in every process
        shingles=frozenset(zlib.crc32(window.encode("utf-8", "replace")) for window in windows),
        is_class=isinstance(node, ast.ClassDef),
    )


def _tokens(root: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[str]:
    own = _own_names(root)
    numbers: dict[str, str] = {}

    def named(name: str) -> str:
        return numbers.setdefault(name, f"v{len(numbers)}") if name in own else name

    tokens: list[str] = []
    stack: list[ast.AST] = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name):
            tokens.append(named(node.id))
            continue
        if isinstance(node, ast.Constant):
            tokens.append(type(node.value).__name__)
            continue
        tokens.append(type(node).__name__)
        if isinstance(node, ast.Attribute):
            tokens.append(node.attr)
        elif isinstance(node, ast.arg):
            tokens.append(named(node.arg))
            continue
        elif isinstance(node, ast.keyword):
            tokens.append(node.arg or "**")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node is not root:
            tokens.append(node.name)
        stack.extend(reversed(_children(node)))
    return tokens


def _children(node: ast.AST) -> list[ast.AST]:
    found: list[ast.AST] = []
    for field in node._fields:
        if field in _SKIPPED:
            continue
        value = getattr(node, field, None)
        if isinstance(value, ast.AST):
            found.append(value)
        elif isinstance(value, list):
            # expressions that stand alone and are constants are docstrings and remarks
            found += [each for each in value if isinstance(each, ast.AST) and not _is_remark(each)]
    return found


def _is_remark(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _own_names(root: ast.AST) -> set[str]:
    """Return the names that are bound inside: parameters and variables."""
    return {
        node.arg if isinstance(node, ast.arg) else node.id
        for node in ast.walk(root)
        if isinstance(node, ast.arg) or (isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load))
    }
