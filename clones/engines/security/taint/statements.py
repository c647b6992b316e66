"""Statements: the order in which things happen, and which ways are taken."""

import ast
from collections.abc import Callable
from typing import ClassVar

from clones.engines.security.taint import assignments, cleansing, constants, errors, matching, sinks
from clones.engines.security.taint.base import Arguments, Attempt, Base, DeadError, Loop, Raised, Return
from clones.engines.security.taint.definitions import Definitions
from clones.engines.security.taint.heap import State, join_states, same_states
from clones.engines.security.taint.values import NOTHING, Value, const, join, join_all

_MAX_ROUNDS = 3
"""Times that a loop's body is looked at; most hold still after two."""
_HEAP_A_STEP = 64


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
            assignments.assign(
                self, node.target, element.stepped(self.step(node, "taken in turn")) if element.taints else element
            )
            return self.state, begin

        loop = self._loop(enter, node, at_least_once=always)
        if self.state is not None and not loop.breaks:
            cleansing.checked_in_turn(self, node, loop.turns)

    def _loop(
        self,
        enter: Callable[[], tuple[State | None, State | None]],
        node: ast.For | ast.AsyncFor | ast.While,
        *,
        at_least_once: bool = False,
    ) -> Loop:
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
            loop.turns.append(again)
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
        return loop

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
            sinks.name_secret(self, self.info.name, value, node)
        state = self.now
        truthy: State | None = state
        falsy: State | None = state
        known = constants.truth(value)
        if known is None and isinstance(node.value, ast.Compare | ast.Call | ast.BoolOp | ast.UnaryOp):
            truthy, falsy = self.branch(node.value)
        self.returns.append(Return(value, state, None if known is False else truthy, None if known is True else falsy))
        self.state = None

    def _raise(self, node: ast.Raise) -> None:
        raised = self.handled[-1] if self.handled else {}
        if node.exc is not None:
            raised = errors.of(self, self.evaluate(node.exc))
        errors.note(self, raised)
        (self.attempts[-1].states if self.attempts else self.left).append(self.now)
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
        left = attempt.raised
        for handler in node.handlers:
            self.state = thrown.copy() if thrown else None
            if self.state is not None:
                left = self._handle(handler, left)
            ended.append(self.state)
        if thrown is not None:
            self.state = thrown
            errors.note(self, left)
        self.state = join_states(ended)
        if node.finalbody:
            dead = self.state is None
            self.state = self.state or thrown
            self.execute(node.finalbody)
            if dead:
                self.state = None

    def _handle(self, handler: ast.ExceptHandler, raised: Raised) -> Raised:
        """Execute a handler; return the errors that it does not take."""
        kind = self.evaluate(handler.type) if handler.type is not None else None
        taken = errors.taken(self, kind, raised)
        if handler.name:
            error = join_all(taken.values())
            self.now.vars[handler.name] = Value(
                taints=self.now.taints(error),
                names=kind.names if kind is not None else frozenset(),
                refs=error.refs if kind is not None and kind.funcs else frozenset(),
                other=True,
            )
        self.handled.append(taken)
        self.execute(handler.body)
        self.handled.pop()
        return {kind: value for kind, value in raised.items() if kind not in taken}

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        for each in node.items:
            manager = self.evaluate(each.context_expr)
            entered = self._entered(manager, each.context_expr)
            if each.optional_vars is not None:
                assignments.assign(self, each.optional_vars, entered)
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

    _by_statement: ClassVar[dict[type[ast.stmt], Callable[..., None]]] = {
        ast.Expr: _expression,
        ast.Assign: assignments.assignment,
        ast.AnnAssign: assignments.annotated,
        ast.AugAssign: assignments.augmented,
        ast.Delete: assignments.delete,
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
        ast.Match: matching.match,
        ast.Import: Definitions.import_,
        ast.ImportFrom: Definitions.import_from,
        ast.FunctionDef: Definitions.define_function,
        ast.AsyncFunctionDef: Definitions.define_function,
        ast.ClassDef: Definitions.define_class,
    }


def _one(*values: Value) -> Arguments:
    return Arguments(list(values))
