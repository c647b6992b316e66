"""Elements of lists, dictionaries and what is like them, and their methods."""

import ast
from collections.abc import Mapping

from clones.engines.security.taint import constants
from clones.engines.security.taint.base import Arguments, Base
from clones.engines.security.taint.elements import SEQUENCES, element_of, keys_of, with_element
from clones.engines.security.taint.heap import Obj
from clones.engines.security.taint.models import mappings, regexes, sequences, strings
from clones.engines.security.taint.models.signatures import MethodModel
from clones.engines.security.taint.taints import merge
from clones.engines.security.taint.values import NOTHING, UNKNOWN, Value, join, named, tainted

_METHODS: dict[str, Mapping[str, MethodModel]] = {
    "list": sequences.METHODS,
    "set": sequences.METHODS,
    "tuple": {"count": sequences.plain, "index": sequences.plain},
    "iterator": sequences.METHODS,
    "dict": mappings.METHODS,
    "options": mappings.OPTIONS,
    "match": regexes.MATCH,
    "text": strings.STREAM,
}
"""By the kind of the object."""


class Containers(Base):
    """Reading and writing of elements; calls of methods."""

    def item(self, container: Value, key: Value, node: ast.AST) -> Value:
        """Return `container[key]`."""
        result = constants.item(Value(consts=container.consts), key) if container.consts else NOTHING
        is_ruled = bool(container.names) and all(self.book.is_ruled(f"{name}.__getitem__") for name in container.names)
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
                result = join(result, element_of(obj, key))
        return UNKNOWN if result.is_nothing else result

    def item_outside(self, name: str, container: Value, key: Value, node: ast.AST) -> Value:
        """Return an element of something outside the project."""
        getter = f"{name}.__getitem__"
        if self.book.is_ruled(getter):
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
                result = join(result, keys_of(obj))
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
                self.store(identity, with_element(obj, key, value, strong=len(objects) == 1))

    def call_method(self, receiver: Value, name: str, arguments: Arguments, node: ast.AST) -> Value:
        """Call a method of a container, text, or what is not known."""
        result = NOTHING
        for identity, obj in self.now.objects(receiver):
            handler = _METHODS.get(obj.kind, {}).get(name)
            if handler:
                result = join(result, handler(self, identity, obj, arguments, node))
            elif obj.cls and (method := obj.cls.method(name)):
                bound = self.attribute(Value(refs=frozenset((identity,))), method.name, node)
                result = join(result, self.call(bound, arguments, node))
            else:
                result = join(result, self._unknown_method(obj, arguments))
        plain = receiver.changed(refs=frozenset())
        return result if plain.is_nothing else join(result, strings.call_method(self, plain, name, arguments))

    def _unknown_method(self, obj: Obj, arguments: Arguments) -> Value:
        taints = self.now.taints(obj.element())
        for each in arguments.all():
            taints = merge(taints, self.now.taints(each))
        return tainted(taints)

    def remove_item(self, identity: int, obj: Obj, key: Value) -> None:
        """Do `del container[key]`."""
        if obj.kind in SEQUENCES:
            sequences.pop(self, identity, obj, Arguments([key]), ast.Pass())
        elif key.is_single:
            self.store(identity, obj.changed(items={k: v for k, v in obj.items.items() if k != key.constant}))
