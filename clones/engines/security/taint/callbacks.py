"""Functions that are handed over to be called later, or by somebody else."""

import ast

from clones.engines.security.taint import conditions
from clones.engines.security.taint.base import Arguments, Base, DeadError
from clones.engines.security.taint.rule_file import Calls
from clones.engines.security.taint.values import NOTHING, UNKNOWN, Value, join


def call(frame: Base, rule: Calls, arguments: Arguments, node: ast.AST) -> Value:
    """Call the function that is handed over, with what it is to be given; return what it returns."""
    result = NOTHING
    for function in conditions.chosen(rule.function, arguments, None):
        if function.funcs or function.refs or function.names:
            before = frame.now.copy()
            try:
                result = join(result, frame.call(function, _given(frame, rule, arguments, node), node))
            except DeadError:
                frame.state = before  # that it fails is nothing to who hands it over
    return UNKNOWN if result.is_nothing else result


def _given(frame: Base, rule: Calls, arguments: Arguments, node: ast.AST) -> Arguments:
    if rule.rest is not None:
        named = {name: value for name, value in arguments.keywords.items() if name not in rule.function}
        return Arguments(
            arguments.positional[rule.rest :], named, rest=arguments.rest, rest_keywords=arguments.rest_keywords
        )
    positional: list[Value] = []
    rest: Value | None = None
    for value in conditions.chosen(rule.args, arguments, None):
        objects = [obj for _, obj in frame.now.objects(value)]
        if len(objects) == 1 and objects[0].is_exact and objects[0].kind in {"list", "tuple"}:
            positional = list(objects[0].items.values())
        else:
            rest = frame.elements(value, node)
    named = {}
    for _, obj in frame.now.objects(arguments.keywords.get(rule.keywords, NOTHING)):
        named |= {key: value for key, value in obj.items.items() if isinstance(key, str)}
    return Arguments(positional, named, rest=rest)
