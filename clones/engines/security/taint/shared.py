"""What all functions see: variables of modules, attributes of classes and instances, and the objects that these hold.

Nothing of it is known in the order of the program's run, so that assignments are joined.
"""

from clones.engines.security.taint.dependencies import Dependencies
from clones.engines.security.taint.heap import Obj, State, join_objects, references, same_objects
from clones.engines.security.taint.project import ClassInfo
from clones.engines.security.taint.summaries import Dependency
from clones.engines.security.taint.values import NOTHING, Function, Value, join, same
from clones.engines.security.taint.worklist import Worklist

_MAX_PUBLISHED = 500
"""Objects that are followed from one value."""


class Shared:
    """The part of the heap that outlives a function; who has read what changes in it is looked at again."""

    def __init__(self, worklist: Worklist, dependencies: Dependencies) -> None:
        self._worklist = worklist
        self._dependencies = dependencies
        self.heap: dict[int, Obj] = {}
        """Objects of modules and of fields of instances, which any function may see."""
        self._owners: dict[int, Dependency] = {}
        self._attributes: dict[tuple[ClassInfo, str], Value] = {}
        self._outside: dict[str, Value] = {}

    def adopt(self, path: str, ended: State) -> None:
        """Take in what the body of a module has made."""
        self.heap.update(ended.heap)
        for name, value in ended.vars.items():
            self._own(value, ("global", path, name))

    def assign(self, variables: dict[str, Value], path: str, name: str, *, value: Value, state: State) -> None:
        """Assign to a variable of a module, of which `variables` are all, in a function's state."""
        known = variables.get(name, NOTHING)
        new = join(known, _news(known, value))
        if not same(known, new):
            self._share(value, state, ("global", path, name))
            variables[name] = new
            self._dependencies.changed(("global", path, name))
            if value.taints:
                self._worklist.put_readers(name)

    def attribute(self, cls: ClassInfo, name: str) -> Value:
        """Return what was assigned to an attribute of a class or of its instances, but for what the class's body defines."""
        self._dependencies.read(("field", name))
        result = NOTHING
        for each in cls.mro():
            result = join(result, self._attributes.get((each, name), NOTHING))
        return result

    def write_attribute(self, cls: ClassInfo, name: str, value: Value) -> None:
        """Assign to an attribute of a class or of its instances."""
        known = self._attributes.get((cls, name), NOTHING)
        new = join(known, _news(known, value))
        if not same(known, new):
            self._attributes[cls, name] = new
            self._dependencies.changed(("field", name))
            if value.taints:
                self._worklist.put_readers(name)

    def outside(self, name: str) -> Value:
        """Return what was assigned to an attribute of an object that no module of the project makes, as `flask.g` is."""
        self._dependencies.read(("outside", name))
        return self._outside.get(name, NOTHING)

    def write_outside(self, name: str, value: Value) -> None:
        """Assign to such an attribute."""
        known = self._outside.get(name, NOTHING)
        new = join(known, _news(known, value))
        if not same(known, new):
            self._outside[name] = new
            self._dependencies.changed(("outside", name))
            self._worklist.put_readers(name.rpartition(".")[2])

    def publish(self, ended: State) -> None:
        """Tell what the work on a function, of which `ended` is the state at its end, has changed of what all see."""
        for identity, obj in list(ended.heap.items()):
            if obj.summary and obj.cls is not None:
                for name, value in obj.attrs.items():
                    known = self._attributes.get((obj.cls, name), NOTHING)
                    kept = self._folded(known, value, ended)
                    self._share(kept, ended, ("field", name))
                    self.write_attribute(obj.cls, name, kept)
            shared = self.heap.get(identity)
            if shared is not None and shared is not obj:
                merged = join_objects(shared, obj)
                if not same_objects(merged, shared):
                    self.heap[identity] = merged
                    for part in (*obj.items.values(), obj.rest, *obj.attrs.values()):
                        self._share(part, ended, self._owners.get(identity, ()))
                    owner = self._owners.get(identity)
                    if owner:
                        self._dependencies.changed(owner)
                        # a function that is kept is called by who takes it out
                        if ended.taints(merged.element()) or merged.element().funcs:
                            self._worklist.put_readers(str(owner[-1]))

    def _share(self, value: Value, state: State, owner: Dependency) -> None:
        """Let all see the objects that a value refers to."""
        waiting = [*value.refs]
        for function in value.funcs:
            waiting += [function.closure] if isinstance(function, Function) and function.closure is not None else []
        for _ in range(_MAX_PUBLISHED):
            if not waiting:
                return
            identity = waiting.pop()
            obj = state.heap.get(identity)
            if obj is None or identity in self.heap:
                continue
            self.heap[identity] = obj
            self._owners.setdefault(identity, owner)
            for part in (*obj.items.values(), obj.rest, *obj.attrs.values()):
                waiting += references(part)

    def _folded(self, known: Value, value: Value, state: State) -> Value:
        """Return a value in which objects like those that are known, made anew by each look, are taken for these."""
        refs = set()
        for identity, obj in state.objects(value):
            like = (
                each
                for each in known.refs
                if (other := self.heap.get(each)) is not None
                and (other.kind, other.cls, other.names) == (obj.kind, obj.cls, obj.names)
            )
            twin = next(like, identity)
            refs.add(twin)
            if twin != identity:
                merged = join_objects(self.heap[twin], obj)
                if state.taints(merged.element()) and not same_objects(merged, self.heap[twin]):
                    self._share(Value(refs=value.refs), state, ("field", ""))
                    self.heap[twin] = merged
        return value.changed(refs=frozenset(refs))

    def _own(self, value: Value, dependency: Dependency) -> None:
        """Note through which variable an object is reached."""
        waiting = list(value.refs)
        while waiting:
            identity = waiting.pop()
            obj = self.heap.get(identity)
            if obj is not None and identity not in self._owners:
                self._owners[identity] = dependency
                for part in (*obj.items.values(), obj.rest, *obj.attrs.values()):
                    waiting.extend(part.refs)


def _news(known: Value, value: Value) -> Value:
    """Return a value without the taints that do no more harm than those that are known; one of a kind is told."""
    told = {(taint.source.kind, taint.cleansed) for taint in known.taints.values()}
    taints = {source: taint for source, taint in value.taints.items() if (source.kind, taint.cleansed) not in told}
    return value if len(taints) == len(value.taints) else value.with_taints(taints)
