"""Statements of the engines as the report shows them: numbered through the whole report, each with its check. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

MAX_OF_UNKNOWN = 100
"""Statements shown of a task type that has no part of its own here."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A statement as `clones.engines.statements` writes it into an engine's data."""

    text: str
    how_to_check: str
    """A command for `sh`, run in the target's directory."""
    expected: str
    """What it prints, without the last line end."""
    needs_file: str = ""
    """An artifact of the task that has to lie in that directory, too."""


class Numbered(msgspec.Struct, frozen=True, kw_only=True):
    """A statement and its number in the report."""

    number: int
    check: Check


def read(row: Mapping[str, Any]) -> Check | None:
    """Return the statement that a row of an engine's data makes; None where it makes none, or in a shape that is not known."""
    if not row.get("how_to_check") or "text" not in row or "expected" not in row:
        return None
    try:
        return msgspec.convert({name: row[name] for name in Check.__struct_fields__ if name in row}, Check)
    except msgspec.ValidationError:
        return None


def anywhere(data: Any) -> Iterator[Check]:
    """Yield every statement in an engine's data, in the order of the data."""
    match data:
        case dict():
            if (check := read(data)) is not None:
                yield check
            for each in data.values():
                yield from anywhere(each)
        case list():
            for each in data:
                yield from anywhere(each)


def shown(part: Any) -> Iterator[Check]:
    """Yield the statements of what a part shows, in its order; what it was made from (`data`) is not shown whole."""
    match part:
        case Check():
            yield part
        case msgspec.Struct():
            for name in part.__struct_fields__:
                if name != "data":
                    yield from shown(getattr(part, name))
        case tuple() | list():
            for each in part:
                yield from shown(each)


def numbered(checks: Iterable[Check], first: int) -> tuple[Numbered, ...]:
    """Return the statements, each once, with numbers from `first` on."""
    return tuple(Numbered(number=number, check=check) for number, check in enumerate(dict.fromkeys(checks), first))


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """A row of an engine's data that makes a statement; of another version's perhaps none."""

    text: str = ""
    how_to_check: str = ""
    expected: str = ""
    needs_file: str = ""

    @property
    def check(self) -> Check | None:
        """The statement."""
        if not self.how_to_check:
            return None
        return Check(text=self.text, how_to_check=self.how_to_check, expected=self.expected, needs_file=self.needs_file)
