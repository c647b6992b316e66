"""What is new in a public surface, and what is newly deprecated: nothing that breaks anybody."""

import ast
from collections.abc import Iterator

import griffe

from clones.engines.api_changes import evidence
from clones.engines.api_changes.change import Change, kind_of
from clones.engines.api_changes.surface import Member, Version

_WARNINGS = frozenset({"DeprecationWarning", "PendingDeprecationWarning", "FutureWarning"})


def added(old: Version, new: Version) -> Iterator[Change]:
    """Yield each new public object once, and nothing below what is new itself."""
    fresh = [name for name in new.public if name not in old.public]
    by_object: dict[str, list[str]] = {}
    for name in fresh:
        by_object.setdefault(new.public[name].path, []).append(name)
    known = {member.path for member in old.public.values()}
    for path, names in by_object.items():
        member = new.public[names[0]]
        name = path if path in names else min(names, key=lambda name: (len(name), name))
        holder = name.rpartition(".")[0]
        if holder in fresh or new.file_of(member) is None or old.provided(name):
            continue
        again = "" if path not in known or path == name else f", another name of `{path}`"
        head = new.head(member)
        written = _alias(new, name) if again else member
        yield Change(
            kind="added",
            name=name,
            also=tuple(sorted(other for other in names if other != name)),
            what=kind_of(member),
            text=f"{kind_of(member)} `{name}` is new{again}",
            file=new.file_of(written),
            line=written.alias_lineno if isinstance(written, griffe.Alias) else head[0] if head else None,
            check=evidence.appeared(old, new, written),
        )


def _alias(version: Version, name: str) -> Member:
    holder, _, last = name.rpartition(".")
    module = version.find(holder)
    return module.members[last] if module is not None and last in module.members else version.public[name]


def parameters(old: Version, new: Version, told: set[str]) -> Iterator[Change]:
    """Yield the functions that take more than they did, where that breaks nobody."""
    for name, now in new.public.items():
        before = old.public.get(name)
        if not isinstance(now, griffe.Function) or not isinstance(before, griffe.Function) or now.path != name:
            continue
        had = {parameter.name for parameter in before.parameters}
        extra = [parameter.name for parameter in now.parameters if parameter.name not in had]
        head = new.head(now)
        if extra and name not in told and head is not None:
            yield Change(
                kind="parameter",
                name=name,
                also=(),
                what="function",
                text=f"`{name}` also takes {', '.join(f'`{each}`' for each in extra)}",
                file=new.file_of(now),
                line=head[0],
                check=evidence.both(old, before, new, now),
            )


def deprecated(old: Version, new: Version) -> Iterator[Change]:
    """Yield what warns of its deprecation now and did not before."""
    for name, now in new.public.items():
        before = old.public.get(name)
        line = _warns(new, now)
        file = new.file_of(now)
        if line is None or file is None or now.path != name or (before is not None and _warns(old, before)):
            continue
        yield Change(
            kind="deprecated",
            name=name,
            also=(),
            what=kind_of(now),
            text=f"{kind_of(now)} `{name}` warns of its deprecation, which it did not before",
            file=file,
            line=line,
            check=evidence.line(new, file, line),
        )


def _warns(version: Version, member: griffe.Object) -> int | None:
    """Return the line at which a function says that it is deprecated: by a warning or a decorator; for a class, its `__init__`."""
    node = version.definition(member)
    if isinstance(node, ast.ClassDef):
        inits = (each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__")
        marked = _marked(node)
        init = next(inits, None)
        return marked or (_marked(init) or _warning(init) if init is not None else None)
    return (_marked(node) or _warning(node)) if node is not None else None


def _marked(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int | None:
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if "deprecated" in name.lower():
            return decorator.lineno
    return None


def _warning(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int | None:
    """Return the line of a warning in the function's own first level of statements: one in a branch is about arguments."""
    for statement in node.body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            for name in ast.walk(statement.value):
                if isinstance(name, ast.Name) and name.id in _WARNINGS:
                    return name.lineno
    return None
