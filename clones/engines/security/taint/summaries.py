"""What a call of a function does, kept for calls that are alike.

Two calls are alike if their arguments are the same but for the identities of objects, of sources, and the ways of values;
what the first did is then told again in the terms of the second.
"""

from collections.abc import Mapping

from clones.engines.security.taint.base import Raised, Return
from clones.engines.security.taint.findings import Hit
from clones.engines.security.taint.heap import Obj, State, references
from clones.engines.security.taint.taints import Source, Step, Taint, Trace
from clones.engines.security.taint.values import Callable_, Function, Method, Partial, Value

_MAX_OBJECTS = 250
_ALL = frozenset("*")


class TooLargeError(Exception):
    """The arguments hold too much to be compared."""


class Frozen:
    """Arguments in a form that can be compared, with what was abstracted from, in the order of its appearance."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._ids: dict[int, int] = {}
        self._sources: dict[Source, int] = {}
        self.taints: list[Taint] = []
        self.heap: dict[int, Obj] = {}
        """The objects in reach of the arguments."""

    @property
    def ids(self) -> list[int]:
        """Return the identities of the objects."""
        return list(self._ids)

    def value(self, value: Value) -> object:
        """Return what a value is compared by."""
        if value.key is not None:
            return value.key
        taints = tuple(self._taint(taint) for taint in value.taints.values()) if value.taints else ()
        key = (
            taints,
            tuple((type(each).__name__, each) for each in value.consts),
            value.names,
            tuple(self._object(identity) for identity in sorted(value.refs)),
            tuple(self._callable(each) for each in value.funcs),
            value.prefix,
            value.other,
        )
        if not (taints or value.refs or value.funcs):
            value.key = key
        return key

    def _taint(self, taint: Taint) -> tuple[int, str, frozenset[str], bool]:
        index = self._sources.setdefault(taint.source, len(self._sources))
        self.taints.append(taint)
        return index, taint.source.kind, taint.cleansed, taint.guessed

    def _callable(self, function: Callable_) -> object:
        if isinstance(function, Function):
            closure = None if function.closure is None else self._object(function.closure)
            receiver = None if function.receiver is None else self.value(function.receiver)
            return function.info, closure, receiver
        if isinstance(function, Method):
            return self.value(function.receiver), function.name
        if isinstance(function, Partial):
            return (
                self.value(function.function),
                tuple(map(self.value, function.positional)),
                tuple((name, self.value(value)) for name, value in function.keywords),
            )
        return function

    def reachable(self, identity: int) -> object:
        """Return what an object is compared by."""
        return self._object(identity)

    def _object(self, identity: int) -> object:
        known = self._ids.get(identity)
        if known is not None:
            return known
        obj = self._state.heap.get(identity)
        if obj is None:
            return "shared", identity  # an object of a module has the same identity everywhere
        if len(self._ids) >= _MAX_OBJECTS:
            raise TooLargeError
        self._ids[identity] = len(self._ids)
        self.heap[identity] = obj
        return (
            obj.kind,
            obj.cls,
            obj.names,
            obj.open,
            obj.summary,
            tuple((type(key).__name__, key, self.value(value)) for key, value in obj.items.items()),
            self.value(obj.rest),
            tuple((name, self.value(value)) for name, value in obj.attrs.items()),
        )


Dependency = tuple[object, ...]
"""A variable of a module, or an attribute of a class's instances."""
Outcome = tuple[frozenset[str], frozenset[str], frozenset[str]]
"""Categories that an argument is harmless for after the call, where its result is true, and where it is false."""


class Summary:
    """What a call did."""

    __slots__ = ("depends", "hits", "ids", "objects", "outcomes", "raised", "result", "taints")

    def __init__(
        self,
        frozen: Frozen,
        *,
        result: Value | None,
        objects: Mapping[int, Obj],
        hits: list[Hit],
        outcomes: dict[str, Outcome],
        raised: Raised,
        depends: tuple[tuple[Dependency, int], ...],
    ) -> None:
        self.ids = frozen.ids
        self.taints = frozen.taints
        self.result = result
        """None: it does not return."""
        self.objects = objects
        """Objects that it changed or made."""
        self.hits = hits
        self.outcomes = outcomes
        self.raised = raised
        """Errors that leave it."""
        self.depends = depends
        """What of modules and classes it read, each with the version then."""


