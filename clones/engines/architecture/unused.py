"""Functions, classes and methods that nothing in the tree refers to: dead code, or used by somebody outside.

By names alone, so that a name which is mentioned anywhere, for whatever of that name, counts as used. Left out is what a
framework may call: what is decorated, overrides something from outside, or is found by its place or by a built name.
"""

import builtins
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from clones.engines.architecture.definitions import Code, Definition
from clones.engines.architecture.orphans import is_left_out
from clones.engines.architecture.survey import Survey
from clones.engines.statements import Lines, Statement, quoted

Confidence = Literal["high", "medium", "low"]

MAX_LISTED = 100
_MAX_TEXT_BYTES = 40_000_000
"""Of files that are no Python, in which names are looked for: documentation, templates, configuration."""
_HARMLESS = frozenset(
    {"staticmethod", "classmethod", "property", "cached_property", "lru_cache", "cache", "contextmanager"}
    | {"asynccontextmanager", "abstractmethod", "dataclass", "total_ordering"}
)
"""Decorators that call nothing by themselves and keep nothing in a register."""
_PLAIN_BASES = frozenset({"object", "Generic", "ABC"})
_CALLED_BY_NAME = frozenset({"setup", "main", "application", "handler", "upgrade", "downgrade", "register", "load"})
_CALLED_BY_PREFIX = ("pytest_", "test", "Test")
_MIN_PREFIX = 3
_MAX_FAMILY = 200
"""Classes that one comes from: beyond, who calls its methods is not looked for, and it is spared."""
_RANK: Mapping[Confidence, int] = {"high": 0, "medium": 1, "low": 2}


class Unused(msgspec.Struct, frozen=True, kw_only=True):
    """A definition without a use."""

    definition: Definition
    confidence: Confidence
    """`high`: its name says that it is private. `medium`: a public function or class that even the target's tests and
    documentation do not name. `low`: a public method, or a public name of a target without tests: others may use it."""


def find(target: Path, surveyed: Survey, code: Mapping[str, Code]) -> list[Unused]:
    """Return what is unused among the definitions of the subjects, the surest first."""
    files = surveyed.found.files
    found = list(_candidates(code, surveyed))
    told = _told_elsewhere(target, {each.definition.name for each in found}, files)
    kept = [each for each in found if each.definition.name not in told]
    return sorted(kept, key=lambda each: (_RANK[each.confidence], each.definition.file, each.definition.line))


def data(found: Sequence[Unused], lines: Lines, files: Sequence[str]) -> list[dict[str, Any]]:
    """Return the first `MAX_LISTED` as JSON values, each with a command that shows where its name stands."""
    shown = found[:MAX_LISTED]
    places = _places({each.definition.name for each in shown}, lines, [file for file in files if file.endswith(".py")])
    return [_row(each, places[each.definition.name], files) for each in shown]


def _candidates(code: Mapping[str, Code], surveyed: Survey) -> Iterator[Unused]:
    mentions: Counter[str] = Counter()
    for each in code.values():
        mentions.update(each.mentions)
    own: Counter[str] = Counter()
    for each in code.values():
        own.update({definition.name: definition.own_mentions for definition in each.definitions})
    prefixes = tuple({prefix for each in code.values() for prefix in each.prefixes if len(prefix) >= _MIN_PREFIX})
    suffixes = tuple({suffix for each in code.values() for suffix in each.suffixes if len(suffix) >= _MIN_PREFIX})
    families = _Families(code, {unit.name.partition(".")[0] for unit in surveyed.units})
    has_tests = any(unit.role == "test" for unit in surveyed.units)
    for file in sorted(surveyed.graph.files.values()):
        if file not in code or is_left_out(file):
            continue
        for definition in code[file].definitions:
            name = definition.name
            if mentions[name] > own[name] or name.startswith(prefixes) or name.endswith(suffixes):
                continue
            if not _may_be_called(definition, families):
                yield Unused(definition=definition, confidence=_confidence(definition, has_tests=has_tests))


def _may_be_called(definition: Definition, families: "_Families") -> bool:
    """Tell whether somebody may use it without a mention in the tree that is looked at."""
    name = definition.name
    if name.startswith("__") or name in _CALLED_BY_NAME or name.startswith(_CALLED_BY_PREFIX):
        return True
    if not _HARMLESS.issuperset(definition.decorators):
        return True
    match definition.kind:
        case "class":
            return families.is_foreign(definition, "")
        case "method":
            return families.is_foreign(families.owner(definition), name)
        case "function":
            return False


