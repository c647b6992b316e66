"""Requirement files of pip, as far as they name packages: nested files, constraints, and the target itself."""

import os
import re
import shlex
from pathlib import Path

import msgspec

_COMMENT = re.compile(r"(^|\s)#.*$")
_ITSELF = re.compile(r"^\.?/?(?:\[(?P<extras>[^\]]*)\])?$")
_OPTION = re.compile(r"\s--(?:hash|config-settings|global-option)\b.*$")
_MAX_BYTES = 1024 * 1024


class RequirementLines(msgspec.Struct, kw_only=True):
    """What requirement files ask for, gathered while they are read."""

    requirements: list[str] = []
    constraints: list[str] = []
    """Paths of constraint files, relative to the target."""
    extras: list[str] = []
    """Extras of the target itself (`-e .[socks]`)."""
    not_understood: list[str] = []
    read: set[Path] = set()


def read(path: Path, target: Path, into: RequirementLines) -> None:
    """Read the requirement file `path` and the files it names into `into`; none outside `target`."""
    path = Path(os.path.realpath(path))  # Path.resolve() raises RuntimeError at links in a circle until Python 3.13
    if path in into.read:
        return
    into.read.add(path)
    if not path.is_relative_to(target.resolve()) or not path.is_file() or path.stat().st_size > _MAX_BYTES:
        into.not_understood.append(f"{path.name}: no such file in the target")
        return
    text = path.read_text(encoding="utf-8", errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    for raw in text.replace("\\\n", " ").splitlines():
        line = _OPTION.sub("", _COMMENT.sub("", raw)).strip()
        if line:
            take_line(line, path.parent, target, into)


def take_line(line: str, directory: Path, target: Path, into: RequirementLines) -> None:
    """Take one line of a requirement file that stands in `directory`, or of a `deps` list."""
    for flag, long in (("-r", "--requirement"), ("-c", "--constraint"), ("-e", "--editable")):
        value = _value(line, flag, long)
        if value is None:
            continue
        if flag == "-r":
            read(directory / value, target, into)
        elif flag == "-c":
            constraint = Path(os.path.realpath(directory / value))
            if constraint.is_relative_to(target.resolve()) and constraint.is_file():
                into.constraints.append(constraint.relative_to(target.resolve()).as_posix())
            else:
                into.not_understood.append(line)
        else:
            _take_requirement(value, into)
        return
    if line.startswith("-"):
        # index addresses, hashes and the like: the machine's own pip configuration says where packages come from
        into.not_understood.append(line)
    else:
        _take_requirement(line, into)


def _take_requirement(text: str, into: RequirementLines) -> None:
    itself = _ITSELF.match(text)
    if itself:
        into.extras += [extra.strip() for extra in (itself["extras"] or "").split(",") if extra.strip()]
    else:
        into.requirements.append(text)


def _value(line: str, flag: str, long: str) -> str | None:
    for prefix in (f"{long}=", f"{long} ", f"{flag} ", flag):
        if line.startswith(prefix) and not (prefix == flag and line.startswith("--")):
            parts = shlex.split(line[len(prefix) :])
            return parts[0] if parts else ""
    return None
