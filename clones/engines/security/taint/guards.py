"""Conditions: which way is taken, and what is known of the values on it."""

import ast

from clones.engines.security.taint import cleansing, constants
from clones.engines.security.taint.base import Base, DeadError
from clones.engines.security.taint.cleansing import ANYTHING, HOST_PARTS, MAX_FACTS, normalises
from clones.engines.security.taint.heap import State, join_states
from clones.engines.security.taint.patterns import harmless_for
from clones.engines.security.taint.rule_file import ALL
from clones.engines.security.taint.taints import LINES, OBJECTS, PATHS
from clones.engines.security.taint.values import NORMAL_PATH, NOTHING, Function, Value, beginning, join

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
_SEALED = frozenset(("deserialization", "code-injection"))


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
            cleansing.cleanse_made(self, test.value, frozenset(("open-redirect",)))

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
        if isinstance(target, ast.Tuple) and isinstance(other, ast.Tuple) and len(target.elts) == len(other.elts):
            for one, another in zip(target.elts, other.elts, strict=True) if truth else ():
                self._learn_equal(one, another, truth)
            return
        value = self.evaluate(other)
        if value.is_single and value.constant is None and (search := self._made_by(target)) is not None:
            self._learn_call(search, not truth)  # what finds nothing gives None
        if isinstance(target, ast.Name) and value.is_single:
            known = self.now.vars.get(target.id)
            if truth:
                self.now.vars[target.id] = value
            elif known is not None and value.constant in known.consts:
                kept = tuple(each for each in known.consts if each is not value.constant and each != value.constant)
                self.now.vars[target.id] = known.changed(consts=kept, other=known.other or known.is_constant)
        elif truth and not self.now.taints(value):
            cleansing.trust(self, target)

    def _made_by(self, node: ast.expr) -> ast.Call | None:
        """Return the call that an expression is the result of."""
        if isinstance(node, ast.Name) and (fact := self.now.facts.get(node.id)) is not None:
            node = fact[0]
        if isinstance(node, ast.NamedExpr):
            node = node.value
        return node if isinstance(node, ast.Call) else None

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
            whole = right.value if isinstance(right, ast.Attribute) and right.attr == "parts" else right
            cleansing.cleanse_made(self, whole, harmless)

    def _learn_call(self, test: ast.Call, truth: bool) -> None:
        if isinstance(test.func, ast.Name):
            self._learn_function(test.func.id, test.args, truth)
        elif isinstance(test.func, ast.Attribute):
            self._learn_method(test, test.func, truth)

    def _learn_function(self, name: str, arguments: list[ast.expr], truth: bool) -> None:
        if truth and name == "isinstance" and len(arguments) == 2:
            kinds = self._names_in(arguments[1])
            if kinds and kinds <= _NUMBERS:
                cleansing.cleanse(self, arguments[0], ANYTHING)
            elif kinds == {"str"}:
                cleansing.cleanse(self, arguments[0], OBJECTS)
        elif truth and name == "all" and len(arguments) == 1:
            self._learn_all(arguments[0])
        elif not truth and name == "any" and len(arguments) == 1:
            self._learn_none(arguments[0])
        elif truth and name == "compare_digest":
            self._learn_seals(arguments)

    def _learn_method(self, test: ast.Call, function: ast.Attribute, truth: bool) -> None:
        receiver, name = function.value, function.attr
        if name == "startswith" and len(test.args) == 1:
            self._learn_beginning(receiver, self.evaluate(test.args[0]), truth)
        elif not truth:
            return
        elif name in _TELLS_LETTERS and not test.args:
            cleansing.trust(self, receiver)
        elif name == "compare_digest":
            self._learn_seals(test.args)
        elif name == "is_relative_to":
            cleansing.cleanse_made(self, receiver, PATHS)
        elif name in {"fullmatch", "match", "search"}:
            self._learn_match(function, test)

    def _names_in(self, kinds: ast.expr) -> frozenset[str]:
        """Return the names of the classes that `isinstance` is asked about; none where one is not known by a name."""
        value = self.evaluate(kinds)
        classes = [value]
        for _, obj in self.now.objects(value):
            classes += [*obj.items.values(), *([] if obj.is_exact else [obj.rest])]
        names = [each.names for each in classes if not each.refs]
        return frozenset().union(*names) if all(names) else frozenset()

    def _learn_seals(self, compared: list[ast.expr]) -> None:
        """`compare_digest(seal, hmac.new(KEY, body, …).digest())`: whoever has sealed the body has the key."""
        for each in compared:
            self._learn_seal(self._made_by(each))

    def _learn_seal(self, call: ast.Call | None) -> None:
        while call is not None and isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Call):
            call = call.func.value
        if call is None:
            return
        maker = self.evaluate(call.func)
        is_keyed = any(name.startswith("hmac.") for name in maker.names)
        if is_keyed or any(isinstance(each, Function) and "hmac" in each.info.words for each in maker.funcs):
            for each in (*call.args, *(keyword.value for keyword in call.keywords)):
                cleansing.cleanse_made(self, each, _SEALED)

    def _learn_all(self, made: ast.expr) -> None:
        """`all(c in ALLOWED for c in text)`, `all(c.isalnum() or c in "-_" for c in text)`, and of a tree all nodes."""
        if isinstance(made, ast.GeneratorExp | ast.ListComp) and len(made.generators) == 1:
            first = made.generators[0]
            tree = cleansing.walked(first.iter)
            if tree is not None and cleansing.asks_for_class(made.elt, getattr(first.target, "id", "")):
                cleansing.cleanse_made(self, tree, cleansing.CODE)
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

    def _learn_beginning(self, receiver: ast.expr, start: Value, truth: bool) -> None:
        value = self.evaluate(receiver)
        if not truth:
            # `/x` stays on the site; `//host` does not
            if beginning(value).startswith("/") and start.constant == "//":
                cleansing.cleanse(self, receiver, frozenset(("open-redirect",)))
            return
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
