"""The lock files of npm, yarn and pnpm, and `package.json`."""

import re
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec

from clones.engines.security.osv.pin import Pin, PinnedFile
from clones.engines.security.osv.places import first_lines

_EXACT = re.compile(r"[=v]?\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?")
_KEY = re.compile(r'\s*"((?:[^"\\]|\\.)+)"\s*:\s*\{')
_YARN_VERSION = re.compile(r'\s+"?version"?:?\s+"?([^"\s]+)"?\s*')
_YARN_NAME = re.compile(r'"?(@?[^@"\s]+)@')
_YARN_ALIAS = re.compile(r"@npm:(@?[^@\"\s]+)@")
_PNPM_VERSION = re.compile(r"[@/](?=[0-9])")
_DEPENDENCIES = ("dependencies", "devDependencies", "optionalDependencies")
_MAX_DEPTH = 200


def package_lock(text: str) -> PinnedFile:
    """Read `package-lock.json` of any version, or `npm-shrinkwrap.json`."""
    document = msgspec.json.decode(text.encode(), type=dict[str, Any])
    lines: dict[str, deque[int]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if opening := _KEY.match(line):
            lines.setdefault(opening[1], deque()).append(number)
    pins = []
    packages = document.get("packages")
    found = _of_packages(packages) if isinstance(packages, dict) else _of_tree(document.get("dependencies"), 0)
    for key, name, entry in found:
        version = entry.get("version")
        if isinstance(version, str) and _EXACT.fullmatch(version) and not entry.get("link"):
            places = lines.get(key, deque((1,)))
            # in a tree, one package after another has the same key
            pins.append(Pin(name, version, places.popleft() if len(places) > 1 else places[0]))
    return PinnedFile(tuple(pins))


def _of_packages(packages: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for key, entry in packages.items():
        where, _, name = key.rpartition("node_modules/")
        if isinstance(entry, dict) and (where or key.startswith("node_modules/")):
            given = entry.get("name")  # an alias is installed under another name than its own
            yield key, given if isinstance(given, str) else name, entry


def _of_tree(dependencies: Any, depth: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    if not isinstance(dependencies, dict) or depth > _MAX_DEPTH:
        return
    for name, entry in dependencies.items():
        if isinstance(entry, dict):
            yield name, name, entry
            yield from _of_tree(entry.get("dependencies"), depth + 1)


def package_json(text: str) -> PinnedFile:
    """Read what `package.json` declares; only an exact version says what is installed."""
    document = msgspec.json.decode(text.encode(), type=dict[str, Any])
    places = first_lines(text)
    pins = []
    open_ended = 0
    for section in _DEPENDENCIES:
        declared = document.get(section)
        for name, version in declared.items() if isinstance(declared, dict) else ():
            if isinstance(version, str) and _EXACT.fullmatch(version):
                pins.append(Pin(name, version, places.get(name, 1)))
            else:
                open_ended += 1
    return PinnedFile(tuple(pins), open_ended)


def yarn_lock(text: str) -> PinnedFile:
    """Read the lock of yarn, the first or a later version: a heading for each package, its version below."""
    pins = []
    name = ""
    for number, line in enumerate(text.split("\n"), 1):
        if line[:1] not in {" ", "\t", "#", ""}:
            alias = _YARN_ALIAS.search(line)
            named = alias or _YARN_NAME.match(line)
            is_here = any(f"@{kind}:" in line for kind in ("workspace", "link", "file", "portal"))
            name = named[1] if named and not is_here else ""
        elif name and (version := _YARN_VERSION.fullmatch(line)):
            pins.append(Pin(name, version[1], number))
            name = ""
    return PinnedFile(tuple(pins))


def pnpm_lock(text: str) -> PinnedFile:
    """Read pnpm's lock: the keys of its `packages`."""
    pins = []
    section = ""
    for number, line in enumerate(text.split("\n"), 1):
        if line[:1].strip():
            section = line.partition(":")[0]
        elif section == "packages" and line.startswith("  ") and line[2:3].strip():
            name, version = _of_pnpm_key(line.strip().partition(":")[0])
            if name:
                pins.append(Pin(name, version, number))
    return PinnedFile(tuple(pins))


def _of_pnpm_key(key: str) -> tuple[str, str]:
    """Return name and version of `/name/1.0.0_peer@2.0.0`, `/name@1.0.0(peer@2.0.0)` or `name@1.0.0`; of other keys neither."""
    plain = key.strip("'\"").removeprefix("/")
    begin = plain.find("/") + 1 if plain.startswith("@") else 1
    at = _PNPM_VERSION.search(plain, begin)
    if at is None:
        return "", ""
    name, version = plain[: at.start()], re.split(r"[(_'\"\s]", plain[at.end() :], maxsplit=1)[0]
    return ("", "") if "@" in name[1:] or "(" in name or " " in name else (name, version)
