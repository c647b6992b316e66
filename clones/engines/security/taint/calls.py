"""Calls: what a callee may be, and which argument is which parameter's."""

import ast

from clones.engines.security.taint import interprocedural
from clones.engines.security.taint.base import Arguments, Base, DeadError
from clones.engines.security.taint.heap import Key, Obj, join_states
from clones.engines.security.taint.project import FunctionInfo
from clones.engines.security.taint.values import (
    NOTHING,
    UNKNOWN,
    Callable_,
    Class,
    Function,
    Method,
    Partial,
    Value,
    join,
)


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
        result = interprocedural.run(self, info, variables, function.closure, node, arguments=arguments)
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
