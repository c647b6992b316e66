"""The scanner of dependencies: the versions that the target's files name, against the database on this machine."""

import math
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import msgspec

from clones.engines.contract import NotAnalysed
from clones.engines.security.osv import database, pinned
from clones.engines.security.osv.matching import Flaw, flaws
from clones.engines.security.osv.pin import Pin
from clones.engines.security.osv.versions import Ecosystem, normalised
from clones.engines.security.reported import OUT_OF_TIME, Reported, Scan
from clones.engines.security.scope import Scope

NAME = "osv"
HOW_TO_GET = (
    "download https://osv-vulnerabilities.storage.googleapis.com/{ecosystem}/all.zip and take it in with "
    "`sanctuary osv update all.zip`"
)
_SHOWN = 5
_VULNERABLE_COMPONENT = 1395


class _Named(msgspec.Struct, frozen=True):
    """A version at its place."""

    file: str
    ecosystem: Ecosystem
    pin: Pin


class _Looked(msgspec.Struct):
    """What was seen on the way."""

    results: list[Reported]
    dumps: list[database.Held]
    problem: str = ""


def scan(copy: Path, scope: Scope, progress: Callable[[float], None], *, deadline: float = math.inf) -> Scan:
    """Match the files of `scope` that stand in `copy`; where there is no database, `left_out` says how to get one."""
    begin = time.monotonic()
    named: list[_Named] = []
    unread: dict[str, str] = {}
    open_ended: dict[str, int] = {}
    files = [name for name in scope.files if pinned.parser_of(name) is not None]
    everything = frozenset(scope.files)
    for done, name in enumerate(files):
        if time.monotonic() > deadline:
            unread |= dict.fromkeys(files[done:], OUT_OF_TIME)
            break
        ecosystem, _ = pinned.parser_of(name) or ("PyPI", None)
        try:
            read = pinned.read(name, (copy / name).read_bytes())
        except pinned.FileError as error:
            unread[name] = str(error)
            continue
        named += [_Named(name, ecosystem, pin) for pin in read.pins]
        if read.open_ended and not pinned.has_lock(name, everything):
            open_ended[name] = read.open_ended
        progress(0.5 * done / len(files))
    looked = _look_up(named)
    wanted = sorted({each.ecosystem for each in named})
    date = ", ".join(f"{held.ecosystem} {held.newest}" for held in looked.dumps) or "no advisories"
    return Scan(
        name=NAME,
        version=f"{version('sanctuary-bus')} ({date})",
        command=(),
        results=tuple(looked.results),
        files_analysed=(len(files) - len(unread)) if looked.dumps else 0,
        duration_s=time.monotonic() - begin,
        unread=unread,
        is_part=OUT_OF_TIME in unread.values(),
        left_out=(*_about_database(wanted, looked), *_about_open_ended(open_ended)),
        uri="https://ossf.github.io/osv-schema/",
    )


def _look_up(named: list[_Named]) -> _Looked:
    looked = _Looked([], [])
    known: dict[tuple[Ecosystem, str, str], list[Flaw]] = {}
    try:
        with database.opened(database.path()) as opened:
            if opened is None:
                return looked
            looked.dumps = opened.held()
            for each in named:
                package = normalised(each.ecosystem, each.pin.name)
                key = (each.ecosystem, package, each.pin.version)
                if key not in known:
                    known[key] = flaws(each.ecosystem, each.pin.version, opened.of(each.ecosystem, package))
                looked.results += [_reported(each, flaw) for flaw in known[key]]
    except database.DatabaseError as error:
        return _Looked([], [], str(error))
    # a package may stand in a file several times, such as once for each platform
    looked.results = list({(each.path, each.rule, each.title): each for each in reversed(looked.results)}.values())[
        ::-1
    ]
    return looked


def _about_database(wanted: list[Ecosystem], looked: _Looked) -> list[NotAnalysed]:
    """Say how old the advisories are, and for what there are none."""
    if looked.problem:
        return [NotAnalysed(subject="dependencies", reason=looked.problem)]
    dates = {held.ecosystem: held.newest for held in looked.dumps}
    told = []
    for ecosystem in wanted:
        if ecosystem in dates:
            reason = f"{ecosystem}'s advisories here are of {dates[ecosystem]}; what was published later is not known"
        else:
            get = HOW_TO_GET.format(ecosystem=ecosystem)
            reason = f"there is no database of {ecosystem}'s advisories on this machine: {get}"
        told.append(NotAnalysed(subject=f"dependencies ({ecosystem})", reason=reason))
    return told


def _about_open_ended(counts: dict[str, int]) -> list[NotAnalysed]:
    """Say which files leave open what is installed; `counts` are the packages by file."""
    if not counts:
        return []
    more = f" and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
    shown = ", ".join(f"{name} ({count})" for name, count in list(counts.items())[:_SHOWN])
    reason = f"without a settled version, so what is installed is known only to a lock file: {shown}{more}"
    return [NotAnalysed(subject="dependencies that are declared", reason=reason)]


def _reported(each: _Named, flaw: Flaw) -> Reported:
    pin = each.pin
    package = normalised(each.ecosystem, pin.name)
    others = ", ".join(flaw.names[:_SHOWN])
    also = f" ({others})" if others else ""
    if flaw.is_malicious:
        title = f"{package} {pin.version} is malicious itself"
        mend = "Take it out, and treat the machines that installed it as broken into"
        check = f"read {flaw.id} at osv.dev, and find out which machines have installed it"
    else:
        title = f"{package} {pin.version} has a known flaw"
        mend = f"Fixed in {flaw.fixed_in}" if flaw.fixed_in else "No fixed version is known"
        check = f"read {flaw.id} at osv.dev: does the code use the part of {package} that it is about"
    kind = f"CWE-{flaw.cwe}" if flaw.cwe is not None and not flaw.is_malicious else ""
    details = ", ".join(filter(None, (kind, flaw.vector)))
    said = flaw.summary.rstrip(".") or "Its record has no summary"
    return Reported(
        engine=NAME,
        rule=flaw.id,
        path=each.file,
        line=pin.line,
        end_line=pin.line,
        message=f"{flaw.id}{also}: {said}. {mend}.{f' {details}.' if details else ''}",
        severity=flaw.severity,
        confidence="high",
        cwe=flaw.cwe if flaw.is_malicious else _VULNERABLE_COMPONENT,
        title=title,
        check=check,
        key=f"{each.ecosystem} {package} {flaw.id}",
    )
