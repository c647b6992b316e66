"""Properties of the methods of classes whose objects can be made up. Pure."""

import ast
import copy
from collections.abc import Iterator, Mapping, Sequence

from clones.engines.properties.drafts import Property, call
from clones.engines.properties.inputs import Input, OwnType, inputs, required
from clones.engines.properties.names import undone_by
from clones.engines.properties.said import said

OBJECT = "made"
"""What a test calls the object."""
_OF_CLASSES = ("classmethod", "staticmethod")


def of_method(
    holder: ast.ClassDef, method: ast.FunctionDef, origins: Mapping[str, str], own: Mapping[str, OwnType]
) -> list[Property]:
    """Return the properties of a method of `holder`, one of `own`."""
    bound = _bound(method)
    taken = inputs(bound, origins, own) if bound is not None else None
    if bound is None or taken is None or any(each.name == OBJECT for each in taken):
        return []
    type_ = own[holder.name]
    made = Input(name=OBJECT, values=type_.values, by_keyword=False, is_exact=type_.compares)
    name = f"{holder.name}.{method.name}"
    given = call(method.name, taken, of=OBJECT)
    return [
        *_round_trips(holder, method, (made, *taken), given),
        *said(bound, (made, *taken), origins, name=name, given=given),
    ]


def undone(holder: ast.ClassDef, method: ast.FunctionDef) -> list[ast.FunctionDef]:
    """Return what makes an object again of what a method returns: `from_dict` of what `to_dict` does."""
    names = undone_by(method.name)
    return [
        each for each in holder.body if isinstance(each, ast.FunctionDef) and each.name in names and _makes_of_one(each)
    ]


def _round_trips(
    holder: ast.ClassDef, method: ast.FunctionDef, taken: Sequence[Input], given: str
) -> Iterator[Property]:
    if not taken[0].is_exact or len(taken) > 1:
        return
    for back in undone(holder, method):
        yield Property(
            kind="round trip",
            says=f"`{holder.name}.{back.name}` gives back what `{holder.name}.{method.name}` was called on",
            inputs=tuple(taken),
            given=given,
            holds=f"subject.{holder.name}.{back.name}(result) == {OBJECT}",
        )


def _makes_of_one(function: ast.FunctionDef) -> bool:
    if [ast.unparse(each) for each in function.decorator_list] not in ([name] for name in _OF_CLASSES):
        return False
    is_bound = ast.unparse(function.decorator_list[0]) == "classmethod"
    return len(required(function)) == (2 if is_bound else 1) and len(function.args.args) > int(is_bound)


def _bound(method: ast.FunctionDef) -> ast.FunctionDef | None:
    """Return a method without its `self`; None where it has none."""
    if method.args.posonlyargs or not method.args.args or len(method.args.defaults) >= len(method.args.args):
        return None
    bound = copy.copy(method)
    bound.args = copy.copy(method.args)
    bound.args.args = method.args.args[1:]
    return bound
