"""Regular expressions: what a pattern matches, group by group."""

import ast

from clones.engines.security.taint.base import Arguments, Base
from clones.engines.security.taint.elements import element_of
from clones.engines.security.taint.heap import Key, Obj
from clones.engines.security.taint.models import sequences
from clones.engines.security.taint.models.signatures import FunctionModel, MethodModel, ReceiverModel
from clones.engines.security.taint.patterns import groups, left_by
from clones.engines.security.taint.taints import cleanse, merge
from clones.engines.security.taint.values import NOTHING, UNKNOWN, Value, const, join, join_all, tainted

_SEARCHES = tuple(
    f"re.{owner}{name}"
    for owner in ("", "Pattern.")
    for name in ("match", "search", "fullmatch", "findall", "finditer")
)


def _compiled(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    return frame.allocate((node, "re"), Obj("instance", names=frozenset(("re.Pattern",)), rest=arguments.first))


def _searched(frame: Base, name: str, arguments: Arguments, node: ast.AST, receiver: Value | None) -> Value:
    """`re.search(pattern, text)`, `compiled.search(text)`: what is found, group by group."""
    pattern, text = arguments.get(0, "pattern") or UNKNOWN, arguments.get(1, "string") or UNKNOWN
    if receiver is not None and name.startswith("re.Pattern."):
        pattern = join_all(obj.rest for _, obj in frame.now.objects(receiver))
        text = arguments.get(0, "string") or UNKNOWN
    taints = frame.now.taints(text)
    found = groups(pattern.constant) if isinstance(pattern.constant, str) else None
    items: dict[Key, Value] = {key: tainted(cleanse(taints, each)) for key, each in (found or {}).items()}
    match = frame.allocate((node, "match"), Obj("match", items=items, rest=NOTHING if found else tainted(taints)))
    if name.endswith(".findall"):
        grouped = [value for key, value in items.items() if isinstance(key, int) and key]
        return frame.container("list", node, [], join_all(grouped or items.values() or [tainted(taints)]))
    if name.endswith(".finditer"):
        return frame.allocate((node, "found"), Obj("iterator", rest=match))
    return join(match, const(None))


def _substituted(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    pattern, replacement, text = (arguments.get(place) or UNKNOWN for place in range(3))
    taints = frame.now.taints(text)
    if pattern.is_single and replacement.is_single:
        taints = cleanse(taints, left_by(pattern.constant, replacement.constant))
    return tainted(merge(taints, frame.now.taints(replacement)))


def _group(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    keys = arguments.positional or [const(0)]
    found = [element_of(obj, each) for each in keys]
    return found[0] if len(found) == 1 else frame.container("tuple", (node, identity), found)


def _groups(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    places = [value for key, value in obj.items.items() if isinstance(key, int) and key]
    return frame.container("tuple", (node, identity), places)


def _named_groups(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    named_groups: dict[Key, Value] = {key: value for key, value in obj.items.items() if isinstance(key, str)}
    return frame.allocate((node, identity), Obj("dict", items=named_groups))


FUNCTIONS: dict[str, FunctionModel] = {
    "re.compile": _compiled,
    "re.sub": _substituted,
    "re.escape": lambda frame, name, arguments, node: tainted(frame.now.taints(arguments.first)),
}
OF_RECEIVER: dict[str, ReceiverModel] = dict.fromkeys(_SEARCHES, _searched)
MATCH: dict[str, MethodModel] = {
    "group": _group,
    "groups": _groups,
    "groupdict": _named_groups,
    "start": sequences.plain,
    "end": sequences.plain,
    "span": sequences.plain,
}
"""Methods of `re.Match`."""
