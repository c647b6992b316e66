"""What an index holds of a project: the sections of its documents, its modules, classes and functions, its other text.

Every piece is a run of whole lines of one file, so that a line of a piece is a line of the file.
"""

import ast
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from clones.engines.architecture import discovery
from clones.engines.contract import NotAnalysed
from clones.engines.knowledge.documents import Document
from clones.engines.knowledge.index import Entry
from clones.engines.statements import Lines

MAX_PIECE_LINES = 80
MAX_PIECE_CHARS = 8000
"""Longer sections and files are several pieces; of a function, this much is in the index."""
MAX_TOTAL_CHARS = 100_000_000
CLASS_LINES = 12
"""Of a class below its first line: its methods are pieces of their own."""
_SUFFIXES = (
    "js jsx mjs cjs ts tsx go rs java kt rb php c h cc cpp hpp cs swift scala sh bash sql proto toml yaml yml ini cfg "
    "html css vue j2 jinja tf nix lua"
)
_TEXT = frozenset(_SUFFIXES.split())
_NAMES = frozenset({"Makefile", "Dockerfile", "Justfile", "Procfile", "Vagrantfile", "Jenkinsfile", "Containerfile"})
_MAX_LINE = 1000
"""A file with a longer line is generated or minified."""


def of_project(
    files: Sequence[str], found: Sequence[Document], modules: Mapping[str, str], lines: Lines
) -> Iterator[Entry]:
    """Yield the pieces of a project: of the documents that were `found`, of the Python files, then of the other `files`.

    `modules` has the dotted names of the files that can be imported.
    """
    yield from of_documents(found, lines)
    python = sorted({*modules, *(file for file in files if file.endswith(".py"))})
    yield from of_python({file: modules.get(file) or _as_it_lies(file) for file in python}, lines)
    yield from of_other_files(files, lines)


def of_documents(found: Sequence[Document], lines: Lines) -> Iterator[Entry]:
    """Yield the sections, each with its heading."""
    for document in found:
        for section in document.sections:
            name = section.title if section.level <= 1 else f"{document.title}: {section.title}"
            heading = [lines.at(document.file, section.line)] if section.level else []
            yield from _cut(document.kind, name, document.file, section.line, [*heading, *section.text.split("\n")])


def of_python(modules: Mapping[str, str], lines: Lines) -> Iterator[Entry]:
    """Yield modules (by their files, with their dotted names), and the classes and functions in them."""
    for file, name in modules.items():
        source = lines.of(file)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                parsed = ast.parse("\n".join(source))
            told = list(_in_module(parsed, name, file, source))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        yield from told


def of_other_files(files: Sequence[str], lines: Lines) -> Iterator[Entry]:
    """Yield what else is text and was written by a person: other languages, settings, build files."""
    for file in files:
        path = PurePosixPath(file)
        if path.suffix.lower().lstrip(".") in _TEXT or path.name in _NAMES:
            source = lines.of(file)
            if max(map(len, source), default=0) <= _MAX_LINE and not any("\0" in line for line in source):
                yield from _cut("file", file, file, 1, source)


def bounded(entries: Iterator[Entry], left_out: list[NotAnalysed]) -> Iterator[Entry]:
    """Yield entries until they are too much to index; what follows is noted in `left_out`."""
    total = 0
    for entry in entries:
        total += len(entry.text)
        if total > MAX_TOTAL_CHARS:
            reason = (
                f"the index has the first {MAX_TOTAL_CHARS:,} characters; {entry.file} and what follows is not in it"
            )
            left_out.append(NotAnalysed(subject="index", reason=reason))
            return
        yield entry


def _as_it_lies(file: str) -> str:
    """Return a dotted name for what is not imported from the target: its path."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _in_module(parsed: ast.Module, name: str, file: str, source: Sequence[str]) -> Iterator[Entry]:
    test = discovery.role_of_path(file) == "test" or PurePosixPath(file).name.startswith("test_")
    first, last = _docstring(parsed) or (1, 0)
    text = _text(source, first, last or first)
    yield Entry(kind="test" if test else "module", name=name, file=file, line=first, text=text)
    yield from _members(parsed, name, file, source, test=test)


def _members(holder: ast.AST, prefix: str, file: str, source: Sequence[str], *, test: bool) -> Iterator[Entry]:
    for node in ast.iter_child_nodes(holder):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            last = node.end_lineno or node.lineno
            is_class = isinstance(node, ast.ClassDef)
            if isinstance(node, ast.ClassDef):
                said = _docstring(node)
                last = min(last, max(node.lineno + CLASS_LINES, said[1] if said else 0))
            name = f"{prefix}.{node.name}"
            kind = "test" if test else "class" if is_class else "function"
            text = _text(source, first, last)
            yield Entry(kind=kind, name=name, file=file, line=first, text=text)
            if is_class:
                yield from _members(node, name, file, source, test=test)
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ExceptHandler):
            yield from _members(node, prefix, file, source, test=test)


def _docstring(node: ast.Module | ast.ClassDef) -> tuple[int, int] | None:
    """Return the first and last line of a docstring."""
    begin = node.body[0] if node.body else None
    if isinstance(begin, ast.Expr) and isinstance(begin.value, ast.Constant) and isinstance(begin.value.value, str):
        return begin.lineno, begin.end_lineno or begin.lineno
    return None


def _text(source: Sequence[str], first: int, last: int) -> str:
    return "\n".join(source[first - 1 : last])[:MAX_PIECE_CHARS]


def _cut(kind: str, name: str, file: str, first: int, source: Sequence[str]) -> Iterator[Entry]:
    """Yield lines as pieces; an empty section is one, found by its heading."""
    for start in range(0, max(len(source), 1), MAX_PIECE_LINES):
        part = "\n".join(source[start : start + MAX_PIECE_LINES])[:MAX_PIECE_CHARS]
        if part.strip() or start == 0:
            yield Entry(kind=kind, name=name, file=file, line=first + start, text=part)
