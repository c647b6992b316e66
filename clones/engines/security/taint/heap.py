"""Objects that change, and the state of a program at one point: what its variables and objects hold."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from clones.engines.security.taint.taints import NO_TAINTS, Taints, merge
from clones.engines.security.taint.values import (
    NOTHING,
    UNKNOWN,
    Constant,
    Function,
    Method,
    Partial,
    Value,
    join,
    same,
)

if TYPE_CHECKING:
    import ast

    from clones.engines.security.taint.project import ClassInfo

MAX_ITEMS = 64
"""Elements that are told apart in one container."""
_MAX_DEPTH = 5

Key = Constant
Fact = tuple["ast.expr", frozenset[str]]
"""The expression that a variable was made by, and the variables that this mentions."""

Checked = tuple[frozenset[str], frozenset[str]]
"""The categories that an expression is harmless for, and the variables that it mentions."""


class Obj:
    """An object: never changed, replaced in the heap by a changed copy."""

    __slots__ = ("attrs", "cls", "items", "kind", "names", "open", "rest", "summary")

    def __init__(
        self,
        kind: str,
        *,
        cls: "ClassInfo | None" = None,
        names: frozenset[str] = frozenset(),
        items: Mapping[Key, Value] | None = None,
        rest: Value = NOTHING,
        attrs: Mapping[str, Value] | None = None,
        open: bool = False,  # noqa: A002 - the word for it
        summary: bool = False,
    ) -> None:
        self.kind = kind
        """`list`, `tuple`, `set`, `dict`, `iterator`, `instance`, `text` (StringIO), `frame` (variables of a closure)."""
        self.cls = cls
        self.names = names
        """Canonical names of classes outside the project that it is an instance of."""
        self.items: Mapping[Key, Value] = items or {}
        self.rest = rest
        """Elements of which the key or place is not known."""
        self.attrs: Mapping[str, Value] = attrs or {}
        self.open = open
        """It may hold more than is told here."""
        self.summary = summary
        """It stands for any instance of its class."""

    def changed(
        self,
        *,
        items: Mapping[Key, Value] | None = None,
        rest: Value | None = None,
        attrs: Mapping[str, Value] | None = None,
        open: bool | None = None,  # noqa: A002
        names: frozenset[str] | None = None,
    ) -> "Obj":
        """Return a copy in which something is different."""
        return Obj(
            self.kind,
            cls=self.cls,
            names=self.names if names is None else names,
            items=self.items if items is None else items,
            rest=self.rest if rest is None else rest,
            attrs=self.attrs if attrs is None else attrs,
            open=self.open if open is None else open,
            summary=self.summary,
        )

    def element(self) -> Value:
        """Return what any element may be."""
        result = join(UNKNOWN, self.rest) if self.open else self.rest
        for value in self.items.values():
            result = join(result, value)
        return result

    @property
    def is_exact(self) -> bool:
        """Whether all elements and their keys are known."""
        return not self.open and self.rest.is_nothing


def join_objects(first: Obj, second: Obj) -> Obj:
    """Return what is the one or the other."""
    if first is second:
        return first
    rest = join(first.rest, second.rest)
    items = dict(first.items)
    if first.kind in {"list", "tuple"} and len(first.items) != len(second.items):
        rest = join(rest, join(first.element(), second.element()))
        items = {}
    else:
        for key, value in second.items.items():
            items[key] = join(items[key], value) if key in items else value
    attrs = dict(first.attrs)
    for name, value in second.attrs.items():
        attrs[name] = join(attrs[name], value) if name in attrs else value
    names = first.names | second.names
    return first.changed(items=items, rest=rest, attrs=attrs, open=first.open or second.open, names=names)


def same_objects(first: Obj, second: Obj) -> bool:
    """Whether two objects hold the same."""
    return first is second or (
        first.items.keys() == second.items.keys()
        and first.attrs.keys() == second.attrs.keys()
        and first.open == second.open
        and same(first.rest, second.rest)
        and all(same(value, second.items[key]) for key, value in first.items.items())
        and all(same(value, second.attrs[name]) for name, value in first.attrs.items())
    )


class State:
    """Variables of one frame and the objects in reach."""

    __slots__ = ("checked", "facts", "globals", "heap", "vars")

    def __init__(
        self,
        variables: dict[str, Value],
        heap: dict[int, Obj],
        shared: Mapping[int, Obj],
        facts: dict[str, Fact] | None = None,
        checked: Mapping[str, Checked] | None = None,
    ) -> None:
        self.vars = variables
        self.heap = heap
        self.globals = shared
        """Objects of modules, for those that `heap` does not have."""
        self.facts: dict[str, Fact] = facts or {}
        self.checked: Mapping[str, Checked] = checked or {}
        """By their syntax: expressions other than variables that a condition has told something of."""

    def copy(self) -> "State":
        """Return a state that changes by itself."""
        return State(dict(self.vars), dict(self.heap), self.globals, dict(self.facts), self.checked)

    def get(self, identity: int) -> Obj | None:
        """Return an object."""
        return self.heap.get(identity) or self.globals.get(identity)

    def objects(self, value: Value) -> list[tuple[int, Obj]]:
        """Return the objects that a value may be."""
        if not value.refs:
            return []
        found = ((identity, self.get(identity)) for identity in sorted(value.refs))
        return [(identity, obj) for identity, obj in found if obj is not None]

    def taints(self, value: Value) -> Taints:
        """Return the taints of a value and of all that it holds."""
        if not value.refs and not value.funcs:
            return value.taints
        return self._taints(value, set(), 0)

    def _taints(self, value: Value, seen: set[int], depth: int) -> Taints:
        result = value.taints
        for function in value.funcs:
            receiver = getattr(function, "receiver", None)
            if receiver is not None:
                result = merge(result, self._taints(receiver, seen, depth + 1) if depth < _MAX_DEPTH else NO_TAINTS)
        for identity, obj in self.objects(value):
            if identity in seen or depth > _MAX_DEPTH or obj.kind == "frame":
                continue
            seen.add(identity)
            for part in (*obj.items.values(), obj.rest, *obj.attrs.values()):
                if part.taints or part.refs:
                    result = merge(result, self._taints(part, seen, depth + 1))
        return result


def references(value: Value) -> list[int]:
    """Return the objects that a value refers to, as an object, a receiver or a closure."""
    found = list(value.refs)
    for function in value.funcs:
        if isinstance(function, Function) and function.closure is not None:
            found.append(function.closure)
        if isinstance(function, Partial):
            for part in (function.function, *function.positional, *(each for _, each in function.keywords)):
                found += references(part)
        elif isinstance(function, Function | Method) and function.receiver is not None:
            found += references(function.receiver)
    return found


def join_states(states: Iterable[State | None]) -> State | None:
    """Return what holds after any of the ways that were taken; None where none was."""
    result: State | None = None
    for state in states:
        if state is None or state is result:
            continue
        result = state if result is None else _join(result, state)
    return result


def _join(first: State, second: State) -> State:
    variables = dict(first.vars)
    for name, value in second.vars.items():
        known = variables.get(name)
        if known is not value:
            variables[name] = value if known is None else join(known, value)
    heap = dict(first.heap)
    for identity, obj in second.heap.items():
        known_obj = heap.get(identity)
        if known_obj is not obj:
            # an object of a module that only one way changed is, on the other, what the module made it
            known_obj = known_obj or first.globals.get(identity)
            heap[identity] = obj if known_obj is None else join_objects(known_obj, obj)
    for identity, obj in first.heap.items():
        if identity not in second.heap and (shared := second.globals.get(identity)) is not None:
            heap[identity] = join_objects(obj, shared)
    facts = {name: fact for name, fact in first.facts.items() if second.facts.get(name) is fact}
    checked = {name: each for name, each in first.checked.items() if second.checked.get(name) is each}
    return State(variables, heap, first.globals, facts, checked)


def same_states(first: State, second: State) -> bool:
    """Whether two states hold the same."""
    return (
        first.vars.keys() == second.vars.keys()
        and first.heap.keys() == second.heap.keys()
        and all(same(value, second.vars[name]) for name, value in first.vars.items())
        and all(same_objects(obj, second.heap[identity]) for identity, obj in first.heap.items())
    )
