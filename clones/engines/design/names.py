"""What names a module defines, and which names of other modules it uses; read from syntax trees, nothing is run."""

import ast
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from clones.engines import syntax
from clones.engines.contract import NotAnalysed

_MAX_FOLLOWED = 8
"""Re-exports of re-exports."""


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A name that is defined at the top of a module."""

    module: str
    name: str
    kind: str
    """`function`, `class` or `value`."""
    line: int
    """Where `def`, `class` or the assignment stands; decorators are above."""
    signature: str
    """One line, as the source has it but for its spaces."""
    takes: tuple[str, ...] = ()
    """Annotations of the parameters, of `__init__` for classes; without those that have none."""
    returns: str | None = None


class Use(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """That a module uses a name of another module."""

    importer: str
    imported: str
    """The module that is imported."""
    name: str
    line: int
    """Of the import, or of the first use where the module itself is imported."""
    typing_only: bool = False
    """Whether the import stands under `if TYPE_CHECKING`."""


def trees(
    target: Path, files: Mapping[str, str], is_over: Callable[[], bool]
) -> tuple[dict[str, ast.Module], list[NotAnalysed]]:
    """Return the syntax tree of each module that can be parsed, until `is_over`, and what was left out for that."""
    found: dict[str, ast.Module] = {}
    for index, (module, file) in enumerate(files.items()):
        if is_over():
            reason = f"the time was over: {len(files) - index} of {len(files)} modules were not read"
            return found, [NotAnalysed(subject="contracts and purposes", reason=reason)]
        tree = syntax.parsed_file(target / file)
        if tree is not None:
            found[module] = tree
    return found, []


def definitions(module: str, tree: ast.Module) -> dict[str, Definition]:
    """Return what is defined at the top of a module, also under `if` and `try`; the first where there are several."""
    found: dict[str, Definition] = {}
    for node in _top(tree.body):
        for definition in _of_node(module, node):
            found.setdefault(definition.name, definition)
    return found


def reexports(module: str, tree: ast.Module, *, is_package: bool) -> dict[str, tuple[str, str]]:
    """Return names that a module imports from others, each with the module and the name there."""
    return {
        alias.asname or alias.name: (source, alias.name)
        for node in _top(tree.body)
        if isinstance(node, ast.ImportFrom)
        for source in [absolute(module, node, is_package=is_package)]
        for alias in node.names
    }


def absolute(module: str, node: ast.ImportFrom, *, is_package: bool) -> str:
    """Return the module that `from … import` names; a module's directory before a colon is kept for relative ones."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    base = parts[: len(parts) - node.level + (1 if is_package else 0)]
    return ".".join((*base, *([node.module] if node.module else [])))


def uses(module: str, tree: ast.Module, known: Mapping[str, str]) -> list[Use]:
    """Return the names of modules in `known` (module to file) that `module` uses, each once for each module."""
    is_package = known[module].endswith("__init__.py")
    found: dict[tuple[str, str], tuple[bool, int]] = {}
    bound: dict[str, str] = {}
    unrun = _unrun(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            source = absolute(module, node, is_package=is_package)
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                if inner in known:
                    bound[alias.asname or alias.name] = inner
                elif source in known:
                    place = (node in unrun, alias.lineno)
                    found[source, alias.name] = min(place, found.get((source, alias.name), place))
        elif isinstance(node, ast.Import):
            bound |= {alias.asname or alias.name: alias.name for alias in node.names if alias.name in known}
    if bound:
        for node in ast.walk(tree):
            dotted = _dotted(node.value) if isinstance(node, ast.Attribute) else None
            if isinstance(node, ast.Attribute) and dotted in bound and f"{bound[dotted]}.{node.attr}" not in known:
                key = bound[dotted], node.attr
                place = (False, node.end_lineno or node.lineno)
                found[key] = min(place, found.get(key, place))
    return sorted(
        Use(importer=module, imported=imported, name=name, line=line, typing_only=typing_only)
        for (imported, name), (typing_only, line) in found.items()
        if imported != module
    )


def _unrun(tree: ast.Module) -> set[ast.AST]:
    """Return what stands under `if TYPE_CHECKING`."""
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and (_dotted(node.test) or "").rpartition(".")[2] == "TYPE_CHECKING"
        for part in node.body
        for inner in ast.walk(part)
    }


class Names:
    """The definitions of all modules, re-exports followed."""

    def __init__(self, files: Mapping[str, str], parsed: Mapping[str, ast.Module]) -> None:
        self._defined = {module: definitions(module, tree) for module, tree in parsed.items()}
        self._passed_on = {
            module: reexports(module, tree, is_package=files[module].endswith("__init__.py"))
            for module, tree in parsed.items()
        }

    def find(self, module: str, name: str) -> Definition | None:
        """Return where the `name` that is imported from `module` is defined; None where it is not in the target."""
        for _ in range(_MAX_FOLLOWED):
            definition = self._defined.get(module, {}).get(name)
            if definition is not None:
                return definition
            if name not in self._passed_on.get(module, {}):
                return None
            module, name = self._passed_on[module][name]
        return None


def _top(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from _top([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from _top([*node.body, *(part for handler in node.handlers for part in handler.body), *node.orelse])
        elif isinstance(node, ast.With):
            yield from _top(node.body)


def _of_node(module: str, node: ast.stmt) -> list[Definition]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return [_callable(module, node.name, node, "function", node)]
        case ast.ClassDef():
            starts = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
            return [_callable(module, node.name, starts[0] if starts else None, "class", node)]
        case ast.Assign():
            named = [target.id for target in node.targets if isinstance(target, ast.Name)]
            return [_value(module, name, node.lineno, None) for name in named]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [_value(module, name, node.lineno, ast.unparse(node.annotation))]
        case _:
            return []


def _value(module: str, name: str, line: int, annotation: str | None) -> Definition:
    signature = f"{name}: {annotation}" if annotation else name
    return Definition(module=module, name=name, kind="value", line=line, signature=signature, returns=annotation)


def _callable(
    module: str,
    name: str,
    function: ast.FunctionDef | ast.AsyncFunctionDef | None,
    kind: str,
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
) -> Definition:
    arguments, returns = "", None
    takes: tuple[str, ...] = ()
    if function is not None:
        parameters = function.args
        every = [*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs]
        takes = tuple(dict.fromkeys(ast.unparse(item.annotation) for item in every if item.annotation is not None))
        arguments = ast.unparse(parameters)
        returns = ast.unparse(function.returns) if function.returns is not None else None
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(map(ast.unparse, node.bases))
        start = f"; __init__({arguments})" if function is not None else ""
        signature = f"class {name}{f'({bases})' if bases else ''}{start}"
        return Definition(
            module=module, name=name, kind=kind, line=node.lineno, signature=signature, takes=takes, returns=name
        )
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    signature = f"{word} {name}({arguments})" + (f" -> {returns}" if returns else "")
    return Definition(
        module=module, name=name, kind=kind, line=node.lineno, signature=signature, takes=takes, returns=returns
    )


def _dotted(node: ast.expr) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join((node.id, *reversed(parts))) if isinstance(node, ast.Name) else None
