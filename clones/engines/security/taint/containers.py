"""Lists, dictionaries and what is like them, element by element; and texts."""

import ast
from collections.abc import Callable, Iterable
from typing import ClassVar

from clones.engines.security.taint import constants
from clones.engines.security.taint.base import Arguments, Base
from clones.engines.security.taint.heap import MAX_ITEMS, Key, Obj
from clones.engines.security.taint.values import (
    LINES,
    MAX_REFS,
    NOTHING,
    UNKNOWN,
    Constant,
    Value,
    beginning,
    const,
    join,
    join_all,
    merge,
    named,
    tainted,
)

_SEQUENCES = {"list", "tuple"}
_KEEPS_BEGINNING = {"rstrip", "encode", "decode", "expandtabs", "removesuffix", "ljust"}
_CLEANSED_BY_REPLACING = {
    "\n": LINES,
    "\r": LINES,
    "\r\n": LINES,
    "<": frozenset(("xss",)),
    "'": frozenset(("xpath-injection",)),
}
"""What taking a text out of another makes it harmless for."""


class Containers(Base):
    """Elements of containers, and the methods of containers and texts."""

    def item(self, container: Value, key: Value, node: ast.AST) -> Value:
        """Return `container[key]`."""
        result = constants.item(Value(consts=container.consts), key) if container.consts else NOTHING
        is_ruled = bool(container.names) and all(
            self.analysis.is_ruled(f"{name}.__getitem__") for name in container.names
        )
        if (container.taints or container.other) and not is_ruled:
            guess = named("?[]", taints=container.taints)
            result = join(result, guess.with_taints(container.taints))
            result = join(result, tainted(container.taints))
        for name in sorted(container.names):
            result = join(result, self.item_outside(name, container, key, node))
        for identity, obj in self.now.objects(container):
            getter = obj.cls.method("__getitem__") if obj.cls else None
            if getter:
                receiver = Value(refs=frozenset((identity,)))
                result = join(result, self.call_method(receiver, "__getitem__", Arguments([key]), node))
            elif obj.names and obj.kind == "instance":
                for name in sorted(obj.names):
                    result = join(result, self.item_outside(name, Value(refs=frozenset((identity,))), key, node))
            else:
                result = join(result, _element(obj, key))
        return UNKNOWN if result.is_nothing else result

    def item_outside(self, name: str, container: Value, key: Value, node: ast.AST) -> Value:
        """Return an element of something outside the project."""
        getter = f"{name}.__getitem__"
        if self.analysis.is_ruled(getter):
            return self.call_outside(getter, Arguments([key]), node, container)
        return tainted(self.now.taints(container))

    def elements(self, value: Value, node: ast.AST) -> Value:
        """Return what iterating over a value gives."""
        result = NOTHING
        for identity, obj in self.now.objects(value):
            iterator = obj.cls.method("__iter__") if obj.cls else None
            if iterator:
                made = self.call_method(Value(refs=frozenset((identity,))), "__iter__", Arguments([]), node)
                result = join(result, UNKNOWN if identity in made.refs else self.elements(made, node))
            elif obj.kind == "dict":
                result = join(result, _keys(obj))
            else:
                result = join(result, obj.element())
        if value.taints or value.other or value.names or value.consts or value.funcs:
            result = join(result, tainted(value.taints))
        return UNKNOWN if result.is_nothing and not value.refs else result

    def set_item(self, container: Value, key: Value, value: Value, node: ast.AST) -> None:
        """Do `container[key] = value`."""
        objects = self.now.objects(container)
        for name in sorted(container.names):
            self.call_outside(f"{name}.__setitem__", Arguments([key, value]), node, container)
        for identity, obj in objects:
            for name in sorted(obj.names):
                self.call_outside(f"{name}.__setitem__", Arguments([key, value]), node, container)
            if obj.cls and obj.cls.method("__setitem__"):
                receiver = Value(refs=frozenset((identity,)))
                self.call_method(receiver, "__setitem__", Arguments([key, value]), node)
            else:
                self.store(identity, _with_element(obj, key, value, strong=len(objects) == 1))

    def call_method(self, receiver: Value, name: str, arguments: Arguments, node: ast.AST) -> Value:
        """Call a method of a container, text, or what is not known."""
        result = NOTHING
        for identity, obj in self.now.objects(receiver):
            handler = self._methods.get(obj.kind, {}).get(name)
            if handler:
                result = join(result, handler(self, identity, obj, arguments, node))
            elif obj.cls and (method := obj.cls.method(name)):
                bound = self.attribute(Value(refs=frozenset((identity,))), method.name, node)
                result = join(result, self.call(bound, arguments, node))
            else:
                result = join(result, self._unknown_method(obj, arguments))
        plain = receiver.changed(refs=frozenset())
        return result if plain.is_nothing else join(result, self._text_method(plain, name, arguments))

    def _unknown_method(self, obj: Obj, arguments: Arguments) -> Value:
        taints = self.now.taints(obj.element())
        for each in arguments.all():
            taints = merge(taints, self.now.taints(each))
        return tainted(taints)

    def _text_method(self, receiver: Value, name: str, arguments: Arguments) -> Value:
        values = arguments.all()
        if receiver.is_constant and not arguments.keywords:
            folded = constants.method(name, receiver, values) if name != "join" else NOTHING
            if folded.is_constant:
                return folded
        if name == "join" and values:
            return self._joined(receiver, values[0])
        taints = receiver.taints
        for each in values:
            taints = merge(taints, self.now.taints(each))
        start = ""
        if name == "format":
            start = self._format_start(beginning(receiver), arguments)
        elif name in _KEEPS_BEGINNING:
            start = receiver.prefix
        result = Value(taints=taints, other=True, prefix=start)
        if name in {"replace", "translate"} and values and isinstance(values[0].constant, str):
            return result.cleansed(_harmless_without(values[0].constant, values[1].constant if values[1:] else None))
        if name == "splitlines":
            return result.cleansed(_CLEANSED_BY_REPLACING["\n"])
        return result

    def _joined(self, separator: Value, value: Value) -> Value:
        objects = [obj for _, obj in self.now.objects(value)]
        if len(objects) == 1 and objects[0].is_exact and separator.is_single and objects[0].kind in _SEQUENCES:
            parts: list[Value] = []
            for each in objects[0].items.values():
                parts += [separator, each] if parts else [each]
            return self.text_of(parts)
        return tainted(merge(separator.taints, self.now.taints(value)))

    def _format_start(self, text: str, arguments: Arguments) -> str:
        start, brace, rest = text.partition("{")
        if start or not brace:
            return start
        field = rest.partition("}")[0]
        value = arguments.get(int(field) if field.isdigit() and len(field) < 3 else 0, field)
        return beginning(value) if value is not None else ""

    # methods of objects

    def _append(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        for each in arguments.all():
            obj = _appended(obj, each)
        self.store(identity, obj)
        return const(None)

    def _insert(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        place, value = arguments.get(0) or UNKNOWN, arguments.get(1) or UNKNOWN
        elements = list(obj.items.values())
        if obj.is_exact and isinstance(place.constant, int):
            elements.insert(place.constant, value)
            self.store(identity, obj.changed(items=dict(enumerate(elements))))
        else:
            self.store(identity, _loosened(obj, value))
        return const(None)

    def _append_left(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        return self._insert(identity, obj, Arguments([const(0), *arguments.positional]), node)

    def _extend(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        for each in arguments.all():
            objects = [other for _, other in self.now.objects(each)]
            if len(objects) == 1 and objects[0].is_exact and objects[0].kind in _SEQUENCES and obj.is_exact:
                for value in objects[0].items.values():
                    obj = _appended(obj, value)
            elif obj.kind in _SEQUENCES:
                obj = obj.changed(rest=join(obj.rest, self.elements(each, node)))  # those before keep their places
            else:
                obj = _loosened(obj, self.elements(each, node))
        self.store(identity, obj)
        return const(None)

    def _pop(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        elements = list(obj.items.values())
        place = arguments.get(0) or const(-1)
        at = place.constant
        if obj.is_exact and isinstance(at, int) and -len(elements) <= at < len(elements):
            value = elements.pop(at)
            self.store(identity, obj.changed(items=dict(enumerate(elements))))
            return value
        self.store(identity, _loosened(obj, NOTHING))
        return obj.element()

    def _pop_left(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        return self._pop(identity, obj, Arguments([const(0)]), node)

    def _remove(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        value = arguments.get(0) or UNKNOWN
        elements = list(obj.items.values())
        known = obj.is_exact and value.is_single and all(each.is_single for each in elements)
        at = [place for place, each in enumerate(elements) if known and each.constant == value.constant]
        if at:
            del elements[at[0]]
            self.store(identity, obj.changed(items=dict(enumerate(elements))))
        else:
            self.store(identity, _loosened(obj, NOTHING))
        return const(None)

    def _reverse(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        self.store(identity, obj.changed(items=dict(enumerate(reversed(list(obj.items.values()))))))
        return const(None)

    def _sort(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        self.store(identity, _loosened(obj, NOTHING))
        return const(None)

    def _clear(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        self.store(identity, obj.changed(items={}, rest=NOTHING, open=False))
        return const(None)

    def _copy(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        return self.allocate((node, identity), obj)

    def _any(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        return obj.element()

    def _plain(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        return UNKNOWN

    def _get(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        key = arguments.get(0) or UNKNOWN
        default = arguments.get(1, "default") or const(None)
        if key.is_single and key.constant in obj.items:
            return obj.items[key.constant]
        missing = default if not (key.is_single and obj.is_exact) else NOTHING
        found = _element(obj, key)
        return default if found.is_nothing else join(found, missing)

    def _set_default(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        key, value = arguments.get(0) or UNKNOWN, arguments.get(1) or const(None)
        if not (key.is_single and key.constant in obj.items):
            value = join(_element(obj, key), value) if obj.rest.taints or obj.open else value
            self.store(identity, _with_element(obj, key, value, strong=True))
            return value
        return obj.items[key.constant]

    def _update(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        items, rest, is_open = dict(obj.items), obj.rest, obj.open
        for each in arguments.positional:
            for _, other in self.now.objects(each):
                if other.kind == "dict":
                    items.update(other.items)
                    rest, is_open = join(rest, other.rest), is_open or other.open
                elif (pairs := self._pairs(other)) is not None:
                    items.update(pairs)
                else:
                    rest = join(rest, self.elements(other.element(), node))
            if each.other or each.names:
                rest, is_open = join(rest, tainted(each.taints)), True
        items.update(arguments.keywords)
        if arguments.rest_keywords is not None:
            rest = join(rest, arguments.rest_keywords)
        self.store(identity, obj.changed(items=items, rest=rest, open=is_open))
        return const(None)

    def _pairs(self, obj: Obj) -> dict[Key, Value] | None:
        """Return what a list of pairs makes a dictionary of; None where not all of them are known."""
        found: dict[Key, Value] = {}
        for each in obj.items.values():
            pairs = [pair for _, pair in self.now.objects(each)]
            if len(pairs) != 1 or each.other or not pairs[0].is_exact or len(pairs[0].items) != 2:
                return None
            key, value = pairs[0].items.values()
            if not key.is_single:
                return None
            found[key.constant] = value
        return found if obj.is_exact else None

    def _dict_pop(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        value = self._get(identity, obj, arguments, node)
        self.remove_item(identity, obj, arguments.get(0) or UNKNOWN)
        return value

    def remove_item(self, identity: int, obj: Obj, key: Value) -> None:
        """Do `del container[key]`."""
        if obj.kind in _SEQUENCES:
            self._pop(identity, obj, Arguments([key]), ast.Pass())
        elif key.is_single:
            self.store(identity, obj.changed(items={k: v for k, v in obj.items.items() if k != key.constant}))

    def _keys(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        if obj.is_exact:
            return self.container("list", (node, identity), [const(key) for key in obj.items])
        return self.container("list", (node, identity), [], _keys(obj))

    def _values(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        return self.container("list", (node, identity), list(obj.items.values()) if obj.is_exact else [], obj.element())

    def _items(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        if obj.is_exact and len(obj.items) <= MAX_REFS:
            pairs = [
                self.container("tuple", (node, identity, place), [const(key), value])
                for place, (key, value) in enumerate(obj.items.items())
            ]
            return self.container("list", (node, identity), pairs)
        pair = self.container("tuple", (node, identity, "pair"), [_keys(obj), obj.element()])
        return self.container("list", (node, identity), [], pair)

    def _get_option(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        section = _element(obj, arguments.get(0, "section") or UNKNOWN)
        found = self.item(section, arguments.get(1, "option") or UNKNOWN, node) if section.refs else section
        return join(found, arguments.get(2, "fallback") or NOTHING)

    def _add_section(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        key = arguments.get(0, "section") or UNKNOWN
        made = self.allocate((node, identity, "section"), Obj("dict"))
        self.store(identity, _with_element(obj, key, made, strong=True))
        return const(None)

    def _set_option(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        option, value = arguments.get(1, "option") or UNKNOWN, arguments.get(2, "value") or const(None)
        section = _element(obj, arguments.get(0, "section") or UNKNOWN)
        if section.refs:
            self.set_item(section, option, value, node)
        else:
            self.store(identity, obj.changed(rest=join(obj.rest, tainted(self.now.taints(value)))))
        return const(None)

    def _read_text(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        taints = self.now.taints(arguments.get(0) or UNKNOWN)
        self.store(identity, obj.changed(rest=join(obj.rest, tainted(taints)), open=True))
        return const(None)

    def _group(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        keys = arguments.positional or [const(0)]
        found = [_element(obj, each) for each in keys]
        return found[0] if len(found) == 1 else self.container("tuple", (node, identity), found)

    def _groups(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        places = [value for key, value in obj.items.items() if isinstance(key, int) and key]
        return self.container("tuple", (node, identity), places)

    def _named_groups(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        named_groups: dict[Key, Value] = {key: value for key, value in obj.items.items() if isinstance(key, str)}
        return self.allocate((node, identity), Obj("dict", items=named_groups))

    def _write(self, identity: int, obj: Obj, arguments: Arguments, node: ast.AST) -> Value:
        value = arguments.get(0) or UNKNOWN
        self.store(identity, obj.changed(rest=tainted(self.now.taints(join(obj.rest, value)))))
        return UNKNOWN

    _of_lists: ClassVar[dict[str, Callable[..., Value]]] = {
        "append": _append,
        "appendleft": _append_left,
        "add": _append,
        "put": _append,
        "put_nowait": _append,
        "insert": _insert,
        "extend": _extend,
        "update": _extend,
        "pop": _pop,
        "popleft": _pop_left,
        "get": _pop_left,
        "get_nowait": _pop_left,
        "remove": _remove,
        "discard": _remove,
        "reverse": _reverse,
        "sort": _sort,
        "clear": _clear,
        "copy": _copy,
        "count": _plain,
        "index": _plain,
        "__next__": _any,
        "send": _any,
        "union": _any,
    }
    _of_dicts: ClassVar[dict[str, Callable[..., Value]]] = {
        "get": _get,
        "setdefault": _set_default,
        "update": _update,
        "pop": _dict_pop,
        "clear": _clear,
        "copy": _copy,
        "keys": _keys,
        "values": _values,
        "items": _items,
    }
    _methods: ClassVar[dict[str, dict[str, Callable[..., Value]]]] = {
        "list": _of_lists,
        "set": _of_lists,
        "tuple": {"count": _plain, "index": _plain},
        "iterator": _of_lists,
        "dict": _of_dicts,
        "options": {
            "get": _get_option,
            "set": _set_option,
            "add_section": _add_section,
            "read_dict": _update,
            "read_string": _read_text,
            "read_file": _read_text,
            "has_option": _plain,
            "getint": _plain,
            "getboolean": _plain,
            "has_section": _plain,
            "sections": _plain,
            "getfloat": _plain,
        },
        "match": {
            "group": _group,
            "groups": _groups,
            "groupdict": _named_groups,
            "start": _plain,
            "end": _plain,
            "span": _plain,
        },
        "text": {
            "write": _write,
            "getvalue": _any,
            "read": _any,
            "seek": _plain,
        },
    }


def _harmless_without(part: str, replacement: Constant) -> Iterable[str]:
    """Return the categories that a text is harmless for in which `replacement` stands wherever `part` stood."""
    if replacement == part * 2 == "''":
        return ("sql-injection",)  # how SQL writes a quote within quotes
    return _CLEANSED_BY_REPLACING.get(part, ()) if not isinstance(replacement, str) or part not in replacement else ()


def _keys(obj: Obj) -> Value:
    keys = join_all(const(key) for key in obj.items)
    return keys if obj.is_exact else join(keys, tainted(obj.rest.taints))


def _element(obj: Obj, key: Value) -> Value:
    """Return the element of a key."""
    if not key.is_constant:
        return obj.element()
    result = NOTHING
    for each in key.consts:
        at: Key = each
        if obj.kind in _SEQUENCES and isinstance(each, int) and each < 0:
            if not obj.is_exact:
                return obj.element()
            at = len(obj.items) + each
        known = obj.items.get(at)
        # in a sequence of unknown length the elements have no places
        result = join(result, known if known is not None else obj.rest)
    return join(UNKNOWN, result) if obj.open and result.is_nothing else result


def _with_element(obj: Obj, key: Value, value: Value, *, strong: bool) -> Obj:
    if key.is_single and len(obj.items) < MAX_ITEMS and obj.kind not in {"set", "iterator"}:
        at: Key = key.constant
        if obj.kind in _SEQUENCES and isinstance(at, int) and at < 0:
            at = len(obj.items) + at
        if obj.kind not in _SEQUENCES or at in obj.items:
            known = obj.items.get(at)
            new = value if strong or known is None else join(known, value)
            return obj.changed(items={**obj.items, at: new})
    return obj.changed(rest=join(obj.rest, value))


def _appended(obj: Obj, value: Value) -> Obj:
    if obj.is_exact and len(obj.items) < MAX_ITEMS and obj.kind != "iterator":
        return obj.changed(items={**obj.items, len(obj.items): value})
    return _loosened(obj, value)


def _loosened(obj: Obj, value: Value) -> Obj:
    """Return a container whose elements have lost their places."""
    return obj.changed(items={}, rest=join(obj.element(), value))
