"""A Python file as the checks read it: its functions, and in each what stands in which loops. Pure."""

import ast
from collections.abc import Iterator

import msgspec

Loops = tuple[ast.AST, ...]
"""The loops around a node, the outermost first; comprehensions are loops, too."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*_FUNCTIONS, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Assigned(msgspec.Struct, frozen=True):
    """A value that a name was given; None where that is not seen, as in a loop or by unpacking."""

    value: ast.expr | None
    line: int
    loops: Loops


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """A function's own code, without what is inside of other functions; or a module's."""

    first_line: int
    """Its decorators' where it has any, as the interpreter counts; 0 for a module."""
    last_line: int
    nodes: list[tuple[ast.AST, Loops]]
    names: dict[str, list[Assigned]]

    def built_before(self, name: str, loops: Loops) -> Assigned | None:
        """Return the only value of `name`, if it is given before the innermost of `loops` begins."""
        values = self.names.get(name, [])
        if len(values) != 1 or values[0].value is None:
            return None
        around = values[0].loops
        return values[0] if len(around) < len(loops) and loops[: len(around)] == around else None


def scopes(module: ast.Module) -> Iterator[Scope]:
    """Yield the module's own code and that of each function."""
    for owner in (module, *(node for node in ast.walk(module) if isinstance(node, _FUNCTIONS))):
        nodes = list(_nodes(owner.body))
        names: dict[str, list[Assigned]] = {}
        first = last = 0
        if not isinstance(owner, ast.Module):
            first = min([owner.lineno, *(each.lineno for each in owner.decorator_list)])
            last = owner.end_lineno or owner.lineno
            given = owner.args
            for each in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg):
                if each is not None:
                    names[each.arg] = [Assigned(None, each.lineno, ())]
        for node, loops in nodes:
            for name, value in _given(node):
                names.setdefault(name, []).append(Assigned(value, getattr(node, "lineno", 0), loops))
        yield Scope(first_line=first, last_line=last, nodes=nodes, names=names)


def line_of(loop: ast.AST) -> int:
    """Return where a loop begins."""
    return int(getattr(loop, "lineno", 0))


def _nodes(body: list[ast.stmt]) -> Iterator[tuple[ast.AST, Loops]]:
    waiting: list[tuple[ast.AST, Loops]] = [(node, ()) for node in reversed(body)]
    while waiting:
        node, loops = waiting.pop()
        yield node, loops
        if not isinstance(node, _SCOPES):
            waiting += reversed(list(_below(node, loops)))


def _below(node: ast.AST, loops: Loops) -> Iterator[tuple[ast.AST, Loops]]:
    """Yield what is below a node, with the loops that run it: what a loop iterates over is made before it begins."""
    inside = (*loops, node)
    if isinstance(node, ast.For | ast.AsyncFor):
        yield node.iter, loops
        yield from ((each, inside) for each in (node.target, *node.body))
        yield from ((each, loops) for each in node.orelse)
    elif isinstance(node, ast.While):
        yield from ((each, inside) for each in (node.test, *node.body))
        yield from ((each, loops) for each in node.orelse)
    elif isinstance(node, _COMPREHENSIONS):
        yield node.generators[0].iter, loops
        for number, generator in enumerate(node.generators):
            parts = (generator.target, *generator.ifs, *([generator.iter] if number else []))
            yield from ((each, inside) for each in parts)
        results = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
        yield from ((each, inside) for each in results)
    else:
        yield from ((each, loops) for each in ast.iter_child_nodes(node))


def _given(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield the names that a node binds; `+=` binds none anew."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            yield name, value
        case (
            ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            | ast.NamedExpr(target=ast.Name(id=name), value=value)
        ):
            yield name, value
        case ast.Assign(targets=targets):
            yield from ((name, None) for target in targets for name in names_in(target))
        case ast.For(target=target) | ast.AsyncFor(target=target) | ast.comprehension(target=target):
            yield from ((name, None) for name in names_in(target))
        case ast.withitem(optional_vars=ast.expr() as target):
            yield from ((name, None) for name in names_in(target))
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from ((name, None) for name in names)
        case ast.Delete(targets=targets):
            yield from ((target.id, None) for target in targets if isinstance(target, ast.Name))


def names_in(node: ast.AST) -> set[str]:
    """Return all names below a node."""
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def loop_names(loops: Loops) -> set[str]:
    """Return the names that the loops bind anew in each pass."""
    found: set[str] = set()
    for loop in loops:
        if isinstance(loop, ast.For | ast.AsyncFor):
            found |= names_in(loop.target)
        elif isinstance(loop, _COMPREHENSIONS):
            for generator in loop.generators:
                found |= names_in(generator.target)
    return found
