"""Places where data from outside does harm, and calls that are flaws by themselves."""

import ast
import re
from collections.abc import Sequence

from clones.engines.security.taint import conditions, entries
from clones.engines.security.taint.base import Arguments, Base
from clones.engines.security.taint.findings import Flaw, Hit
from clones.engines.security.taint.formats import put_in
from clones.engines.security.taint.guessing import is_secret
from clones.engines.security.taint.heap import Obj
from clones.engines.security.taint.rule_file import Check, Sink
from clones.engines.security.taint.taints import NO_TAINTS, Taints, merge
from clones.engines.security.taint.values import UNKNOWN, Value, beginning

_GUESSED = "weak-random"


def check(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> None:
    """Tell of a call that is a flaw by itself."""
    for rule in frame.book.checks.of(name):
        if not conditions.fulfils(frame, rule.when, rule.default, arguments, unknown=False):
            continue
        if any(
            conditions.equals(frame, key, wanted, rule.default, arguments) is not False
            for key, wanted in rule.unless.items()
        ):
            continue
        if rule.lacks and not _lacks(frame, rule, arguments):
            continue
        frame.analysis.findings.flaw(Flaw(frame.place(node), rule.category, name, rule.message))


def _lacks(frame: Base, rule: Check, arguments: Arguments) -> bool:
    """Whether a text is missing where it should stand."""
    place: ast.AST | None = frame.info.node if frame.info is not None else None
    if rule.text is not None:
        place = arguments.nodes.get(rule.text)
        if isinstance(place, ast.Name) and place.id in frame.now.facts:
            place = frame.now.facts[place.id][0]
    parts = ast.walk(place) if place is not None else ()
    texts = [each.value for each in parts if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    is_written = rule.text is None or any("=" in text for text in texts)
    is_meant = not rule.beside or any(rule.beside in text.lower() for text in texts)
    return place is not None and is_written and is_meant and not any(rule.lacks in text.lower() for text in texts)


def look(frame: Base, sink: Sink, name: str, arguments: Arguments, *, node: ast.AST, receiver: Value | None) -> None:
    """Look at what gets to a sink, if the call is what the rule means."""
    if conditions.refused(frame, sink.unless, sink.default, arguments):
        frame.analysis.findings.look_at_settings(frame.place(node), sink.category)
        return
    if not conditions.fulfils(frame, sink.when, sink.default, arguments, unknown=True):
        return
    sure = not name.startswith("?") and conditions.fulfils(frame, sink.when, sink.default, arguments, unknown=False)
    kinds = sink.kinds or frame.book.categories[sink.category].kinds
    if sink.format is not None:
        arguments = _formatted(arguments, sink.format)
    for value in conditions.chosen(sink.args, arguments, receiver):
        known = _callers_known(frame)
        frame.analysis.findings.look(frame.place(node), sink.category, value, callers_known=known)
        taints = _harmful(frame, sink, value)
        for taint in taints.values():
            if sink.category in taint.cleansed or taint.source.kind not in kinds:
                continue
            frame.record(Hit(frame.place(node), sink.category, name, taint, sure))


def name_secret(frame: Base, name: str, value: Value, node: ast.AST) -> None:
    """Look at what gets a name: what others can guess is no secret."""
    for taint in value.taints.values():
        if taint.source.kind == "random" and _GUESSED not in taint.cleansed and is_secret(name):
            frame.record(Hit(frame.place(node), _GUESSED, name, taint, sure=True))


def _callers_known(frame: Base) -> bool:
    """Whether the calls that led here began where nobody else gives arguments, or where rules say what they hold."""
    if not frame.stack:
        return True
    root = frame.stack[0]
    own = 1 if root.cls is not None and "staticmethod" not in root.flags else 0
    given = len(root.positional) - own + len(root.keyword_only)
    return given <= 0 or bool(entries.rules(frame.analysis, root))


def _harmful(frame: Base, sink: Sink, value: Value) -> Taints:
    """Return the taints of what the sink looks at."""
    state = frame.now
    if sink.texts:
        return value.taints
    kinds = {"dict"} if isinstance(sink.element, str) else {"list", "tuple"}
    objects = [obj for _, obj in state.objects(value) if obj.kind in kinds]
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
    return state.taints(value) if not isinstance(sink.element, str) else NO_TAINTS


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
