"""The public surface of one version of a target: its objects by public name, and where each is written."""

import ast
import warnings
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import griffe

from clones.engines.checks import Place
from clones.engines.contract import NotAnalysed
from clones.engines.documentation import loading, sources

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Member = griffe.Object | griffe.Alias


class Version:
    """One version of a target: its files below `root`, which a reader finds at `place`."""

    def __init__(self, root: Path, place: Place) -> None:
        """Read the modules below `root`; what cannot be read is in `not_analysed`."""
        self.root = root
        self.place = place
        found = sources.find(root)
        loaded = loading.load(root, found.modules)
        self.files: Mapping[str, str] = {module.name: module.file for module in found.modules}
        self.not_analysed: tuple[NotAnalysed, ...] = (*found.not_analysed, *loaded.not_analysed)
        self.tops = loaded.tops
        self.find = loaded.find
        for module in self.files:
            self._mark_exports(module)
        self._texts: dict[str, list[str]] = {}
        self._definitions: dict[str, dict[int, _Definition]] = {}

    @cached_property
    def public(self) -> dict[str, griffe.Object]:
        """Public name to what it stands for, in the order of the names."""
        found: dict[str, griffe.Object] = {}
        for name in sorted(self.tops):
            if not name.startswith("_"):
                found.update(_public(name, self.tops[name], set()))
        return found

    def lines(self, file: str) -> list[str]:
        """Return the lines of a file, as `sed` numbers them."""
        if file not in self._texts:
            self._texts[file] = (self.root / file).read_bytes().decode().split("\n")
        return self._texts[file]

    def has(self, file: str) -> bool:
        """Tell whether there is such a file."""
        return (self.root / file).is_file()

    def file_of(self, member: Member) -> str | None:
        """Return the file in which a name is written: for an alias, where it is imported."""
        holder = member.parent if member.is_alias else member
        return self.files.get(holder.module.path) if holder is not None else None

    def definition(self, member: griffe.Object) -> _Definition | None:
        """Return the syntax of a function or class."""
        file = self.file_of(member)
        if file is None or member.endlineno is None:
            return None
        if file not in self._definitions:
            self._definitions[file] = _definitions("\n".join(self.lines(file)))
        return self._definitions[file].get(member.endlineno * 1000 + _depth(member))

    def head(self, member: griffe.Object) -> tuple[int, int] | None:
        """Return the first and the last line of what a reader looks at: a signature, a class line, an assignment."""
        if member.is_module:
            return (1, 1)
        node = self.definition(member)
        if node is None:
            return (member.lineno, member.lineno) if member.lineno else None
        lines = self.lines(file) if (file := self.file_of(member)) is not None else []
        last = max(node.lineno, node.body[0].lineno - 1 if node.body[0].lineno > node.lineno else 0)
        while last > node.lineno and not lines[last - 1].strip():
            last -= 1
        return node.lineno, last

    def provided(self, name: str) -> bool:
        """Tell whether a public name can be reached, also where a class inherits it."""
        if name in self.public:
            return True
        holder, _, last = name.rpartition(".")
        owner = self.public.get(holder)
        return isinstance(owner, griffe.Class) and last in owner.all_members

    def elsewhere(self, name: str) -> str | None:
        """Return what may provide a name that is not written in the sources: a class from outside, or `__getattr__`."""
        holder, _, _last = name.rpartition(".")
        owner = self.public.get(holder) or self.find(holder)
        if isinstance(owner, griffe.Module) and "__getattr__" in owner.members:
            return f"the module's `__getattr__` (line {owner.members['__getattr__'].lineno})"
        if isinstance(owner, griffe.Class):
            known = {each.path for each in (owner, *owner.mro())}
            for each in (owner, *owner.mro()):
                for base, found in zip(each.bases, each.resolved_bases, strict=False):
                    if found.path not in known:
                        return f"the base `{base}`"
                if len(each.resolved_bases) < len(each.bases):
                    return f"a base of `{each.name}` from outside, {', '.join(f'`{base}`' for base in each.bases)},"
        return None

    def _mark_exports(self, name: str) -> None:
        """Make public what a package offers by importing it, which griffe takes for private without `__all__`."""
        module = self.find(name)
        if module is not None:
            for exported, _ in loading.exports(module, self.files):
                module.members[exported].public = True


def _public(name: str, holder: griffe.Object, seen: set[str]) -> Iterator[tuple[str, griffe.Object]]:
    """Yield `holder` and what is public below it; inherited members belong to their own class."""
    seen.add(holder.path)
    yield name, holder
    for member_name, member in holder.members.items():
        if not member.is_public or (holder.is_class and member.is_special) or is_nothing_to_use(member):
            continue
        if isinstance(member, griffe.Alias):
            try:
                final = member.final_target
            except (griffe.AliasResolutionError, griffe.CyclicAliasError):
                continue
            yield f"{name}.{member_name}", final
        elif (member.is_module or member.is_class) and member.path not in seen:
            yield from _public(f"{name}.{member_name}", member, seen)
        else:
            yield f"{name}.{member_name}", member


def is_nothing_to_use(member: Member) -> bool:
    """Tell whether nobody uses a name from outside: a type variable, or an annotation that tells type checkers a type."""
    if member.is_alias or not isinstance(member, griffe.Attribute) or "property" in member.labels:
        return False
    if member.value is None:
        return isinstance(member.parent, griffe.Class) and not _makes_fields(member.parent)
    called = str(member.value).partition("(")[0].rpartition(".")[2]
    return called in {"TypeVar", "ParamSpec", "TypeVarTuple"}


def _makes_fields(owner: griffe.Class) -> bool:
    """Tell whether annotations of a class may become its fields: by a decorator, or by a base from outside."""
    known = (owner, *owner.mro())
    return any(
        each.decorators or len(each.resolved_bases) < len([base for base in each.bases if str(base) != "object"])
        for each in known
    )


def _definitions(text: str) -> dict[int, _Definition]:
    """Return functions and classes by the line they end in and how deep they are, which tells one from another."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    found: dict[int, _Definition] = {}
    pending: list[tuple[ast.AST, int]] = [(tree, 0)]
    while pending:
        node, depth = pending.pop()
        if isinstance(node, _Definition):
            found[(node.end_lineno or 0) * 1000 + depth] = node
            depth += 1
        pending.extend((child, depth) for child in ast.iter_child_nodes(node))
    return found


def _depth(member: griffe.Object) -> int:
    depth = 0
    holder = member.parent
    while holder is not None and not holder.is_module:
        depth += 1
        holder = holder.parent
    return depth
