"""What is found of a function: properties, each with the call and what is to be true after it, as source text."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from clones.engines.properties.inputs import Input

Kind = Literal["round trip", "idempotent", "bounds", "returns", "errors"]


class Property(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is so for whatever a function takes."""

    kind: Kind
    says: str
    """In words, code between backticks."""
    inputs: tuple[Input, ...]
    given: str
    """The call, as source text; `subject` is the function's module."""
    holds: str = ""
    """What of the call's `result` is true; empty where only what is raised counts."""
    told: tuple[str, ...] = ()
    """Errors that the call may raise, where they count, as source text."""
    assumed: str = ""
    """What is true of the inputs."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """The properties of one function."""

    module: str
    function: str
    """`encode`, or `Order.total` of a method."""
    file: str
    line: int
    properties: tuple[Property, ...]
    own: tuple[str, ...] = ()
    """The module's own types that objects are made up of."""


def call(name: str, taken: Sequence[Input], *, result: bool = False, of: str = "subject") -> str:
    """Return the call with its inputs, with `result` that of the call before in place of the first; `of` is what has `name`."""
    placed = ["result" if result and each is taken[0] else each.name for each in taken if not each.by_keyword]
    named = [f"{each.name}={each.name}" for each in taken if each.by_keyword]
    return f"{of}.{name}({', '.join((*placed, *named))})"
