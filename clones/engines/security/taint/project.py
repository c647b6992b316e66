"""The project's modules, classes and functions, read without importing any of it."""

import ast
import math
import posixpath
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from clones.engines.security.reported import OUT_OF_TIME

MAX_DEPTH = 150
"""Deeper nesting of the syntax tree than people write."""
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_NESTED = (*_FUNCTION, ast.Lambda)
_YIELDS = (ast.Yield, ast.YieldFrom)
_COMPOUND = (
    *(ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.With, ast.AsyncWith, ast.Match),
    *(ast.excepthandler, ast.match_case),
)
"""Statements that hold statements."""
_EMPTY = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop)


class FunctionInfo:
    """A function, method or lambda."""

    def __init__(
        self,
        module: "Module",
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        qualname: str,
        cls: "ClassInfo | None",
    ) -> None:
        self.module = module
        self.node = node
        self.name = getattr(node, "name", "lambda")
        self.qualname = qualname
        self.cls = cls
        arguments = node.args
        self.positional = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
        self.keyword_only = [each.arg for each in arguments.kwonlyargs]
        self.annotations = {
            each.arg: each.annotation for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        }
        self.words: frozenset[str] = frozenset()
        """Identifiers that stand in it."""
        self.assigned: frozenset[str] = frozenset()
        """Variables that it binds."""
        self.fields: frozenset[str] = frozenset()
        """Attributes that it assigns to its first parameter."""
        self.globals: frozenset[str] = frozenset()
        self.nonlocals: frozenset[str] = frozenset()
        self.is_generator = False
        self.has_nested = False
        self.decorators: list[tuple[str, str]] = []
        """Canonical names of its decorators, each with its first argument where that is a constant text."""
        self.wrapped: object = None
        """What the decorators below a route's make of it, a `Value`; None where there are none."""
        self.flags: frozenset[str] = frozenset()
        """`staticmethod`, `classmethod`, `property`, `contextmanager`."""
        self._look()

    def _look(self) -> None:
        """Look at what stands in the function itself; functions in it add their words when they are made."""
        own = self.positional[0] if self.positional else None
        words, assigned, fields, outer, enclosing = set[str](), set[str](), set[str](), set[str](), set[str]()
        waiting = list(_parts(self.node))
        while waiting:
            node = waiting.pop()
            kind = type(node)
            if kind is ast.Name:
                words.add(node.id)
                if type(node.ctx) is not ast.Load:
                    assigned.add(node.id)
                continue
            if kind is ast.Attribute:
                words.add(node.attr)
                if type(node.ctx) is ast.Store and type(node.value) is ast.Name and node.value.id == own:
                    fields.add(node.attr)
            elif kind in _NESTED:
                self.has_nested = True
            elif kind is ast.Global:
                outer.update(node.names)
            elif kind is ast.Nonlocal:
                enclosing.update(node.names)
            elif kind in _YIELDS:
                self.is_generator = True
            if kind in _FUNCTION or kind is ast.ClassDef:
                waiting.extend(node.decorator_list)
            elif kind is not ast.Constant:
                waiting.extend(_parts(node))
        self.words, self.assigned, self.fields = frozenset(words), frozenset(assigned), frozenset(fields)
        self.globals, self.nonlocals = frozenset(outer), frozenset(enclosing)

    @property
    def path(self) -> str:
        """The file that it stands in."""
        return self.module.path

    @property
    def lines(self) -> tuple[int, int]:
        """Its first and last line."""
        return self.node.lineno, self.node.end_lineno or self.node.lineno


def _parts(node: Any) -> Iterator[Any]:
    """Yield the nodes right below one, but for those that hold nothing."""
    for name in node._fields:
        value = getattr(node, name, None)
        if type(value) is list:
            yield from (each for each in value if isinstance(each, ast.AST))
        elif isinstance(value, ast.AST) and not isinstance(value, _EMPTY):
            yield value


class ClassInfo:
    """A class."""

    def __init__(self, module: "Module", node: ast.ClassDef, qualname: str) -> None:
        self.module = module
        self.node = node
        self.name = node.name
        self.qualname = qualname
        self.methods: dict[str, FunctionInfo] = {}
        self.bases: list[ClassInfo] = []
        self.outside: list[str] = []
        """Canonical names of base classes outside the project."""
        self.decorators: list[str] = []

    def mro(self) -> list["ClassInfo"]:
        """Return the class and its bases within the project, nearest first."""
        found: list[ClassInfo] = []
        waiting = [self]
        while waiting:
            cls = waiting.pop(0)
            if cls not in found:
                found.append(cls)
                waiting = [*cls.bases, *waiting] if len(cls.bases) < 2 else [*waiting, *cls.bases]
        return found

    def method(self, name: str) -> FunctionInfo | None:
        """Return the method that an instance has by this name."""
        return next((cls.methods[name] for cls in self.mro() if name in cls.methods), None)

    def outside_bases(self) -> list[str]:
        """Return the canonical names of all base classes outside the project."""
        return [name for cls in self.mro() for name in cls.outside]


