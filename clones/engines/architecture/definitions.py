"""What each Python file defines and what names it mentions, from its syntax tree alone; read in one pass over the target."""

import ast
import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from clones.engines import syntax
from clones.engines.architecture.shapes import Shape, shape_of
from clones.engines.contract import NotAnalysed

Kind = Literal["function", "class", "method"]

_WORD = re.compile(r"[A-Za-z_]\w*")
_PREFIX = re.compile(r"([A-Za-z_]\w*_)(?:$|%|\{)")
_SUFFIX = re.compile(r"(?:^|s|\})(_\w+)$")
_MAX_TEXT = 2000
"""Longer string constants are data; names in them are looked for all the same, up to here."""


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A function or class of a module's top level, or a method of such a class."""

    name: str
    owner: str
    """The class of a method; empty for others."""
    kind: Kind
    file: str
    line: int
    """Where its name stands."""
    end_line: int
    decorators: tuple[str, ...]
    """Their last name each: `app.route("/")` is `route`."""
    bases: tuple[str, ...] = ()
    """Of a class: each base as it is written, without subscripts and calls, and `metaclass` where it has one."""
    own_mentions: int = 0
    """How often it mentions its own name inside: a recursion is no use."""

    @property
    def qualified(self) -> str:
        """Its name with its class's."""
        return f"{self.owner}.{self.name}" if self.owner else self.name


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """One file."""

    definitions: tuple[Definition, ...]
    mentions: Mapping[str, int]
    """How often each name is used, imported or in a string; where it is defined does not count."""
    prefixes: frozenset[str]
    """What strings that are put together begin with: `getattr(self, "visit_" + kind)`."""
    suffixes: frozenset[str]
    exported: tuple[str, ...] | None
    """`__all__` where it is written out; None without."""
    origins: Mapping[str, str]
    """Names that the module imports, to the top-level package that they come from; empty for its own package's."""
    shapes: tuple[Shape, ...]


def read(
    target: Path, files: Sequence[str], subjects: frozenset[str], is_over: Callable[[], bool]
) -> tuple[dict[str, Code], list[NotAnalysed]]:
    """Read `files` until `is_over`; shapes are taken of `subjects` only. Files that cannot be parsed are passed over."""
    found: dict[str, Code] = {}
    for index, file in enumerate(files):
        if is_over():
            reason = f"the time was over: {len(files) - index} of {len(files)} Python files were not read"
            return found, [NotAnalysed(subject="dead and duplicated code", reason=reason)]
        tree = syntax.parsed_file(target / file)
        # a chain of a thousand attributes is somebody's trap, and defines nothing that would be missed
        with contextlib.suppress(RecursionError):
            if tree is not None:
                found[file] = _code(tree, file, with_shapes=file in subjects)
    return found, []


def _code(tree: ast.Module, file: str, *, with_shapes: bool) -> Code:
    strings: list[str] = []
    docstrings = {id(text) for text in _docstrings(tree)}
    inside: dict[int, Counter[str]] = {}
    definitions = []
    shapes = []
    for node, kind, owner in _defining(tree):
        mentions: Counter[str] = Counter()
        inside[id(node)] = mentions
        _mention(node, mentions, strings, docstrings, inside)
        found = _definition(node, kind, owner, file, own_mentions=mentions[node.name])
        definitions.append(found)
        if with_shapes and (shape := shape_of(node, found.qualified, file)) is not None:
            shapes.append(shape)
    everything: Counter[str] = Counter()
    _mention(tree, everything, strings, docstrings, inside)
    for text in strings:
        everything.update(_WORD.findall(text[:_MAX_TEXT]))
    return Code(
        definitions=tuple(definitions),
        mentions=everything,
        prefixes=frozenset(match[1] for text in strings if (match := _PREFIX.match(text))),
        suffixes=frozenset(match[1] for text in strings if (match := _SUFFIX.search(text[-80:]))),
        exported=_exported(tree),
        origins=_origins(tree),
        shapes=tuple(shapes),
    )


