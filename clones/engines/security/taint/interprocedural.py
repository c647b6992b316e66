"""Calls of the project's functions: followed once for arguments that are alike, then told again from the summary."""

import ast
from collections.abc import Iterator

from clones.engines.security.taint import cleansing, errors
from clones.engines.security.taint.base import Arguments, Base, DeadError, Return
from clones.engines.security.taint.heap import Obj, State, join_states
from clones.engines.security.taint.project import FunctionInfo
from clones.engines.security.taint.summaries import (
    Frozen,
    Outcome,
    Summary,
    TooLargeError,
    Translation,
    changed_objects,
    outcome,
)
from clones.engines.security.taint.values import UNKNOWN, Value, const, join, join_all, named

_MAX_DEPTH = 9
_MAX_SAME = 2
"""Times that a function may call itself within the analysis."""
_CONTEXTS = 12
"""Different arguments with which a function is looked at in one part of the work."""
_COLD_CONTEXTS = 3
"""The same where no outside data is near."""
_LOADING_CONTEXTS = 50
"""The same for a module's calls of its own functions, such as decorators that fill a table."""
_MAX_COLD = 2
"""Calls in a row that are followed for types and constants alone."""


def run(
    frame: Base,
    info: FunctionInfo,
    variables: dict[str, Value],
    closure: int | None,
    node: ast.AST,
    *,
    arguments: Arguments | None = None,
) -> Value:
    """Call a function of the project whose parameters are bound."""
    if frame.depth >= _MAX_DEPTH or frame.stack.count(info) >= _MAX_SAME:
        return _unfollowed(frame, variables)
    cold = _cold(frame, info, variables)
    if cold > _MAX_COLD:
        return UNKNOWN
    frame.analysis.reached.add(info)
    # what a module is making while it is loaded is in reach of its functions
    is_loading = frame.info is None and info.module is frame.module
    frozen = Frozen(frame.now)
    key: object = None
    try:
        key = (
            info,
            tuple((name, frozen.value(value)) for name, value in sorted(variables.items())),
            None if closure is None else frozen.reachable(closure),
            frame.stack.count(info),
            cold,
        )
        key, known = (None, None) if is_loading else (key, frame.analysis.dependencies.summary(key))
    except TooLargeError:
        known = None
    frame.analysis.budget.tick(len(frozen.ids) // 2)
    limit = _LOADING_CONTEXTS if is_loading else _COLD_CONTEXTS if cold else _CONTEXTS
    if known is None and not frame.analysis.budget.may_execute(info, limit, cold=cold > 0):
        return _unfollowed(frame, variables)
    if known is None:
        known = _execute(frame, info, variables, closure=closure, frozen=frozen, key=key, cold=cold)
    return _apply(frame, known, frozen, info, node=node, arguments=arguments)


def _cold(frame: Base, info: FunctionInfo, variables: dict[str, Value]) -> int:
    """Return how far the function is from outside data: 0 where it gets or may read some."""
    if info in frame.analysis.hot:
        return frame.cold
    state = frame.now
    for value in variables.values():
        if value.taints or any(state.taints(each) for each in _read(frame, value, info)):
            return 0
    return frame.cold + 1


def _read(frame: Base, value: Value, info: FunctionInfo) -> Iterator[Value]:
    """Yield what a function that gets a value may read of it: of an instance, the attributes that it mentions."""
    if value.funcs:
        yield Value(funcs=value.funcs)
    for identity, obj in frame.now.objects(value):
        if obj.kind != "instance":
            yield Value(refs=frozenset((identity,)))
            continue
        yield obj.rest
        yield from (each for name, each in obj.attrs.items() if name in info.words)


def _unfollowed(frame: Base, variables: dict[str, Value]) -> Value:
    result = UNKNOWN
    for value in variables.values():
        result = join(result, Value(taints=frame.now.taints(value), other=True))
    return result


def _execute(
    frame: Base,
    info: FunctionInfo,
    variables: dict[str, Value],
    *,
    closure: int | None,
    frozen: Frozen,
    key: object,
    cold: int,
) -> Summary:
    begin = frame.now
    # without a key all objects are in reach, and nothing is kept
    heap = dict(begin.heap) if key is None else dict(frozen.heap)
    checked = [name for name, value in variables.items() if value.taints and name not in info.assigned]
    callee = type(frame)(
        frame.analysis,
        info.module,
        State(variables, dict(heap), begin.globals),
        info=info,
        closure=closure,
        depth=frame.depth + 1,
        cold=cold,
        stack=(*frame.stack, info),
    )
    with frame.analysis.budget.spending(info, cold=cold > 0), frame.analysis.dependencies.collecting() as depends:
        result, ended = execute_body(callee)
    objects: dict[int, Obj] = {}
    if ended is not None:
        objects = changed_objects(result, heap, ended)
    outcomes = {name: outcome(callee.returns, name) for name in checked}
    summary = Summary(
        frozen,
        result=result,
        objects=objects,
        hits=callee.hits,
        outcomes={name: each for name, each in outcomes.items() if any(each)},
        raised=callee.raised,
        depends=frame.analysis.dependencies.versions(depends),
    )
    if key is not None:
        frame.analysis.dependencies.keep(key, summary)
    return summary


def execute_body(frame: Base) -> tuple[Value | None, State | None]:
    """Execute the function of a frame; return what it returns and the state after it, None where it does not return."""
    info = frame.info
    if info is None:
        return None, None
    _default_parameters(frame, info)
    if isinstance(info.node, ast.Lambda):
        try:
            value = frame.evaluate(info.node.body)
        except DeadError:
            return None, None
        truthy, falsy = frame.branch(info.node.body)
        frame.returns.append(Return(value, frame.now, truthy, falsy))
        return value, frame.state
    frame.execute(info.node.body)
    if frame.state is not None:
        frame.returns.append(Return(const(None), frame.state, None, frame.state))
    ended = join_states(each.state for each in frame.returns)
    if info.is_generator:
        frame.state = ended or State({}, {}, frame.analysis.shared.heap)
        made = frame.allocate((info, "generator"), Obj("iterator", rest=join_all(frame.yields)))
        return made, frame.state
    return (join_all(each.value for each in frame.returns), ended) if ended is not None else (None, None)


def _default_parameters(frame: Base, info: FunctionInfo) -> None:
    """Give parameters without an argument their defaults."""
    node = info.node.args
    variables = frame.now.vars
    names = info.positional[len(info.positional) - len(node.defaults) :]
    pairs = [*zip(names, node.defaults, strict=True), *zip(info.keyword_only, node.kw_defaults, strict=True)]
    for name, default in pairs:
        if name not in variables and default is not None:
            try:
                variables[name] = frame.evaluate(default)
            except DeadError:
                variables[name] = UNKNOWN
    for name in (*info.positional, *info.keyword_only):
        if name not in variables:
            variables[name] = named(f"?{name}")


def _apply(
    frame: Base, summary: Summary, frozen: Frozen, info: FunctionInfo, *, node: ast.AST, arguments: Arguments | None
) -> Value:
    if summary.ids == frozen.ids and all(a is b for a, b in zip(summary.taints, frozen.taints, strict=True)):
        translation = None
    else:
        known = set(summary.ids)
        fresh = {each: frame.analysis.fresh() for each in summary.objects if each not in known}
        shared = frame.analysis.shared.heap
        fresh = {each: new for each, new in fresh.items() if each not in shared}
        translation = Translation(summary, frozen, fresh)
    state = frame.now
    for hit in summary.hits:
        moved = translation.hit(hit) if translation else hit
        frame.record(moved)
    if summary.raised:
        told = {kind: translation.value(each) if translation else each for kind, each in summary.raised.items()}
        errors.note(
            frame, {kind: each.stepped(frame.step(node, f"raised in `{info.name}`")) for kind, each in told.items()}
        )
    if summary.result is None:
        raise DeadError
    for identity, obj in summary.objects.items():
        if translation is None:
            state.heap[identity] = obj
        else:
            state.heap[translation.identity(identity)] = translation.moved(obj)
    if arguments is not None and summary.outcomes:
        _learn_outcomes(frame, summary.outcomes, info, arguments, node)
    result = translation.value(summary.result) if translation else summary.result
    return result.stepped(frame.step(node, f"returned from `{info.name}`")) if result.taints else result


def _learn_outcomes(
    frame: Base, outcomes: dict[str, Outcome], info: FunctionInfo, arguments: Arguments, node: ast.AST
) -> None:
    """Make arguments harmless that the function has checked."""
    names = info.positional
    offset = len(names) - len(names[1:]) if info.cls is not None and "staticmethod" not in info.flags else 0
    held, failed = None, None
    for name, (always, truthy, falsy) in outcomes.items():
        place = names.index(name) - offset if name in names else -1
        expression = arguments.nodes.get(name) or arguments.nodes.get(place)
        if expression is None:
            continue
        if always:
            cleansing.cleanse(frame, expression, always)
        if not isinstance(node, ast.expr) or truthy == falsy:
            continue
        before = frame.now
        frame.state = held or before.copy()
        if truthy:
            cleansing.cleanse(frame, expression, truthy)
        held = frame.state
        frame.state = failed or before.copy()
        if falsy:
            cleansing.cleanse(frame, expression, falsy)
        failed = frame.state
        frame.state = before
    if held is not None and isinstance(node, ast.expr):
        frame.conditions[node] = (held, failed)
