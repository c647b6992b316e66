"""What of a document is run: its blocks of Python and its sessions, in the order of the reader, and what of them is left alone."""

import ast
import doctest
import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import takewhile
from textwrap import dedent

import msgspec

from clones.engines.documentation.docs.code import MAX_BLOCK_CHARS
from clones.engines.documentation.docs.text import Read
from clones.engines.documentation.sources import Module
from clones.engines.statements import Lines

_LANGUAGES = frozenset({"python", "py", "python3", "py3", "pycon", "doctest"})
_PROMPT = ">>>"
_SESSION = re.compile(r"^[ \t]*>>> ", re.MULTILINE)
_OTHER_PROMPT = re.compile(r"^[ \t]*(?:In \[\d+\]:|[!%][\w!]|\$ )", re.MULTILINE)
_LEFT_OUT = re.compile(r"^[^#\n]*#.*(?:\.\.\.|…)|^[ \t]*\.\.\.[ \t]*$", re.MULTILINE)
_PLACEHOLDER = re.compile(
    r"<[A-Za-z][A-Za-z0-9]*(?:[ _-][A-Za-z0-9]+)+>|\b(?:YOUR|MY)[_-][A-Z_-]+|\byour[_-]\w+|\{\{|\{%|…", re.ASCII
)
_TOO_LONG = "it is too long"
_MARKDOWN_INDENT = 4
MAX_STEPS = 2000
"""Of a document: more are made by a program."""
_MAX_DECORATORS = 20
"""Each is parsed again with those before it."""
_MAX_UNDOTTED = 50
"""Lines without their dots that are tried as what is typed."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of code that is run at a stroke: a block, or one thing typed in a session."""

    source: str
    line: int
    """Of the document."""
    typed: bool = False
    """Whether it is typed at a prompt: what it prints is compared with `want`."""
    want: str = ""
    raises: str | None = None
    """The end of the traceback that the document shows."""
    options: tuple[str, ...] = ()
    """What the document asks doctest for."""
    left_alone: str = ""
    """Why it is not run."""


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A block or a session."""

    line: int
    """Of its first line of code."""
    steps: tuple[Step, ...]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Examples that share a namespace."""

    module: str | None
    """Whose names it begins with; None: it begins empty."""
    examples: tuple[Example, ...]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What is run in one process."""

    file: str
    groups: tuple[Group, ...]

    def steps(self) -> tuple[Step, ...]:
        """Return all steps, in order; their places here are their numbers."""
        return tuple(step for group in self.groups for example in group.examples for step in example.steps)


def of_document(file: str, read: Read, lines: Sequence[str]) -> Document | None:
    """Return the examples of a Markdown or reStructuredText document; None where it has none."""
    found: list[Example] = []
    covered: set[int] = set()
    for block in read.blocks:
        covered.update(range(block.line, block.line + block.code.count("\n") + 1))
        if block.language in _LANGUAGES or (not block.language and _SESSION.search(block.code)):
            example = _of_block(block.code, block.line)
            if example is not None:
                found.append(example)
    least = 0 if file.lower().endswith(".rst") else _MARKDOWN_INDENT
    found += _bare_sessions(lines, covered, least)
    if not found:
        return None
    ordered = _first(sorted(found, key=lambda example: example.line))
    return Document(file=file, groups=(Group(module=None, examples=ordered),))


def of_module(module: Module, lines: Lines) -> Document | None:
    """Return the sessions in the docstrings of a module, each docstring with a namespace of its own as doctest has it."""
    text = "\n".join(lines.of(module.file))
    if _PROMPT not in text or module.name.endswith("__main__"):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = ast.parse(text)
        found = [_of_docstring(node) for node in ast.walk(parsed) if isinstance(node, _DOCUMENTED)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    examples = _first(sorted((each for each in found if each is not None), key=lambda example: example.line))
    groups = tuple(Group(module=module.name, examples=(each,)) for each in examples)
    return Document(file=module.file, groups=groups) if groups else None


def _first(examples: Sequence[Example]) -> tuple[Example, ...]:
    """Return the examples with the first `MAX_STEPS` steps, and one that tells of the rest."""
    steps = 0
    for number, example in enumerate(examples):
        steps += len(example.steps)
        if steps > MAX_STEPS:
            reason = f"it and what follows it: of a document the first {MAX_STEPS} pieces of code are run"
            return (*examples[:number], Example(line=example.line, steps=(_alone(example.line, reason),)))
    return tuple(examples)


_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def _of_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> Example | None:
    docstring = ast.get_docstring(node, clean=False)
    if not docstring or not _SESSION.search(docstring):
        return None
    steps = _of_session(docstring, node.body[0].lineno)
    return Example(line=steps[0].line, steps=steps) if steps else None


def _of_block(code: str, line: int) -> Example | None:
    if not code.strip():
        return None
    if _SESSION.search(code):
        steps = _of_session(code, line)
        return Example(line=line, steps=steps) if steps else None
    if len(code) > MAX_BLOCK_CHARS:
        return Example(line=line, steps=(_alone(line, _TOO_LONG),))
    source = dedent(code)
    return Example(line=line, steps=(Step(source=source, line=line, left_alone=_why_not(source)),))


def _of_session(text: str, line: int) -> tuple[Step, ...]:
    """Return what is typed at prompts, as doctest reads it; what it does not read as a session is left alone."""
    if len(text) > MAX_BLOCK_CHARS:
        return (_alone(line, _TOO_LONG),)
    try:
        found = doctest.DocTestParser().get_examples(text)
    except ValueError:
        return (_alone(line, "doctest does not read it as a session"),)
    return tuple(_typed(each, line) for each in _decorated(found))


def _decorated(found: Sequence[doctest.Example]) -> Iterator[doctest.Example]:
    """Yield what is typed, decorators together with what they decorate: some authors give each a prompt of its own."""
    before: doctest.Example | None = None
    for each in found:
        if before is not None and before.lineno + before.source.count("\n") == each.lineno:
            each.source, each.lineno = before.source + each.source, before.lineno
        elif before is not None:
            yield before
        is_decorator = each.source.startswith("@") and not each.want and each.source.count("\n") <= _MAX_DECORATORS
        is_decorator = is_decorator and _parsed(each.source) is None
        before = each if is_decorator else None
        if not is_decorator:
            yield each
    if before is not None:
        yield before


def _typed(each: doctest.Example, line: int) -> Step:
    source, want = _whole(each.source, each.want)
    skip = each.options.get(doctest.SKIP, False)
    left_alone = "the document has doctest skip it" if skip else _why_not(source)
    names = tuple(name for name, flag in doctest.OPTIONFLAGS_BY_NAME.items() if each.options.get(flag))
    return Step(
        source=source,
        line=line + each.lineno,
        typed=True,
        want=want,
        raises=each.exc_msg,
        options=names,
        # what raises a SyntaxError on purpose is run
        left_alone="" if each.exc_msg is not None and "parse" in left_alone else left_alone,
    )


def _whole(source: str, want: str) -> tuple[str, str]:
    """Return what is typed with its further lines, where the author left their dots away, and what is printed."""
    if not want or _parsed(source) is not None:
        return source, want
    lines = want.splitlines(keepends=True)[:_MAX_UNDOTTED]
    for cut in range(len(lines), 0, -1):
        longer = source + "".join(lines[:cut])
        if _parsed(longer) is not None:
            return longer, want[len(longer) - len(source) :]
    return source, want


def _bare_sessions(lines: Sequence[str], covered: set[int], least: int) -> Iterator[Example]:
    """Yield the sessions that stand in no block; an empty line ends what is printed."""
    number = 0
    while number < len(lines):
        line = lines[number].expandtabs()
        indent = len(line) - len(line.lstrip())
        number += 1
        if number in covered or indent < least or not line.lstrip().startswith(f"{_PROMPT} "):
            continue
        below = takewhile(lambda at: lines[at].strip() and at + 1 not in covered, range(number, len(lines)))
        text = "\n".join([line, *(lines[at].expandtabs() for at in below)])
        steps = _of_session(f"{text}\n", number)
        if steps:
            yield Example(line=number, steps=steps)
        number += text.count("\n")


def _alone(line: int, reason: str) -> Step:
    return Step(source="", line=line, left_alone=reason)


def _why_not(source: str) -> str:
    """Say why a piece of code is left alone; empty where it is run."""
    if _OTHER_PROMPT.search(source):
        return "it is typed at another prompt than Python's"
    parsed = _parsed(source)
    if parsed is None:
        return "it does not parse by itself"
    if _LEFT_OUT.search(source) or any(_is_ellipsis(node) for node in _outside_of_subscripts(parsed)):
        return "something is left out of it: it has an ellipsis"
    if any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(parsed)):
        return "it is part of a package: it has a relative import"
    placeholder = _PLACEHOLDER.search(source)
    return f"it has a placeholder, {placeholder[0]}" if placeholder else ""


def _parsed(source: str) -> ast.AST | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            found = compile(source, "example", "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return found if isinstance(found, ast.AST) else None


def _outside_of_subscripts(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a tree's nodes, without those between brackets: `tuple[int, ...]` leaves nothing out."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        waiting += [
            child
            for child in ast.iter_child_nodes(each)
            if not (isinstance(each, ast.Subscript) and child is each.slice)
        ]


def _is_ellipsis(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis
