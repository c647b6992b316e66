"""Queries to a database that a loop makes one by one: Django's, SQLAlchemy's, and those of DB-API cursors. Pure."""

import ast
from collections.abc import Iterator, Mapping

from clones.engines.patterns.code import Loops, Scope, line_of, loop_names, names_in
from clones.engines.patterns.rules import Found

Relations = Mapping[str, frozenset[str]]
"""The foreign keys of each Django model, by the model's name."""

_DJANGO = frozenset({"get", "filter", "exclude", "create", "get_or_create", "update_or_create"})
_SESSION = frozenset({"get", "query", "execute", "scalar", "scalars"})
_CURSORS = frozenset({"cursor", "cur", "connection", "conn"})
_RELATIONS = frozenset({"ForeignKey", "OneToOneField"})
_JOINS = frozenset({"select_related", "prefetch_related", "values", "values_list"})


def relations_of(module: ast.Module) -> dict[str, frozenset[str]]:
    """Return the foreign keys of the Django models that a module defines."""
    found = {}
    for node in ast.walk(module):
        if not isinstance(node, ast.ClassDef):
            continue
        keys = {
            each.targets[0].id
            for each in node.body
            if isinstance(each, ast.Assign)
            and isinstance(each.targets[0], ast.Name)
            and isinstance(each.value, ast.Call)
            and _last_name(each.value.func) in _RELATIONS
        }
        if keys:
            found[node.name] = frozenset(keys)
    return found


def found_in(scope: Scope, file: str, relations: Relations) -> Iterator[Found]:
    """Yield what a function's own code shows."""
    told: set[int] = set()
    for node, loops in scope.nodes:
        if not loops:
            continue
        line = line_of(node)
        rule = ""
        if isinstance(node, ast.Call) and _is_query(node) and loop_names(loops) & _used(node):
            rule = "query-in-loop"
        elif isinstance(node, ast.Attribute) and _is_loaded(scope, node, loops, relations):
            rule = "related-in-loop"
        if rule and line not in told:
            told.add(line)
            yield Found(rule=rule, file=file, line=line, evidence=tuple(sorted({line_of(loops[-1])} - {line})))


def _is_query(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(value=ast.Attribute(value=ast.Name(), attr="objects"), attr=method):
            return method in _DJANGO
        case ast.Attribute(value=receiver, attr=method) if _last_name(receiver).lower().endswith("session"):
            # also requests.Session has `get`, of an address alone
            return method in _SESSION and (method != "get" or len(call.args) > 1)
        case ast.Attribute(value=receiver, attr="execute") if _last_name(receiver) in _CURSORS:
            first = call.args[0] if call.args else None
            said = first.value if isinstance(first, ast.Constant) else None
            return isinstance(said, str) and said.lstrip().upper().startswith(("SELECT", "INSERT"))
    return False


def _used(call: ast.Call) -> set[str]:
    given = (*call.args, *(each.value for each in call.keywords))
    return {name for each in given for name in names_in(each)}


def _is_loaded(scope: Scope, node: ast.Attribute, loops: Loops, relations: Relations) -> bool:
    """Tell whether `item.relation.attribute` is read of an item that a loop takes from a query without a join."""
    match node:
        case ast.Attribute(value=ast.Attribute(value=ast.Name(id=item), attr=relation), ctx=ast.Load()):
            pass
        case _:
            return False
    for loop in loops:
        if isinstance(loop, ast.For) and isinstance(loop.target, ast.Name) and loop.target.id == item:
            source: ast.expr | None = loop.iter
            if isinstance(source, ast.Name):
                before = scope.built_before(source.id, loops)
                source = before.value if before is not None else None
            model, methods = _queryset(source)
            return relation in relations.get(model, ()) and _JOINS.isdisjoint(methods)
    return False


def _queryset(value: ast.expr | None) -> tuple[str, set[str]]:
    """Return the model that `Model.objects.….…` is about, and the methods in it; empty for anything else."""
    methods: set[str] = set()
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        methods.add(value.func.attr)
        value = value.func.value
    match value:
        case ast.Attribute(value=model, attr="objects"):
            return _last_name(model), methods
    return "", methods


def _last_name(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
