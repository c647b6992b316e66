"""Docstrings that say something else than their function: parameters, exceptions and what is returned.

Looked at is what a docstring lists (in Google's, NumPy's or Sphinx's style): one that lists no parameters says nothing about
them that could be wrong. What a called function raises is not known here, so an exception that is documented is believed.
"""

import ast
import builtins
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from inspect import cleandoc

import griffe
import msgspec

from clones.engines.documentation.docs.finding import Finding
from clones.engines.documentation.sources import Module
from clones.engines.statements import Lines

Function = ast.FunctionDef | ast.AsyncFunctionDef
_PARAMETERS = (griffe.DocstringSectionKind.parameters, griffe.DocstringSectionKind.other_parameters)
_NOT_TOLD = frozenset({"NotImplementedError", "AssertionError", "StopIteration", "StopAsyncIteration"})
"""Raised by convention, or to say that the caller is wrong in a way that nobody handles."""
_FIELD = re.compile(r"^:(param|parameter|arg|argument|raises?|returns?)\b[^:\n]*:", re.MULTILINE)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a docstring lists."""

    parameters: tuple[str, ...]
    raises: tuple[str, ...]
    """Exceptions by their last names."""
    returns: str | None
    """The words and type of what is returned; None where it does not say."""


def disagreements(modules: Iterable[Module], lines: Lines) -> Iterator[Finding]:
    """Yield what docstrings of `modules` say that their functions' code does not, by module and line."""
    for module in modules:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                parsed = ast.parse("\n".join(lines.of(module.file)))
            bases = {
                node.name: [_last_name(base) for base in node.bases]
                for node in ast.walk(parsed)
                if isinstance(node, ast.ClassDef)
            }
            found = list(_below(parsed, module, bases))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        yield from found


