"""What is outside the project: its attributes and calls, as the rules say, or as code is wont to behave."""

import ast
import re
import sys
from collections.abc import Sequence

from clones.engines.security.taint import callbacks, cleansing, conditions, entries, sinks
from clones.engines.security.taint.base import Arguments, Base, DeadError
from clones.engines.security.taint.heap import Obj
from clones.engines.security.taint.models import functions
from clones.engines.security.taint.rule_file import Guard
from clones.engines.security.taint.taints import NO_TAINTS, Source, Step, Taint, Taints, Trace, cleanse, guessed, merge
from clones.engines.security.taint.values import NOTHING, Function, Partial, Value, beginning, join, named, tainted

_MAX_PARTS = 8
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
        if kind == "http":
            self.analysis.findings.entries.add(self.module.path)
        if kind == "env" and self.info is None:
            self.analysis.findings.settings.add(source)
        words = message or f"{_SAID[kind]}: `{name}`"
        return {source: Taint(source, Trace(Step(self.module.path, line, words)))}

    def call_outside(self, name: str, arguments: Arguments, node: ast.AST, receiver: Value | None) -> Value:
        """Call something outside the project."""
        name = self.book.canonical(_short(name))
        sinks.check(self, name, arguments, node)
        entries.note_route(self.analysis, name, arguments)
        for sink in self.book.sinks.of(name):
            sinks.look(self, sink, name, arguments, node=node, receiver=receiver)
        if self.book.stops.of(name):
            raise DeadError
        for guard in self.book.guards.of(name):
            self._guard(guard, arguments, node)
        result = self._result(name, arguments, node, receiver)
        for calls in self.book.calls.of(name):
            returned = callbacks.call(self, calls, arguments, node)
            result = returned if calls.gives else result or self.typed((name,), NOTHING, node)
        if result is None:
            result = functions.call(self, name, arguments, node, receiver)
        if result is None:
            result = self._unknown(name, arguments, node, receiver)
        for change in self.book.becomes.of(name):
            if receiver is not None and conditions.fulfils(self, change.when, {}, arguments, unknown=False):
                for identity, obj in self.now.objects(receiver):
                    self.store(identity, obj.changed(names=frozenset((change.type,))))
        for source in self.book.sources.of(f"{name}()"):
            result = self._brought_in(result, f"{name}()", self.source(f"{name}()", source.kind, node))
        return result

    def _brought_in(self, result: Value, name: str, taints: Taints) -> Value:
        """Return the result of a call that brings data in; an instance, whose attributes may be known, holds it."""
        objects = [(identity, obj) for identity, obj in self.now.objects(result) if obj.kind == "instance"]
        if not objects or len(objects) < len(result.refs):
            made = merge(result.taints, taints)
            return Value(taints=made, names=result.names or frozenset((name,)), refs=result.refs, other=True)
        for identity, obj in objects:
            self.store(identity, obj.changed(rest=join(obj.rest, tainted(taints))))
        return result

    def _result(self, name: str, arguments: Arguments, node: ast.AST, receiver: Value | None) -> Value | None:
        """Return what the rules say of the result; None where they say nothing."""
        types = [
            each.type
            for each in self.book.returns.of(name)
            if conditions.fulfils(self, each.when, each.default, arguments, unknown=False)
        ]
        sanitizers = [
            each
            for each in self.book.sanitizers.of(name)
            if conditions.fulfils(self, each.when, {}, arguments, unknown=False)
        ]
        if sanitizers:
            harmless = frozenset(category for each in sanitizers for category in each.categories)
            known = functions.call(self, name, arguments, node, receiver)
            if known is not None and not types:
                return known.cleansed(harmless)
            taints = cleanse(self._all_taints(arguments, receiver), harmless)
            return self.typed(types, tainted(taints), node)
        propagators = self.book.propagators.of(name)
        if propagators:
            taints = NO_TAINTS
            values = list(conditions.chosen(propagators[0].args, arguments, receiver))
            for value in values:
                taints = merge(taints, self.now.taints(value))
            start = beginning(values[0]) if len(values) == 1 else ""
            return self.typed(types, Value(taints=taints, other=True, prefix=start), node)
        if types:
            is_module = receiver is None or not (receiver.taints or receiver.refs)
            taints = self._all_taints(arguments, None) if is_module else self.now.taints(receiver or NOTHING)
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

    def hand_over(self, value: Value, node: ast.Return) -> None:
        """Give what a view returns to its framework."""
        if self.info is not None and (self.info.decorators or self.info.cls is not None):
            entries.returned(self, self.info, value, node)

    def _guard(self, guard: Guard, arguments: Arguments, node: ast.AST) -> None:
        """Note where the arguments of a check are harmless."""
        categories = frozenset(guard.categories)
        expressions = [arguments.nodes[each] for each in guard.args if each in arguments.nodes]
        if "self" in guard.args and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            expressions.append(node.func.value)
        if guard.holds == "raises":
            for each in expressions:
                cleansing.cleanse(self, each, categories)
            return
        before = self.now
        self.state = before.copy()
        for each in expressions:
            cleansing.cleanse(self, each, categories)
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


def _short(name: str) -> str:
    """Keep the last parts of a name that grows with every call of a chain."""
    if name.count(".") < _MAX_PARTS:
        return name
    return "?" + ".".join(name.split(".")[-3:]).lstrip("?")
