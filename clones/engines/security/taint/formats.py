"""Texts with `%` in which values are put."""

import re
from collections.abc import Sequence

from clones.engines.security.taint.taints import LINES
from clones.engines.security.taint.values import Value

_CONVERSION = re.compile(
    r"%(?P<key>\(\w*\))?[-#0 +]*(?P<width>\*|\d*)(?:\.(?P<precision>\*|\d+))?[hlL]?(?P<kind>[a-zA-Z%])"
)
_NUMBERS = frozenset("diouxXeEfFgGc")


def put_in(text: str, values: Sequence[Value]) -> list[Value] | None:
    """Return what each value is once it is written by its conversion (`%r` escapes line breaks, `%d` takes numbers alone).

    None where the text takes values by name or width, or another number of them.
    """
    found = [each for each in _CONVERSION.finditer(text) if each["kind"] != "%"]
    if len(found) != len(values) or any(each["key"] or "*" in each[0] for each in found):
        return None
    return [_written(each["kind"], value) for each, value in zip(found, values, strict=True)]


def _written(kind: str, value: Value) -> Value:
    if kind in _NUMBERS:
        return value.cleansed("*")
    return value.cleansed(LINES) if kind in "ra" else value