def _mention(
    root: ast.AST,
    mentions: Counter[str],
    strings: list[str],
    docstrings: set[int],
    inside: Mapping[int, Counter[str]],
) -> None:
    """Add what is mentioned below `root`; of the definitions that were looked at before, from `inside`."""
    stack = list(ast.iter_child_nodes(root))
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name):
            mentions[node.id] += 1
            continue
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                strings.append(_examples(node.value) if id(node) in docstrings else node.value)
            continue
        if isinstance(node, ast.Attribute):
            mentions[node.attr] += 1
        elif isinstance(node, ast.alias):
            mentions.update(node.name.split("."))
        elif isinstance(node, ast.keyword):
            mentions[node.arg or ""] += 1
        elif isinstance(node, ast.Global | ast.Nonlocal):
            mentions.update(node.names)
        elif id(node) in inside:
            mentions.update(inside[id(node)])
            continue
        stack.extend(ast.iter_child_nodes(node))


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value


def _examples(docstring: str) -> str:
    """Return what doctest would run of it: the rest is prose."""
    return "\n".join(line for line in docstring.splitlines() if line.lstrip().startswith(">>>"))


_Defining = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _defining(tree: ast.Module) -> Iterator[tuple[_Defining, Kind, str]]:
    """Yield what the module defines, the methods of a class before the class."""
    for node in _statements(tree.body):
        if isinstance(node, ast.ClassDef):
            for inner in _statements(node.body):
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield inner, "method", node.name
            yield node, "class", ""
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, "function", ""


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements, those below `if`, `try` and `with` too; without recursion, for long chains of `elif`."""
    stack = list(reversed(body))
    while stack:
        node = stack.pop()
        yield node
        inner: list[ast.stmt] = []
        if isinstance(node, ast.If | ast.Try | ast.With):
            for part in (node, *getattr(node, "handlers", ())):
                for field in ("body", "orelse", "finalbody"):
                    inner += getattr(part, field, [])
        stack.extend(reversed(inner))


def _definition(node: _Defining, kind: Kind, owner: str, file: str, *, own_mentions: int) -> Definition:
    bases: list[str] = []
    if isinstance(node, ast.ClassDef):
        bases = [_dotted(base) for base in node.bases]
        bases += ["metaclass" for keyword in node.keywords if keyword.arg == "metaclass"]
    return Definition(
        name=node.name,
        owner=owner,
        kind=kind,
        file=file,
        line=node.lineno,
        end_line=node.end_lineno or node.lineno,
        decorators=tuple(_dotted(decorator).rpartition(".")[2] for decorator in node.decorator_list),
        bases=tuple(bases),
        own_mentions=own_mentions,
    )


def _dotted(node: ast.expr) -> str:
    """Return `a.b` for `a.b[T]` and `a.b(c)`; what stands before a dot may be `?`."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def _origins(tree: ast.Module) -> dict[str, str]:
    origins: dict[str, str] = {}
    for node in _statements(tree.body):
        if isinstance(node, ast.Import):
            origins.update({(each.asname or each.name).partition(".")[0]: _top(each.name) for each in node.names})
        elif isinstance(node, ast.ImportFrom):
            top = "" if node.level else _top(node.module or "")
            origins.update({each.asname or each.name: top for each in node.names})
    return origins


def _top(module: str) -> str:
    return module.partition(".")[0]


def _exported(tree: ast.Module) -> tuple[str, ...] | None:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        named = any(isinstance(name, ast.Name) and name.id == "__all__" for name in targets)
        value = getattr(node, "value", None)
        if named and isinstance(value, ast.List | ast.Tuple):
            texts = [each.value for each in value.elts if isinstance(each, ast.Constant)]
            return tuple(text for text in texts if isinstance(text, str))
    return None
