"""Conditions: which way is taken, and what is known of the values on it."""

import ast

from clones.engines.security.taint import cleansing, constants
from clones.engines.security.taint.base import Base, DeadError
from clones.engines.security.taint.cleansing import ANYTHING, HOST_PARTS, MAX_FACTS, normalises
from clones.engines.security.taint.heap import State, join_states
from clones.engines.security.taint.patterns import harmless_for
from clones.engines.security.taint.rule_file import ALL
from clones.engines.security.taint.taints import LINES, PATHS
from clones.engines.security.taint.values import NORMAL_PATH, NOTHING, Value, beginning, join

Ways = tuple[State | None, State | None]
_ABSENT: dict[str, frozenset[str]] = {
    "..": PATHS,
    "../": PATHS,
    "/": PATHS,
    "\n": LINES,
    "\r": LINES,
    "<": frozenset(("xss",)),
    "://": frozenset(("ssrf",)),
    "'": frozenset(("xpath-injection",)),
}
"""What a text without such a part is harmless for."""
_TELLS_LETTERS = {"isdigit", "isnumeric", "isdecimal", "isalnum", "isalpha", "isidentifier"}
_NUMBERS = {"int", "float", "bool", "complex"}


class Guards(Base):
    """Evaluation of conditions."""

    def branch(self, test: ast.expr) -> Ways:
        """Return the states after a condition that held, and after one that did not; None where it cannot be so."""
        if self.state is None:
            return None, None
        try:
            if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
                held, failed = self.branch(test.operand)
                return failed, held
            if isinstance(test, ast.BoolOp):
                return self._branch_logical(test)
            value = self.evaluate(test)
        except DeadError:
            return None, None
        known = constants.truth(value)
        state = self.now
        told = self.conditions.pop(test, None)
        held = None if known is False else (told[0] if told else state)
        failed = None if known is True else (told[1] if told else state)
        return self._narrow(test, True, held), self._narrow(test, False, failed)

    def _branch_logical(self, test: ast.BoolOp) -> Ways:
        is_and = isinstance(test.op, ast.And)
        decided: list[State | None] = []
        for each in test.values:
            held, failed = self.branch(each)
            stopped, going = (failed, held) if is_and else (held, failed)
            decided.append(stopped)
            self.state = going
            if going is None:
                break
        early = join_states(decided)
        return (self.state, early) if is_and else (early, self.state)

    def _narrow(self, test: ast.expr, truth: bool, state: State | None, depth: int = 0) -> State | None:
        """Return the state, with what the condition says of the values in it."""
        if state is None:
            return None
        before = self.state
        self.state = state.copy()
        try:
            self._learn(test, truth, depth)
        except DeadError:
            self.state = None
        narrowed, self.state = self.state, before
        return narrowed

    def _learn(self, test: ast.expr, truth: bool, depth: int) -> None:
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            self._learn(test.operand, not truth, depth)
        elif isinstance(test, ast.BoolOp):
            if isinstance(test.op, ast.And) is truth:
                for each in test.values:
                    self._learn(each, truth, depth)
        elif isinstance(test, ast.NamedExpr):
            self._learn_truth(test.target, truth)
            self._learn(test.value, truth, depth)
        elif isinstance(test, ast.Compare):
            if len(test.ops) == 1:
                self._learn_compare(test.left, test.ops[0], test.comparators[0], truth)
        elif isinstance(test, ast.Call):
            self._learn_call(test, truth)
        elif isinstance(test, ast.Name):
            self._learn_truth(test, truth)
            fact = self.now.facts.get(test.id)
            if fact is not None and depth < MAX_FACTS:
                self._learn(fact[0], truth, depth + 1)
        elif isinstance(test, ast.Attribute) and not truth and test.attr in HOST_PARTS:
            cleansing.cleanse(self, test.value, frozenset(("open-redirect",)))

    def _learn_truth(self, target: ast.Name, truth: bool) -> None:
        value = self.now.vars.get(target.id)
        if value is not None:
            narrowed = constants.without_false(value, truth)
            if not truth and value.other and not value.refs:
                narrowed = narrowed.with_taints({}) if narrowed.taints else narrowed  # an empty text does no harm
            self.now.vars[target.id] = narrowed if not narrowed.is_nothing else value

    def _learn_compare(self, left: ast.expr, kind: ast.cmpop, right: ast.expr, truth: bool) -> None:
        if isinstance(kind, ast.NotEq | ast.NotIn | ast.IsNot):
            opposite = {ast.NotEq: ast.Eq, ast.NotIn: ast.In, ast.IsNot: ast.Is}[type(kind)]()
            kind, truth = opposite, not truth
        if isinstance(kind, ast.In):
            self._learn_membership(left, right, truth)
        elif isinstance(kind, ast.Eq | ast.Is):
            for one, other in ((left, right), (right, left)):
                self._learn_equal(one, other, truth)

    def _learn_equal(self, target: ast.expr, other: ast.expr, truth: bool) -> None:
        value = self.evaluate(other)
        if isinstance(target, ast.Name) and value.is_single:
            known = self.now.vars.get(target.id)
            if truth:
                self.now.vars[target.id] = value
            elif known is not None and value.constant in known.consts:
                kept = tuple(each for each in known.consts if each is not value.constant and each != value.constant)
                self.now.vars[target.id] = known.changed(consts=kept, other=known.other or known.is_constant)
        elif truth and not self.now.taints(value):
            cleansing.trust(self, target)

    def _learn_membership(self, left: ast.expr, right: ast.expr, truth: bool) -> None:
        container = self.evaluate(right)
        if truth:
            if isinstance(right, ast.Attribute) and right.attr == "parents":
                cleansing.cleanse_made(self, right.value, PATHS)
            elif not self.now.taints(container) and not container.is_constant:
                cleansing.trust(self, left)
            return
        part = self.evaluate(left)
        if part.is_single and isinstance(part.constant, str) and (harmless := _ABSENT.get(part.constant)):
            cleansing.cleanse(self, right, harmless)

    def _learn_call(self, test: ast.Call, truth: bool) -> None:
        function = test.func
        if isinstance(function, ast.Name):
            if truth and function.id == "isinstance" and len(test.args) == 2:
                kinds = self.evaluate(test.args[1]).names
                if kinds and kinds <= _NUMBERS:
                    cleansing.cleanse(self, test.args[0], ANYTHING)
            elif truth and function.id == "all" and len(test.args) == 1:
                self._learn_all(test.args[0])
            elif not truth and function.id == "any" and len(test.args) == 1:
                self._learn_none(test.args[0])
        if not isinstance(function, ast.Attribute):
            return
        receiver, name = function.value, function.attr
        if truth and name in _TELLS_LETTERS and not test.args:
            cleansing.trust(self, receiver)
        elif truth and name == "startswith" and len(test.args) == 1:
            self._learn_beginning(receiver, self.evaluate(test.args[0]))
        elif name == "startswith" and len(test.args) == 1:
            # `/x` stays on the site; `//host` does not
            value, start = self.evaluate(receiver), self.evaluate(test.args[0])
            if beginning(value).startswith("/") and start.constant == "//":
                cleansing.cleanse(self, receiver, frozenset(("open-redirect",)))
        elif truth and name == "is_relative_to":
            cleansing.cleanse_made(self, receiver, PATHS)
        elif truth and name in {"fullmatch", "match", "search"}:
            self._learn_match(function, test)

    def _learn_all(self, made: ast.expr) -> None:
        """`all(c in ALLOWED for c in text)`, `all(c.isalnum() or c in "-_" for c in text)`."""
        if isinstance(made, ast.GeneratorExp | ast.ListComp) and len(made.generators) == 1:
            first = made.generators[0]
            tests = made.elt.values if isinstance(made.elt, ast.BoolOp) else [made.elt]
            if all(_limits(each, first.target) for each in tests):
                cleansing.trust(self, first.iter)

    def _learn_none(self, made: ast.expr) -> None:
        """`not any(part in text for part in ("..", "/"))`."""
        if not isinstance(made, ast.GeneratorExp | ast.ListComp) or len(made.generators) != 1:
            return
        test, each = made.elt, made.generators[0]
        if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.In) and ast.dump(test.left)[:9] == "Name(id='":
            parts = self.elements(self.evaluate(each.iter), each.iter)
            for _, obj in self.now.objects(self.evaluate(each.iter)):
                parts = obj.element()
            for part in parts.consts:
                if isinstance(part, str) and part in _ABSENT:
                    cleansing.cleanse(self, test.comparators[0], _ABSENT[part])

    def _learn_beginning(self, receiver: ast.expr, start: Value) -> None:
        value = self.evaluate(receiver)
        made_by = receiver
        if isinstance(receiver, ast.Name) and receiver.id in self.now.facts:
            made_by = self.now.facts[receiver.id][0]
        if NORMAL_PATH in value.names or (isinstance(made_by, ast.Call) and normalises(made_by)):
            cleansing.cleanse_made(self, receiver, PATHS)
            return
        text = beginning(start)
        if isinstance(receiver, ast.Name) and text and isinstance(start.constant, str) and value.taints:
            self.now.vars[receiver.id] = Value(
                taints=value.taints, names=value.names, refs=value.refs, other=value.other, prefix=text
            )

    def _learn_match(self, function: ast.Attribute, test: ast.Call) -> None:
        """`re.fullmatch(pattern, text)`, `compiled.fullmatch(text)`."""
        owner = self.evaluate(function.value)
        if "re" in owner.names or "regex" in owner.names:
            if len(test.args) < 2:
                return
            pattern, text = self.evaluate(test.args[0]), test.args[1]
        elif test.args:
            pattern, text = NOTHING, test.args[0]
            for _, obj in self.now.objects(owner):
                if "re.Pattern" in obj.names:
                    pattern = join(pattern, obj.rest)
        else:
            return
        if pattern.is_single and isinstance(pattern.constant, str):
            harmless = harmless_for(pattern.constant, function.attr)
            if ALL in harmless:
                cleansing.trust(self, text)
            elif harmless:
                cleansing.cleanse_made(self, text, harmless)


def _limits(test: ast.expr, target: ast.expr) -> bool:
    """Whether a condition on one character lets harmless ones through alone."""
    name = getattr(target, "id", None)
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.In):
        return getattr(test.left, "id", None) == name
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute) and test.func.attr in _TELLS_LETTERS:
        return getattr(test.func.value, "id", None) == name
    return False
