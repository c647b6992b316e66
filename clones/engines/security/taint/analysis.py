"""The analysis of a whole project: from where data comes in, through all that it reaches, until nothing new is found."""

import ast
from collections.abc import Callable
from itertools import count

from clones.engines.security.taint import entries, interprocedural
from clones.engines.security.taint.base import Arguments, DeadError, OutOfStepsError
from clones.engines.security.taint.budget import Budget
from clones.engines.security.taint.dependencies import Dependencies
from clones.engines.security.taint.findings import Findings, tests_of
from clones.engines.security.taint.heap import Obj, State, join_states
from clones.engines.security.taint.interpreter import Frame
from clones.engines.security.taint.project import ClassInfo, FunctionInfo, Module, Project
from clones.engines.security.taint.rulebook import Rulebook
from clones.engines.security.taint.shared import Shared
from clones.engines.security.taint.values import Class, Function, Value
from clones.engines.security.taint.worklist import Worklist

Progress = Callable[[float], None]
_OUT_OF_TIME = "not looked at to its end: the time was up"


class Analysis:
    """What is known of a project."""

    def __init__(self, project: Project, book: Rulebook) -> None:
        self.project = project
        self.book = book
        self.findings = Findings()
        self.budget = Budget()
        self.worklist = Worklist()
        self.dependencies = Dependencies(self.worklist)
        self.shared = Shared(self.worklist, self.dependencies)
        self.members: dict[ClassInfo, dict[str, Value]] = {}
        """What the bodies of classes define."""
        self.routes: dict[FunctionInfo, str] = {}
        """Functions that the project's URL patterns name, with the patterns."""
        self.options: dict[str, Value | None] = {}
        """Options of command lines that can hold no text of somebody else's choice, and what else they hold; None: any."""
        self.reached: set[FunctionInfo] = set()
        """Functions that were called."""
        self.hot: set[FunctionInfo] = set()
        """Functions that read outside data, or return some that they have from others."""
        self.unfinished: dict[str, str] = {}
        """Files in which something was not looked at to its end, and why."""
        self._environments: dict[str, dict[str, Value]] = {}
        self._running: dict[str, Frame] = {}
        self._explored: set[tuple[ClassInfo, str]] = set()
        self._lambdas: dict[ast.Lambda, FunctionInfo] = {}
        self._identities = count(1)

    def fresh(self) -> int:
        """Return the identity of a new object."""
        return next(self._identities)

    # the run

    def run(self, progress: Progress) -> None:
        """Look at all that data from outside may reach."""
        modules = sorted(self.project.modules.values(), key=lambda module: (bool(tests_of(module.path)), module.path))
        for position, module in enumerate(modules):
            self._guarded(module.path, lambda module=module: self.environment(module))  # type: ignore[misc]
            progress(0.3 * (position + 1) / len(modules))
        functions = [info for module in modules for info in module.functions.values()]
        self.worklist.index(functions)
        packages = {module.path: self._packages(module) for module in modules}
        for info in functions:
            if self._is_root(info, packages[info.path]):
                self.hot.add(info)
        # tests last, so that they take no steps from what ships
        for info in sorted(self.hot, key=lambda info: (bool(tests_of(info.path)), info.path, info.node.lineno)):
            self.worklist.put(info)
        done = 0
        while self.worklist:
            info = self.worklist.take()
            self._guarded(info.path, lambda info=info: self.start(info))  # type: ignore[misc]
            done += 1
            progress(0.3 + 0.7 * done / (done + len(self.worklist)))

    def _guarded(self, path: str, work: Callable[[], object]) -> None:
        """Do a part of the work; what goes wrong in it ends this part alone."""
        is_test = bool(tests_of(path))
        if not self.budget.begin(is_test=is_test):
            if self.budget.is_over:
                self.unfinished.setdefault(path, _OUT_OF_TIME)
                return
            place = tests_of(path) or path
            self.unfinished.setdefault(place, "not looked at to its end: there is too much of it")
            return
        try:
            work()
        except OutOfStepsError:
            why = _OUT_OF_TIME if self.budget.is_over else "not looked at to its end: it takes too many steps"
            self.unfinished.setdefault(path, why)
        except RecursionError:
            self.unfinished.setdefault(path, "not looked at to its end: it is nested too deeply")
        finally:
            self.dependencies.give_up()
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

    def start(self, info: FunctionInfo, closure: int | None = None, heap: dict[int, Obj] | None = None) -> None:
        """Look at a function as it may be called from anywhere."""
        if closure is None and "." in info.qualname and info.cls is None:
            return  # nested: looked at where it is defined
        self.worklist.begin(info)
        state = State({}, dict(heap or {}), self.shared.heap)
        frame = Frame(self, info.module, state, info=info, closure=closure, stack=(info,))
        with self.dependencies.collecting() as depends:
            try:
                state.vars.update(entries.bind(frame, info))
            except DeadError:
                return
            result, ended = self._through_decorators(frame, info) or interprocedural.execute_body(frame)
            # before the changes are told: its own may concern what it read before
            self.dependencies.read_by(info, depends)
            if (left := join_states([ended, *frame.left])) is not None:
                self.shared.publish(left)
            if ended is not None:
                if result is not None and ended.taints(result):
                    self.hot.add(info)
                    self.worklist.put_callers(info)
                self._start_nested(frame, ended)
        self.dependencies.read_by(info, depends)

    def _through_decorators(self, frame: Frame, info: FunctionInfo) -> tuple[Value | None, State | None] | None:
        """Call a view as its framework does, through the decorators around it; None where they do not lead to it."""
        if not isinstance(info.wrapped, Value):
            return None
        before = frame.now.copy()
        self.reached.discard(info)
        result: Value | None = None
        try:
            result = frame.call(info.wrapped, Arguments([], dict(before.vars)), info.node)
        except DeadError:
            frame.state = None
        if info in self.reached:
            return result, frame.state
        frame.state = before
        return None

    def _start_nested(self, frame: Frame, ended: State) -> None:
        if not frame.nested:
            return
        frame.state = ended
        frame.capture()
        for info, function in frame.nested:
            if isinstance(function, Function) and function.closure is not None and info.decorators:
                self.start(info, function.closure, ended.heap)

    # modules

    def environment(self, module: Module) -> dict[str, Value]:
        """Return a module's variables, after its body has run; while it runs, those of then."""
        known = self._environments.get(module.path)
        if known is not None:
            return known
        running = self._running.get(module.path)
        if running is not None:
            return running.state.vars if running.state else {}
        state = State({}, {}, self.shared.heap)
        frame = self._running[module.path] = Frame(self, module, state)
        try:
            frame.execute(module.tree.body)
        finally:
            del self._running[module.path]
            ended = frame.state or state
            self._environments[module.path] = ended.vars
            self.shared.adopt(module.path, ended)
        return ended.vars

    def global_value(self, module: Module, name: str) -> Value | None:
        """Return a module's variable; None where it has none of this name."""
        self.dependencies.read(("global", module.path, name))
        value = self.environment(module).get(name)
        if value is not None:
            return value
        found = module.top.get(name)
        if isinstance(found, FunctionInfo):
            return Value(funcs=(Function(found),))
        return Value(funcs=(Class(found),)) if found is not None else None

    def set_global(self, module: Module, name: str, value: Value, state: State) -> None:
        """Assign to a module's variable from a function."""
        self.shared.assign(self.environment(module), module.path, name, value=value, state=state)

    # classes

    def field(self, cls: ClassInfo, name: str) -> Value:
        """Return what an attribute of any instance may be, after the methods that assign to it were looked at."""
        self.dependencies.read(("field", name))
        for each in cls.mro():
            if (each, name) not in self._explored:
                self._explored.add((each, name))
                for method in each.methods.values():
                    if name in method.fields and not self.worklist.is_begun(method):
                        self.start(method)
        return self.shared.attribute(cls, name)

    def lambda_info(self, module: Module, node: ast.Lambda, outer: FunctionInfo | None) -> FunctionInfo:
        """Return a lambda as a function."""
        known = self._lambdas.get(node)
        if known is None:
            qualname = f"{outer.qualname}.lambda" if outer else "lambda"
            known = self._lambdas[node] = FunctionInfo(module, node, qualname, None)
        return known
