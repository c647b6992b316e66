"""What expressions may be."""

import ast
from collections.abc import Callable
from typing import ClassVar

from clones.engines.security.taint import assignments, constants, displays, operators, texts
from clones.engines.security.taint.base import Arguments, Base, DeadError
from clones.engines.security.taint.heap import Key, Obj, join_states
from clones.engines.security.taint.taints import NO_TAINTS, merge
from clones.engines.security.taint.values import (
    NOTHING,
    UNKNOWN,
    Function,
    Value,
    const,
    join,
    join_all,
    named,
    ref,
    tainted,
)

_ANNOTATED = frozenset(("typing.Annotated", "typing_extensions.Annotated"))
_REPEATABLE = (ast.Call, ast.Attribute, ast.Subscript)


class Expressions(Base):
    """Evaluation of expressions."""

    def evaluate(self, node: ast.expr) -> Value:
        """Return what an expression may be; its effects are in the state afterwards."""
        self.analysis.budget.tick()
        handler = self._by_expression.get(type(node))
        value = handler(self, node) if handler else UNKNOWN
        if value.taints and self.state is not None and self.state.checked and isinstance(node, _REPEATABLE):
            harmless, _ = self.state.checked.get(ast.dump(node), (frozenset(), None))
            return value.cleansed(harmless)
        return value

    def _constant(self, node: ast.Constant) -> Value:
        value = node.value
        return UNKNOWN if value is Ellipsis else const(value)

    def _name(self, node: ast.Name) -> Value:
        value = self.lookup(node.id)
        if value.names and not value.taints:
            value = self._sourced(value, node)
        is_unknown = value.other and all(name.endswith("()") for name in value.names)
        if is_unknown and not value.refs and not value.funcs:
            return join(value, named(f"?{node.id}"))
        return value

    def _sourced(self, value: Value, node: ast.AST) -> Value:
        taints = value.taints
        for name in sorted(value.names):
            if self.book.sources.of(self.book.canonical(name)):
                taints = merge(taints, self.outside(name, node, NO_TAINTS).taints)
        return value.with_taints(taints)

    def lookup(self, name: str) -> Value:
        """Return what a variable may be."""
        state = self.now
        value = state.vars.get(name)
        if value is not None:
            return value
        closure = self.closure
        while closure is not None:
            frame = state.get(closure)
            if frame is None:
                break
            if name in frame.items:
                return frame.items[name]
            closure = next(iter(frame.attrs["closure"].refs)) if "closure" in frame.attrs else None
        value = self.analysis.global_value(self.module, name)
        return named(name) if value is None else value

    def _attribute(self, node: ast.Attribute) -> Value:
        if _is_super(node.value):
            return self.inherited(node.attr, node)
        return self.attribute(self.evaluate(node.value), node.attr, node)

    def _subscript(self, node: ast.Subscript) -> Value:
        container = self.evaluate(node.value)
        if container.names & _ANNOTATED and isinstance(node.slice, ast.Tuple) and node.slice.elts:
            return self.evaluate(node.slice.elts[0])
        if isinstance(node.slice, ast.Slice):
            bounds = [
                self.evaluate(each) if each else const(None)
                for each in (node.slice.lower, node.slice.upper, node.slice.step)
            ]
            return self._slice(container, bounds, node)
        return self.item(container, self.evaluate(node.slice), node)

    def _slice(self, container: Value, bounds: list[Value], node: ast.AST) -> Value:
        folded = constants.part(Value(consts=container.consts), bounds) if container.consts else NOTHING
        start_at_zero = bounds[0].is_single and bounds[0].constant in {None, 0}
        result = Value(
            taints=container.taints,
            consts=folded.consts,
            other=folded.other or container.other or bool(container.names or container.funcs),
            prefix=container.prefix if start_at_zero and bounds[1].constant is None else "",
        )
        for identity, obj in self.now.objects(container):
            elements = list(obj.items.values())
            if obj.kind in {"list", "tuple"} and obj.is_exact and all(each.is_single for each in bounds):
                ends = [each.constant if isinstance(each.constant, int) else None for each in bounds]
                kept = elements[slice(*ends)] if ends[2] != 0 else elements
                made = self.container(obj.kind, (node, identity), kept)
            else:
                made = self.container("list", (node, identity), [], obj.element())
            result = join(result, made)
        return result

    def _logical(self, node: ast.BoolOp) -> Value:
        stops_at = isinstance(node.op, ast.Or)
        result, ended = NOTHING, []
        for position, each in enumerate(node.values):
            begin = self.now.copy()
            value = self.evaluate(each)
            if position == len(node.values) - 1:
                result = join(result, value)
                break
            known = constants.truth(value)
            if known is stops_at:
                result = join(result, value)
                break
            if known is None:
                kept = constants.without_false(value, stops_at)
                # an empty text, where `and` ends early, does no harm
                result = join(result, kept if stops_at or kept.refs else kept.with_taints(NO_TAINTS))
                after = self.state
                self.state = begin
                held, failed = self.branch(each)
                stopped, going = (held, failed) if stops_at else (failed, held)
                ended.append(stopped)
                self.state = going or after
        self.state = join_states([*ended, self.state])
        return result

    def _conditional(self, node: ast.IfExp) -> Value:
        values, states = [], []
        for state, chosen in zip(self.branch(node.test), (node.body, node.orelse), strict=True):
            if state is None:
                continue
            self.state = state
            try:
                values.append(self.evaluate(chosen))
                states.append(self.state)
            except DeadError:
                pass
        self.state = join_states(states)
        if self.state is None:
            raise DeadError
        return join_all(values)

    def _walrus(self, node: ast.NamedExpr) -> Value:
        value = self.evaluate(node.value)
        assignments.assign(self, node.target, value)
        return value

    def _lambda(self, node: ast.Lambda) -> Value:
        info = self.analysis.lambda_info(self.module, node, self.info)
        return Value(funcs=(Function(info, self.capture()),))

    def capture(self) -> int | None:
        """Put the variables where functions that are defined here find them."""
        if self.info is None:
            return self.closure
        wanted = self.info.words
        state = self.now
        attrs = {"closure": ref(self.closure)} if self.closure is not None else {}
        items: dict[Key, Value] = {name: value for name, value in state.vars.items() if name in wanted}
        state.heap[self.identity] = Obj("frame", items=items, attrs=attrs)
        return self.identity

    def _await(self, node: ast.Await) -> Value:
        return self.evaluate(node.value)

    def _yield(self, node: ast.Yield) -> Value:
        if node.value:
            self.yields.append(self.evaluate(node.value))
        return UNKNOWN

    def _yield_from(self, node: ast.YieldFrom) -> Value:
        value = self.evaluate(node.value)
        self.yields.append(self.elements(value, node))
        return value

    def _starred(self, node: ast.Starred) -> Value:
        return self.elements(self.evaluate(node.value), node)

    def _call(self, node: ast.Call) -> Value:
        receiver = None
        if isinstance(node.func, ast.Attribute) and not _is_super(node.func.value):
            receiver = self.evaluate(node.func.value)
            callee = self.attribute(receiver, node.func.attr, node.func)
        else:
            callee = self.evaluate(node.func)
        return self.call(callee, self._arguments(node), node, receiver)

    def _arguments(self, node: ast.Call) -> Arguments:
        positional: list[Value] = []
        rest: Value | None = None
        nodes: dict[int | str, ast.expr] = {}
        for each in node.args:
            if not isinstance(each, ast.Starred):
                if rest is None:
                    nodes[len(positional)] = each
                    positional.append(self.evaluate(each))
                else:
                    rest = join(rest, self.evaluate(each))
                continue
            value = self.evaluate(each.value)
            objects = [obj for _, obj in self.now.objects(value)]
            if len(objects) == 1 and objects[0].is_exact and objects[0].kind in {"list", "tuple"} and rest is None:
                positional.extend(objects[0].items.values())
            else:
                rest = join(rest or NOTHING, self.elements(value, each))
        keywords: dict[str, Value] = {}
        more: Value | None = None
        for keyword in node.keywords:
            value = self.evaluate(keyword.value)
            if keyword.arg is not None:
                keywords[keyword.arg] = value
                nodes[keyword.arg] = keyword.value
                continue
            for _, obj in self.now.objects(value):
                keywords |= {key: each for key, each in obj.items.items() if isinstance(key, str)}
                more = join(more or NOTHING, obj.rest) if not obj.rest.is_nothing else more
            if value.taints or value.other:
                more = join(more or NOTHING, tainted(value.taints))
        return Arguments(positional, keywords, rest=rest, rest_keywords=more, nodes=nodes)

    _by_expression: ClassVar[dict[type[ast.expr], Callable[..., Value]]] = {
        ast.Constant: _constant,
        ast.Name: _name,
        ast.Attribute: _attribute,
        ast.Subscript: _subscript,
        ast.BinOp: operators.binary,
        ast.UnaryOp: operators.unary,
        ast.JoinedStr: texts.formatted,
        ast.FormattedValue: texts.piece,
        ast.Compare: operators.comparison,
        ast.BoolOp: _logical,
        ast.IfExp: _conditional,
        ast.NamedExpr: _walrus,
        ast.Lambda: _lambda,
        ast.List: displays.sequence,
        ast.Tuple: displays.sequence,
        ast.Set: displays.sequence,
        ast.Dict: displays.mapping,
        ast.ListComp: displays.comprehension,
        ast.SetComp: displays.comprehension,
        ast.DictComp: displays.comprehension,
        ast.GeneratorExp: displays.comprehension,
        ast.Await: _await,
        ast.Yield: _yield,
        ast.YieldFrom: _yield_from,
        ast.Starred: _starred,
        ast.Call: _call,
    }


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
