"""Where a program is entered: what the parameters of a function hold that nobody in the project calls."""

import ast
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from clones.engines.security.taint import annotations, interprocedural
from clones.engines.security.taint.base import Arguments, Base
from clones.engines.security.taint.project import ClassInfo, FunctionInfo
from clones.engines.security.taint.rule_file import SourceRule
from clones.engines.security.taint.values import UNKNOWN, Class, Function, Value, join, named, tainted

if TYPE_CHECKING:
    from clones.engines.security.taint.analysis import Analysis
    from clones.engines.security.taint.interpreter import Frame

_CONVERTER = re.compile(r"(?<!\?P)<(?:(?P<kind>\w+)(?:\([^)]*\))?:)?(?P<name>\w+)>")
_GROUP = re.compile(r"\(\?P<(?P<name>\w+)>(?P<pattern>[^()]*)\)")
_HARMLESS = {"int", "float", "uuid", "slug"}
_URL_PATTERNS = {"django.urls.path", "django.urls.re_path", "django.conf.urls.url", "django.conf.urls.re_path"}
_METHODS = {"get", "post", "put", "patch", "delete", "dispatch_request"}


def rules(analysis: "Analysis", info: FunctionInfo) -> list[tuple[SourceRule, str]]:
    """Return the rules by which a function's parameters come from outside, each with the route's text."""
    found = [(rule, text) for name, text in info.decorators for rule in analysis.book.decorated.of(name)]
    if info.cls is not None:
        for base in info.cls.outside_bases():
            found += [(rule, "") for rule in analysis.book.methods_of.of(base) if info.name in rule.names]
    view = analysis.book.first_parameter
    if view is not None and not found and _is_view(analysis, info):
        found.append((view, analysis.routes.get(info, "")))
    return found


def _is_view(analysis: "Analysis", info: FunctionInfo) -> bool:
    names = info.positional[1:] if info.cls is not None else info.positional
    return info in analysis.routes or (names[:1] == ["request"] and "django" in info.module.imported)


def note_route(analysis: "Analysis", name: str, arguments: Arguments) -> None:
    """Remember which functions the project's URL patterns name."""
    if name not in _URL_PATTERNS:
        return
    pattern, view = arguments.get(0, "route"), arguments.get(1, "view")
    text = pattern.constant if pattern is not None else ""
    text = text if isinstance(text, str) else ""
    for each in view.funcs if view is not None else ():
        if isinstance(each, Function) and each.receiver is None:
            known = analysis.routes.get(each.info)
            analysis.routes[each.info] = f"{known}\n{text}" if known is not None else text


def returned(frame: Base, info: FunctionInfo, value: Value, node: ast.AST) -> None:
    """Hand what a view returns to its framework: the text, or the first of a tuple."""
    names = [name for name, _ in info.decorators]
    if info.cls is not None and info.name in _METHODS:
        names += info.cls.outside_bases()
    wanted = [f"{name}.return" for name in names if frame.book.is_ruled(f"{name}.return")]
    if not wanted:
        return
    for _, obj in frame.now.objects(value):
        if obj.kind == "tuple":
            value = join(value, obj.items.get(0, UNKNOWN))
    framework = wanted[0].partition(".")[0]
    if any(name.startswith(f"{framework}.") and "request" not in name for name in value.names):
        return  # the framework made it: a response, of which other rules tell
    text = Value(taints=value.taints, consts=value.consts, prefix=value.prefix, other=value.other)
    for rule in (each for name in names for each in frame.book.sanitizers.of(f"{name}.return")):
        text = text.cleansed(rule.categories)
    frame.call_outside(wanted[0], Arguments([text]), node, None)


def bind(frame: "Frame", info: FunctionInfo) -> dict[str, Value]:
    """Return what the parameters hold where nothing is known of who calls."""
    variables: dict[str, Value] = {}
    matched = rules(frame.analysis, info)
    names = [*info.positional, *info.keyword_only]
    node = info.node.args
    own = info.positional[0] if info.cls is not None and info.positional and "staticmethod" not in info.flags else ""
    for name in names:
        if name == own and info.cls is not None:
            variables[name] = frame.instance(info.cls, (info, name))
            continue
        value = _typed(frame, info, name)
        if matched:
            value = _from_outside(frame, info, name, value, matched[0], is_first=name == names[1 if own else 0])
        elif (default := _default(info, name)) is not None:
            value = join(value, frame.evaluate(default))
        variables[name] = value
    content = UNKNOWN
    if matched and not matched[0][0].first_parameter_of:
        content = tainted(frame.source(info.name, matched[0][0].kind, info.node))
    if node.vararg is not None:
        variables[node.vararg.arg] = frame.container("tuple", (info, "args"), [], content)
    if node.kwarg is not None:
        variables[node.kwarg.arg] = frame.call_outside("dict", Arguments([], rest_keywords=content), info.node, None)
    return variables


def _typed(frame: "Frame", info: FunctionInfo, name: str) -> Value:
    annotation = info.annotations.get(name)
    value = frame.annotated(annotation, info.node) if annotation is not None else UNKNOWN
    return named(f"?{name}") if value is UNKNOWN else value


def _default(info: FunctionInfo, name: str) -> ast.expr | None:
    node = info.node.args
    pairs = dict(zip(info.positional[len(info.positional) - len(node.defaults) :], node.defaults, strict=True))
    pairs |= {key: each for key, each in zip(info.keyword_only, node.kw_defaults, strict=True) if each is not None}
    return pairs.get(name)


