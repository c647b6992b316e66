"""Functions of Python and its standard library that the analysis understands by itself."""

import ast

from clones.engines.security.taint import cleansing, constants, errors
from clones.engines.security.taint.base import Arguments, Base
from clones.engines.security.taint.heap import Obj
from clones.engines.security.taint.models import callables, command_lines, iterables, paths, regexes, strings
from clones.engines.security.taint.models.signatures import FunctionModel, ReceiverModel
from clones.engines.security.taint.taints import LINES, cleanse
from clones.engines.security.taint.values import NOTHING, UNKNOWN, Value, join_all, tainted

_PLAIN = frozenset(
    {
        *("isinstance", "issubclass", "hasattr", "callable", "hash", "id", "print", "range", "any", "all", "type"),
        *("os.path.exists", "os.path.isfile", "os.path.isdir", "os.path.getsize", "os.path.islink", "os.stat"),
        *("time.time", "time.sleep", "math.floor", "datetime.datetime.now", "delattr", "breakpoint"),
        *("os.makedirs", "os.mkdir", "os.getpid", "hmac.compare_digest", "secrets.compare_digest", "open.close"),
    }
)
"""Functions whose result holds nothing of their arguments."""
_NUMBERS = frozenset(
    {
        *("int", "float", "bool", "complex", "ord", "uuid.UUID", "ipaddress.ip_address", "ipaddress.IPv4Address"),
        *("decimal.Decimal", "fractions.Fraction", "datetime.date.fromisoformat", "datetime.datetime.fromisoformat"),
        *("datetime.datetime.strptime", "time.strptime", "math.ceil", "round", "abs"),
    }
)
"""Functions whose result holds no text of their argument, and which raise where it is none of theirs."""
_KINDS = {
    **dict.fromkeys(("collections.deque", "queue.Queue", "queue.LifoQueue", "queue.SimpleQueue"), "list"),
    **dict.fromkeys(("asyncio.Queue", "multiprocessing.Queue"), "list"),
    **dict.fromkeys(("dict", "collections.OrderedDict", "types.MappingProxyType", "collections.ChainMap"), "dict"),
    **{f"configparser.{name}": "options" for name in ("ConfigParser", "RawConfigParser", "SafeConfigParser")},
    **dict.fromkeys(("io.StringIO", "io.BytesIO"), "text"),
}
"""Classes of containers, by the kind of object that stands for their instances."""


def call(frame: Base, name: str, arguments: Arguments, node: ast.AST, receiver: Value | None) -> Value | None:
    """Return what a call gives; None where this is not known here."""
    if name in _NUMBERS:
        return _number(frame, name, arguments, node)
    gets = receiver is not None and name.rpartition(".")[2] in {"get", "getlist"}
    if name in _PLAIN or (gets and _converts(arguments)):
        return UNKNOWN
    of_receiver = _OF_RECEIVER.get(name)
    if of_receiver is not None:
        return of_receiver(frame, name, arguments, node, receiver)
    kind = _KINDS.get(name)
    if kind is not None:
        return _container(frame, kind, arguments, node)
    model = _MODELS.get(name)
    return model(frame, name, arguments, node) if model else None


def _converts(arguments: Arguments) -> bool:
    kind = arguments.keywords.get("type")
    return kind is not None and bool(kind.names) and kind.names <= _NUMBERS


def _number(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    folded = constants.function(name, arguments.positional)
    if folded.is_constant:
        return folded
    expression = arguments.nodes.get(0)
    if expression is not None and name not in {"ord", "bool", "round", "abs"}:
        cleansing.cleanse(frame, expression, cleansing.ANYTHING)  # it raises where this is no number
    taints = frame.now.taints(join_all(arguments.all()))
    if taints and name in {"int", "float"}:
        errors.note(frame, {"ValueError": tainted(taints).cleansed(LINES)})  # which quotes what is no number
    return tainted(cleanse(taints, cleansing.ANYTHING))


def _container(frame: Base, kind: str, arguments: Arguments, node: ast.AST) -> Value:
    made = frame.allocate((node, kind), Obj(kind))
    if kind == "text" and arguments.positional:
        frame.call_method(made, "write", arguments, node)
    elif kind in {"dict", "list"} and (arguments.positional or arguments.keywords or arguments.rest_keywords):
        frame.call_method(made, "update" if kind == "dict" else "extend", arguments, node)
    return made


def _default_dict(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    made = NOTHING
    if arguments.positional:
        made = frame.call(arguments.positional[0], Arguments([]), arguments.nodes.get(0, node))
    return frame.allocate((node, "dict"), Obj("dict", rest=made))


def _fold(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value | None:
    folded = constants.function(name, arguments.positional)
    return folded if folded.is_constant else None


_OF_RECEIVER: dict[str, ReceiverModel] = {**callables.OF_RECEIVER, **paths.OF_RECEIVER, **regexes.OF_RECEIVER}
_MODELS: dict[str, FunctionModel] = {
    **callables.FUNCTIONS,
    **command_lines.FUNCTIONS,
    **iterables.FUNCTIONS,
    **paths.FUNCTIONS,
    **regexes.FUNCTIONS,
    **strings.FUNCTIONS,
    "chr": _fold,
    "hex": _fold,
    "bin": _fold,
    "collections.defaultdict": _default_dict,
}
