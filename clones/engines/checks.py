"""Shell commands that stand beside an engine's statements, so that a reader can see for himself that they hold.

Each is started in the target's directory by a POSIX shell and reads only. What a command should print is told beside it:
`expected`, its standard output without the white space at its end. Names from the target are quoted: a file called
`$(reboot)` is a file.
"""

import re
import shlex
from typing import Any

import msgspec

from clones.engines.statements import quoted


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """How a statement is checked."""

    how_to_check: str
    expected: str

    def fields(self) -> dict[str, Any]:
        """Return what stands beside the statement in an engine's data."""
        return {"how_to_check": self.how_to_check, "expected": self.expected}


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a version of the target's files is read from: the directory itself, a revision, or another directory."""

    revision: str | None = None
    directory: str | None = None
    """As a shell word, with the slash at its end."""

    def read(self, file: str) -> str:
        """Return the command that prints `file`."""
        if self.revision is not None:
            return f"git show {shlex.quote(f'{self.revision}:./{file}')}"
        return f"cat {self.path(file)}"

    def path(self, file: str) -> str:
        """Return `file` as a shell word; not for a revision."""
        return f"{self.directory or ''}{quoted(file)}"

    def piped(self, command: str, file: str) -> str:
        """Return `command`, a filter that also takes a file's name as its last argument, applied to `file`."""
        if self.revision is not None:
            return f"{self.read(file)} | {command}"
        return f"{command} {self.path(file)}"


HERE = Place()
"""The target as it lies there."""


def lines(place: Place, file: str, first: int, last: int | None = None) -> str:
    """Return the command that prints the lines `first` to `last` of `file`."""
    span = f"{first}p" if last is None or last == first else f"{first},{last}p"
    return place.piped(f"sed -n {span}", file)


def shown(source: list[str], first: int, last: int | None = None) -> str:
    """Return what `lines` prints, of a file split at its line feeds."""
    return "\n".join(source[first - 1 : last or first]).rstrip()


def count(place: Place, pattern: str, file: str) -> str:
    """Return the command that prints how many lines of `file` match `pattern`, an extended regular expression."""
    return place.piped(f"grep -cE {shlex.quote(pattern)}", file)


def literal(text: str) -> str:
    """Return the extended regular expression that matches `text`; names need nothing."""
    return re.sub(r"([][\\.*^$+?(){}|])", r"\\\1", text)
