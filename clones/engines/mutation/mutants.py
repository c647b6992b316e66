"""The small changes to a Python file that its tests should notice: of operators, constants, results and statements. Pure.

What is changed is the text between two places of the syntax tree, so that a mutant differs from its source in nothing else.
Only bodies of functions are changed: what runs at import is run by every test, and annotations and decorators decide
little that tests look at.
"""

import ast
import difflib
import itertools
import re
from collections.abc import Iterator

import msgspec

NO_MUTATE = re.compile(rb"#\s*(pragma:\s*no\s*(mutate|cover)|nomutate)")
"""Lines with such a comment are left as they are."""

_COMPARED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "in": "not in", "is": "is not"}
_COMPARED |= {"not in": "in", "is not": "is"}
_COMPARE_TEXT: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.In: "in",
    ast.Is: "is",
    ast.NotIn: "not in",
    ast.IsNot: "is not",
}
_ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "/"),
    ast.Pow: ("**", "*"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.BitXor: ("^", "&"),
}


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """One change."""

    file: str
    line: int
    """The first line of what is changed."""
    statement: int
    """The first line of the statement that holds it."""
    operator: str
    """Its kind: `comparison`, `arithmetic`, `boolean`, `constant`, `return`, `statement`."""
    begin: int
    end: int
    """The bytes of the file that are replaced."""
    new: bytes

    def applied(self, source: bytes) -> bytes:
        """Return the file with the change."""
        return source[: self.begin] + self.new + source[self.end :]

    def diff(self, source: bytes) -> str:
        """Return the change as a unified diff without context that `patch` takes."""
        before, after = (_lines(text) for text in (source, self.applied(source)))
        lines = difflib.unified_diff(before, after, f"a/{self.file}", f"b/{self.file}", n=1)
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def mutants(file: str, source: bytes) -> list[Mutant]:
    """Return every mutant of a file in the order of the text, whether or not it compiles; none of one that is not UTF-8 Python."""
    try:
        tree = ast.parse(source)
        source.decode("utf-8")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    text = _Text(source)
    found: dict[tuple[int, int, bytes], Mutant] = {}
    for node, statement in _in_functions(tree):
        for operator, begin, end, new in _changes(node, text):
            line = source.count(b"\n", 0, begin) + 1
            if new == source[begin:end] or NO_MUTATE.search(text.lines[line - 1]):
                continue
            mutant = Mutant(file=file, line=line, statement=statement, operator=operator, begin=begin, end=end, new=new)
            found.setdefault((begin, end, new), mutant)
    return [found[place] for place in sorted(found)]


def compiles(source: bytes) -> bool:
    """Tell whether this is a program at all."""
    try:
        compile(source, "<mutant>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _lines(source: bytes) -> list[str]:
    """Return the lines with their ends, as `patch` counts them."""
    return re.findall(r"[^\n]*\n|[^\n]+", source.decode("utf-8", "replace"))


_Change = tuple[str, int, int, bytes]


class _Text:
    """A file's bytes by the places of its syntax tree."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.lines = source.splitlines(keepends=True)
        self._starts = [0]
        for line in self.lines:
            self._starts.append(self._starts[-1] + len(line))

    def begin(self, node: ast.expr | ast.stmt) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt) -> int:
        return self._starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)

    def between(self, left: ast.expr, right: ast.expr, old: str, new: str) -> Iterator[tuple[int, int, bytes]]:
        """Yield the replacement of the operator `old` between two operands, where it is found there."""
        begin = self.end(left)
        words = r"\s+".join(map(re.escape, old.split()))
        pattern = rf"\b{words}\b" if old[0].isalpha() else words
        match = re.search(pattern.encode(), self.source[begin : self.begin(right)])
        if match:
            yield begin + match.start(), begin + match.end(), new.encode()


def _in_functions(tree: ast.Module) -> Iterator[tuple[ast.AST, int]]:
    """Yield the nodes of all functions' bodies, each with its statement's line; none of annotations, docstrings, f-strings."""
    stack: list[tuple[ast.AST, int, bool]] = [(tree, 0, False)]
    while stack:
        node, line, inside = stack.pop()
        if isinstance(node, ast.stmt):
            line = node.lineno
        match node:
            case ast.JoinedStr():
                continue
            case ast.FunctionDef(body=body) | ast.AsyncFunctionDef(body=body):
                stack += [(each, line, True) for each in body if not _is_docstring(each)]
                continue
            case ast.ClassDef(body=body):
                stack += [(each, line, inside) for each in body if not _is_docstring(each)]
                continue
            case ast.AnnAssign(value=value):
                stack += [(value, line, inside)] if value is not None else []
                continue
            case _:
                stack += [(each, line, inside) for each in ast.iter_child_nodes(node)]
        if inside:
            yield node, line


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _changes(node: ast.AST, text: _Text) -> Iterator[_Change]:
    match node:
        case ast.Compare(left=left, ops=operators, comparators=comparators):
            for first, operator, second in zip([left, *comparators], operators, comparators, strict=False):
                old = _COMPARE_TEXT[type(operator)]
                yield from (("comparison", *change) for change in text.between(first, second, old, _COMPARED[old]))
        case ast.BinOp(left=left, op=arithmetic, right=right) if type(arithmetic) in _ARITHMETIC:
            old, new = _ARITHMETIC[type(arithmetic)]
            if not any(isinstance(each, ast.Constant) and isinstance(each.value, str) for each in (left, right)):
                yield from (("arithmetic", *change) for change in text.between(left, right, old, new))
        case ast.AugAssign(target=target, op=arithmetic, value=value) if type(arithmetic) in _ARITHMETIC:
            old, new = _ARITHMETIC[type(arithmetic)]
            yield from (("arithmetic", *change) for change in text.between(target, value, f"{old}=", f"{new}="))
        case ast.BoolOp(op=boolean, values=values):
            old, new = ("and", "or") if isinstance(boolean, ast.And) else ("or", "and")
            for first, second in itertools.pairwise(values):
                yield from (("boolean", *change) for change in text.between(first, second, old, new))
        case ast.UnaryOp(op=ast.Not()):
            begin = text.begin(node)
            yield "boolean", begin, begin + len("not"), b""
        case ast.If(test=test) | ast.While(test=test) if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            yield (
                "boolean",
                text.begin(test),
                text.end(test),
                b"not (" + text.source[text.begin(test) : text.end(test)] + b")",
            )
        case ast.Constant(value=value):
            yield from (("constant", text.begin(node), text.end(node), new) for new in _other_constant(value))
        case ast.stmt():
            yield from _of_statement(node, text)
        case _:
            return


def _of_statement(node: ast.stmt, text: _Text) -> Iterator[_Change]:
    begin, end = text.begin(node), text.end(node)
    match node:
        case ast.Return(value=value) if value is not None and not _is_none(value):
            yield "return", text.begin(value), text.end(value), b"None"
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise() | ast.Delete():
            yield "statement", begin, end, b"pass"
        case ast.Break():
            yield "statement", begin, end, b"continue"
        case ast.Continue():
            yield "statement", begin, end, b"break"
        case ast.Assign(value=value) if not _is_none(value) and not isinstance(value, ast.Constant):
            yield "statement", text.begin(value), text.end(value), b"None"
        case _:
            return


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _other_constant(value: object) -> Iterator[bytes]:
    match value:
        case bool():
            yield str(not value).encode()
        case int() | float():
            yield repr(value + 1).encode()
        case str():
            yield repr(f"XX{value}XX").encode()
        case _:
            return
