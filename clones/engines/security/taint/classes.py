"""Attributes, methods and instances."""

import ast

from clones.engines.security.taint.base import Arguments, Base
from clones.engines.security.taint.heap import Key, Obj
from clones.engines.security.taint.project import ClassInfo, FunctionInfo
from clones.engines.security.taint.taints import NO_TAINTS, merge
from clones.engines.security.taint.values import (
    NORMAL_PATH,
    NOTHING,
    UNKNOWN,
    Class,
    Function,
    Method,
    ModuleRef,
    Value,
    join,
    named,
    ref,
    tainted,
)

_DATACLASSES = ("dataclasses.", "attr.", "attrs.", "pydantic.dataclasses.")
_RECORDS = ("NamedTuple", "BaseModel", "Struct", "TypedDict", "SQLModel")
_CONTAINER_KINDS = {"list", "tuple", "set", "dict", "iterator", "options", "text", "match"}


class Classes(Base):
    """Reading and writing of attributes; making of instances."""

    def attribute(self, value: Value, name: str, node: ast.AST) -> Value:
        """Return `value.name`."""
        result = NOTHING
        for each in value.funcs:
            if isinstance(each, ModuleRef):
                found = self.analysis.global_value(each.module, name)
                if found is None:
                    below = self.analysis.project.find(each.module, name, 1) if each.module.is_package else None
                    found = Value(funcs=(ModuleRef(below),)) if below else UNKNOWN
                result = join(result, found)
            elif isinstance(each, Class):
                result = join(result, self._class_attribute(each.info, name, node))
            else:
                result = join(result, UNKNOWN)
        for identity, obj in self.now.objects(value):
            result = join(result, self._object_attribute(identity, obj, name, node))
        owners = value.names - {NORMAL_PATH}
        for owner in sorted(owners):
            result = join(result, self._outside_attribute(owner, name, node, value))
        if value.consts:
            result = join(result, Value(funcs=(Method(Value(consts=value.consts), name),)))
        if (value.other or value.names) and not owners:
            result = join(result, self.outside(f"?.{name}", node, value.taints))
        return result

    def _outside_attribute(self, owner: str, name: str, node: ast.AST, value: Value) -> Value:
        if not owner.startswith("?") and "(" not in owner:
            found = self.analysis.project.find(self.module, f"{owner}.{name}") if owner[:1].islower() else None
            if found is not None:
                return Value(funcs=(ModuleRef(found),))
        read = self.outside(f"{owner}.{name}", node, value.taints)
        return join(read, self.analysis.shared.outside(f"{owner}.{name}")) if self.book.keeps.of(owner) else read

    def _object_attribute(self, identity: int, obj: Obj, name: str, node: ast.AST) -> Value:
        known = obj.attrs.get(name)
        if known is not None:
            return known
        itself = ref(identity)
        if obj.kind in _CONTAINER_KINDS:
            return Value(funcs=(Method(itself, name),))
        result = NOTHING
        if obj.cls is not None:
            found = self.member(obj.cls, name, itself, node)
            if found is not None:
                return found
            if obj.summary:
                result = self.analysis.field(obj.cls, name)
        outside = sorted(obj.names) or (obj.cls.outside_bases() if obj.cls else [])
        taints = self.now.taints(obj.rest) if obj.rest.taints or obj.rest.refs else NO_TAINTS
        for each in outside:
            if each not in {"object", "abc.ABC"}:
                read = self.outside(f"{each}.{name}", node, taints)
                result = join(result, self._by_field(obj, f"{each}.{name}", read, node))
        return join(result, self.outside(f"?{name}", node, taints)) if result.is_nothing else result

    def _by_field(self, obj: Obj, name: str, read: Value, node: ast.AST) -> Value:
        """Return what was read, field by field where a form's fields tell what they can hold."""
        rules = self.book.fields.of(self.book.canonical(name)) if obj.cls is not None else ()
        if not rules or obj.cls is None:
            return read
        items: dict[Key, Value] = {}
        for each in reversed(obj.cls.mro()):
            for field, value in self.analysis.members.get(each, {}).items():
                kinds = {kind for _, made in self.now.objects(value) for kind in made.names}
                if kinds and kinds <= {*rules[0].harmless}:
                    items[field] = UNKNOWN
        return self.allocate((node, name), Obj("dict", items=items, rest=tainted(read.taints), open=True))

    def member(self, cls: ClassInfo, name: str, itself: Value, node: ast.AST) -> Value | None:
        """Return what an instance has from its class by a name, bound to the instance; None where there is none."""
        for each in cls.mro():
            method = each.methods.get(name)
            members = self.analysis.members.get(each, {})
            if method is None and name not in members:
                continue
            value = members.get(name) or (Value(funcs=(Function(method),)) if method else UNKNOWN)
            if method is not None and "property" in method.flags:
                return self.call(_bound(value, itself), Arguments([]), node)
            return _bound(value, itself) if method is not None else value
        return None

    def _class_attribute(self, cls: ClassInfo, name: str, node: ast.AST) -> Value:
        for each in cls.mro():
            value = self.analysis.members.get(each, {}).get(name)
            method = each.methods.get(name)
            if value is None and method is not None:
                value = Value(funcs=(Function(method),))
            if value is not None:
                if method is not None and "classmethod" in method.flags:
                    return _bound(value, Value(funcs=(Class(cls),)))
                return value
        assigned = self.analysis.shared.attribute(cls, name)
        if not assigned.is_nothing:
            return assigned
        result = NOTHING
        for outer in cls.outside_bases():
            if self.book.constructors.of(self.book.canonical(f"{outer}.{name}")):
                return Value(funcs=(Class(cls),))
            result = join(result, self.outside(f"{outer}.{name}", node, {}))
        return UNKNOWN if result.is_nothing else result

    def inherited(self, name: str, node: ast.AST) -> Value:
        """Return `super().name`."""
        info = self.info
        if info is None or info.cls is None or not info.positional:
            return UNKNOWN
        itself = self.lookup(info.positional[0])
        classes = info.cls.mro()
        for _, obj in self.now.objects(itself):
            if obj.cls is not None and info.cls in obj.cls.mro():
                classes = obj.cls.mro()[obj.cls.mro().index(info.cls) :]
        for each in classes[1:]:
            if name in each.methods:
                return Value(funcs=(Function(each.methods[name], None, itself),))
        result = NOTHING
        for outer in info.cls.outside_bases():
            result = join(result, named(f"{outer}.{name}"))
        return UNKNOWN if result.is_nothing else result

    def set_attribute(self, value: Value, name: str, new: Value, node: ast.AST) -> None:
        """Do `value.name = new`."""
        objects = self.now.objects(value)
        for identity, obj in objects:
            setter = self._setter(obj, name)
            if setter is not None:
                self.call(Value(funcs=(Function(setter, None, ref(identity)),)), Arguments([new]), node)
                continue
            for outer in sorted(obj.names) or (obj.cls.outside_bases() if obj.cls else []):
                self.write_outside(f"{outer}.{name}=", new, node, ref(identity))
            known = obj.attrs.get(name)
            weak = len(objects) > 1 and known is not None
            self.store(identity, obj.changed(attrs={**obj.attrs, name: join(known or NOTHING, new) if weak else new}))
        for each in value.funcs:
            if isinstance(each, Class):
                self.analysis.shared.write_attribute(each.info, name, new)
            elif isinstance(each, ModuleRef):
                self.analysis.set_global(each.module, name, new, self.now)
        for outer in sorted(value.names):
            self.write_outside(f"{outer}.{name}=", new, node, value)

    def write_outside(self, name: str, new: Value, node: ast.AST, receiver: Value) -> None:
        """Assign to an attribute of something outside the project."""
        if self.book.keeps.of(name.rpartition(".")[0]) and (taints := self.now.taints(new)):
            self.analysis.shared.write_outside(name[:-1], tainted(taints))
        if self.book.is_ruled(name):
            self.call_outside(name, Arguments([new]), node, receiver)

    def _setter(self, obj: Obj, name: str) -> FunctionInfo | None:
        for cls in obj.cls.mro() if obj.cls else ():
            for node, info in cls.module.functions.items():
                if info.cls is cls and info.name == name and _is_setter(node):
                    return info
        return None

    def instance(self, cls: ClassInfo, at: object) -> Value:
        """Return an instance of which nothing but the class is known."""
        return self.allocate((at, "instance"), Obj("instance", cls=cls, open=True, summary=True))

    def instantiate(self, cls: ClassInfo, arguments: Arguments, node: ast.AST) -> Value:
        """Return a new instance."""
        outside = cls.outside_bases()
        if any(name.startswith("enum.") for name in outside):
            return self.instance(cls, node)  # one of its members: it takes no other value
        made = self.allocate((node, cls), Obj("instance", cls=cls))
        (identity,) = made.refs
        constructor = cls.method("__init__")
        if constructor is not None:
            self.call(Value(funcs=(Function(constructor, None, made),)), arguments, node)
            return made
        records = any(name.rpartition(".")[2] in _RECORDS for name in outside)
        if records or any(name.startswith(_DATACLASSES) for each in cls.mro() for name in each.decorators):
            self._fill(identity, cls, arguments)
            if (after := cls.method("__post_init__")) is not None:
                self.call(Value(funcs=(Function(after, None, made),)), Arguments([]), node)
            return made
        creator = cls.method("__new__")
        if creator is not None:
            created = self.call(
                Value(funcs=(Function(creator),)),
                Arguments([Value(funcs=(Class(cls),)), *arguments.positional], arguments.keywords),
                node,
            )
            return join(made, created)
        for outer in outside:
            if not self._restricts(cls, outer):
                self.call_outside(outer, arguments, node, None)
        taints = NO_TAINTS
        for each in arguments.all():
            taints = merge(taints, self.now.taints(each))
        if taints:
            self.store(identity, self.now.heap[identity].changed(rest=tainted(taints), attrs=dict(arguments.keywords)))
        return made

    def _restricts(self, cls: ClassInfo, outer: str) -> bool:
        """Whether a class defines the methods by which it refuses what does harm."""
        for rule in self.book.restricts.of(outer):
            methods = [cls.method(name) for name in rule.methods]
            if all(each is not None and any(isinstance(n, ast.Raise) for n in ast.walk(each.node)) for each in methods):
                return True
        return False

    def _fill(self, identity: int, cls: ClassInfo, arguments: Arguments) -> None:
        """Set the fields of a dataclass or record."""
        fields: dict[str, ast.expr | None] = {}
        for each in reversed(cls.mro()):
            for node in each.node.body:
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                    fields[node.target.id] = node.annotation
        attrs = {}
        for position, (name, annotation) in enumerate(fields.items()):
            value = arguments.get(position, name)
            if value is None:
                continue
            if annotation is not None and ast.unparse(annotation) in {"int", "float", "bool"} and self._coerces(cls):
                value = value.cleansed("*")
            attrs[name] = value
        obj = self.now.heap[identity]
        items: dict[Key, Value] = {}
        if any("NamedTuple" in name for name in cls.outside_bases()):
            items.update(enumerate(attrs.values()))
        self.store(identity, obj.changed(attrs={**obj.attrs, **attrs}, items=items))

    def _coerces(self, cls: ClassInfo) -> bool:
        return any(name.rpartition(".")[2] in {"BaseModel", "SQLModel"} for name in cls.outside_bases())


def _is_setter(node: ast.AST) -> bool:
    decorators = getattr(node, "decorator_list", [])
    return any(isinstance(each, ast.Attribute) and each.attr == "setter" for each in decorators)


def _bound(value: Value, receiver: Value) -> Value:
    """Return methods bound to an instance."""
    funcs = tuple(
        Function(each.info, each.closure, receiver)
        if isinstance(each, Function) and each.receiver is None and "staticmethod" not in each.info.flags
        else each
        for each in value.funcs
    )
    return Value(
        taints=value.taints, consts=value.consts, names=value.names, refs=value.refs, funcs=funcs, other=value.other
    )
