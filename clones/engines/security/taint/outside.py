"""What is outside the project: its attributes and calls, as the rules say, or as code is wont to behave."""

import ast
import re
import sys
from collections.abc import Iterator, Sequence

from clones.engines.security.taint import entries, models
from clones.engines.security.taint.base import Arguments, Base, DeadError
from clones.engines.security.taint.findings import Flaw, Hit
from clones.engines.security.taint.formats import put_in
from clones.engines.security.taint.guessing import is_secret
from clones.engines.security.taint.heap import Obj
from clones.engines.security.taint.rulebook import ALL, Argument, Conditions, Guard, Sink
from clones.engines.security.taint.values import (
    NO_TAINTS,
    UNKNOWN,
    Function,
    Partial,
    Source,
    Step,
    Taint,
    Taints,
    Trace,
    Value,
    beginning,
    cleanse,
    guessed,
    merge,
    named,
    tainted,
)

_ANYTHING = frozenset((ALL,))
_MAX_PARTS = 8
_GUESSED = "weak-random"
_LOOKUPS = {
    *("get", "filter", "exclude", "first", "all", "find", "find_one", "fetchone", "fetchall", "fetchmany", "scalar"),
    *("scalars", "execute", "executemany", "count", "exists", "has", "contains", "get_or_404", "filter_by", "query"),
    *("get_or_create", "update_or_create", "get_by_natural_key", "aget_or_create", "aget"),
    *("index", "startswith", "endswith", "isdigit", "search_one", "one", "one_or_none", "first_or_404", "delete"),
}
"""Methods whose result is looked up by the arguments, and not made of them."""
_TAKES_IN = re.compile(r"(?:add|append|write|set|put|insert|push|update|extend|load|feed|include|attach|register)")
"""Methods that keep their arguments in the receiver."""


