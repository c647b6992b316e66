"""One change of a public surface."""

from typing import Any

import griffe
import msgspec

from clones.engines.api_changes.surface import Member
from clones.engines.checks import Check


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the surface."""

    kind: str
    """`removed`, `signature`, `kind`, `base`, `default`, `returns`, `added`, `parameter` or `deprecated`."""
    name: str
    """The public name."""
    also: tuple[str, ...]
    """Other public names of the same object."""
    what: str
    """`module`, `class`, `function`, `method`, `property` or `attribute`; `name` where only that is known."""
    text: str
    file: str | None
    line: int | None
    """Where it is in the target; for what was removed, where it was before."""
    check: Check

    def data(self) -> dict[str, Any]:
        """Return it as JSON values."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        plain.update(plain.pop("check"))
        return plain


def kind_of(member: Member) -> str:
    """Return what a reader calls it."""
    in_class = member.parent is not None and member.parent.is_class
    try:
        if member.is_function and in_class:
            return "method"
        return "property" if "property" in member.labels else str(member.kind.value)
    except (griffe.AliasResolutionError, griffe.CyclicAliasError):
        return "name"  # passed on from a package that is not here
