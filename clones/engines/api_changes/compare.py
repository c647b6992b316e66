"""What griffe calls a breakage, told once for each object and in words, and what is new or newly deprecated.

`breaking`: code that used the name as its signature allowed fails now. `risky`: it goes on, but may mean something else.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import griffe
import msgspec

from clones.engines.api_changes import evidence, news
from clones.engines.api_changes.change import Change, kind_of
from clones.engines.api_changes.surface import Member, Version, is_nothing_to_use

Severity = Literal["breaking", "risky"]
_Kind = griffe.BreakageKind
_OF_PYTHON_2 = frozenset(
    f"__{name}__"
    for name in (
        "nonzero",
        "unicode",
        "cmp",
        "coerce",
        "div",
        "idiv",
        "long",
        "hex",
        "oct",
        "getslice",
        "setslice",
        "delslice",
    )
)
_RISKY = frozenset({_Kind.PARAMETER_CHANGED_DEFAULT, _Kind.CLASS_REMOVED_BASE, _Kind.RETURN_CHANGED_TYPE})


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """All changes, each list in the order of names."""

    breaking: tuple[Change, ...]
    risky: tuple[Change, ...]
    added: tuple[Change, ...]
    deprecated: tuple[Change, ...]


def compare(old: Version, new: Version) -> Changes:
    """Compare the public surfaces of two versions."""
    breakages = list(_breakages(old, new))
    changed = [_changed(old, new, group) for group in _grouped(breakages)]
    told = [*_removed(old, new, breakages), *changed]
    return Changes(
        breaking=_ordered([change for severity, change in told if severity == "breaking"]),
        risky=_ordered([change for severity, change in told if severity == "risky"]),
        added=_ordered([*news.added(old, new), *news.parameters(old, new, {change.name for _, change in changed})]),
        deprecated=_ordered(list(news.deprecated(old, new))),
    )


def _breakages(old: Version, new: Version) -> Iterator[griffe.Breakage]:
    for name in sorted(old.tops.keys() & new.tops.keys()):
        if not name.startswith("_"):
            with griffe.logger.disable():
                found = list(griffe.find_breaking_changes(old.tops[name], new.tops[name]))
            yield from (breakage for breakage in found if not _is_nobodys(breakage))


def _is_nobodys(breakage: griffe.Breakage) -> bool:
    """Tell whether no caller can notice: of a type variable, a method's first parameter, a private parameter.

    Nor of a special method that `object` has as well, or that no Python 3 calls, nor of the base `object` left unsaid.
    """
    if is_nothing_to_use(breakage.obj):
        return True
    if breakage.kind is _Kind.OBJECT_REMOVED and (
        breakage.obj.name in _OF_PYTHON_2 or hasattr(object, breakage.obj.name)
    ):
        return True
    if breakage.kind is _Kind.CLASS_REMOVED_BASE:
        return [str(base) for base in breakage.old_value if str(base) != "object"] == [
            str(base) for base in breakage.new_value
        ]
    parameter = breakage.old_value or breakage.new_value
    if not isinstance(parameter, griffe.Parameter):
        return False
    in_class = breakage.obj.parent is not None and breakage.obj.parent.is_class
    is_first = parameter.name in {"self", "cls"} and in_class
    return is_first or (parameter.name.startswith("_") and breakage.kind is _Kind.PARAMETER_REMOVED)


def _removed(old: Version, new: Version, breakages: Sequence[griffe.Breakage]) -> Iterator[tuple[Severity, Change]]:
    """Yield what is gone, the names of one object together, and nothing below what is gone itself."""
    gone: dict[str, list[Member]] = {}
    for name in sorted(old.tops.keys() - new.tops.keys()):
        if not name.startswith("_"):
            gone[name] = [old.tops[name]]
    for breakage in breakages:
        if breakage.kind is _Kind.OBJECT_REMOVED:
            gone.setdefault(_canonical(breakage.obj), []).append(breakage.obj)
    for canonical, members in sorted(gone.items()):
        if any(f"{canonical}.".startswith(f"{other}.") for other in gone if other != canonical):
            continue
        # the object itself is told where it is gone; else the names that no longer lead to it
        own = next((member for member in members if not member.is_alias), None)
        aliases = sorted({member.path for member in members if member.is_alias})
        first = own if own is not None else min(members, key=lambda member: (len(member.path), member.path))
        if old.file_of(first) is None:
            continue
        severity, words = _farewell(old, new, first, canonical)
        lineno = first.alias_lineno if isinstance(first, griffe.Alias) else first.lineno
        yield (
            severity,
            Change(
                kind="removed",
                name=first.path,
                also=tuple(name for name in aliases if name != first.path),
                what=kind_of(first),
                text=words,
                file=old.file_of(first),
                line=lineno or 1,
                check=evidence.gone(old, first, new),
            ),
        )


def _farewell(old: Version, new: Version, member: Member, canonical: str) -> tuple[Severity, str]:
    """Say that a name is gone, and what may still provide it or where one like it stands."""
    if member.is_alias and canonical in new.public:
        words = f"`{member.path}` can no longer be imported by this name; `{canonical}` is still there"
        return "breaking", words
    if member.name == "__getattr__":
        return (
            "breaking",
            f"module `{member.path.rpartition('.')[0]}` has no `__getattr__`, and no names by it, any more",
        )
    if kind_of(member) != "module" and (provider := new.elsewhere(member.path)):
        return "risky", f"`{member.path}` is no longer written there; {provider} may still provide it"
    words = f"{kind_of(member)} `{member.path}` is gone"
    in_module = member.parent is not None and member.parent.is_module
    like = [name for name in new.public if name.rpartition(".")[2] == member.name] if in_module else []
    like.sort(key=lambda name: (name in old.public, name.count("."), name))
    if like:
        words += f"; a `{like[0]}` is there"
    return "breaking", words


def _canonical(member: Member) -> str:
    try:
        return member.canonical_path
    except (griffe.AliasResolutionError, griffe.CyclicAliasError):
        return member.path


def _grouped(breakages: Sequence[griffe.Breakage]) -> list[list[griffe.Breakage]]:
    """Return the breakages that are no removals, those of one object together."""
    groups: dict[str, list[griffe.Breakage]] = {}
    for breakage in breakages:
        if breakage.kind is not _Kind.OBJECT_REMOVED and not breakage.obj.is_alias:
            groups.setdefault(breakage.obj.path, []).append(breakage)
    return [groups[path] for path in sorted(groups)]


def _changed(old: Version, new: Version, breakages: list[griffe.Breakage]) -> tuple[Severity, Change]:
    now = breakages[0].obj
    told = dict.fromkeys(words for breakage in breakages if (words := _words(breakage)))
    severity: Severity = "risky" if all(breakage.kind in _RISKY for breakage in breakages) else "breaking"
    before = _before(old, now, breakages)
    lineno = new.head(now)
    return severity, Change(
        kind=_kind(breakages),
        name=now.path,
        also=(),
        what=kind_of(now),
        text=f"`{now.path}`: {'; '.join(told)}",
        file=new.file_of(now),
        line=lineno[0] if lineno else None,
        check=evidence.both(old, before, new, now),
    )


def _before(old: Version, now: griffe.Object, breakages: Sequence[griffe.Breakage]) -> griffe.Object | None:
    """Return the object as it was: of the same name, or the function that held the changed parameter."""
    if now.path in old.public:
        return old.public[now.path]
    for breakage in breakages:
        if isinstance(breakage.old_value, griffe.Parameter) and breakage.old_value.function is not None:
            return breakage.old_value.function
    return _lookup(old, now.path)


def _lookup(version: Version, path: str) -> griffe.Object | None:
    top, _, below = path.partition(".")
    try:
        found = version.tops[top][below] if below else version.tops[top]
        return found.final_target if isinstance(found, griffe.Alias) else found
    except (KeyError, griffe.AliasResolutionError, griffe.CyclicAliasError):
        return None


def _kind(breakages: Sequence[griffe.Breakage]) -> str:
    kinds = {breakage.kind for breakage in breakages}
    names = {
        _Kind.OBJECT_CHANGED_KIND: "kind",
        _Kind.CLASS_REMOVED_BASE: "base",
        _Kind.RETURN_CHANGED_TYPE: "returns",
        _Kind.PARAMETER_CHANGED_DEFAULT: "default",
    }
    return names.get(next(iter(kinds)), "signature") if len(kinds) == 1 else "signature"


def _words(breakage: griffe.Breakage) -> str:
    before, now = breakage.old_value, breakage.new_value
    match breakage.kind:
        case _Kind.PARAMETER_REMOVED:
            words = f"takes no `{before.name}` any more"
        case _Kind.PARAMETER_ADDED_REQUIRED:
            words = f"demands the new `{now.name}`"
        case _Kind.PARAMETER_CHANGED_REQUIRED:
            words = f"`{now.name}`, which had the default `{before.default}`, must be given"
        case _Kind.PARAMETER_MOVED:
            places = breakage.details.removeprefix("position: ").partition(" (")[0]
            words = f"`{now.name}` moved {places} (positions count from 0)"
        case _Kind.PARAMETER_CHANGED_KIND:
            words = f"`{now.name}` was {before.kind.value} and is {now.kind.value}"
        case _Kind.PARAMETER_CHANGED_DEFAULT:
            words = f"the default of `{now.name}` was `{before.default}` and is `{now.default}`"
        case _Kind.RETURN_CHANGED_TYPE:
            words = f"said that it returns `{before}`, and says nothing now"
        case _Kind.OBJECT_CHANGED_KIND:
            words = f"was {_article(before)} and is {_article(now)}"
        case _Kind.CLASS_REMOVED_BASE:
            words = f"was derived from {_bases(before)}, and is from {_bases(now)}"
        case _:
            words = str(breakage.kind.value)
    return words


def _article(kind: griffe.Kind) -> str:
    return f"{'an' if kind.value[0] in 'aeiou' else 'a'} {kind.value}"


def _bases(bases: Sequence[Any]) -> str:
    return ", ".join(f"`{base}`" for base in bases) or "nothing"


def _ordered(changes: Sequence[Change]) -> tuple[Change, ...]:
    return tuple(sorted(changes, key=lambda change: (change.name, change.kind, change.text)))