class Outside(Base):
    """Reading and calling of what the project does not define."""

    def outside(self, name: str, node: ast.AST, taints: Taints) -> Value:
        """Return what a name outside the project is, with the taints of what it was reached by."""
        name = self.book.canonical(_short(name))
        for source in self.book.sources.of(name):
            taints = merge(taints, self.source(name, source.kind, node))
        if taints:
            for sanitizer in self.book.sanitizers.of(name):
                taints = cleanse(taints, frozenset(sanitizer.categories))
        types = [each.type for each in self.book.attributes.of(name)]
        if types:
            return named(*types, taints=taints)
        if name.startswith("?") or taints:
            return Value(names=frozenset((name,)), taints=taints, other=True)
        return named(name)

    def source(self, name: str, kind: str, node: ast.AST, message: str = "") -> Taints:
        """Return the taint of data that comes in here."""
        line = getattr(node, "lineno", 0)
        source = Source(self.module.path, line, name, kind)
        words = message or f"{_SAID[kind]}: `{name}`"
        return {source: Taint(source, Trace(Step(self.module.path, line, words)))}

    def call_outside(self, name: str, arguments: Arguments, node: ast.AST, receiver: Value | None) -> Value:
        """Call something outside the project."""
        name = self.book.canonical(_short(name))
        self._check(name, arguments, node)
        entries.note_route(self.analysis, name, arguments)
        for sink in self.book.sinks.of(name):
            self._sink(sink, name, arguments, node, receiver)
        if self.book.stops.of(name):
            raise DeadError
        for guard in self.book.guards.of(name):
            self._guard(guard, arguments, node)
        result = self._result(name, arguments, node, receiver)
        if result is None:
            result = models.call(self, name, arguments, node, receiver)
        if result is None:
            result = self._unknown(name, arguments, node, receiver)
        for change in self.book.becomes.of(name):
            if receiver is not None and self._fulfils(change.when, {}, arguments, unknown=False):
                for identity, obj in self.now.objects(receiver):
                    self.store(identity, obj.changed(names=frozenset((change.type,))))
        for source in self.book.sources.of(f"{name}()"):
            made = merge(result.taints, self.source(f"{name}()", source.kind, node))
            result = Value(taints=made, names=result.names or frozenset((f"{name}()",)), refs=result.refs, other=True)
        return result

    def _result(self, name: str, arguments: Arguments, node: ast.AST, receiver: Value | None) -> Value | None:
        """Return what the rules say of the result; None where they say nothing."""
        types = [
            each.type
            for each in self.book.returns.of(name)
            if self._fulfils(each.when, each.default, arguments, unknown=False)
        ]
        sanitizers = [
            each for each in self.book.sanitizers.of(name) if self._fulfils(each.when, {}, arguments, unknown=False)
        ]
        if sanitizers:
            harmless = frozenset(category for each in sanitizers for category in each.categories)
            known = models.call(self, name, arguments, node, receiver)
            if known is not None and not types:
                return known.cleansed(harmless)
            taints = cleanse(self._all_taints(arguments, receiver), harmless)
            return self.typed(types, tainted(taints), node)
        propagators = self.book.propagators.of(name)
        if propagators:
            taints = NO_TAINTS
            for value in self._chosen(propagators[0].args, arguments, receiver):
                taints = merge(taints, self.now.taints(value))
            return self.typed(types, tainted(taints), node)
        if types:
            taints = self._all_taints(arguments, receiver) if not receiver else self.now.taints(receiver)
            return self.typed(types, tainted(taints), node)
        return None

    def typed(self, types: Sequence[str], content: Value, node: ast.AST) -> Value:
        """Return an instance of classes outside the project that holds `content`."""
        if not types:
            return content
        return self.allocate((node, types[0]), Obj("instance", names=frozenset(types), rest=content))

    def _unknown(self, name: str, arguments: Arguments, node: ast.AST, receiver: Value | None) -> Value:
        """Call what no rule tells of."""
        taints = self._all_taints(arguments, None)
        last = name.rpartition(".")[2]
        self._call_back(arguments, taints, node)
        is_class = last[:1].isupper() and not name.startswith("?")
        if is_class and (receiver is None or not (receiver.taints or receiver.refs)):
            return self.typed((name,), tainted(taints), node)
        if receiver is not None:
            if taints and _TAKES_IN.match(last):
                for identity, obj in self.now.objects(receiver):
                    if obj.names and obj.kind == "instance":
                        self.store(identity, obj.changed(rest=tainted(merge(self.now.taints(obj.rest), taints))))
            if last in _LOOKUPS:
                taints = NO_TAINTS
            elif not receiver.refs or receiver.taints:
                text = self.call_method(receiver.with_taints(receiver.taints), last, arguments, node)
                return self._as_called(name, text, taints)
            taints = merge(taints, self.now.taints(receiver))
        if is_class:
            return self.typed((name,), tainted(taints), node)
        return self._as_called(name, tainted(taints), taints)

    def _as_called(self, name: str, value: Value, taints: Taints) -> Value:
        is_known = not name.startswith("?") and name.partition(".")[0] in sys.stdlib_module_names
        result_taints = value.taints if is_known or not taints else merge(value.taints, guessed(taints))
        names = frozenset((_short(f"{name}()"),)) if not value.is_constant else frozenset[str]()
        return Value(taints=result_taints, consts=value.consts, names=names, prefix=value.prefix, other=value.other)

    def _call_back(self, arguments: Arguments, taints: Taints, node: ast.AST) -> None:
        """Call the functions that are handed over, as what they are handed to may, with what is handed over beside."""
        if not taints:
            return
        for value in arguments.all():
            for each in value.funcs:
                if isinstance(each, Function | Partial):
                    loose = Arguments([], rest=tainted(guessed(taints)))
                    try:
                        self.call(Value(funcs=(each,)), loose, node)
                    except DeadError:
                        continue

    def _all_taints(self, arguments: Arguments, receiver: Value | None) -> Taints:
        state = self.now
        taints = state.taints(receiver) if receiver is not None else NO_TAINTS
        for value in arguments.all():
            if value.taints or value.refs:
                taints = merge(taints, state.taints(value))
        return taints

    def _chosen(self, args: Sequence[Argument], arguments: Arguments, receiver: Value | None) -> Iterator[Value]:
        """Yield the arguments that a rule names."""
        for each in args:
            if each == "self":
                if receiver is not None:
                    yield receiver
            elif each == ALL:
                yield from arguments.all()
            elif isinstance(each, int):
                if each < len(arguments.positional):
                    yield arguments.positional[each]
                elif arguments.rest is not None:
                    yield arguments.rest
            elif each in arguments.keywords:
                yield arguments.keywords[each]
            elif arguments.rest_keywords is not None:
                yield arguments.rest_keywords

    def hand_over(self, value: Value, node: ast.Return) -> None:
        """Give what a view returns to its framework."""
        if self.info is not None and (self.info.decorators or self.info.cls is not None):
            entries.returned(self, self.info, value, node)

    # conditions

    def _fulfils(self, when: Conditions, default: Conditions, arguments: Arguments, *, unknown: bool) -> bool:
        """Whether the arguments are the constants of `when`; `unknown` is the answer where it is not known."""
        for name, wanted in when.items():
            found = self._equals(name, wanted, default, arguments)
            if found is False or (found is None and not unknown):
                return False
        return True

    def _equals(self, name: str, wanted: object, default: Conditions, arguments: Arguments) -> bool | None:
        """Whether an argument is a constant, or one of several; None where it may be or not."""
        value: Value | None
        if name.isdigit():
            value = arguments.positional[int(name)] if int(name) < len(arguments.positional) else None
        else:
            value = arguments.keywords.get(name)
        if value is None:
            if arguments.rest is not None or arguments.rest_keywords is not None:
                return None
            if name not in default:
                return False
            found: tuple[object, ...] = (default[name],)
        elif value.is_constant:
            found = value.consts
        elif len(value.names) == 1 and not value.refs and not value.funcs:
            found = (next(iter(value.names)),)
            if found[0].startswith("?") or value.other:
                return None
        elif (of_class := self._class_of(value)) is not None:
            found = (of_class,)
        else:
            return None
        choices = wanted if isinstance(wanted, list) else [wanted]
        matches = {any(_alike(one, choice) for choice in choices) for one in found}
        return matches.pop() if len(matches) == 1 else None

    def _class_of(self, value: Value) -> str | None:
        """Return the name of the class outside the project that a value is an instance of for sure."""
        names = {
            name for _, obj in self.now.objects(value) for name in (obj.names if obj.kind == "instance" else ("",))
        }
        if len(names) != 1 or value.consts or value.names or value.funcs or value.other:
            return None
        return names.pop() or None

    def _refused(self, unless: Conditions, default: Conditions, arguments: Arguments) -> bool:
        """Whether any condition of `unless` is fulfilled for sure."""
        return any(self._equals(name, wanted, default, arguments) is True for name, wanted in unless.items())

    def _check(self, name: str, arguments: Arguments, node: ast.AST) -> None:
        for check in self.book.checks.of(name):
            if not self._fulfils(check.when, check.default, arguments, unknown=False):
                continue
            if any(
                self._equals(key, wanted, check.default, arguments) is not False for key, wanted in check.unless.items()
            ):
                continue
            self.analysis.findings.flaw(Flaw(self.place(node), check.category, name, check.message))

    # sinks

    def _sink(self, sink: Sink, name: str, arguments: Arguments, node: ast.AST, receiver: Value | None) -> None:
        if self._refused(sink.unless, sink.default, arguments):
            return
        if not self._fulfils(sink.when, sink.default, arguments, unknown=True):
            return
        sure = not name.startswith("?") and self._fulfils(sink.when, sink.default, arguments, unknown=False)
        kinds = sink.kinds or self.book.categories[sink.category].kinds
        if sink.format is not None:
            arguments = _formatted(arguments, sink.format)
        for value in self._chosen(sink.args, arguments, receiver):
            known = self._callers_known()
            self.analysis.findings.look(self.place(node), sink.category, value, callers_known=known)
            taints = self._harmful(sink, value)
            for taint in taints.values():
                if sink.category in taint.cleansed or taint.source.kind not in kinds:
                    continue
                self.record(Hit(self.place(node), sink.category, name, taint, sure))

    def name_secret(self, name: str, value: Value, node: ast.AST) -> None:
        """Look at what gets a name: what others can guess is no secret."""
        for taint in value.taints.values():
            if taint.source.kind == "random" and _GUESSED not in taint.cleansed and is_secret(name):
                self.record(Hit(self.place(node), _GUESSED, name, taint, sure=True))

    def _callers_known(self) -> bool:
        """Whether the calls that led here began where nobody else gives arguments, or where rules say what they hold."""
        if not self.stack:
            return True
        root = self.stack[0]
        own = 1 if root.cls is not None and "staticmethod" not in root.flags else 0
        given = len(root.positional) - own + len(root.keyword_only)
        return given <= 0 or bool(entries.rules(self.analysis, root))

    def _harmful(self, sink: Sink, value: Value) -> Taints:
        """Return the taints of what the sink looks at."""
        state = self.now
        objects = [obj for _, obj in state.objects(value) if obj.kind in {"list", "tuple"}]
        if sink.leading:
            if not any(_begins(obj, each) for obj in objects for each in sink.leading):
                return NO_TAINTS
            return state.taints(value)
        if sink.safe_prefix and not value.refs and re.match(sink.safe_prefix, beginning(value)):
            return NO_TAINTS
        if sink.element is not None and objects:
            taints = value.taints
            for obj in objects:
                element = obj.items.get(sink.element)
                taints = merge(taints, state.taints(element if element is not None else obj.rest))
            return taints
        return state.taints(value)

    def _guard(self, guard: Guard, arguments: Arguments, node: ast.AST) -> None:
        """Note where the arguments of a check are harmless."""
        categories = frozenset(guard.categories)
        expressions = [arguments.nodes[each] for each in guard.args if each in arguments.nodes]
        if "self" in guard.args and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            expressions.append(node.func.value)
        if guard.holds == "raises":
            for each in expressions:
                self.cleanse(each, categories)
            return
        before = self.now
        self.state = before.copy()
        for each in expressions:
            self.cleanse(each, categories)
        checked, self.state = self.state, before
        self.conditions[node] = (checked, before) if guard.holds else (before, checked)


