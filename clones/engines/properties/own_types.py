"""How objects of a module's own classes are made up: dataclasses, named tuples, enumerations, and plain classes. Pure.

A class is made up where all that its constructor needs is; where the constructor raises, it is not, as most of what would be
made up for it is refused.
"""

import ast
from collections.abc import Iterable, Mapping

from clones.engines.properties.inputs import OwnType, is_exact, of_annotation, origin, parameters

_DEPTH = 4
"""How deep classes may hold each other."""
_ENUMS = frozenset({"enum.Enum", "enum.StrEnum", "enum.IntEnum"})
_BEGINS = frozenset({"__init__", "__post_init__", "__new__"})

_Field = tuple[str, ast.expr | None, bool]
"""Name, annotation, and whether it may be left out."""


def own_types(tree: ast.Module, origins: Mapping[str, str]) -> dict[str, OwnType]:
    """Return the classes at the top of a module whose objects can be made up, by name."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    found: dict[str, OwnType] = {}
    for _ in range(_DEPTH):
        for node in classes:
            made = _made(node, origins, found) if node.name not in found else None
            if made is not None:
                found[node.name] = made
    return found


def _made(node: ast.ClassDef, origins: Mapping[str, str], known: Mapping[str, OwnType]) -> OwnType | None:
    begins = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef) and each.name in _BEGINS}
    refuses = any(isinstance(part, ast.Raise | ast.Assert) for each in begins.values() for part in ast.walk(each))
    if node.keywords or refuses:
        return None
    fields: list[_Field] | None
    match [origin(base, origins) for base in node.bases], node.decorator_list:
        case [base], [] if base in _ENUMS and any(isinstance(each, ast.Assign) for each in node.body):
            return OwnType(values=f"st.sampled_from(subject.{node.name})", compares=True)
        case ["typing.NamedTuple"], [] if not begins:
            fields, compares = _fields(node, origins), True
        case [], [decorator] if begins.keys() <= {"__post_init__"}:
            told = _dataclass(decorator, origins)
            compares = told.get("eq") != "False" if told is not None else False
            fields = _fields(node, origins) if told is not None and told.get("init") != "False" else None
        case [], [] if "__new__" not in begins and _is_whole(node, begins.get("__init__")):
            fields, compares = _taken(begins.get("__init__")), False
        case _:
            return None
    return _built(node.name, fields, origins, known, compares=compares) if fields is not None else None


def _dataclass(decorator: ast.expr, origins: Mapping[str, str]) -> dict[str | None, str] | None:
    """Return what a dataclass is told of itself, as source text; None for another decorator."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    if origin(called, origins) != "dataclasses.dataclass":
        return None
    return {each.arg: ast.unparse(each.value) for each in getattr(decorator, "keywords", [])}


def _is_whole(node: ast.ClassDef, begin: ast.FunctionDef | None) -> bool:
    """Tell whether an object has all that its methods read once it is made: others get it from whoever uses them."""
    has: set[str] = set()
    for each in node.body:
        match each:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                has.add(name)
            case ast.Assign(targets=targets):
                has |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
                has.add(name)
    reads = set()
    for part in ast.walk(node):
        match part:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Load()):
                reads.add(name)
    sets = ast.walk(begin) if begin is not None else ()
    has |= {part.attr for part in sets if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store)}
    return all(name in has or hasattr(object, name) for name in reads)


def _taken(begin: ast.FunctionDef | None) -> list[_Field] | None:
    """Return what a constructor takes; None where it is not taken by keyword."""
    if begin is None:
        return []
    if begin.args.posonlyargs or not begin.args.args:
        return None
    return [(each.arg, each.annotation, default is not None) for each, default, _ in parameters(begin)[1:]]


def _fields(node: ast.ClassDef, origins: Mapping[str, str]) -> list[_Field]:
    """Return what a dataclass or a named tuple is made of."""
    found: list[_Field] = []
    for each in node.body:
        match each:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                if "ClassVar" in ast.unparse(annotation):
                    continue
                told = {}
                if isinstance(value, ast.Call) and origin(value.func, origins) == "dataclasses.field":
                    told = {word.arg: ast.unparse(word.value) for word in value.keywords}
                    if told.get("init") == "False":
                        continue
                    optional = "default" in told or "default_factory" in told
                else:
                    optional = value is not None
                found.append((name, annotation, optional))
    return found


def _built(
    name: str, fields: Iterable[_Field], origins: Mapping[str, str], known: Mapping[str, OwnType], *, compares: bool
) -> OwnType | None:
    passed = []
    for field, annotation, optional in fields:
        values = of_annotation(annotation, origins, known) if annotation is not None else None
        if values is None and not optional:
            return None
        if values is not None and annotation is not None:
            passed.append(f", {field}={values}")
            compares = compares and is_exact(annotation, known)
    return OwnType(values=f"st.builds(subject.{name}{''.join(passed)})", compares=compares)