def _below(holder: ast.Module | ast.ClassDef, module: Module, bases: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    in_class = isinstance(holder, ast.ClassDef)
    for node in holder.body:
        if isinstance(node, ast.ClassDef):
            yield from _of_class(node, module)
            yield from _below(node, module, bases)
        elif isinstance(node, Function) and "overload" not in _decorators(node):
            text = ast.get_docstring(node)
            if text:
                said = listed(text)
                taken = _parameters(node, bound=in_class and "staticmethod" not in _decorators(node))
                yield from _about_parameters(said, taken, node, module.file)
                yield from _about_raises(said, node, module.file, bases)
                yield from _about_returns(said, node, module.file)


def listed(docstring: str) -> Said:
    """Return what a docstring lists, in whichever of the three styles it is written."""
    text = cleandoc(docstring)
    with griffe.logger.disable():
        # griffe itself knows Sphinx's style by several fields alone
        sections = griffe.Docstring(text).parse("sphinx" if _FIELD.search(text) else "auto")
    parameters: list[str] = []
    raises: list[str] = []
    returns: list[str] = []
    for section in sections:
        if section.kind in _PARAMETERS:
            parameters += [name for item in section.value for name in _names(item.name)]
        elif section.kind is griffe.DocstringSectionKind.raises:
            raises += [str(item.annotation).rpartition(".")[2].strip("`~ ") for item in section.value]
        elif section.kind is griffe.DocstringSectionKind.returns:
            returns += [f"{item.annotation or ''} {item.description or ''}".strip() for item in section.value]
    return Said(parameters=tuple(parameters), raises=tuple(raises), returns=" ".join(returns) or None)


def _names(written: str) -> list[str]:
    names = [name.strip().lstrip("\\*").strip("`") for name in written.split(",")]
    return names if all(name.isidentifier() for name in names) else []


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """What a function takes."""

    named: tuple[str, ...]
    variable: tuple[str, ...]
    """The names behind `*` and `**`."""


def _parameters(node: Function, *, bound: bool) -> Parameters:
    given = node.args
    named = [each.arg for each in (*given.posonlyargs, *given.args)][1 if bound else 0 :]
    variable = [each.arg for each in (given.vararg, given.kwarg) if each is not None]
    return Parameters(named=(*named, *(each.arg for each in given.kwonlyargs)), variable=tuple(variable))


def _of_class(node: ast.ClassDef, module: Module) -> Iterator[Finding]:
    """Compare what a class's docstring lists with its own constructor."""
    begin = next((each for each in node.body if isinstance(each, Function) and each.name == "__init__"), None)
    text = ast.get_docstring(node)
    if begin is None or not text:
        return
    own = ast.get_docstring(begin)
    if own and listed(own).parameters:
        return  # listed where they are taken
    yield from _about_parameters(listed(text), _parameters(begin, bound=True), node, module.file)


def _about_parameters(said: Said, taken: Parameters, node: Function | ast.ClassDef, file: str) -> Iterator[Finding]:
    if not said.parameters:
        return
    there = {*taken.named, *taken.variable}
    wrong = [name for name in said.parameters if name not in there and name not in {"self", "cls"}]
    # what goes into **options may be listed one by one
    if wrong and not taken.variable:
        message = f"`{node.name}` documents {_listing(wrong)}, which it does not take"
        yield Finding(file=file, line=node.lineno, rule="docstring-parameter", message=message)
    left = [name for name in taken.named if name not in said.parameters and not name.startswith("_")]
    left = [name for name in left if name not in {"self", "cls"}]
    if left and len(wrong) < len(said.parameters):
        message = f"`{node.name}` takes {_listing(left)}, which its list of parameters leaves out"
        yield Finding(file=file, line=node.lineno, rule="docstring-parameter", message=message)


def _about_raises(said: Said, node: Function, file: str, bases: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    if not said.raises:
        return
    raised = {name: line for line, name in sorted(_raised(node.body), reverse=True)}
    for name, line in sorted(raised.items(), key=lambda each: each[1]):
        if name not in _NOT_TOLD and not _covered(name, said.raises, bases):
            message = f"`{node.name}` raises `{name}`, which its list of exceptions leaves out"
            yield Finding(file=file, line=line, rule="docstring-raises", message=message)


def _raised(body: Sequence[ast.stmt]) -> Iterator[tuple[int, str]]:
    """Yield the exceptions that leave a body for certain to its caller: not those that a `try` around them may catch."""
    for node in body:
        if isinstance(node, ast.Raise) and node.exc is not None:
            called = isinstance(node.exc, ast.Call)
            name = _last_name(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
            # `raise error` raises what a variable holds
            if name and (called or name[:1].isupper()) and name.lstrip("_")[:1].isupper():
                yield node.lineno, name
        elif isinstance(node, ast.Try | ast.TryStar):
            for handler in node.handlers:
                yield from _raised(handler.body)
            yield from _raised(node.orelse)
        elif not isinstance(node, _SCOPES):
            for part in ("body", "orelse"):
                yield from _raised(getattr(node, part, []))
            if isinstance(node, ast.Match):
                for case in node.cases:
                    yield from _raised(case.body)


def _covered(name: str, listed_: Sequence[str], bases: Mapping[str, Sequence[str]]) -> bool:
    """Tell whether an exception or one of its bases is listed; of a class from elsewhere the bases are not known."""
    seen, waiting = set(), [name]
    while waiting:
        each = waiting.pop()
        if each in listed_:
            return True
        if each in seen:
            continue
        seen.add(each)
        kind = getattr(builtins, each, None)
        if each in bases:
            waiting += bases[each]
        elif isinstance(kind, type) and issubclass(kind, BaseException):
            waiting += [base.__name__ for base in kind.__mro__[1:] if issubclass(base, BaseException)]
        else:
            return True
    return False


def _about_returns(said: Said, node: Function, file: str) -> Iterator[Finding]:
    if said.returns is None or "None" in said.returns or "nothing" in said.returns.lower() or _is_abstract(node):
        return
    inner = list(_own(node))
    gives = any(isinstance(each, ast.Yield | ast.YieldFrom) for each in inner)
    if not gives and not any(isinstance(each, ast.Return) and each.value is not None for each in inner):
        message = f"`{node.name}` documents what it returns, and returns nothing"
        yield Finding(file=file, line=node.lineno, rule="docstring-returns", message=message)


def _is_abstract(node: Function) -> bool:
    """Tell whether a body is left to others, or always ends by raising."""
    last = node.body[-1]
    trivial = len(node.body) == 1 or isinstance(last, ast.Pass | ast.Raise)
    dots = isinstance(last, ast.Expr) and isinstance(last.value, ast.Constant)
    return trivial or dots or any(name.startswith("abstract") for name in _decorators(node))


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is below a function and belongs to it, not to one inside."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, _SCOPES):
            yield from _own(child)


def _decorators(node: Function) -> list[str]:
    return [_last_name(each.func if isinstance(each, ast.Call) else each) for each in node.decorator_list]


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Subscript):
        return _last_name(node.value)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _listing(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