class _Families:
    """Which classes come from which, by the names that their files import."""

    def __init__(self, code: Mapping[str, Code], own_packages: set[str]) -> None:
        self._code = code
        self._own = own_packages
        self._classes: dict[str, list[Definition]] = {}
        for each in code.values():
            for definition in each.definitions:
                if definition.kind == "class":
                    self._classes.setdefault(definition.name, []).append(definition)

    def owner(self, method: Definition) -> Definition:
        """Return a method's class."""
        return next(each for each in self._classes[method.owner] if each.file == method.file)

    def is_foreign(self, owner: Definition, method: str) -> bool:
        """Tell whether a class, or one above it, comes from outside, has a metaclass or is registered by a decorator."""
        seen = {owner}
        stack = [owner]
        while stack:
            here = stack.pop()
            if len(seen) > _MAX_FAMILY:
                return True
            if not _HARMLESS.issuperset(here.decorators):
                return True
            for base in here.bases:
                first, last = base.partition(".")[0], base.rpartition(".")[2]
                if last in _PLAIN_BASES or (base == last and _is_plain(base, method)):
                    continue
                origin = self._code[here.file].origins.get(first, "")
                if last not in self._classes or (origin and origin not in self._own):
                    return True
                fresh = set(self._classes[last]) - seen
                seen |= fresh
                stack.extend(fresh)
        return False


def _is_plain(base: str, method: str) -> bool:
    """Tell whether a base is a builtin class without such a method."""
    builtin = getattr(builtins, base, None)
    return isinstance(builtin, type) and not (method and hasattr(builtin, method))


def _confidence(definition: Definition, *, has_tests: bool) -> Confidence:
    if definition.name.startswith("_") or definition.owner.startswith("_"):
        return "high"
    return "medium" if has_tests and definition.kind != "method" else "low"


def _told_elsewhere(target: Path, names: set[str], files: Sequence[str]) -> set[str]:
    """Return those of `names` that files mention which are no Python: somebody may use them from there."""
    wanted = {name.encode() for name in names}
    told: set[bytes] = set()
    left = _MAX_TEXT_BYTES
    for file in files:
        if file.endswith(".py") or left <= 0 or not wanted - told:
            continue
        try:
            content = (target / file).read_bytes()
        except OSError:
            continue
        left -= len(content)
        if b"\0" not in content[:1024]:
            told |= wanted.intersection(re.findall(rb"\w+", content))
    return {name.decode() for name in told}


def _places(names: set[str], lines: Lines, files: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    """Return the lines where each name stands as a word, those in comments too; as `grep` sees words in the C locale."""
    found: dict[str, list[tuple[str, int]]] = {name: [] for name in names}
    further = {name: re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.ASCII) for name in names if not name.isascii()}
    for file in files:
        for number, line in enumerate(lines.of(file), 1):
            words = names.intersection(re.findall(r"\w+", line, re.ASCII))
            if not line.isascii():
                words |= {name for name, pattern in further.items() if pattern.search(line)}
            for name in words:
                found[name].append((file, number))
    return found


def _row(each: Unused, places: Sequence[tuple[str, int]], files: Sequence[str]) -> dict[str, Any]:
    definition = each.definition
    tops = sorted({file.partition("/")[0] for file in files if file.endswith(".py")})
    printed = "\n".join(sorted(f"{file}:{line}" for file, line in places))
    command = (
        f"LC_ALL=C grep -arnwH --include='*.py' {quoted(definition.name)} {' '.join(map(quoted, tops))} "
        "| cut -d: -f1,2 | LC_ALL=C sort"
    )
    access = "private" if each.confidence == "high" else "public"
    return {
        "name": definition.qualified,
        "kind": definition.kind,
        "file": definition.file,
        "line": definition.line,
        "lines": definition.end_line - definition.line + 1,
        "confidence": each.confidence,
        **Statement(
            text=f"No code refers to the {access} {definition.kind} `{definition.qualified}` "
            f"({definition.file}:{definition.line}); this is where its name stands",
            how_to_check=command,
            expected=printed,
        ).plain(),
    }
