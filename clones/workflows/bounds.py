"""Looking expressions up with bounded work: a line of JMESPath can ask for more than any machine has. Pure.

`x | [@,@] | [@,@] | …` doubles what it is given at each step. It takes nothing while the copies are one object, and all there
is as soon as they are written.
"""

from typing import Any

from jmespath.parser import ParsedResult
from jmespath.visitor import TreeInterpreter

from clones.workflows.sizes import TooMuch, check_size

MOST_WORK = 2_000_000
"""Of one expression: parts of it that are looked at, for each element again, and values that it makes, those within others too."""
CHARS_A_VALUE = 16
"""So much text that is made counts as one value."""
_MAKES = {
    "filter_projection",
    "flatten",
    "function_expression",
    "multi_select_dict",
    "multi_select_list",
    "projection",
    "slice",
    "value_projection",
}


def search(compiled: ParsedResult, value: Any) -> Any:
    """Return what an expression finds in `value`.

    Raises:
        TooMuch: it takes more work, or is larger, than it may.
    """
    interpreter = _Interpreter()
    found = interpreter.visit(compiled.parsed, value)
    if interpreter.has_made(found):
        check_size(found)
    return found


class _Interpreter(TreeInterpreter):
    """JMESPath's own, for one evaluation, that stops at `MOST_WORK`."""

    def __init__(self) -> None:
        super().__init__()
        self._left = MOST_WORK
        self._made: dict[int, tuple[Any, int]] = {}
        """By its identity what was made, so that no other object has the same, and how many values it holds."""

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        """As there; raises TooMuch."""
        self._left -= 1
        if self._left < 0:
            raise TooMuch(f"it takes more than {MOST_WORK:,} steps")
        value = super().visit(node, *args, **kwargs)
        if node["type"] in _MAKES:
            self._count(value)
        return value

    def has_made(self, value: Any) -> bool:
        """Tell whether the evaluation has made this value, rather than found it."""
        return id(value) in self._made

    def _count(self, value: Any) -> None:
        if isinstance(value, str):
            self._left -= len(value) // CHARS_A_VALUE
        elif isinstance(value, list | dict):
            parts = value.values() if isinstance(value, dict) else value
            size = 1 + sum(self._made[id(part)][1] if id(part) in self._made else 1 for part in parts)
            self._made[id(value)] = (value, size)
            self._left -= size
