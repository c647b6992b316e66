"""Functions of Python and its standard library that the analysis understands by itself."""

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from clones.engines.security.taint import constants
from clones.engines.security.taint.base import Arguments
from clones.engines.security.taint.heap import Key, Obj
from clones.engines.security.taint.patterns import groups, left_by
from clones.engines.security.taint.values import (
    LINES,
    MAX_REFS,
    NORMAL_PATH,
    NOTHING,
    PATHS,
    UNKNOWN,
    Partial,
    Value,
    beginning,
    cleanse,
    const,
    join,
    join_all,
    merge,
    tainted,
)

if TYPE_CHECKING:
    from clones.engines.security.taint.outside import Outside

_ANYTHING = frozenset("*")
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
_COPIES = {"list": "list", "tuple": "tuple", "set": "set", "frozenset": "set", "sorted": "list", "reversed": "list"}
_LISTS = {
    "collections.deque",
    "queue.Queue",
    "queue.LifoQueue",
    "queue.SimpleQueue",
    "asyncio.Queue",
    "multiprocessing.Queue",
}
_DICTS = {"dict", "collections.OrderedDict", "types.MappingProxyType", "collections.ChainMap"}
_OPTIONS = {"configparser.ConfigParser", "configparser.RawConfigParser", "configparser.SafeConfigParser"}
_TEXTS = {"io.StringIO", "io.BytesIO"}
_NORMALISING = (
    *("os.path.realpath", "os.path.abspath", "os.path.normpath", "pathlib.Path.resolve", "pathlib.Path.absolute"),
)
_SEARCHES = tuple(
    f"re.{owner}{name}"
    for owner in ("", "Pattern.")
    for name in ("match", "search", "fullmatch", "findall", "finditer")
)
_LETTERS = {f"str.{name}" for name in ("isalnum", "isdigit", "isalpha", "isdecimal", "isnumeric", "isidentifier")}
_Model = Callable[["Outside", str, Arguments, ast.AST], Value | None]


def call(frame: "Outside", name: str, arguments: Arguments, node: ast.AST, receiver: Value | None) -> Value | None:
    """Return what a call gives; None where this is not known here."""
    if name in _NUMBERS:
        return _number(frame, name, arguments, node)
    gets = receiver is not None and name.rpartition(".")[2] in {"get", "getlist"}
    if name in _PLAIN or (gets and _converts(arguments)):
        return UNKNOWN
    of_receiver = _OF_RECEIVER.get(name)
    if of_receiver is not None:
        return of_receiver(frame, name, arguments, node, receiver)
    for names, kind in ((_LISTS, "list"), (_OPTIONS, "options"), (_DICTS, "dict"), (_TEXTS, "text")):
        if name in names:
            return _container(frame, kind, arguments, node)
    if name in _COPIES:
        return _copy(frame, _COPIES[name], arguments, node) if name != "sorted" else _sorted(frame, arguments, node)
    model = _MODELS.get(name)
    return model(frame, name, arguments, node) if model else None


def _converts(arguments: Arguments) -> bool:
    kind = arguments.keywords.get("type")
    return kind is not None and bool(kind.names) and kind.names <= _NUMBERS


def _first(arguments: Arguments) -> Value:
    return arguments.get(0) or NOTHING


