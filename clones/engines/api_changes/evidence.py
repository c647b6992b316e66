"""The commands by which a reader sees that a name is gone, changed or new."""

import re
import shlex

import griffe

from clones.engines import checks
from clones.engines.api_changes.surface import Member, Version
from clones.engines.checks import Check
from clones.engines.statements import quoted

MAX_LINES = 12


def both(old: Version, before: griffe.Object | None, new: Version, now: griffe.Object) -> Check:
    """Show how an object was written before, and how it is now."""
    parts = [_head(old, before)] if before is not None else []
    return _joined([*parts, _head(new, now)])


def gone(old: Version, before: Member, new: Version) -> Check:
    """Show that a name stood in its file and is no longer there."""
    return _presence(old, before, new, appeared=False)


def appeared(old: Version, new: Version, now: Member) -> Check:
    """Show a name that is new, and that its file, where there was one, did not have it."""
    return _joined([_head(new, now), _presence(new, now, old, appeared=True)])


def line(version: Version, file: str, number: int) -> Check:
    """Show one line."""
    return Check(
        how_to_check=checks.lines(version.place, file, number), expected=checks.shown(version.lines(file), number)
    )


def _presence(has: Version, member: Member, lacks: Version, *, appeared: bool) -> Check:
    """Count the lines that define `member`, first in the older version, then in the newer."""
    file = has.file_of(member)
    if file is None:
        return Check(how_to_check="true", expected="")
    other = lacks.files.get(_module(member), file)
    if not lacks.has(other):
        missing = _missing(lacks, other)
        return _joined([missing] if appeared else [_head(has, member), missing])
    pattern, scope = _pattern(has, member, file), _scope(member)
    there, not_there = _count(has, file, pattern, scope), _count(lacks, other, pattern, scope)
    if int(there.expected) == 0 or int(not_there.expected) != 0:
        # written so that no simple pattern finds it: the reader looks at the line, and at where the name still stands
        return _joined([_head(has, member), _mentions(lacks, other, member.name)])
    return _joined([not_there, there] if appeared else [there, not_there])


def _missing(version: Version, file: str) -> Check:
    if version.place.revision is not None:
        command = f"git ls-tree --name-only {version.place.revision} -- {quoted(file)} | wc -l"
    else:
        command = f"ls {version.place.path(file)} 2>/dev/null | wc -l"
    return Check(how_to_check=command, expected="0")


def _head(version: Version, member: Member) -> Check:
    file = version.file_of(member)
    span = (
        (member.alias_lineno, member.alias_endlineno or member.alias_lineno)
        if isinstance(member, griffe.Alias)
        else version.head(member)
    )
    if file is None or span is None or span[0] is None or span[1] is None:
        return Check(how_to_check="true", expected="")
    first, last = span[0], min(span[1], span[0] + MAX_LINES - 1)
    return Check(
        how_to_check=checks.lines(version.place, file, first, last),
        expected=checks.shown(version.lines(file), first, last),
    )


def _pattern(version: Version, member: Member, file: str) -> str:
    """Return the extended regular expression of the lines that define `member`."""
    name = checks.literal(member.name)
    if isinstance(member, griffe.Alias):
        return rf"\b{name}\b"
    if member.is_module:
        return "^"
    line = version.lines(file)[(member.lineno or 1) - 1]
    depth = len(line) - len(line.lstrip())
    indent = rf"\s{{{depth}}}" if depth else ""
    if not member.is_attribute or "property" in member.labels:
        return rf"^{indent}(async def|def|class) {name}\b"
    in_class = member.parent is not None and member.parent.is_class
    return rf"^{indent}{name} *[:=]" + (rf"|self\.{name}( *:.*)? *=" if in_class else "")


def _scope(member: Member) -> str | None:
    """Return the name of the class at the top of a module that a member belongs to; None where it has none."""
    holder = member.parent
    if isinstance(member, griffe.Alias) or holder is None or not holder.is_class:
        return None
    return holder.name if holder.parent is not None and holder.parent.is_module else None


def _count(version: Version, file: str, pattern: str, scope: str | None) -> Check:
    lines = version.lines(file)
    if scope is None:
        found = sum(re.search(pattern, line) is not None for line in lines)
        return Check(how_to_check=checks.count(version.place, pattern, file), expected=str(found))
    opening, closing = rf"^class {checks.literal(scope)}\b", r"^[^[:space:]#)]"
    body = version.place.piped(f"sed -nE '/{opening}/,/{closing}/p'", file)
    found = sum(re.search(pattern, line) is not None for line in _range(lines, opening))
    return Check(how_to_check=f"{body} | grep -cE {shlex.quote(pattern)}", expected=str(found))


def _range(lines: list[str], opening: str) -> list[str]:
    """Return what the `sed` range of `_count` prints."""
    kept: list[str] = []
    inside = False
    for line in lines:
        if inside:
            kept.append(line)
            inside = re.match(r"[^\s#)]", line) is None
        elif re.search(opening, line):
            kept.append(line)
            inside = True
    return kept


def _mentions(version: Version, file: str, name: str) -> Check:
    pattern = rf"\b{checks.literal(name)}\b"
    lines = version.lines(file)
    found = [f"{number}:{line}" for number, line in enumerate(lines, 1) if re.search(pattern, line)][:MAX_LINES]
    command = version.place.piped(f"grep -nE '{pattern}'", file) + f" | head -n {MAX_LINES}"
    return Check(how_to_check=command, expected="\n".join(found).rstrip())


def _joined(parts: list[Check]) -> Check:
    told = [part for part in parts if part.how_to_check != "true"]
    return Check(
        how_to_check="; ".join(part.how_to_check for part in told),
        expected="\n".join(part.expected for part in told if part.expected),
    )


def _module(member: Member) -> str:
    holder = member.parent if isinstance(member, griffe.Alias) else member
    return holder.module.path if holder is not None else ""
