"""The analysis of a whole project: from where data comes in, through all that it reaches, until nothing new is found."""

import ast
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from clones.engines.security.taint import entries
from clones.engines.security.taint.base import DeadError, OutOfStepsError
from clones.engines.security.taint.budget import Budget
from clones.engines.security.taint.findings import Findings
from clones.engines.security.taint.heap import Obj, State, join_objects, same_objects
from clones.engines.security.taint.interpreter import Frame
from clones.engines.security.taint.project import ClassInfo, FunctionInfo, Module, Project
from clones.engines.security.taint.rulebook import Rulebook
from clones.engines.security.taint.summaries import Dependency, Summary
from clones.engines.security.taint.values import NOTHING, Class, Function, Value, join, same

_MAX_RUNS = 3
"""Times that a function is looked at again, after what it reads has changed."""
_MAX_READERS = 60
_MAX_PUBLISHED = 500


def _tests_of(path: str) -> str:
    """Return the directory of tests that a file is in; empty where it is in none."""
    parts = path.split("/")[:-1]
    place = next((place for place, part in enumerate(parts) if part in {"test", "tests", "testing"}), None)
    return "" if place is None else "/".join(parts[: place + 1])


Progress = Callable[[float], None]


class Analysis:
    """What is known of a project."""

    def __init__(self, project: Project, book: Rulebook) -> None:
        self.project = project
        self.book = book
        self.findings = Findings()
        self.shared: dict[int, Obj] = {}
        """Objects of modules and of fields of instances, which any function may see."""
        self.members: dict[ClassInfo, dict[str, Value]] = {}
        """What the bodies of classes define."""
        self.routes: dict[FunctionInfo, str] = {}
        """Functions that the project's URL patterns name, with the patterns."""
        self.hot: set[FunctionInfo] = set()
        """Functions that read outside data, or return some that they have from others."""
        self.unfinished: dict[str, str] = {}
        """Files in which something was not looked at to its end, and why."""
        self._environments: dict[str, dict[str, Value]] = {}
        self._running: dict[str, Frame] = {}
        self._fields: dict[tuple[ClassInfo, str], Value] = {}
        self._outside: dict[str, Value] = {}
        self._explored: set[tuple[ClassInfo, str]] = set()
        self._lambdas: dict[ast.Lambda, FunctionInfo] = {}
        self._summaries: dict[object, Summary] = {}
        self._ruled: dict[str, bool] = {}
        self._versions: dict[Dependency, int] = {}
        self._readers: dict[Dependency, dict[FunctionInfo, None]] = {}
        self._depending: list[set[Dependency]] = []
        self._owners: dict[int, Dependency] = {}
        self._queue: deque[FunctionInfo] = deque()
        self._queued: set[FunctionInfo] = set()
        self._runs: dict[FunctionInfo, int] = {}
        self._mentions: dict[str, list[FunctionInfo]] = {}
        self._identities = count(1)
        self.budget = Budget()

    def fresh(self) -> int:
        """Return the identity of a new object."""
        return next(self._identities)

    # the run

    def run(self, progress: Progress) -> None:
        """Look at all that data from outside may reach."""
        modules = sorted(self.project.modules.values(), key=lambda module: (bool(_tests_of(module.path)), module.path))
        for position, module in enumerate(modules):
            self._guarded(module.path, lambda module=module: self.environment(module))  # type: ignore[misc]
            progress(0.3 * (position + 1) / len(modules))
        functions = [info for module in modules for info in module.functions.values()]
        for info in functions:
            for word in info.words:
                self._mentions.setdefault(word, []).append(info)
        packages = {module.path: self._packages(module) for module in modules}
        for info in functions:
            if self._is_root(info, packages[info.path]):
                self.hot.add(info)
        # tests last, so that they take no steps from what ships
        for info in sorted(self.hot, key=lambda info: (bool(_tests_of(info.path)), info.path, info.node.lineno)):
            self.enqueue(info)
        done = 0
        while self._queue:
            info = self._queue.popleft()
            self._queued.discard(info)
            self._guarded(info.path, lambda info=info: self.start(info))  # type: ignore[misc]
            done += 1
            progress(0.3 + 0.7 * done / (done + len(self._queue)))

    def _guarded(self, path: str, work: Callable[[], object]) -> None:
        """Do a part of the work; what goes wrong in it ends this part alone."""
        is_test = bool(_tests_of(path))
        if not self.budget.begin(is_test=is_test):
            place = _tests_of(path) or path
            self.unfinished.setdefault(place, "not looked at to its end: there is too much of it")
            return
        try:
            work()
        except OutOfStepsError:
            self.unfinished.setdefault(path, "not looked at to its end: it takes too many steps")
        except RecursionError:
            self.unfinished.setdefault(path, "not looked at to its end: it is nested too deeply")
        finally:
            self._depending.clear()
            self.budget.end(is_test=is_test)

    def _packages(self, module: Module) -> set[str]:
        """Return the first parts of names that a module may use from outside."""
        found = set(module.imported)
        for name in sorted(module.imported):
            imported = self.project.find(module, name)
            if imported is not None:
                found |= imported.imported
        return found

    def _is_root(self, info: FunctionInfo, packages: set[str]) -> bool:
        if entries.rules(self, info):
            return True
        words = info.words & (self.book.source_words | self.book.check_words)
        if any(not owners or owners & packages or "request" in info.words for owners in map(self._owners_of, words)):
            return True
        if not info.has_nested:
            return False
        nested = (each for each in info.module.functions.values() if each.qualname.startswith(f"{info.qualname}."))
        return any(each.node.decorator_list for each in nested if not isinstance(each.node, ast.Lambda))

    def _owners_of(self, word: str) -> frozenset[str]:
        return self.book.owners.get(word, frozenset())

    def enqueue(self, info: FunctionInfo) -> None:
        """Look at a function, again if it was already."""
        if info not in self._queued and self._runs.get(info, 0) < _MAX_RUNS:
            self._queued.add(info)
            self._queue.append(info)

    def start(self, info: FunctionInfo, closure: int | None = None, heap: dict[int, Obj] | None = None) -> None:
        """Look at a function as it may be called from anywhere."""
        if closure is None and "." in info.qualname and info.cls is None:
            return  # nested: looked at where it is defined
        self._runs[info] = self._runs.get(info, 0) + 1
        state = State({}, dict(heap or {}), self.shared)
        frame = Frame(self, info.module, state, info=info, closure=closure, stack=(info,))
        with self.depending() as depends:
            try:
                state.vars.update(entries.bind(frame, info))
            except DeadError:
                return
            result, ended = frame.body()
            for dependency in depends:  # before the changes are told: its own may concern what it read before
                self._readers.setdefault(dependency, {})[info] = None
            if ended is not None:
                self._publish_changes(ended)
                if result is not None and ended.taints(result):
                    self.hot.add(info)
                    self._enqueue_callers(info)
                self._start_nested(frame, ended)
        for dependency in depends:
            self._readers.setdefault(dependency, {})[info] = None

    def _start_nested(self, frame: Frame, ended: State) -> None:
        if not frame.nested:
            return
        frame.state = ended
        frame.capture()
        for info, function in frame.nested:
            if isinstance(function, Function) and function.closure is not None and info.decorators:
                self.start(info, function.closure, ended.heap)

    def _enqueue_callers(self, info: FunctionInfo) -> None:
        self._enqueue_readers(info.cls.name if info.cls is not None and info.name == "__init__" else info.name)

    def _enqueue_readers(self, name: str) -> None:
        """Look at the functions that mention a name, if they were not looked at."""
        readers = self._mentions.get(name, [])
        if len(readers) <= _MAX_READERS:
            for reader in readers:
                if not self._runs.get(reader):
                    self.enqueue(reader)

    # modules

    def environment(self, module: Module) -> dict[str, Value]:
        """Return a module's variables, after its body has run; while it runs, those of then."""
        known = self._environments.get(module.path)
        if known is not None:
            return known
        running = self._running.get(module.path)
        if running is not None:
            return running.state.vars if running.state else {}
        state = State({}, {}, self.shared)
        frame = self._running[module.path] = Frame(self, module, state)
        try:
            frame.execute(module.tree.body)
        finally:
            del self._running[module.path]
            ended = frame.state or state
            self.shared.update(ended.heap)
            self._environments[module.path] = ended.vars
            for name, value in ended.vars.items():
                self._own(value, ("global", module.path, name))
        return ended.vars

    def _own(self, value: Value, dependency: Dependency) -> None:
        waiting = list(value.refs)
        while waiting:
            identity = waiting.pop()
            obj = self.shared.get(identity)
            if obj is not None and identity not in self._owners:
                self._owners[identity] = dependency
                for part in (*obj.items.values(), obj.rest, *obj.attrs.values()):
                    waiting.extend(part.refs)

    def global_value(self, module: Module, name: str) -> Value | None:
        """Return a module's variable; None where it has none of this name."""
        self._depend(("global", module.path, name))
        value = self.environment(module).get(name)
        if value is not None:
            return value
        found = module.top.get(name)
        if isinstance(found, FunctionInfo):
            return Value(funcs=(Function(found),))
        return Value(funcs=(Class(found),)) if found is not None else None

    def set_global(self, module: Module, name: str, value: Value, state: State) -> None:
        """Assign to a module's variable from a function."""
        variables = self.environment(module)
        known = variables.get(name, NOTHING)
        new = join(known, _news(known, value))
        if not same(known, new):
            self._publish(value, state, ("global", module.path, name))
            variables[name] = new
            self._bump(("global", module.path, name))
            if value.taints:
                self._enqueue_readers(name)

    # classes

    def field(self, cls: ClassInfo, name: str) -> Value:
        """Return what an attribute of any instance may be."""
        self._depend(("field", name))
        result = NOTHING
        for each in cls.mro():
            if (each, name) not in self._explored:
                self._explored.add((each, name))
                for method in each.methods.values():
                    if name in method.fields and not self._runs.get(method):
                        self.start(method)
        for each in cls.mro():
            result = join(result, self._fields.get((each, name), NOTHING))
        return result

    def write_class(self, cls: ClassInfo, name: str, value: Value) -> None:
        """Assign to an attribute of a class."""
        known = self._fields.get((cls, name), NOTHING)
        new = join(known, _news(known, value))
        if not same(known, new):
            self._fields[cls, name] = new
            self._bump(("field", name))
            if value.taints:
                self._enqueue_readers(name)

    def class_writes(self, cls: ClassInfo, name: str) -> Value:
        """Return what was assigned to an attribute of a class from outside its body."""
        self._depend(("field", name))
        result = NOTHING
        for each in cls.mro():
            result = join(result, self._fields.get((each, name), NOTHING))
        return result

    def write_outside(self, name: str, value: Value) -> None:
        """Keep what is assigned to an attribute of an object that no module of the project makes, as `flask.g` is."""
        known = self._outside.get(name, NOTHING)
        new = join(known, _news(known, value))
        if not same(known, new):
            self._outside[name] = new
            self._bump(("outside", name))
            self._enqueue_readers(name.rpartition(".")[2])

    def outside_field(self, name: str) -> Value:
        """Return what was assigned to such an attribute."""
        self._depend(("outside", name))
        return self._outside.get(name, NOTHING)

    def lambda_info(self, module: Module, node: ast.Lambda, outer: FunctionInfo | None) -> FunctionInfo:
        """Return a lambda as a function."""
        known = self._lambdas.get(node)
        if known is None:
            qualname = f"{outer.qualname}.lambda" if outer else "lambda"
            known = self._lambdas[node] = FunctionInfo(module, node, qualname, None)
        return known

    # what one part of the work tells others

    def _publish_changes(self, ended: State) -> None:
        for identity, obj in list(ended.heap.items()):
            if obj.summary and obj.cls is not None:
                for name, value in obj.attrs.items():
                    known = self._fields.get((obj.cls, name), NOTHING)
                    kept = self._folded(known, value, ended)
                    self._publish(kept, ended, ("field", name))
                    self.write_class(obj.cls, name, kept)
            shared = self.shared.get(identity)
            if shared is not None and shared is not obj:
                merged = join_objects(shared, obj)
                if not same_objects(merged, shared):
                    self.shared[identity] = merged
                    for part in (*obj.items.values(), obj.rest, *obj.attrs.values()):
                        self._publish(part, ended, self._owners.get(identity, ()))
                    owner = self._owners.get(identity)
                    if owner:
                        self._bump(owner)
                        if ended.taints(merged.element()):
                            self._enqueue_readers(str(owner[-1]))

    def _publish(self, value: Value, state: State, owner: Dependency) -> None:
        waiting = [*value.refs]
        for function in value.funcs:
            waiting += [function.closure] if isinstance(function, Function) and function.closure is not None else []
        for _ in range(_MAX_PUBLISHED):
            if not waiting:
                return
            identity = waiting.pop()
            obj = state.heap.get(identity)
            if obj is None or identity in self.shared:
                continue
            self.shared[identity] = obj
            self._owners.setdefault(identity, owner)
            for part in (*obj.items.values(), obj.rest, *obj.attrs.values()):
                waiting.extend(part.refs)

    def _folded(self, known: Value, value: Value, state: State) -> Value:
        """Return a value in which objects like those that are known, made anew by each look, are taken for these."""
        refs = set()
        for identity, obj in state.objects(value):
            like = (
                each
                for each in known.refs
                if (other := self.shared.get(each)) is not None
                and (other.kind, other.cls, other.names) == (obj.kind, obj.cls, obj.names)
            )
            twin = next(like, identity)
            refs.add(twin)
            if twin != identity:
                merged = join_objects(self.shared[twin], obj)
                if state.taints(merged.element()) and not same_objects(merged, self.shared[twin]):
                    self._publish(Value(refs=value.refs), state, ("field", ""))
                    self.shared[twin] = merged
        return value.changed(refs=frozenset(refs))

    def _bump(self, dependency: Dependency) -> None:
        self._versions[dependency] = self._versions.get(dependency, 0) + 1
        for info in self._readers.pop(dependency, {}):
            self.enqueue(info)

    def _depend(self, dependency: Dependency) -> None:
        if self._depending:
            self._depending[-1].add(dependency)

    @contextmanager
    def depending(self) -> Iterator[set[Dependency]]:
        """Collect what a part of the work reads of modules and classes."""
        own: set[Dependency] = set()
        self._depending.append(own)
        try:
            yield own
        finally:
            if self._depending and self._depending[-1] is own:
                self._depending.pop()
            if self._depending:
                self._depending[-1] |= own

    def versions(self, dependencies: set[Dependency]) -> tuple[tuple[Dependency, int], ...]:
        """Return the versions of what was read."""
        return tuple((each, self._versions.get(each, 0)) for each in dependencies)

    def summary(self, key: object) -> Summary | None:
        """Return what is kept of a call, if what it read is as it was."""
        known = self._summaries.get(key)
        if known is None:
            return None
        if any(self._versions.get(each, 0) != version for each, version in known.depends):
            del self._summaries[key]
            return None
        if self._depending:
            self._depending[-1].update(each for each, _ in known.depends)
        return known

    def keep(self, key: object, summary: Summary) -> None:
        """Keep what a call does."""
        self._summaries[key] = summary

    def is_ruled(self, name: str) -> bool:
        """Whether a rule tells of the call of a name."""
        known = self._ruled.get(name)
        if known is None:
            book, canonical = self.book, self.book.canonical(name)
            tables = (book.sinks, book.returns, book.sanitizers, book.checks, book.propagators, book.becomes)
            known = any(table.of(canonical) for table in tables) or bool(book.sources.of(f"{canonical}()"))
            self._ruled[name] = known
        return known


def _news(known: Value, value: Value) -> Value:
    """Return a value without the taints that do no more harm than those that are known; one of a kind is told."""
    told = {(taint.source.kind, taint.cleansed) for taint in known.taints.values()}
    taints = {source: taint for source, taint in value.taints.items() if (source.kind, taint.cleansed) not in told}
    return value if len(taints) == len(value.taints) else value.with_taints(taints)