def _number(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    folded = constants.function(name, arguments.positional)
    if folded.is_constant:
        return folded
    expression = arguments.nodes.get(0)
    if expression is not None and name not in {"ord", "bool", "round", "abs"}:
        frame.cleanse(expression, _ANYTHING)  # it raises where this is no number
    taints = frame.now.taints(join_all(arguments.all()))
    return tainted(cleanse(taints, _ANYTHING))


def _held(frame: "Outside", name: str, arguments: Arguments, node: ast.AST, receiver: Value | None) -> Value:
    return join_all(obj.rest for _, obj in frame.now.objects(receiver or NOTHING))


def _normal(frame: "Outside", name: str, arguments: Arguments, node: ast.AST, receiver: Value | None) -> Value:
    value = arguments.get(0) or receiver or UNKNOWN
    return Value(
        taints=frame.now.taints(value),
        names=frozenset((NORMAL_PATH, *(("pathlib.Path",) if arguments.get(0) is None else ()))),
        other=True,
    )


def _container(frame: "Outside", kind: str, arguments: Arguments, node: ast.AST) -> Value:
    made = frame.allocate((node, kind), Obj(kind))
    if kind == "text" and arguments.positional:
        frame.call_method(made, "write", arguments, node)
    elif kind in {"dict", "list"} and (arguments.positional or arguments.keywords or arguments.rest_keywords):
        frame.call_method(made, "update" if kind == "dict" else "extend", arguments, node)
    return made


def _default_dict(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    made = NOTHING
    if arguments.positional:
        made = frame.call(arguments.positional[0], Arguments([]), arguments.nodes.get(0, node))
    return frame.allocate((node, "dict"), Obj("dict", rest=made))


def _copy(frame: "Outside", kind: str, arguments: Arguments, node: ast.AST) -> Value:
    if not arguments.positional:
        return frame.container(kind, node, [])
    value = arguments.positional[0]
    objects = [obj for _, obj in frame.now.objects(value)]
    if len(objects) == 1 and objects[0].is_exact and objects[0].kind in {"list", "tuple"} and kind != "set":
        elements = list(objects[0].items.values())
        return frame.container(kind, node, elements)
    if len(objects) == 1 and objects[0].kind in {"list", "tuple", "set"} and objects[0].is_exact:
        return frame.container(kind, node, list(objects[0].items.values()))
    return frame.container(kind, node, [], frame.elements(value, node))


def _sorted(frame: "Outside", arguments: Arguments, node: ast.AST) -> Value:
    return frame.container("list", node, [], frame.elements(_first(arguments), node))


def _map(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    function, *iterables = arguments.positional or [UNKNOWN]
    made = frame.call(function, Arguments([frame.elements(each, node) for each in iterables]), (node))
    return frame.allocate((node, "map"), Obj("iterator", rest=made))


def _filter(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    rest = frame.elements(arguments.get(1) or UNKNOWN, node)
    if _first(arguments).names and _first(arguments).names <= _LETTERS:
        rest = rest.cleansed(_ANYTHING)
    return frame.allocate((node, "filter"), Obj("iterator", rest=rest))


def _reduce(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    element = frame.elements(arguments.get(1) or UNKNOWN, node)
    return frame.call(_first(arguments), Arguments([join(element, arguments.get(2) or NOTHING), element]), node)


def _enumerate(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    pair = frame.container("tuple", (node, "pair"), [UNKNOWN, frame.elements(_first(arguments), node)])
    return frame.allocate((node, "enumerate"), Obj("iterator", rest=pair))


def _exact(frame: "Outside", value: Value) -> list[Value] | None:
    """Return the elements of a sequence of which all are known."""
    objects = [obj for _, obj in frame.now.objects(value)]
    known = len(objects) == 1 and objects[0].is_exact and objects[0].kind in {"list", "tuple"} and not value.other
    return list(objects[0].items.values()) if known else None


def _zip(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    rows = [_exact(frame, each) for each in arguments.positional]
    columns = [row for row in rows if row is not None and len(row) <= MAX_REFS]
    if columns and len(columns) == len(rows):
        groups = zip(*columns, strict=False)
        made = [frame.container("tuple", (node, place), list(each)) for place, each in enumerate(groups)]
        return frame.container("list", node, made)
    group = frame.container("tuple", (node, "group"), [frame.elements(each, node) for each in arguments.positional])
    return frame.allocate((node, "zip"), Obj("iterator", rest=group))


def _elements(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    return join(frame.elements(_first(arguments), node), arguments.get(1) or NOTHING)


def _iterate(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    return frame.allocate((node, "iter"), Obj("iterator", rest=frame.elements(_first(arguments), node)))


def _chain(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    rest = join_all(frame.elements(each, node) for each in arguments.all())
    return frame.allocate((node, "chain"), Obj("iterator", rest=rest))


def _length(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    value = _first(arguments)
    objects = [obj for _, obj in frame.now.objects(value)]
    if len(objects) == 1 and objects[0].is_exact and not value.other and objects[0].kind != "instance":
        return const(len(objects[0].items))
    folded = constants.function("len", [value])
    return folded if folded.is_constant else UNKNOWN


def _represented(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    return _text(frame, name, arguments, node).cleansed(LINES)


def _text(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    value = arguments.get(0)
    if value is None:
        return const("")
    converter = "__repr__" if name == "repr" else "__str__"
    for identity, obj in frame.now.objects(value):
        if obj.cls is not None and obj.cls.method(converter) is not None:
            return frame.call(frame.attribute(Value(refs=frozenset((identity,))), converter, node), Arguments([]), node)
    folded = constants.function(name, [value])
    return (
        folded
        if folded.is_constant
        else Value(
            taints=frame.now.taints(value), names=value.names & {NORMAL_PATH}, other=True, prefix=beginning(value)
        )
    )


def _smallest(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    folded = constants.function(name, arguments.positional) if len(arguments.positional) > 1 else UNKNOWN
    if folded.is_constant:
        return folded
    if len(arguments.positional) == 1:
        return frame.elements(arguments.positional[0], node)
    return join_all(arguments.positional)


def _fold(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value | None:
    folded = constants.function(name, arguments.positional)
    return folded if folded.is_constant else None


def _submitted(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    """`executor.submit(function, …)`, whose `result()` is what the function returns."""
    made = _called(frame, name, arguments, node)
    return frame.allocate((node, "future"), Obj("instance", names=frozenset(("concurrent.futures.Future",)), rest=made))


def _called(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    """Call a function that is handed over with its arguments."""
    function, *given = arguments.positional or [UNKNOWN]
    inner = Arguments(given, arguments.keywords, rest=arguments.rest, rest_keywords=arguments.rest_keywords)
    return frame.call(function, inner, node)


def _called_later(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    """`loop.run_in_executor(pool, function, …)`."""
    return _called(frame, name, Arguments(arguments.positional[1:], rest=arguments.rest), node)


def _partial(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    function, *given = arguments.positional or [UNKNOWN]
    if not function.funcs and not function.names:
        return tainted(frame.now.taints(join_all(given)))
    return Value(funcs=(Partial(function, tuple(given), tuple(sorted(arguments.keywords.items()))),))


def _get_attribute(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    owner, attribute = _first(arguments), arguments.get(1) or UNKNOWN
    if attribute.is_constant:
        found = [frame.attribute(owner, each, node) for each in attribute.consts if isinstance(each, str)]
        return join_all(found)
    return tainted(frame.now.taints(owner))


def _set_attribute(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    attribute = arguments.get(1) or UNKNOWN
    for each in attribute.consts:
        if isinstance(each, str):
            frame.set_attribute(_first(arguments), each, arguments.get(2) or UNKNOWN, node)
    return const(None)


def _variables(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    for _, obj in frame.now.objects(_first(arguments)):
        items: dict[Key, Value] = {}
        items.update(obj.attrs)
        return frame.allocate((node, "vars"), Obj("dict", items=items, rest=obj.rest, open=obj.open))
    return UNKNOWN


def _joined_path(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    folded = constants.method("join", const("/"), []) if not arguments.positional else UNKNOWN
    values = arguments.all()
    if values and all(each.is_single and isinstance(each.constant, str) for each in values):
        return const("/".join(str(each.constant).rstrip("/") for each in values))
    start = beginning(_first(arguments))
    taints = frame.now.taints(join_all(values))
    return folded if folded.is_constant else Value(taints=taints, other=True, prefix=f"{start}/" if start else "")


def _base_name(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    return tainted(cleanse(frame.now.taints(_first(arguments)), PATHS))


def _compiled(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    return frame.allocate((node, "re"), Obj("instance", names=frozenset(("re.Pattern",)), rest=_first(arguments)))


def _searched(frame: "Outside", name: str, arguments: Arguments, node: ast.AST, receiver: Value | None) -> Value:
    """`re.search(pattern, text)`, `compiled.search(text)`: what is found, group by group."""
    pattern, text = arguments.get(0, "pattern") or UNKNOWN, arguments.get(1, "string") or UNKNOWN
    if receiver is not None and name.startswith("re.Pattern."):
        pattern, text = _held(frame, name, arguments, node, receiver), arguments.get(0, "string") or UNKNOWN
    taints = frame.now.taints(text)
    found = groups(pattern.constant) if isinstance(pattern.constant, str) else None
    items: dict[Key, Value] = {key: tainted(cleanse(taints, each)) for key, each in (found or {}).items()}
    match = frame.allocate((node, "match"), Obj("match", items=items, rest=NOTHING if found else tainted(taints)))
    if name.endswith(".findall"):
        grouped = [value for key, value in items.items() if isinstance(key, int) and key]
        return frame.container("list", node, [], join_all(grouped or items.values() or [tainted(taints)]))
    if name.endswith(".finditer"):
        return frame.allocate((node, "found"), Obj("iterator", rest=match))
    return join(match, const(None))


def _substituted(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    pattern, replacement, text = (arguments.get(place) or UNKNOWN for place in range(3))
    taints = frame.now.taints(text)
    if pattern.is_single and replacement.is_single:
        taints = cleanse(taints, left_by(pattern.constant, replacement.constant))
    return tainted(merge(taints, frame.now.taints(replacement)))


def _same(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    return _first(arguments)


def _deep_copy(frame: "Outside", name: str, arguments: Arguments, node: ast.AST) -> Value:
    value = _first(arguments)
    copies = [frame.allocate((node, identity), obj) for identity, obj in frame.now.objects(value)]
    return join_all(copies) if copies else value


_OF_RECEIVER: dict[str, Callable[["Outside", str, Arguments, ast.AST, Value | None], Value]] = {
    **dict.fromkeys(_NORMALISING, _normal),
    **dict.fromkeys(_SEARCHES, _searched),
    "concurrent.futures.Future.result": _held,
}
_MODELS: dict[str, _Model] = {
    "len": _length,
    "str": _text,
    "repr": _represented,
    "format": _text,
    "ascii": _represented,
    "chr": _fold,
    "hex": _fold,
    "bin": _fold,
    "min": _smallest,
    "max": _smallest,
    "map": _map,
    "filter": _filter,
    "functools.reduce": _reduce,
    "enumerate": _enumerate,
    "zip": _zip,
    "itertools.zip_longest": _zip,
    "iter": _iterate,
    "next": _elements,
    "random.choice": _elements,
    "itertools.chain": _chain,
    "itertools.cycle": _iterate,
    "itertools.islice": _iterate,
    "collections.defaultdict": _default_dict,
    "functools.partial": _partial,
    "concurrent.futures.ThreadPoolExecutor.submit": _submitted,
    "concurrent.futures.ProcessPoolExecutor.submit": _submitted,
    "concurrent.futures.ThreadPoolExecutor.map": _map,
    "concurrent.futures.ProcessPoolExecutor.map": _map,
    "asyncio.to_thread": _called,
    "asyncio.AbstractEventLoop.run_in_executor": _called_later,
    "getattr": _get_attribute,
    "setattr": _set_attribute,
    "vars": _variables,
    "os.path.join": _joined_path,
    "os.path.basename": _base_name,
    "re.compile": _compiled,
    "re.sub": _substituted,
    "copy.copy": _deep_copy,
    "copy.deepcopy": _deep_copy,
    "typing.cast": lambda frame, name, arguments, node: arguments.get(1) or UNKNOWN,
    "asyncio.wait_for": _same,
    "asyncio.create_task": _same,
    "asyncio.run": _same,
    "asyncio.ensure_future": _same,
    "asyncio.gather": _chain,
    "contextlib.closing": _same,
    "os.fspath": _text,
    "bytes": _text,
    "bytearray": _text,
    "memoryview": _text,
    "re.escape": lambda frame, name, arguments, node: tainted(frame.now.taints(_first(arguments))),
}
