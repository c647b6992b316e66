"""Calls: of functions of the project, by what they do; of what is outside, by the rules."""

import ast
from collections.abc import Iterator

from clones.engines.security.taint.base import Arguments, Base, DeadError, Return
from clones.engines.security.taint.heap import Key, Obj, State, join_states, references
from clones.engines.security.taint.project import FunctionInfo
from clones.engines.security.taint.summaries import Frozen, Outcome, Summary, TooLargeError, Translation
from clones.engines.security.taint.values import (
    NOTHING,
    UNKNOWN,
    Callable_,
    Class,
    Function,
    Method,
    Partial,
    Value,
    const,
    join,
    join_all,
    named,
)

MAX_CALL_DEPTH = 9
_MAX_SAME = 2
"""Times that a function may call itself within the analysis."""
_CONTEXTS = 12
"""Different arguments with which a function is looked at in one part of the work."""
_COLD_CONTEXTS = 3
"""The same where no outside data is near."""
_MAX_COLD = 2
"""Calls in a row that are followed for types and constants alone."""
_ALL = frozenset("*")


class Calls(Base):
    """Calling of values."""

    def call(self, callee: Value, arguments: Arguments, node: ast.AST, receiver: Value | None = None) -> Value:
        """Call what a value may be."""
        ways: list[Callable_ | str | int] = [*callee.funcs, *sorted(callee.names), *sorted(callee.refs)]
        if not ways:
            return self.call_outside("?.()", arguments, node, receiver)
        if len(ways) == 1:
            return self._call_one(ways[0], arguments, node, receiver)
        result, begin, ended = NOTHING, self.now, []
        for way in ways:
            self.state = begin.copy()
            try:
                result = join(result, self._call_one(way, arguments, node, receiver))
            except DeadError:
                continue
            ended.append(self.state)
            self.conditions.pop(node, None)
        self.state = join_states(ended)
        if self.state is None:
            raise DeadError
        return result

    def _call_one(  # noqa: PLR0911 - one case for each kind of callee
        self, way: Callable_ | str | int, arguments: Arguments, node: ast.AST, receiver: Value | None
    ) -> Value:
        if isinstance(way, str):
            return self.call_outside(way, arguments, node, receiver)
        if isinstance(way, int):
            return self._call_object(way, arguments, node)
        if isinstance(way, Function):
            return self._call_function(way, arguments, node)
        if isinstance(way, Class):
            return self.instantiate(way.info, arguments, node)
        if isinstance(way, Method):
            return self.call_method(way.receiver, way.name, arguments, node)
        if isinstance(way, Partial):
            more = Arguments(
                [*way.positional, *arguments.positional],
                {**dict(way.keywords), **arguments.keywords},
                rest=arguments.rest,
                rest_keywords=arguments.rest_keywords,
            )
            return self.call(way.function, more, node)
        return UNKNOWN

    def _call_object(self, identity: int, arguments: Arguments, node: ast.AST) -> Value:
        obj = self.now.get(identity)
        if obj is None:
            return UNKNOWN
        itself = Value(refs=frozenset((identity,)))
        if obj.cls is not None and (method := obj.cls.method("__call__")) is not None:
            return self._call_function(Function(method, None, itself), arguments, node)
        result = NOTHING
        for name in sorted(obj.names):
            result = join(result, self.call_outside(f"{name}.__call__", arguments, node, itself))
        return UNKNOWN if result.is_nothing else result

    def _call_function(self, function: Function, arguments: Arguments, node: ast.AST) -> Value:
        info = function.info
        if self.info is not None and self.info.has_nested:
            self.capture()
        variables = self.bind(function, arguments, node)
        result = self.run(info, variables, function.closure, node, arguments)
        if self.info is not None and self.info.has_nested and function.closure == self.identity:
            frame = self.now.get(self.identity)
            for name in info.nonlocals if frame else ():
                if frame is not None and name in frame.items:
                    self.now.vars[name] = frame.items[name]
        return result

    def bind(self, function: Function, arguments: Arguments, node: ast.AST) -> dict[str, Value]:
        """Return the parameters' values; those without an argument have none."""
        info = function.info
        given = [*([function.receiver] if function.receiver is not None else []), *arguments.positional]
        variables: dict[str, Value] = {}
        count = len(info.positional)
        for name, value in zip(info.positional, given, strict=False):
            variables[name] = self._passed(value, info, name, node)
        extra: dict[Key, Value] = {}
        for name, value in arguments.keywords.items():
            if name in info.positional or name in info.keyword_only:
                variables[name] = self._passed(value, info, name, node)
            else:
                extra[name] = self._passed(value, info, name, node)
        for loose in (arguments.rest, arguments.rest_keywords):
            if loose is not None:
                names = info.positional if loose is arguments.rest else [*info.positional, *info.keyword_only]
                for name in names:
                    if name not in variables:
                        variables[name] = self._passed(loose, info, name, node)
        arguments_node = info.node.args
        if arguments_node.vararg is not None:
            name = arguments_node.vararg.arg
            more = [self._passed(each, info, name, node) for each in given[count:]]
            variables[name] = self.container("tuple", (node, info, "args"), more, arguments.rest)
        if arguments_node.kwarg is not None:
            obj = Obj("dict", items=extra, rest=arguments.rest_keywords or NOTHING)
            variables[arguments_node.kwarg.arg] = self.allocate((node, info, "kwargs"), obj)
        return variables

    def _passed(self, value: Value, info: FunctionInfo, name: str, node: ast.AST) -> Value:
        return value.stepped(self.step(node, f"passed to `{info.name}` as `{name}`")) if value.taints else value

    def run(
        self,
        info: FunctionInfo,
        variables: dict[str, Value],
        closure: int | None,
        node: ast.AST,
        arguments: Arguments | None = None,
    ) -> Value:
        """Call a function of the project whose parameters are bound."""
        if self.depth >= MAX_CALL_DEPTH or self.stack.count(info) >= _MAX_SAME:
            return self._unfollowed(variables)
        cold = self._cold(info, variables)
        if cold > _MAX_COLD:
            return UNKNOWN
        frozen = Frozen(self.now)
        key: object = None
        try:
            key = (
                info,
                tuple((name, frozen.value(value)) for name, value in sorted(variables.items())),
                None if closure is None else frozen.reachable(closure),
                self.stack.count(info),
                cold,
            )
            known = self.analysis.summary(key)
        except TooLargeError:
            known = None
        self.analysis.budget.tick(len(frozen.ids) // 2)
        if known is None and not self.analysis.budget.may_execute(
            info, _COLD_CONTEXTS if cold else _CONTEXTS, cold=cold > 0
        ):
            return self._unfollowed(variables)
        if known is None:
            known = self._execute(info, variables, closure, frozen, key, cold=cold)
        return self._apply(known, frozen, info, node, arguments)

    def _cold(self, info: FunctionInfo, variables: dict[str, Value]) -> int:
        """Return how far the function is from outside data: 0 where it gets or may read some."""
        if info in self.analysis.hot:
            return self.cold
        state = self.now
        for value in variables.values():
            if value.taints or any(state.taints(each) for each in self._read(value, info)):
                return 0
        return self.cold + 1

    def _read(self, value: Value, info: FunctionInfo) -> Iterator[Value]:
        """Yield what a function that gets a value may read of it: of an instance, the attributes that it mentions."""
        if value.funcs:
            yield Value(funcs=value.funcs)
        for identity, obj in self.now.objects(value):
            if obj.kind != "instance":
                yield Value(refs=frozenset((identity,)))
                continue
            yield obj.rest
            yield from (each for name, each in obj.attrs.items() if name in info.words)

    def _unfollowed(self, variables: dict[str, Value]) -> Value:
        result = UNKNOWN
        for value in variables.values():
            result = join(result, Value(taints=self.now.taints(value), other=True))
        return result

    def _execute(
        self,
        info: FunctionInfo,
        variables: dict[str, Value],
        closure: int | None,
        frozen: Frozen,
        key: object,
        *,
        cold: int,
    ) -> Summary:
        begin = self.now
        # without a key all objects are in reach, and nothing is kept
        heap = dict(begin.heap) if key is None else dict(frozen.heap)
        checked = [name for name, value in variables.items() if value.taints and name not in info.assigned]
        frame = type(self)(
            self.analysis,
            info.module,
            State(variables, dict(heap), begin.globals),
            info=info,
            closure=closure,
            depth=self.depth + 1,
            cold=cold,
            stack=(*self.stack, info),
        )
        with self.analysis.budget.spending(info, cold=cold > 0), self.analysis.depending() as depends:
            result, ended = frame.body()
        objects: dict[int, Obj] = {}
        if ended is not None:
            objects = _left(result, heap, ended)
        outcomes = {name: _outcome(frame.returns, name) for name in checked}
        summary = Summary(
            frozen,
            result=result,
            objects=objects,
            hits=frame.hits,
            outcomes={name: each for name, each in outcomes.items() if any(each)},
            depends=self.analysis.versions(depends),
        )
        if key is not None:
            self.analysis.keep(key, summary)
        return summary

    def body(self) -> tuple[Value | None, State | None]:
        """Execute the function; returns what it returns and the state after it, None where it does not return."""
        info = self.info
        if info is None:
            return None, None
        self.default_parameters(info)
        if isinstance(info.node, ast.Lambda):
            try:
                value = self.evaluate(info.node.body)
            except DeadError:
                return None, None
            truthy, falsy = self.branch(info.node.body)
            self.returns.append(Return(value, self.now, truthy, falsy))
            return value, self.state
        self.execute(info.node.body)
        if self.state is not None:
            self.returns.append(Return(const(None), self.state, None, self.state))
        ended = join_states(each.state for each in self.returns)
        if info.is_generator:
            self.state = ended or State({}, {}, self.analysis.shared)
            made = self.allocate((info, "generator"), Obj("iterator", rest=join_all(self.yields)))
            return made, self.state
        return (join_all(each.value for each in self.returns), ended) if ended is not None else (None, None)

    def default_parameters(self, info: FunctionInfo) -> None:
        """Give parameters without an argument their defaults."""
        node = info.node.args
        variables = self.now.vars
        names = info.positional[len(info.positional) - len(node.defaults) :]
        pairs = [*zip(names, node.defaults, strict=True), *zip(info.keyword_only, node.kw_defaults, strict=True)]
        for name, default in pairs:
            if name not in variables and default is not None:
                try:
                    variables[name] = self.evaluate(default)
                except DeadError:
                    variables[name] = UNKNOWN
        for name in (*info.positional, *info.keyword_only):
            if name not in variables:
                variables[name] = named(f"?{name}")

    def _apply(
        self, summary: Summary, frozen: Frozen, info: FunctionInfo, node: ast.AST, arguments: Arguments | None
    ) -> Value:
        if summary.ids == frozen.ids and all(a is b for a, b in zip(summary.taints, frozen.taints, strict=True)):
            translation = None
        else:
            known = set(summary.ids)
            fresh = {each: self.analysis.fresh() for each in summary.objects if each not in known}
            shared = self.analysis.shared
            fresh = {each: new for each, new in fresh.items() if each not in shared}
            translation = Translation(summary, frozen, fresh)
        state = self.now
        for hit in summary.hits:
            moved = translation.hit(hit) if translation else hit
            self.record(moved)
        if summary.result is None:
            raise DeadError
        for identity, obj in summary.objects.items():
            if translation is None:
                state.heap[identity] = obj
            else:
                state.heap[translation.identity(identity)] = translation.moved(obj)
        if arguments is not None and summary.outcomes:
            self._learn_outcomes(summary.outcomes, info, arguments, node)
        result = translation.value(summary.result) if translation else summary.result
        return result.stepped(self.step(node, f"returned from `{info.name}`")) if result.taints else result

    def _learn_outcomes(
        self, outcomes: dict[str, Outcome], info: FunctionInfo, arguments: Arguments, node: ast.AST
    ) -> None:
        """Make arguments harmless that the function has checked."""
        names = info.positional
        offset = len(names) - len(names[1:]) if info.cls is not None and "staticmethod" not in info.flags else 0
        held, failed = None, None
        for name, (always, truthy, falsy) in outcomes.items():
            place = names.index(name) - offset if name in names else -1
            expression = arguments.nodes.get(name) or arguments.nodes.get(place)
            if expression is None:
                continue
            if always:
                self.cleanse(expression, always)
            if not isinstance(node, ast.expr) or truthy == falsy:
                continue
            before = self.now
            self.state = held or before.copy()
            if truthy:
                self.cleanse(expression, truthy)
            held = self.state
            self.state = failed or before.copy()
            if falsy:
                self.cleanse(expression, falsy)
            failed = self.state
            self.state = before
        if held is not None and isinstance(node, ast.expr):
            self.conditions[node] = (held, failed)


def _left(result: Value | None, before: dict[int, Obj], ended: State) -> dict[int, Obj]:
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


def _outcome(returns: list[Return], name: str) -> Outcome:
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
