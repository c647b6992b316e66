"""What a check that held makes harmless: the variable, and what it was made from."""

import ast
from collections.abc import Sequence
from typing import TypeGuard

from clones.engines.security.taint.base import Base
from clones.engines.security.taint.heap import State
from clones.engines.security.taint.rule_file import ALL
from clones.engines.security.taint.taints import PATHS
from clones.engines.security.taint.values import Value


class _MethodCall(ast.Call):
    func: ast.Attribute


ANYTHING = frozenset((ALL,))
CODE = frozenset(("code-injection",))
_FLEETING = {"next", "pop", "popleft", "get_nowait", "read", "readline", "recv", "input", "send", "receive", "choice"}
_PARTS = {"split", "rsplit", "splitlines", "values", "keys", "copy"}
_URL = frozenset(("ssrf", "open-redirect"))
_SAME_TEXT = {"strip", "lower", "upper", "casefold", "lstrip", "rstrip", "encode", "decode", "title", "capitalize"}
HOST_PARTS = {"hostname", "netloc"}
_HARMLESS_SIGNS = {"-", "_", ".", " ", ",", ":", "+", "@"}
_PATH_TYPES = {"Path", "PurePath", "PosixPath", "PurePosixPath"}
_NORMALISING = {"realpath", "abspath", "normpath", "resolve", "absolute"}
MAX_FACTS = 3
"""Variables in a row that are followed to what they were made from."""


def trust(frame: Base, node: ast.expr) -> None:
    """Make what an expression is made from harmless as far as knowing the expression's value does."""
    harmless = ANYTHING
    for _ in range(8):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _SAME_TEXT:
            node = node.func.value
        elif _is_text(node):
            node = node.args[0]
        elif _without_signs(node):
            node = node.func.value
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "commonpath"
            and node.args
        ):
            _trust_parts(frame, node.args[0], PATHS)
            return
        elif isinstance(node, ast.Attribute) and node.attr in HOST_PARTS:
            harmless, node = _URL, node.value
        else:
            break
    cleanse_made(frame, node, harmless)


def _trust_parts(frame: Base, node: ast.expr, harmless: frozenset[str]) -> None:
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            cleanse_made(frame, each, harmless)


def cleanse_made(frame: Base, node: ast.expr, harmless: frozenset[str], depth: int = 0) -> None:
    """Cleanse a variable, and what it was made from where that is as much as the same."""
    if isinstance(node, ast.Call):
        _cleanse_arguments(frame, node, harmless, depth)
        _remember(frame, node, harmless)
        return
    cleanse(frame, node, harmless)
    if not isinstance(node, ast.Name) or depth >= MAX_FACTS:
        return
    fact = frame.now.facts.get(node.id)
    made_by = fact[0] if fact is not None else None
    if isinstance(made_by, ast.Attribute) and made_by.attr in HOST_PARTS:
        cleanse_made(frame, made_by.value, _URL, depth + 1)
    elif isinstance(made_by, ast.Call):
        name = made_by.func.attr if isinstance(made_by.func, ast.Attribute) else ""
        if name in _SAME_TEXT and isinstance(made_by.func, ast.Attribute):
            cleanse_made(frame, made_by.func.value, harmless, depth + 1)
        else:
            cleanse_made(frame, made_by, harmless, depth + 1)


