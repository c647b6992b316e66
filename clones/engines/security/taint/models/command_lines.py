"""Command lines: what the options that argparse is told of can hold."""

import ast

from clones.engines.security.taint.base import Arguments, Base, DeadError
from clones.engines.security.taint.heap import Obj
from clones.engines.security.taint.models.signatures import FunctionModel
from clones.engines.security.taint.values import NOTHING, UNKNOWN, Value, const, join, tainted

_PARSER = "argparse.ArgumentParser"
_FLAGS = {"store_true", "store_false", "store_const", "append_const", "count", "help", "version"}


def _option(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """`parser.add_argument("--count", type=int)`: noted for what `parse_args` gives."""
    option = _destination(arguments)
    if option is not None:
        known = frame.analysis.options
        is_harmless = _is_harmless(frame, arguments, node) and known.get(option, UNKNOWN) is not None
        known[option] = UNKNOWN if is_harmless else None
    return UNKNOWN


def _destination(arguments: Arguments) -> str | None:
    told = arguments.keywords.get("dest")
    names = [each.constant for each in ([told] if told is not None else arguments.positional)]
    texts = [name for name in names if isinstance(name, str)]
    chosen = next((name for name in texts if name.startswith("--")), texts[0] if texts else None)
    return chosen.lstrip("-").replace("-", "_") if chosen else None


def _is_harmless(frame: Base, arguments: Arguments, node: ast.AST) -> bool:
    action, kind = arguments.keywords.get("action", NOTHING), arguments.keywords.get("type")
    if "choices" in arguments.keywords or action.constant in _FLAGS:
        return True
    if kind is None:
        return False
    given = tainted(frame.source("sys.argv", "cli", node))
    before = frame.now.copy()
    try:
        made = frame.call(kind, Arguments([given]), node)
    except DeadError:
        made = given
    made_taints = frame.state.taints(made) if frame.state is not None else made.taints
    frame.state = before
    return not made_taints


def _defaults(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """`parser.set_defaults(func=run)`."""
    for option, value in arguments.keywords.items():
        known = frame.analysis.options.get(option, NOTHING)
        frame.analysis.options[option] = join(known, value) if known is not None else None
    return const(None)


def _parsed(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    known = {option: value for option, value in frame.analysis.options.items() if value is not None}
    return frame.allocate((node, name), Obj("instance", names=frozenset(("argparse.Namespace",)), attrs=known))


def _parsed_and_rest(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    content = tainted(frame.source(f"{name}()", "cli", node))
    found = _parsed(frame, name, arguments, node)
    for identity, obj in frame.now.objects(found):
        frame.store(identity, obj.changed(rest=content))
    return frame.container("tuple", (node, "pair"), [found, content])


FUNCTIONS: dict[str, FunctionModel] = {
    f"{_PARSER}.add_argument": _option,
    f"{_PARSER}.set_defaults": _defaults,
    f"{_PARSER}.parse_args": _parsed,
    f"{_PARSER}.parse_intermixed_args": _parsed,
    f"{_PARSER}.parse_known_args": _parsed_and_rest,
}
