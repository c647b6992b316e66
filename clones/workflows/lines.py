"""On which lines of a TOML or JSON file its values stand. For text that its parser has taken. Pure."""

import re
import tomllib
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed leaves it out
from typing import Any

from clones.workflows.problems import Path


class Lines:
    """The lines of a file's values, by their paths."""

    def __init__(self, found: dict[Path, int]) -> None:
        self._found = found

    def of(self, path: Path) -> int:
        """Return the line of a value, or of the nearest around it that has one."""
        for length in range(len(path), 0, -1):
            line = self._found.get(path[:length])
            if line is not None:
                return line
        return 1


def json_lines(text: str) -> Lines:
    """Return the lines of a JSON text: of an object's field that of its name, of a list's element its own."""
    found: dict[Path, int] = {}
    _Json(text, found).value(0, ())
    return Lines(found)


class _Json:
    _SPACE = re.compile(r"[ \t\n\r]*")
    _SCALAR = re.compile(r"[^\s,\]}]+")

    def __init__(self, text: str, found: dict[Path, int]) -> None:
        self._text = text
        self._found = found
        self._counted, self._line = 0, 1

    def _line_at(self, place: int) -> int:
        self._line += self._text.count("\n", self._counted, place)
        self._counted = place
        return self._line

    def _skip(self, place: int) -> int:
        space = self._SPACE.match(self._text, place)
        return space.end() if space else place

    def value(self, place: int, path: Path) -> int:
        """Note a value's parts; return where it ends."""
        place = self._skip(place)
        match self._text[place]:
            case "{":
                return self._members(place + 1, path, "}")
            case "[":
                return self._members(place + 1, path, "]")
            case '"':
                return int(scanstring(self._text, place + 1)[1])
            case _:
                scalar = self._SCALAR.match(self._text, place)
                return scalar.end() if scalar else place + 1

    def _members(self, place: int, path: Path, end: str) -> int:
        count = 0
        while self._text[place := self._skip(place)] != end:
            if self._text[place] == ",":
                place = self._skip(place + 1)
            key: str | int = count
            count += 1
            line = self._line_at(place)
            if end == "}":
                key, place = scanstring(self._text, place + 1)
                place = self._skip(place) + 1
            self._found[(*path, key)] = line
            place = self.value(place, (*path, key))
        return place + 1


def toml_lines(text: str) -> Lines:
    """Return the lines of a TOML text: of a table that of its header, of a value that of its key."""
    found: dict[Path, int] = {}
    table: Path = ()
    for line, statement in _statements(text):
        if statement.lstrip().startswith("["):
            table = _header(statement, found)
            found.setdefault(table, line)
        else:
            for path, offset in _offsets(statement):
                found.setdefault((*table, *path), line + offset)
    return Lines(found)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the statements with their lines: the shortest runs of lines that are TOML by themselves."""
    waiting: list[str] = []
    began = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if not waiting:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            began = number
        waiting.append(line)
        # Only these can end a value that goes over several lines.
        if len(waiting) > 1 and not re.search(r"\]|\"\"\"|'''", line):
            continue
        statement = "\n".join(waiting)
        try:
            tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        yield began, statement
        waiting = []


def _header(statement: str, found: dict[Path, int]) -> Path:
    """Return the path of a table's header, in a list of tables with its place."""
    value: Any = tomllib.loads(statement)
    path: Path = ()
    while value:
        if isinstance(value, list):
            place = 0
            while (*path, place) in found:
                place += 1
            path, value = (*path, place), value[0]
        else:
            ((key, value),) = value.items()
            path = (*path, key)
    return path


def _offsets(statement: str) -> Iterator[tuple[Path, int]]:
    """Yield the paths of all that a statement sets, with the lines after its first on which they stand.

    Elements of a list over several lines are looked for by their text; what is not found so stands where the one before it does.
    """
    lines = statement.split("\n")
    offset = 0
    for path, value in _parts(tomllib.loads(statement)):
        if isinstance(value, str) and isinstance(path[-1], int):
            offset = next((place for place in range(offset, len(lines)) if value in lines[place]), offset)
        yield path, offset


def _parts(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield (*path, key), part
        yield from _parts(part, (*path, key))