class Module:
    """A file."""

    def __init__(self, path: str, tree: ast.Module) -> None:
        self.path = path
        self.tree = tree
        stem = path.rsplit(".", 1)[0]
        self.is_package = posixpath.basename(stem) == "__init__"
        self.parts = tuple(stem.split("/"))[: -1 if self.is_package else None]
        self.functions: dict[ast.AST, FunctionInfo] = {}
        """All functions but lambdas, by their nodes, nested ones too."""
        self.classes: dict[ast.AST, ClassInfo] = {}
        self.top: dict[str, FunctionInfo | ClassInfo] = {}
        """What the module itself defines."""
        self.imported: frozenset[str] = frozenset()
        """First parts of the names that it imports."""
        self._imports: set[str] = set()
        self._define(tree, "", None, 0)
        self.imported = frozenset(self._imports)

    def _define(self, tree: ast.AST, prefix: str, cls: ClassInfo | None, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise RecursionError
        for node in ast.iter_child_nodes(tree):
            if isinstance(node, _FUNCTION):
                function = FunctionInfo(self, node, f"{prefix}{node.name}", cls)
                self.functions[node] = function
                if cls is not None:
                    if not _is_setter(node):
                        cls.methods[node.name] = function
                elif not prefix:
                    self.top[node.name] = function
                made = len(self.functions)
                self._define(node, f"{prefix}{node.name}.", None, depth + 1)
                nested = (
                    list(self.functions.values())[made:] if function.has_nested or len(self.functions) > made else []
                )
                function.words = function.words.union(*(each.words for each in nested))
            elif isinstance(node, ast.ClassDef):
                found = ClassInfo(self, node, f"{prefix}{node.name}")
                self.classes[node] = found
                if not prefix:
                    self.top[node.name] = found
                self._define(node, f"{prefix}{node.name}.", found, depth + 1)
            elif isinstance(node, ast.Import):
                self._imports.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                self._imports.add((node.module or "").partition(".")[0])
            elif isinstance(node, _COMPOUND):
                self._define(node, prefix, cls, depth + 1)


def _is_setter(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(each, ast.Attribute) and each.attr in {"setter", "deleter"} for each in node.decorator_list)


class Project:
    """All modules, and what an import gives."""

    def __init__(self) -> None:
        self.modules: dict[str, Module] = {}
        self._by_parts: dict[tuple[str, ...], Module] = {}
        self._roots: list[tuple[str, ...]] = [()]
        self._found: dict[tuple[tuple[str, ...], str], Module | None] = {}

    def add(self, module: Module) -> None:
        """Take a module in."""
        self.modules[module.path] = module
        self._by_parts[module.parts] = module

    def ready(self) -> None:
        """Find the directories that imports begin at; to be called after the last `add`."""
        roots = set()
        for module in self.modules.values():
            if module.is_package and module.parts and not self._is_package(module.parts[:-1]):
                roots.add(module.parts[:-1])
        self._roots = [(), *sorted(roots - {()}, key=lambda parts: (len(parts), parts))]

    def _is_package(self, parts: tuple[str, ...]) -> bool:
        found = self._by_parts.get(parts)
        return found is not None and found.is_package

    def find(self, importer: Module, name: str, level: int = 0) -> Module | None:
        """Return the project's module of a name, as an import in `importer` finds it."""
        wanted = tuple(name.split(".")) if name else ()
        if level:
            base = importer.parts if importer.is_package else importer.parts[:-1]
            base = base[: len(base) - level + 1] if level > 1 else base
            return self._by_parts.get((*base, *wanted))
        directory = importer.parts if importer.is_package else importer.parts[:-1]
        at = (directory, name)
        if at not in self._found:
            # the script's own directory, and those above it, are where it may have been started from
            above = [directory[:end] for end in range(len(directory), -1, -1) if not self._is_package(directory[:end])]
            places = ((*root, *wanted) for root in (*above, *self._roots))
            self._found[at] = next((self._by_parts[place] for place in places if place in self._by_parts), None)
        return self._found[at]


def read(copy: Path, files: Sequence[str], deadline: float = math.inf) -> tuple[Project, dict[str, str]]:
    """Parse `files` until `deadline`; returns the project, and of each file that is not in it why."""
    project = Project()
    unread: dict[str, str] = {}
    for done, name in enumerate(files):
        if time.monotonic() > deadline:
            unread |= dict.fromkeys(files[done:], OUT_OF_TIME)
            break
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse((copy / name).read_bytes(), name)
            project.add(Module(name, tree))
        except SyntaxError as error:
            unread[name] = f"line {error.lineno or 0}: {error.msg}"
        except (ValueError, RecursionError, MemoryError, OSError) as error:
            unread[name] = f"cannot be parsed: {str(error) or type(error).__name__}"
    project.ready()
    return project, unread
