"""Methods of dictionaries, and of what `configparser` reads."""

import ast

from clones.engines.security.taint.base import Arguments, Base
from clones.engines.security.taint.elements import element_of, keys_of, with_element
from clones.engines.security.taint.heap import Key, Obj
from clones.engines.security.taint.models import sequences
from clones.engines.security.taint.models.signatures import MethodModel
from clones.engines.security.taint.values import MAX_REFS, NOTHING, UNKNOWN, Value, const, join, tainted


def _get(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    key = arguments.get(0) or UNKNOWN
    default = arguments.get(1, "default") or const(None)
    if key.is_single and key.constant in obj.items:
        return obj.items[key.constant]
    missing = default if not (key.is_single and obj.is_exact) else NOTHING
    found = element_of(obj, key)
    return default if found.is_nothing else join(found, missing)


def _set_default(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    key, value = arguments.get(0) or UNKNOWN, arguments.get(1) or const(None)
    if not (key.is_single and key.constant in obj.items):
        value = join(element_of(obj, key), value) if obj.rest.taints or obj.open else value
        frame.store(identity, with_element(obj, key, value, strong=True))
        return value
    return obj.items[key.constant]


def _update(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    items, rest, is_open = dict(obj.items), obj.rest, obj.open
    for each in arguments.positional:
        for _, other in frame.now.objects(each):
            if other.kind == "dict":
                items.update(other.items)
                rest, is_open = join(rest, other.rest), is_open or other.open
            elif (pairs := _pairs(frame, other)) is not None:
                items.update(pairs)
            else:
                rest = join(rest, frame.elements(other.element(), node))
        if each.other or each.names:
            rest, is_open = join(rest, tainted(each.taints)), True
    items.update(arguments.keywords)
    if arguments.rest_keywords is not None:
        rest = join(rest, arguments.rest_keywords)
    frame.store(identity, obj.changed(items=items, rest=rest, open=is_open))
    return const(None)


def _pairs(frame: Base, obj: Obj) -> dict[Key, Value] | None:
    """Return what a list of pairs makes a dictionary of; None where not all of them are known."""
    found: dict[Key, Value] = {}
    for each in obj.items.values():
        pairs = [pair for _, pair in frame.now.objects(each)]
        if len(pairs) != 1 or each.other or not pairs[0].is_exact or len(pairs[0].items) != 2:
            return None
        key, value = pairs[0].items.values()
        if not key.is_single:
            return None
        found[key.constant] = value
    return found if obj.is_exact else None


def _dict_pop(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    value = _get(frame, identity, obj, arguments, node)
    frame.remove_item(identity, obj, arguments.get(0) or UNKNOWN)
    return value


def _key_list(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    if obj.is_exact:
        return frame.container("list", (node, identity), [const(key) for key in obj.items])
    return frame.container("list", (node, identity), [], keys_of(obj))


def _value_list(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    return frame.container("list", (node, identity), list(obj.items.values()) if obj.is_exact else [], obj.element())


def _items(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    if obj.is_exact and len(obj.items) <= MAX_REFS:
        pairs = [
            frame.container("tuple", (node, identity, place), [const(key), value])
            for place, (key, value) in enumerate(obj.items.items())
        ]
        return frame.container("list", (node, identity), pairs)
    pair = frame.container("tuple", (node, identity, "pair"), [keys_of(obj), obj.element()])
    return frame.container("list", (node, identity), [], pair)


def _get_option(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    section = element_of(obj, arguments.get(0, "section") or UNKNOWN)
    found = frame.item(section, arguments.get(1, "option") or UNKNOWN, node) if section.refs else section
    return join(found, arguments.get(2, "fallback") or NOTHING)


def _add_section(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    key = arguments.get(0, "section") or UNKNOWN
    made = frame.allocate((node, identity, "section"), Obj("dict"))
    frame.store(identity, with_element(obj, key, made, strong=True))
    return const(None)


def _set_option(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    option, value = arguments.get(1, "option") or UNKNOWN, arguments.get(2, "value") or const(None)
    section = element_of(obj, arguments.get(0, "section") or UNKNOWN)
    if section.refs:
        frame.set_item(section, option, value, node)
    else:
        frame.store(identity, obj.changed(rest=join(obj.rest, tainted(frame.now.taints(value)))))
    return const(None)


def _read_text(frame: Base, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
    taints = frame.now.taints(arguments.get(0) or UNKNOWN)
    frame.store(identity, obj.changed(rest=join(obj.rest, tainted(taints)), open=True))
    return const(None)


METHODS: dict[str, MethodModel] = {
    "get": _get,
    "setdefault": _set_default,
    "update": _update,
    "pop": _dict_pop,
    "clear": sequences.clear,
    "copy": sequences.copy,
    "keys": _key_list,
    "values": _value_list,
    "items": _items,
}
"""Methods of `dict`."""
OPTIONS: dict[str, MethodModel] = {
    "get": _get_option,
    "set": _set_option,
    "add_section": _add_section,
    "read_dict": _update,
    "read_string": _read_text,
    "read_file": _read_text,
    "has_option": sequences.plain,
    "getint": sequences.plain,
    "getboolean": sequences.plain,
    "has_section": sequences.plain,
    "sections": sequences.plain,
    "getfloat": sequences.plain,
}
"""Methods of `configparser.ConfigParser`, whose sections are elements and whose options are theirs."""