_SAID = {
    "http": "comes with a request",
    "cli": "comes from the command line",
    "env": "comes from the environment",
    "file": "is read from a file",
    "network": "comes over the network",
    "database": "comes from a database",
    "random": "is made by a generator that can be predicted",
}


def _begins(obj: Obj, wanted: Sequence[str]) -> bool:
    """Whether a list may begin with these texts."""
    return all(text in obj.items.get(place, UNKNOWN).consts for place, text in enumerate(wanted))


def _formatted(arguments: Arguments, at: int) -> Arguments:
    """Return the arguments as the `%` text among them writes those that come after it."""
    before, values = arguments.positional[: at + 1], arguments.positional[at + 1 :]
    text = before[-1].constant if len(before) > at else None
    written = put_in(text, values) if isinstance(text, str) else None
    if written is None:
        return arguments
    return Arguments([*before, *written], arguments.keywords, rest=arguments.rest, nodes=arguments.nodes)


def _alike(found: object, wanted: object) -> bool:
    if isinstance(found, str) and isinstance(wanted, str):
        return found.casefold() == wanted.casefold()
    return type(found) is type(wanted) and found == wanted


def _short(name: str) -> str:
    """Keep the last parts of a name that grows with every call of a chain."""
    if name.count(".") < _MAX_PARTS:
        return name
    return "?" + ".".join(name.split(".")[-3:]).lstrip("?")