def _cleanse_arguments(frame: Base, node: ast.Call, harmless: frozenset[str], depth: int) -> None:
    """Cleanse what a call is given, where its result is as much as the same."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    inner = [*node.args, *([node.func.value] if isinstance(node.func, ast.Attribute) else [])]
    if _is_text(node):
        cleanse_made(frame, node.args[0], harmless, depth + 1)
    elif name in _PATH_TYPES and harmless <= PATHS:
        for each in node.args:
            cleanse_made(frame, each, harmless, depth + 1)
    elif name in {"urlparse", "urlsplit", "url_parse"}:
        for each in inner:
            cleanse_made(frame, each, harmless & _URL if harmless != ANYTHING else _URL, depth + 1)
    elif name in _NORMALISING and harmless == PATHS and depth < MAX_FACTS:
        for each in inner:
            _trust_parts(frame, each, PATHS)


def checked_in_turn(frame: Base, loop: ast.For | ast.AsyncFor, turns: Sequence[State]) -> None:
    """Make harmless what a loop has gone through, as far as each element was at the end of its turn."""
    if not isinstance(loop.target, ast.Name) or not turns:
        return
    name = loop.target.id
    if (tree := walked(loop.iter)) is not None:
        if refuses_others(loop.body[0], name):
            cleanse_made(frame, tree, CODE)
        return
    ends = [value for state in turns if (value := state.vars.get(name)) is not None and not value.refs]
    if len(ends) < len(turns) or any(_binds(each, name) for each in loop.body):
        return
    cleansed = [taint.cleansed for value in ends for taint in value.taints.values()]
    harmless = frozenset.intersection(*cleansed) if cleansed else ANYTHING
    made = loop.iter
    while isinstance(made, ast.Call) and isinstance(made.func, ast.Attribute) and made.func.attr in _PARTS:
        made = made.func.value
    if harmless and isinstance(made, ast.Name):
        cleanse_made(frame, made, harmless)


def walked(node: ast.expr) -> ast.expr | None:
    """Return the tree of `ast.walk(tree)`; None where it is something else."""
    if isinstance(node, ast.Call) and len(node.args) == 1 and ast.unparse(node.func) in {"ast.walk", "walk"}:
        return node.args[0]
    return None


def refuses_others(statement: ast.stmt, name: str) -> bool:
    """Whether it is `if not isinstance(name, …): raise …`."""
    if not isinstance(statement, ast.If) or not isinstance(statement.body[-1], ast.Raise | ast.Return):
        return False
    test = statement.test
    return isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not) and asks_for_class(test.operand, name)


def asks_for_class(test: ast.expr, name: str) -> bool:
    """Whether it is `isinstance(name, …)`."""
    is_asked = isinstance(test, ast.Call) and isinstance(test.func, ast.Name) and test.func.id == "isinstance"
    return is_asked and isinstance(test, ast.Call) and getattr(test.args[0], "id", None) == name


def _binds(statement: ast.stmt, name: str) -> bool:
    return any(
        isinstance(each, ast.Name) and each.id == name and isinstance(each.ctx, ast.Store)
        for each in ast.walk(statement)
    )


def _remember(frame: Base, node: ast.expr, harmless: frozenset[str]) -> None:
    """Remember of an expression that gives the same whenever it is evaluated that it is harmless."""
    is_fleeting = any(
        isinstance(each, ast.Call) and getattr(each.func, "attr", getattr(each.func, "id", "")) in _FLEETING
        for each in ast.walk(node)
    )
    if not is_fleeting:
        mentioned = frozenset(each.id for each in ast.walk(node) if isinstance(each, ast.Name))
        state = frame.now
        state.checked = {**state.checked, ast.dump(node): (harmless, mentioned)}


def cleanse(frame: Base, node: ast.expr, categories: frozenset[str]) -> None:
    """Make what stands in a variable or attribute harmless."""
    if isinstance(node, ast.Name):
        value = frame.now.vars.get(node.id)
        if value is not None and value.taints:
            frame.now.vars[node.id] = _harmless(value, categories)
        elif value is not None and value.refs:
            _cleanse_objects(frame, value, categories)
    elif isinstance(node, ast.Attribute):
        _remember(frame, node, categories)
        for identity, obj in frame.now.objects(frame.evaluate(node.value)):
            value = obj.attrs.get(node.attr)
            if value is not None and value.taints:
                frame.store(identity, obj.changed(attrs={**obj.attrs, node.attr: _harmless(value, categories)}))
    elif isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
        _remember(frame, node, categories)
        key = frame.evaluate(node.slice)
        for identity, obj in frame.now.objects(frame.evaluate(node.value)):
            value = obj.items.get(key.constant) if key.is_single else None
            if value is not None and value.taints:
                frame.store(identity, obj.changed(items={**obj.items, key.constant: _harmless(value, categories)}))


def _cleanse_objects(frame: Base, value: Value, categories: frozenset[str]) -> None:
    for identity, obj in frame.now.objects(value):
        items = {key: _harmless(each, categories) for key, each in obj.items.items()}
        frame.store(identity, obj.changed(items=items, rest=_harmless(obj.rest, categories)))


def _harmless(value: Value, categories: frozenset[str]) -> Value:
    """Return a value made harmless; one that is so altogether is no more what brought it in."""
    cleansed = value.cleansed(categories)
    if value.taints and not cleansed.taints:
        return Value(consts=value.consts, refs=value.refs, funcs=value.funcs, prefix=value.prefix, other=True)
    return cleansed


def _without_signs(node: ast.expr) -> TypeGuard[_MethodCall]:
    """Whether it is `x.replace("-", "")`, which leaves out or changes a sign that does no harm."""
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "replace"
    first = node.args[0] if is_call and isinstance(node, ast.Call) and node.args else None
    return isinstance(first, ast.Constant) and first.value in _HARMLESS_SIGNS


def _is_text(node: ast.expr) -> TypeGuard[ast.Call]:
    """Whether it is `str(x)`."""
    is_call = isinstance(node, ast.Call) and len(node.args) == 1 and isinstance(node.func, ast.Name)
    return is_call and ast.unparse(node).startswith("str(")


def normalises(call: ast.Call) -> bool:
    """Whether a path is made normal in a call, or in one that it is made of."""
    inner: ast.expr = call
    while isinstance(inner, ast.Call):
        if isinstance(inner.func, ast.Attribute):
            if inner.func.attr in _NORMALISING:
                return True
            inner = inner.args[0] if inner.args and inner.func.attr == "str" else inner.func.value
        elif isinstance(inner.func, ast.Name) and inner.args:
            if inner.func.id in _NORMALISING:
                return True
            inner = inner.args[0]
        else:
            return False
    return False
