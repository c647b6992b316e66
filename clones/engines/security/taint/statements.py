"""Statements: the order in which things happen, and which ways are taken."""

import ast
from collections.abc import Callable
from typing import ClassVar

from clones.engines.security.taint import constants
from clones.engines.security.taint.base import Arguments, Attempt, Base, DeadError, Loop, Return
from clones.engines.security.taint.definitions import Definitions
from clones.engines.security.taint.heap import State, join_states, same_states
from clones.engines.security.taint.values import NOTHING, UNKNOWN, Value, const, join, join_all, merge, tainted

_MAX_ROUNDS = 3
"""Times that a loop's body is looked at; most hold still after two."""
_HEAP_A_STEP = 64
_TELLS = (ast.Call, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Attribute, ast.BinOp, ast.Subscript)


class Statements(Definitions, Base):
    """Execution of statements."""

    def execute(self, body: list[ast.stmt]) -> None:
        """Execute statements."""
        for statement in body:
            if self.state is None:
                return
            # states are copied and joined at any turn, which takes time by their size
            self.analysis.budget.tick(1 + len(self.state.heap) // _HEAP_A_STEP)
            handler = self._by_statement.get(type(statement))
            if handler is None:
                continue
            try:
                handler(self, statement)
            except DeadError:
                self.state = None

    def _expression(self, node: ast.Expr) -> None:
        self.evaluate(node.value)

    def _assign(self, node: ast.Assign) -> None:
        value = self.evaluate(node.value)
        for target in node.targets:
            self.assign(target, value)
            self._note(target, node.value)

    def _annotated(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            value = self.evaluate(node.value)
            if value.other and not value.refs and not value.funcs:
                value = join(value, self.annotated(node.annotation, node).with_taints(value.taints))
            self.assign(node.target, value)
            self._note(node.target, node.value)

    def _augmented(self, node: ast.AugAssign) -> None:
        load = ast.copy_location(_loaded(node.target), node.target)
        current, operand = self.evaluate(load), self.evaluate(node.value)
        objects = [
            (identity, obj) for identity, obj in self.now.objects(current) if obj.kind in {"list", "set", "dict"}
        ]
        if objects and isinstance(node.op, ast.Add | ast.BitOr):
            for identity, _ in objects:
                only = Value(refs=frozenset((identity,)))
                self.call_method(only, "extend" if isinstance(node.op, ast.Add) else "update", _one(operand), node)
            return
        self.assign(node.target, self.operate(node.op, current, operand, node))

    def assign(self, target: ast.expr, value: Value) -> None:
        """Bind a target."""
        if isinstance(target, ast.Name):
            self._assign_name(target, value)
        elif isinstance(target, ast.Attribute):
            self.set_attribute(self.evaluate(target.value), target.attr, self._told(value, target), target)
        elif isinstance(target, ast.Subscript):
            container = self.evaluate(target.value)
            key = UNKNOWN if isinstance(target.slice, ast.Slice) else self.evaluate(target.slice)
            self.set_item(container, key, self._told(value, target), target)
        elif isinstance(target, ast.Tuple | ast.List):
            self._unpack(target.elts, value, target)
        elif isinstance(target, ast.Starred):
            self.assign(target.value, self.container("list", target, [], self.elements(value, target)))

    def _told(self, value: Value, target: ast.expr) -> Value:
        if value.taints and isinstance(target, ast.Attribute):
            self.name_secret(target.attr, value, target)
        elif value.taints and isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
            self.name_secret(str(target.slice.value), value, target)
        return value.stepped(self.step(target, f"kept in `{ast.unparse(target)[:60]}`")) if value.taints else value

    def _assign_name(self, target: ast.Name, value: Value) -> None:
        name = target.id
        if value.taints:
            value = value.stepped(self.step(target, f"assigned to `{name}`"))
            self.name_secret(name, value, target)
        state = self.now
        state.vars[name] = value
        if state.facts:
            state.facts = {known: fact for known, fact in state.facts.items() if known != name and name not in fact[1]}
        if self.info is None:
            return
        if name in self.info.globals:
            self.analysis.set_global(self.module, name, value, state)
        elif name in self.info.nonlocals:
            self._assign_outer(name, value)

    def _assign_outer(self, name: str, value: Value) -> None:
        closure = self.closure
        while closure is not None:
            frame = self.now.get(closure)
            if frame is None:
                return
            if name in frame.items or "closure" not in frame.attrs:
                self.store(closure, frame.changed(items={**frame.items, name: value}))
                return
            closure = next(iter(frame.attrs["closure"].refs))

    def _note(self, target: ast.expr, made_by: ast.expr) -> None:
        """Remember what a variable was made by: a later condition on it tells of what it was made from."""
        if isinstance(target, ast.Name) and isinstance(made_by, _TELLS):
            mentioned = frozenset(each.id for each in ast.walk(made_by) if isinstance(each, ast.Name))
            if target.id not in mentioned:
                state = self.now
                state.facts = {**state.facts, target.id: (made_by, mentioned)}

    def _unpack(self, targets: list[ast.expr], value: Value, node: ast.expr) -> None:
        objects = [obj for _, obj in self.now.objects(value)]
        exact = len(objects) == 1 and objects[0].is_exact and objects[0].kind in {"list", "tuple"} and not value.other
        elements = list(objects[0].items.values()) if exact else []
        stars = [place for place, each in enumerate(targets) if isinstance(each, ast.Starred)]
        if exact and not stars and len(elements) == len(targets):
            for target, element in zip(targets, elements, strict=True):
                self.assign(target, element)
            return
        if exact and stars and len(elements) >= len(targets) - 1:
            self._unpack_starred(targets, elements, stars[0])
            return
        element = self.elements(value, node)
        for target in targets:
            self.assign(target, value if isinstance(target, ast.Starred) else element)

    def _unpack_starred(self, targets: list[ast.expr], elements: list[Value], star: int) -> None:
        after = len(targets) - star - 1
        middle = elements[star : len(elements) - after]
        for target, element in zip(targets[:star], elements[:star], strict=True):
            self.assign(target, element)
        starred = targets[star]
        if isinstance(starred, ast.Starred):
            self.assign(starred.value, self.container("list", starred, middle))
        for target, element in zip(targets[star + 1 :], elements[len(elements) - after :], strict=True):
            self.assign(target, element)

    def _delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.now.vars.pop(target.id, None)
            elif isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
                key = self.evaluate(target.slice)
                for identity, obj in self.now.objects(self.evaluate(target.value)):
                    self.remove_item(identity, obj, key)

    def _if(self, node: ast.If) -> None:
        held, failed = self.branch(node.test)
        self.state = held
        self.execute(node.body)
        after = self.state
        self.state = failed
        self.execute(node.orelse)
        self.state = join_states([after, self.state])

    def _while(self, node: ast.While) -> None:
        self._loop(lambda: self.branch(node.test), node)

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        iterable = self.evaluate(node.iter)
        objects = [obj for _, obj in self.now.objects(iterable)]
        never = bool(objects) and not iterable.other and all(obj.is_exact and not obj.items for obj in objects)
        always = any(obj.is_exact and obj.items for obj in objects) and not iterable.other

        def enter() -> tuple[State | None, State | None]:
            begin = self.now
            if never:
                return None, begin
            self.state = begin.copy()
            element = self.elements(iterable, node.iter)
            self.assign(node.target, element.stepped(self.step(node, "taken in turn")) if element.taints else element)
            return self.state, begin

        self._loop(enter, node, at_least_once=always)

    def _loop(
        self,
        enter: Callable[[], tuple[State | None, State | None]],
        node: ast.For | ast.AsyncFor | ast.While,
        *,
        at_least_once: bool = False,
    ) -> None:
        loop = Loop()
        self.loops.append(loop)
        ended: list[State | None] = []
        for turn in range(_MAX_ROUNDS):
            begin = self.now.copy()
            held, failed = enter()
            if turn or not at_least_once:
                ended.append(failed)
            self.state = held
            if held is None:
                break
            self.execute(node.body)
            again = join_states([self.state, *loop.continues])
            loop.continues.clear()
            if again is None:
                break
            # where there is a first turn for sure, what stood before it is gone after it
            self.state = again if at_least_once and not turn else join_states([begin, again])
            if self.state is None or (turn and same_states(begin, self.state)):
                ended.append(self.state)
                break
        else:
            ended.append(enter()[1])
        self.loops.pop()
        self.state = join_states(ended)
        self.execute(node.orelse)
        self.state = join_states([self.state, *loop.breaks])

    def _break(self, node: ast.Break) -> None:
        if self.loops:
            self.loops[-1].breaks.append(self.now)
        self.state = None

    def _continue(self, node: ast.Continue) -> None:
        if self.loops:
            self.loops[-1].continues.append(self.now)
        self.state = None

    def _return(self, node: ast.Return) -> None:
        value = self.evaluate(node.value) if node.value else const(None)
        self.hand_over(value, node)
        if value.taints and self.info is not None:
            self.name_secret(self.info.name, value, node)
        state = self.now
        truthy: State | None = state
        falsy: State | None = state
        known = constants.truth(value)
        if known is None and isinstance(node.value, ast.Compare | ast.Call | ast.BoolOp | ast.UnaryOp):
            truthy, falsy = self.branch(node.value)
        self.returns.append(Return(value, state, None if known is False else truthy, None if known is True else falsy))
        self.state = None

    def _raise(self, node: ast.Raise) -> None:
        error = self.evaluate(node.exc) if node.exc is not None else NOTHING
        if self.attempts:
            attempt = self.attempts[-1]
            attempt.states.append(self.now)
            attempt.raised = join(attempt.raised, error)
        self.state = None

    def _assert(self, node: ast.Assert) -> None:
        # left out under -O, so that it makes nothing harmless; a known failure ends the way all the same
        if constants.truth(self.evaluate(node.test)) is False:
            self.state = None

    def _try(self, node: ast.Try) -> None:
        attempt = Attempt(self.now.copy())
        self.attempts.append(attempt)
        for position, statement in enumerate(node.body):
            self.execute([statement])
            if self.state is None:
                break
            if position < len(node.body) - 1:
                attempt.states.append(self.state.copy())
        self.attempts.pop()
        self.execute(node.orelse)
        ended = [self.state]
        thrown = join_states(attempt.states)
        for handler in node.handlers:
            self.state = thrown.copy() if thrown else None
            if self.state is not None and handler.name:
                self.state.vars[handler.name] = self._caught(handler, attempt.raised)
            self.execute(handler.body)
            ended.append(self.state)
        self.state = join_states(ended)
        if node.finalbody:
            dead = self.state is None
            self.state = self.state or thrown
            self.execute(node.finalbody)
            if dead:
                self.state = None

    def _caught(self, handler: ast.ExceptHandler, raised: Value) -> Value:
        kind = self.evaluate(handler.type) if handler.type is not None else UNKNOWN
        taints = self.now.taints(raised)
        return Value(taints=taints, names=kind.names, refs=raised.refs if kind.funcs else frozenset(), other=True)

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        for each in node.items:
            manager = self.evaluate(each.context_expr)
            entered = self._entered(manager, each.context_expr)
            if each.optional_vars is not None:
                self.assign(each.optional_vars, entered)
        before = self.now.copy()
        self.execute(node.body)
        if self.state is None and any("suppress" in ast.unparse(each.context_expr) for each in node.items):
            self.state = before

    def _entered(self, manager: Value, node: ast.expr) -> Value:
        result = NOTHING
        for identity, obj in self.now.objects(manager):
            only = Value(refs=frozenset((identity,)))
            if obj.kind == "iterator":
                result = join(result, obj.element())
            elif obj.cls and (method := obj.cls.method("__enter__") or obj.cls.method("__aenter__")):
                result = join(result, self.call(self.attribute(only, method.name, node), _one(), node))
            else:
                result = join(result, only)
        plain = Value(taints=manager.taints, names=manager.names, funcs=manager.funcs, other=manager.other)
        return join(result, plain)

    def _match(self, node: ast.Match) -> None:
        subject = self.evaluate(node.subject)
        ended: list[State | None] = []
        for case in node.cases:
            if self.state is None:
                break
            begin = self.state
            matched, left = self._pattern(case.pattern, subject, node.subject, begin)
            self.state = matched
            if matched is not None and case.guard is not None:
                held, failed = self.branch(case.guard)
                left = join_states([left, failed])
                self.state = held
            self.execute(case.body)
            ended.append(self.state)
            self.state = left
        self.state = join_states([*ended, self.state])

    def _pattern(
        self, pattern: ast.pattern, subject: Value, node: ast.expr, state: State
    ) -> tuple[State | None, State | None]:
        """Return the states where the pattern matches, and where it does not."""
        if isinstance(pattern, ast.MatchValue | ast.MatchSingleton):
            value = const(pattern.value) if isinstance(pattern, ast.MatchSingleton) else self.evaluate(pattern.value)
            known = constants.truth(self.compare(ast.Eq(), subject, value))
            matched = state.copy()
            if isinstance(node, ast.Name) and value.is_constant:
                matched.vars[node.id] = value
            return (None if known is False else matched), (None if known is True else state)
        if isinstance(pattern, ast.MatchOr):
            ended: list[State | None] = []
            left: State | None = state
            for each in pattern.patterns:
                if left is not None:
                    matched_one, left = self._pattern(each, subject, node, left)
                    ended.append(matched_one)
            return join_states(ended), left
        matched = state.copy()
        element = join(self.elements(subject, node), tainted(merge(subject.taints, state.taints(subject))))
        for part in ast.walk(pattern):
            name = getattr(part, "name", None) or getattr(part, "rest", None)
            if isinstance(name, str):
                matched.vars[name] = subject if part is pattern else element
        irrefutable = isinstance(pattern, ast.MatchAs) and pattern.pattern is None
        return matched, None if irrefutable else state

    def generated(self) -> Value:
        """Return what a generator yields."""
        return join_all(self.yields)

    _by_statement: ClassVar[dict[type[ast.stmt], Callable[..., None]]] = {
        ast.Expr: _expression,
        ast.Assign: _assign,
        ast.AnnAssign: _annotated,
        ast.AugAssign: _augmented,
        ast.Delete: _delete,
        ast.If: _if,
        ast.While: _while,
        ast.For: _for,
        ast.AsyncFor: _for,
        ast.Break: _break,
        ast.Continue: _continue,
        ast.Return: _return,
        ast.Raise: _raise,
        ast.Assert: _assert,
        ast.Try: _try,
        ast.TryStar: _try,
        ast.With: _with,
        ast.AsyncWith: _with,
        ast.Match: _match,
        ast.Import: Definitions.import_,
        ast.ImportFrom: Definitions.import_from,
        ast.FunctionDef: Definitions.define_function,
        ast.AsyncFunctionDef: Definitions.define_function,
        ast.ClassDef: Definitions.define_class,
    }


def _loaded(target: ast.expr) -> ast.expr:
    if isinstance(target, ast.Name):
        return ast.Name(target.id, ast.Load())
    if isinstance(target, ast.Attribute):
        return ast.Attribute(target.value, target.attr, ast.Load())
    if isinstance(target, ast.Subscript):
        return ast.Subscript(target.value, target.slice, ast.Load())
    return target


def _one(*values: Value) -> Arguments:
    return Arguments(list(values))