def _from_outside(
    frame: "Frame",
    info: FunctionInfo,
    name: str,
    value: Value,
    matched: tuple[SourceRule, str],
    *,
    is_first: bool,
) -> Value:
    rule, text = matched
    is_request = rule.first_parameter_of or rule.methods_of or value is UNKNOWN or value.names == {f"?{name}"}
    if rule.type and is_first and is_request:
        return named(rule.type)
    if rule.first_parameter_of and info not in frame.analysis.routes:
        return named(f"?{name}")
    asked = _asked(info, name)
    if asked is not None:
        return _dependency(frame, asked, value, rule)
    if {frame.book.canonical(each) for each in value.names} & {*rule.except_classes}:
        return value
    if name in _harmless_parts(text) or _is_typed(frame, info, name, rule.except_types):
        return UNKNOWN
    message = f"parameter `{name}` of `{info.name}`, which gets it from outside"
    taints = frame.source(name, rule.kind, info.node, message)
    return _filled(frame, value, tainted(taints), rule.except_types)


def _filled(frame: "Frame", value: Value, content: Value, types: Sequence[str]) -> Value:
    """Return an instance of the project's class that a framework makes of `content`, or else this."""
    for identity, obj in frame.now.objects(value):
        if obj.cls is not None:
            fields = _field_values(frame, obj.cls, content, types)
            frame.store(identity, obj.changed(rest=content, attrs=fields))
            return value
    return content


def _is_typed(frame: "Frame", info: FunctionInfo, name: str, types: Sequence[str]) -> bool:
    """Whether the framework converts a parameter to what can carry no text, which it does where `types` are named."""
    is_harmless = bool(types) and annotations.is_harmless(frame, info.annotations.get(name), types)
    decorators = info.node.decorator_list if not isinstance(info.node, ast.Lambda) else []
    return is_harmless or annotations.is_limited(_default(info, name)) or annotations.is_converted(decorators, name)


def _harmless_parts(text: str) -> set[str]:
    """Return the parts that hold a number or a plain word in all of a view's routes, which stand one in a line."""
    parts = []
    for each in _CONVERTER.finditer(text):
        name, kind = each["name"], each["kind"]
        if name in _HARMLESS and kind is not None and kind not in _HARMLESS:
            name, kind = kind, name  # as Bottle writes them: `<page:int>`
        parts.append((name, kind in _HARMLESS))
    parts += [
        (each["name"], re.fullmatch(r"(\\d|\[0-9\])[+*{\d},]*", each["pattern"]) is not None)
        for each in _GROUP.finditer(text)
    ]
    return {name for name, harmless in parts if harmless} - {name for name, harmless in parts if not harmless}


def _field_values(frame: "Frame", cls: ClassInfo, content: Value, types: Sequence[str]) -> dict[str, Value]:
    """Return what the fields of a class hold that is made of what comes from outside."""
    return {
        name: UNKNOWN
        if annotations.is_harmless(frame, node.annotation, types) or annotations.is_limited(node.value)
        else content
        for name, node in _fields(cls).items()
    }


def _asked(info: FunctionInfo, name: str) -> ast.Call | None:
    """Return the `Depends(…)` of a parameter, which stands as its default or in its annotation."""
    annotation = info.annotations.get(name)
    inner = annotation.slice if isinstance(annotation, ast.Subscript) else None
    for each in (_default(info, name), *(inner.elts[1:] if isinstance(inner, ast.Tuple) else ())):
        if isinstance(each, ast.Call) and ast.unparse(each.func).rpartition(".")[2] in {"Depends", "Security"}:
            return each
    return None


def _dependency(frame: "Frame", asked: ast.Call, value: Value, rule: SourceRule) -> Value:
    """Call what a parameter's value is asked of: a function, or a class, whose parameters come from outside too."""
    result = Value()
    for each in frame.evaluate(asked.args[0]).funcs if asked.args else ():
        if isinstance(each, Function):
            each.info.decorators = each.info.decorators or list(frame.info.decorators if frame.info else [])
            result = join(result, interprocedural.run(frame, each.info, bind(frame, each.info), each.closure, asked))
        elif isinstance(each, Class):
            result = join(result, _made_of_request(frame, each.info, asked, rule))
    for _, obj in frame.now.objects(value) if not asked.args else ():
        if obj.cls is not None:
            result = join(result, _made_of_request(frame, obj.cls, asked, rule))
    return value if result.is_nothing else result


def _made_of_request(frame: "Frame", cls: ClassInfo, asked: ast.Call, rule: SourceRule) -> Value:
    """Return an instance of a class whose parameters come from outside."""
    constructor = cls.method("__init__")
    annotated: Mapping[str, ast.expr | None] = (
        constructor.annotations
        if constructor is not None
        else {name: node.annotation for name, node in _fields(cls).items()}
    )
    own = constructor.positional[:1] if constructor is not None else []
    keywords = {}
    for name, annotation in annotated.items():
        if name not in own:
            message = f"parameter `{name}` of `{cls.name}`, which gets it from outside"
            plain = annotations.is_harmless(frame, annotation, rule.except_types)
            keywords[name] = UNKNOWN if plain else tainted(frame.source(name, rule.kind, asked, message))
    return frame.instantiate(cls, Arguments([], keywords), asked)


def _fields(cls: ClassInfo) -> dict[str, ast.AnnAssign]:
    """Return the definitions of a class's fields."""
    found: dict[str, ast.AnnAssign] = {}
    for each in reversed(cls.mro()):
        for node in each.node.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found[node.target.id] = node
    return found
