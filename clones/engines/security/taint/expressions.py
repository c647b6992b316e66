"""What expressions may be."""

import ast
from collections.abc import Callable, Iterable
from typing import ClassVar

from clones.engines.security.taint import constants
from clones.engines.security.taint.base import Arguments, Base, DeadError
from clones.engines.security.taint.formats import put_in
from clones.engines.security.taint.heap import Key, Obj, State, join_states
from clones.engines.security.taint.values import (
    LINES,
    NO_TAINTS,
    NORMAL_PATH,
    NOTHING,
    UNKNOWN,
    Function,
    Value,
    beginning,
    const,
    join,
    join_all,
    merge,
    named,
    ref,
    tainted,
)

_DUNDER = {
    ast.Add: "__add__",
    ast.Mod: "__mod__",
    ast.BitOr: "__or__",
    ast.BitAnd: "__and__",
    ast.Div: "__truediv__",
    ast.Sub: "__sub__",
    ast.Mult: "__mul__",
}


_ANNOTATED = frozenset(("typing.Annotated", "typing_extensions.Annotated"))
_MAX_UNROLLED = 8


class Expressions(Base):
    """Evaluation of expressions."""

    def evaluate(self, node: ast.expr) -> Value:
        """Return what an expression may be; its effects are in the state afterwards."""
        self.analysis.budget.tick()
        handler = self._by_expression.get(type(node))
        return handler(self, node) if handler else UNKNOWN

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

    def _binary(self, node: ast.BinOp) -> Value:
        return self.operate(node.op, self.evaluate(node.left), self.evaluate(node.right), node)

    def operate(self, kind: ast.operator, left: Value, right: Value, node: ast.AST) -> Value:
        """Return `left <kind> right`."""
        folded = constants.binary(kind, left, right)
        if folded.is_constant:
            return folded
        state = self.now
        for name in sorted(left.names):
            dunder = _DUNDER.get(type(kind))
            if dunder and self.analysis.is_ruled(f"{name}.{dunder}"):
                return self.call_outside(f"{name}.{dunder}", Arguments([right]), node, left)
        lists = [state.objects(each) for each in (left, right)]
        if isinstance(kind, ast.Add) and lists[0] and (lists[1] or right.other):
            return self._concatenate([obj for _, obj in lists[0]], [obj for _, obj in lists[1]], right, node)
        if isinstance(kind, ast.BitOr) and all(lists):
            items = {**lists[0][0][1].items, **lists[1][0][1].items}
            rest = join(lists[0][0][1].rest, lists[1][0][1].rest)
            return self.allocate(node, Obj(lists[0][0][1].kind, items=items, rest=rest))
        right_taints = state.taints(right)
        if isinstance(kind, ast.Mod) and isinstance(left.constant, str):
            right_taints = state.taints(self._put_in(left.constant, right))
        taints = merge(state.taints(left), right_taints)
        if isinstance(kind, ast.Mod) and isinstance(text := beginning(left), str) and "%" in text:
            start = self._formatted_start(left, right, text)
        elif isinstance(kind, ast.Add):
            start = f"{left.constant}{beginning(right)}" if isinstance(left.constant, str) else beginning(left)
        else:
            start = ""
        if isinstance(kind, ast.Div) and self._is_path(left):
            return named("pathlib.Path", taints=taints)
        names = frozenset(each for each in left.names if not each.startswith("?")) if taints else NOTHING.names
        return Value(taints=taints, names=names, other=True, prefix=start)

    def _is_path(self, value: Value) -> bool:
        names = value.names.union(*(obj.names for _, obj in self.now.objects(value))) - {NORMAL_PATH}
        return names == {"pathlib.Path"} and not value.consts

    def _put_in(self, text: str, right: Value) -> Value:
        """Return what `text % right` is made of beside the text."""
        objects = [obj for _, obj in self.now.objects(right)]
        if len(objects) == 1 and objects[0].kind == "tuple" and objects[0].is_exact and not right.other:
            written = put_in(text, list(objects[0].items.values()))
        else:
            written = None if objects else put_in(text, [right])
        return right if written is None else join_all(written)

    def _formatted_start(self, left: Value, right: Value, text: str) -> str:
        start, _, rest = text.partition("%")
        if start or not rest.startswith("s"):
            return start
        firsts = [obj.items.get(0, UNKNOWN) for _, obj in self.now.objects(right)] or [right]
        first = firsts[0]
        return f"{first.constant}{rest[1:].partition('%')[0]}" if isinstance(first.constant, str) else beginning(first)

    def _concatenate(self, left: list[Obj], right: list[Obj], loose: Value, node: ast.AST) -> Value:
        if not right:
            right = [Obj("list", rest=tainted(loose.taints))]
        if len(left) == len(right) == 1 and left[0].is_exact and right[0].is_exact:
            return self.container(left[0].kind, node, [*left[0].items.values(), *right[0].items.values()])
        if len(left) == 1 and left[0].is_exact:
            return self.container(
                left[0].kind, node, [*left[0].items.values()], join_all(obj.element() for obj in right)
            )
        return self.container(left[0].kind, node, [], join_all(obj.element() for obj in (*left, *right)))

    def _unary(self, node: ast.UnaryOp) -> Value:
        operand = self.evaluate(node.operand)
        if isinstance(node.op, ast.Not):
            known = constants.truth(operand)
            return UNKNOWN if known is None else const(not known)
        folded = constants.unary(node.op, operand)
        return folded if folded.is_constant else tainted(operand.taints)

    def _formatted(self, node: ast.JoinedStr) -> Value:
        return self.text_of([self._piece(part) for part in node.values])

    def _piece(self, part: ast.expr) -> Value:
        if not isinstance(part, ast.FormattedValue):
            return self.evaluate(part)
        value = self.evaluate(part.value)
        if part.format_spec is not None:
            spec = self.evaluate(part.format_spec).constant
            return UNKNOWN if isinstance(spec, str) and spec[-1:] in {*"dfeEgGxXobn%"} and spec else _opaque(value)
        return _opaque(value).cleansed(LINES) if part.conversion not in {-1, ord("s")} else value

    def text_of(self, parts: Iterable[Value]) -> Value:
        """Return the text that is made by writing values one after another."""
        state = self.now
        result = const("")
        for part in parts:
            text = constants.function("str", [part]) if part.is_constant else part
            folded = constants.binary(ast.Add(), result, text) if result.is_constant else UNKNOWN
            if folded.is_constant:
                result = folded
                continue
            known = result.constant if result.is_single else None
            start = f"{known}{beginning(text)}" if isinstance(known, str) else beginning(result)
            result = Value(taints=merge(result.taints, state.taints(part)), other=True, prefix=start)
        return result

    def _compare(self, node: ast.Compare) -> Value:
        left = self.evaluate(node.left)
        result: Value = const(True)
        for kind, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.evaluate(right_node)
            one = self.compare(kind, left, right)
            known = constants.truth(one)
            if known is False:
                return const(False)
            if known is None:
                result = Value(consts=(True, False))
            left = right
        return result

    def compare(self, kind: ast.cmpop, left: Value, right: Value) -> Value:
        """Return `left <kind> right`."""
        folded = constants.compare(kind, left, right)
        if folded.is_constant:
            return folded
        is_none = isinstance(kind, ast.Is | ast.IsNot) and right.is_single and right.constant is None
        if is_none and (left.refs or left.funcs) and not (left.consts or left.other or left.names):
            return const(isinstance(kind, ast.IsNot))
        if isinstance(kind, ast.In | ast.NotIn) and left.is_constant:
            found = [self._contains(obj, left) for _, obj in self.now.objects(right)]
            if found and not right.other and None not in found and len(set(found)) == 1:
                return const(found[0] is isinstance(kind, ast.In))
        return UNKNOWN

    def _contains(self, obj: Obj, value: Value) -> bool | None:
        if not obj.is_exact or obj.kind == "instance":
            return None
        if obj.kind == "dict":
            inside = {each in obj.items for each in value.consts}
        elif all(each.is_single for each in obj.items.values()):
            inside = {any(each == one.constant for one in obj.items.values()) for each in value.consts}
        else:
            return None
        return inside.pop() if len(inside) == 1 else None

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
        self.assign(node.target, value)
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

    def _sequence(self, node: ast.List | ast.Tuple | ast.Set) -> Value:
        kind = {ast.List: "list", ast.Tuple: "tuple", ast.Set: "set"}[type(node)]
        elements: list[Value] = []
        rest = NOTHING
        for each in node.elts:
            if not isinstance(each, ast.Starred):
                elements.append(self.evaluate(each))
                continue
            value = self.evaluate(each.value)
            objects = [obj for _, obj in self.now.objects(value)]
            if len(objects) == 1 and objects[0].is_exact and objects[0].kind in {"list", "tuple"} and not value.other:
                elements.extend(objects[0].items.values())
            else:
                rest = join(rest, self.elements(value, each))
        return self.container(kind, node, elements, rest)

    def _mapping(self, node: ast.Dict) -> Value:
        items: dict[Key, Value] = {}
        rest, is_open = NOTHING, False
        for key_node, value_node in zip(node.keys, node.values, strict=True):
            value = self.evaluate(value_node)
            if key_node is None:
                for _, obj in self.now.objects(value):
                    items.update(obj.items)
                    rest = join(rest, obj.rest)
                    is_open |= obj.open
                if value.other or value.names:
                    rest, is_open = join(rest, tainted(value.taints)), True
                continue
            key = self.evaluate(key_node)
            if key.is_single:
                items[key.constant] = value
                self.name_secret(str(key.constant), value, value_node)
            else:
                rest = join(rest, value)
        return self.allocate(node, Obj("dict", items=items, rest=rest, open=is_open))

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Value:
        before = dict(self.now.vars)
        if isinstance(node, ast.ListComp | ast.DictComp) and (unrolled := self._unrolled(node)) is not None:
            self.now.vars = before
            return unrolled
        made = Value()
        if self._enter(node.generators):
            made = self.evaluate(node.value if isinstance(node, ast.DictComp) else node.elt)
            if isinstance(node, ast.DictComp):
                self.evaluate(node.key)
        state: State = self.now
        state.vars = before
        kinds = {ast.ListComp: "list", ast.SetComp: "set", ast.DictComp: "dict"}
        return self.allocate(node, Obj(kinds.get(type(node), "iterator"), rest=made))

    def _unrolled(self, node: ast.ListComp | ast.DictComp) -> Value | None:
        """Evaluate a comprehension over a few known elements one by one; None where there are others, or new objects."""
        first = node.generators[0]
        if len(node.generators) > 1 or first.ifs:
            return None
        iterable = self.evaluate(first.iter)
        objects = [obj for _, obj in self.now.objects(iterable)]
        if len(objects) != 1 or iterable.other or not objects[0].is_exact or objects[0].kind not in {"list", "tuple"}:
            return None
        if len(objects[0].items) > _MAX_UNROLLED:
            return None
        items: dict[Key, Value] = {}
        for place, element in enumerate(objects[0].items.values()):
            self.assign(first.target, element)
            key = self.evaluate(node.key) if isinstance(node, ast.DictComp) else const(place)
            value = self.evaluate(node.value if isinstance(node, ast.DictComp) else node.elt)
            if value.refs or value.funcs or not key.is_single:
                return None  # what one place in the code makes is one object here, whatever the turn
            items[key.constant] = value
        return self.allocate(node, Obj("list" if isinstance(node, ast.ListComp) else "dict", items=items))

    def _enter(self, generators: list[ast.comprehension]) -> bool:
        """Bind the targets; False where the conditions never hold."""
        for each in generators:
            self.assign(each.target, self.elements(self.evaluate(each.iter), each.iter))
            for test in each.ifs:
                before = self.state
                held, _ = self.branch(test)
                if held is None:
                    self.state = before
                    return False
                self.state = held
        return True

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
        ast.BinOp: _binary,
        ast.UnaryOp: _unary,
        ast.JoinedStr: _formatted,
        ast.FormattedValue: _piece,
        ast.Compare: _compare,
        ast.BoolOp: _logical,
        ast.IfExp: _conditional,
        ast.NamedExpr: _walrus,
        ast.Lambda: _lambda,
        ast.List: _sequence,
        ast.Tuple: _sequence,
        ast.Set: _sequence,
        ast.Dict: _mapping,
        ast.ListComp: _comprehension,
        ast.SetComp: _comprehension,
        ast.DictComp: _comprehension,
        ast.GeneratorExp: _comprehension,
        ast.Await: _await,
        ast.Yield: _yield,
        ast.YieldFrom: _yield_from,
        ast.Starred: _starred,
        ast.Call: _call,
    }


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def _opaque(value: Value) -> Value:
    """Return a text of which only its origin is known."""
    return Value(taints=value.taints, refs=value.refs, other=True) if not value.is_constant else UNKNOWN