class Translation:
    """Tells what a summary says in the terms of another call."""

    def __init__(self, summary: Summary, frozen: Frozen, fresh: dict[int, int]) -> None:
        self._ids = dict(zip(summary.ids, frozen.ids, strict=True))
        self._fresh = fresh
        self._sources: dict[Source, Source] = {}
        self._traces: dict[int, Taint] = {}
        for old, new in zip(summary.taints, frozen.taints, strict=True):
            self._sources.setdefault(old.source, new.source)
            self._traces.setdefault(id(old.trace), new)

    def identity(self, identity: int) -> int:
        """Return the object that stands for one of the summary's."""
        return self._ids.get(identity) or self._fresh.get(identity, identity)

    def taint(self, taint: Taint) -> Taint:
        """Return the taint of the other call's source."""
        source = self._sources.get(taint.source)
        if source is None:
            return taint
        later: list[Step] = []
        node: Trace | None = taint.trace
        while node is not None and id(node) not in self._traces:
            later.append(node.step)
            node = node.previous
        begin = self._traces[id(node)].trace if node is not None else None
        if begin is None:
            return Taint(source, taint.trace, taint.cleansed, taint.guessed)
        for step in reversed(later):
            begin = Trace(step, begin)
        return Taint(source, begin, taint.cleansed, taint.guessed)

    def value(self, value: Value) -> Value:
        """Return a value in the other call's terms."""
        if not (value.taints or value.refs or value.funcs):
            return value
        taints = {}
        for taint in value.taints.values():
            moved = self.taint(taint)
            taints[moved.source] = moved
        return value.changed(
            taints=taints,
            refs=frozenset(map(self.identity, value.refs)) if value.refs else None,
            funcs=tuple(map(self._callable, value.funcs)),
        )

    def _callable(self, function: Callable_) -> Callable_:
        if isinstance(function, Function):
            closure = None if function.closure is None else self.identity(function.closure)
            receiver = None if function.receiver is None else self.value(function.receiver)
            return Function(function.info, closure, receiver)
        if isinstance(function, Method):
            return Method(self.value(function.receiver), function.name)
        if isinstance(function, Partial):
            keywords = tuple((name, self.value(value)) for name, value in function.keywords)
            return Partial(self.value(function.function), tuple(map(self.value, function.positional)), keywords)
        return function

    def moved(self, obj: Obj) -> Obj:
        """Return an object in the other call's terms."""
        return obj.changed(
            items={key: self.value(value) for key, value in obj.items.items()},
            rest=self.value(obj.rest),
            attrs={name: self.value(value) for name, value in obj.attrs.items()},
        )

    def hit(self, hit: Hit) -> Hit:
        """Return a hit in the other call's terms."""
        return hit._replace(taint=self.taint(hit.taint))


def changed_objects(result: Value | None, before: dict[int, Obj], ended: State) -> dict[int, Obj]:
    """Return the objects that a call changed, and those that it made and that can be reached after it."""
    left: dict[int, Obj] = {}
    waiting: list[int] = []
    for identity, obj in ended.heap.items():
        if before.get(identity) is not obj and (identity in before or identity in ended.globals):
            waiting.append(identity)
    if result is not None:
        waiting += references(result)
    while waiting:
        identity = waiting.pop()
        if identity in left:
            continue
        found = ended.heap.get(identity)
        if found is None or before.get(identity) is found:
            continue
        left[identity] = found
        for part in (*found.items.values(), found.rest, *found.attrs.values()):
            if part.refs or part.funcs:
                waiting += references(part)
    return left


def outcome(returns: list[Return], name: str) -> Outcome:
    """Return what a function's ways out tell of a parameter that it did not assign to."""
    always = _cleansed([each.state for each in returns], name)
    truthy = _cleansed([each.truthy for each in returns if each.truthy is not None], name)
    falsy = _cleansed([each.falsy for each in returns if each.falsy is not None], name)
    return always, truthy, falsy


def _cleansed(states: list[State], name: str) -> frozenset[str]:
    """Return the categories that a parameter is harmless for in all states."""
    result: frozenset[str] | None = None
    for state in states:
        value = state.vars.get(name)
        if value is None or value.refs:
            return frozenset()
        taints = value.taints
        here = _ALL
        for taint in taints.values():
            here = taint.cleansed if here == _ALL else here & taint.cleansed
        result = here if result is None or result == _ALL else (result if here == _ALL else result & here)
    return result or frozenset()
