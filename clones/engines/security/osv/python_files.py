"""Requirement files, `pyproject.toml`, and the lock files of Python's tools."""

import re
import tomllib
from collections.abc import Mapping
from typing import Any

import msgspec
from packaging.requirements import InvalidRequirement, Requirement

from clones.engines.environment.locks import from_index
from clones.engines.security.osv.pin import Pin, PinnedFile
from clones.engines.security.osv.places import first_lines

_COMMENT = re.compile(r"(?:^|\s)#.*$")
_OPTION = re.compile(r"\s--\w.*$")
_NAME = re.compile(r"""\s*name\s*=\s*["']([^"']+)["']""")
_VERSION = re.compile(r"""\s*version\s*=\s*["']([^"']+)["']""")
_MAX_LINE_CHARS = 100_000
"""Of a requirement with its hashes; longer is none."""
_ONE_VERSION = re.compile(r"\d[^*,\s]*")


def requirements(text: str) -> PinnedFile:
    """Read a requirement or constraint file; what it includes is a file of its own."""
    pins: list[Pin] = []
    open_ended = 0
    parts: list[str] = []
    for number, raw in enumerate(text.split("\n"), 1):
        parts.append(raw.removesuffix("\\"))
        if raw.endswith("\\"):
            continue
        line = " ".join(parts)
        if len(line) <= _MAX_LINE_CHARS:
            pin, is_open = _of_requirement(_OPTION.sub("", _COMMENT.sub("", line)).strip(), number - len(parts) + 1)
            pins += [pin] if pin else []
            open_ended += is_open
        parts.clear()
    return PinnedFile(tuple(pins), open_ended)


def pyproject(text: str) -> PinnedFile:
    """Read what `pyproject.toml` declares for the project, its extras, its groups and its build, poetry's tables included."""
    document = tomllib.loads(text)
    project = _table(document, "project")
    declared = [*_strings(project.get("dependencies")), *_strings(_table(document, "build-system").get("requires"))]
    for group in (*_table(project, "optional-dependencies").values(), *_table(document, "dependency-groups").values()):
        declared += _strings(group)
    poetry = _table(document, "tool", "poetry")
    tables = [_table(poetry, "dependencies"), _table(poetry, "dev-dependencies")]
    tables += [_table(group, "dependencies") for group in _table(poetry, "group").values() if isinstance(group, dict)]
    places = first_lines(text)
    pins: list[Pin] = []
    open_ended = 0
    for requirement in declared:
        pin, is_open = _of_requirement(requirement, places.get(requirement, 1))
        pins += [pin] if pin else []
        open_ended += is_open
    for name, value in ((name, value) for table in tables for name, value in table.items() if name.lower() != "python"):
        version = value.get("version") if isinstance(value, dict) else value
        exact = version.strip().removeprefix("==").strip() if isinstance(version, str) else ""
        if _ONE_VERSION.fullmatch(exact):
            pins.append(Pin(name, exact, places.get(name, 1)))
        else:
            open_ended += 1
    return PinnedFile(tuple(pins), open_ended)


def lock(text: str) -> PinnedFile:
    """Read `poetry.lock`, `uv.lock`, `pdm.lock` or `pylock.toml`; packages that come from no index are left out."""
    document = tomllib.loads(text)
    places = _places(text.split("\n"))
    pins = []
    packages = document.get("package", document.get("packages"))
    for package in packages if isinstance(packages, list) else ():
        name, version = (package.get("name"), package.get("version")) if isinstance(package, dict) else (None, None)
        if isinstance(name, str) and isinstance(version, str) and from_index(package):
            pins.append(Pin(name, version, places.get((name, version), 1)))
    return PinnedFile(tuple(pins))


def pipfile_lock(text: str) -> PinnedFile:
    """Read pipenv's lock."""
    document = msgspec.json.decode(text.encode(), type=dict[str, Any])
    places = first_lines(text)
    pins = []
    for section in ("default", "develop"):
        for name, entry in _table(document, section).items():
            version = entry.get("version") if isinstance(entry, dict) else None
            if isinstance(version, str) and version.startswith("=="):
                pins.append(Pin(name, version[2:].strip(), places.get(name, 1)))
    return PinnedFile(tuple(pins))


def _of_requirement(line: str, number: int) -> tuple[Pin | None, bool]:
    """Return the version that a requirement settles on, and whether it names a package and settles on none."""
    if not line or line.startswith("-"):
        return None, False
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return None, False
    if requirement.url:
        return None, False
    exact = [
        each for each in requirement.specifier if each.operator in {"==", "==="} and not each.version.endswith("*")
    ]
    return (Pin(requirement.name, exact[0].version, number), False) if exact else (None, True)


def _places(lines: list[str]) -> dict[tuple[str, str], int]:
    """Return the line of each package's version."""
    places: dict[tuple[str, str], int] = {}
    name = ""
    for number, line in enumerate(lines, 1):
        if line.startswith("[["):
            name = ""
        elif named := _NAME.match(line):
            name = name or named[1]
        elif name and (version := _VERSION.match(line)):
            places.setdefault((name, version[1]), number)
    return places


def _table(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    value: Any = document
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, dict) else {}


def _strings(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
