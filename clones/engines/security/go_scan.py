"""gosec, for Go, where the machine has it: it loads packages with the `go` command, kept off the network and off C compilers."""

import math
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import msgspec

from clones.engines import process
from clones.engines.contract import EngineError, NotAnalysed
from clones.engines.security.reported import Reported, Scan, left_s
from clones.engines.security.scope import Scope

NAME = "gosec"
HOW_TO_GET = (
    "it is searched for credentials alone, and its modules are held against advisories: gosec is not here; "
    "`go install github.com/securego/gosec/v2/cmd/gosec@latest` adds it"
)
_OPTIONS = (
    *("-quiet", "-no-fail", "-fmt=json", "-track-suppressions", "-concurrency=1"),
    # credentials are gitleaks' part, errors that go unnoticed and imports do nothing by themselves, most conversions are safe
    "-exclude=G101,G104,G115,G501,G502,G503,G504,G505,G506,G507",
)
_ENV = {
    "GOPROXY": "off",
    "GOSUMDB": "off",
    "GOTOOLCHAIN": "local",
    "GOFLAGS": "-mod=readonly",
    "GOWORK": "off",
    "CGO_ENABLED": "0",
    "GOPACKAGESDRIVER": "off",
    "GO111MODULE": "on",
}
"""Nothing is fetched, no other toolchain or workspace is taken, and no compiler gets the target's flags."""
_TIMEOUT_S = 300.0
_MAX_MODULES = 20


class _Cwe(msgspec.Struct, frozen=True):
    id: str
    url: str = ""


class _Suppression(msgspec.Struct, frozen=True):
    kind: str
    """`inSource` for a comment, `external` for a rule that was not asked for."""


class _Issue(msgspec.Struct, frozen=True):
    severity: str
    confidence: str
    rule_id: str
    details: str
    file: str
    line: str
    """`12`, or `12-14`."""
    cwe: _Cwe | None = None
    suppressions: list[_Suppression] | None = None


class _Error(msgspec.Struct, frozen=True):
    error: str


class Report(msgspec.Struct, frozen=True):
    """What gosec prints."""

    issues: list[_Issue] | None = msgspec.field(name="Issues", default=None)
    errors: dict[str, list[_Error]] | None = msgspec.field(name="Golang errors", default=None)
    stats: dict[str, int] = msgspec.field(name="Stats", default_factory=dict)


def scan(copy: Path, scope: Scope, progress: Callable[[float], None], *, deadline: float = math.inf) -> Scan:
    """Run gosec, where it is installed, in each module of `scope` that stands in `copy`; else `left_out` says how to add it."""
    begin = time.monotonic()
    files = [name for name in scope.files if name.endswith(".go")]
    env = process.minimal_env()
    env["PATH"] = os.pathsep.join((env["PATH"], str(Path.home() / "go" / "bin")))
    installed = all(shutil.which(tool, path=env["PATH"]) for tool in (NAME, "go"))
    left_out: list[NotAnalysed] = []
    results: list[Reported] = []
    read = 0
    is_part = False
    modules = _modules(files, frozenset(scope.files)) if installed else []
    if files and not installed:
        left_out.append(NotAnalysed(subject="Go", reason=HOW_TO_GET))
    if len(modules) > _MAX_MODULES:
        reason = f"gosec looked at {_MAX_MODULES} of {len(modules)} modules"
        left_out.append(NotAnalysed(subject="Go", reason=reason))
    for done, module in enumerate(modules[:_MAX_MODULES]):
        progress(done / len(modules))
        try:
            report = _run(copy / module, env | _ENV, deadline)
        except EngineError as error:
            left_out.append(NotAnalysed(subject=f"Go in {module}", reason=error.message))
            is_part = is_part or isinstance(error, process.StoppedError)
            continue
        results += reported(report, copy)
        left_out += _about_errors(report, copy, module)
        read += report.stats.get("files", 0)
    return Scan(
        name=NAME,
        version=_version(copy, env) if files and installed else "not installed" if files else "not needed",
        command=(),
        results=tuple(sorted(results, key=lambda each: (each.path, each.line, each.rule))),
        files_analysed=read,
        duration_s=time.monotonic() - begin,
        left_out=tuple(left_out),
        is_part=is_part,
        uri="https://github.com/securego/gosec",
    )


def _modules(files: list[str], everything: frozenset[str]) -> list[str]:
    """Return the directories of the modules that hold Go files, the target's own where there is none."""
    roots = {str(PurePosixPath(name).parent) for name in everything if PurePosixPath(name).name == "go.mod"} or {"."}
    used = set()
    for name in files:
        parents = [str(parent) for parent in PurePosixPath(name).parents]
        used.update([next((parent for parent in parents if parent in roots), "")])
    return sorted(used - {""})


def _run(directory: Path, env: dict[str, str], deadline: float) -> Report:
    program = shutil.which(NAME, path=env["PATH"]) or NAME
    ended = process.run([program, *_OPTIONS, "./..."], cwd=directory, timeout_s=left_s(deadline, _TIMEOUT_S), env=env)
    try:
        return msgspec.json.decode(ended.stdout, type=Report)
    except msgspec.MsgspecError:
        said = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2][-300:]
        raise EngineError(f"gosec ended with status {ended.exit_status} and no report: {said}") from None


def _version(copy: Path, env: dict[str, str]) -> str:
    """Return what gosec calls itself; one that `go install` made calls itself `dev`."""
    try:
        said = process.run([shutil.which(NAME, path=env["PATH"]) or NAME, "--version"], cwd=copy, timeout_s=20, env=env)
    except EngineError:
        return "unknown"
    return said.stdout.decode(errors="replace").partition("\n")[0].partition(":")[2].strip() or "unknown"


def reported(report: Report, copy: Path) -> list[Reported]:
    """Return one result for each weakness on a line; of several rules the one that followed values (G7xx) stands."""
    best: dict[tuple[str, int, int | None], Reported] = {}
    for issue in sorted(report.issues or (), key=lambda each: (not each.rule_id.startswith("G7"), each.rule_id)):
        file = Path(issue.file)
        kinds = {each.kind for each in issue.suppressions or ()}
        if not file.is_relative_to(copy) or "external" in kinds:
            continue
        first, _, last = issue.line.partition("-")
        cwe = int(issue.cwe.id) if issue.cwe is not None and issue.cwe.id.isdigit() else None
        result = Reported(
            engine=NAME,
            rule=f"gosec/{issue.rule_id}",
            path=file.relative_to(copy).as_posix(),
            line=int(first),
            end_line=int(last or first),
            message=issue.details,
            severity=issue.severity.lower(),
            confidence=issue.confidence.lower(),
            suppressed=bool(kinds),
            cwe=cwe,
            title=issue.details.removesuffix("."),
            check=f"gosec's rule {issue.rule_id}: read where the value comes from, and what is done with it on the way",
        )
        best.setdefault((result.path, result.line, cwe), result)
    return list(best.values())


def _about_errors(report: Report, copy: Path, module: str) -> list[NotAnalysed]:
    """Say what could not be made out whole: files with errors, or that import modules which are not on this machine."""
    errors = {name: found for name, found in sorted((report.errors or {}).items()) if found}
    if not errors:
        return []
    name, found = next(iter(errors.items()))
    where = Path(name).relative_to(copy).as_posix() if Path(name).is_relative_to(copy) else module
    first = " ".join(found[0].error.replace(f"{copy}/", "").split())[:200]
    reason = f"not made out whole, as something is broken or a module is not on this machine; {where}: {first}"
    return [NotAnalysed(subject=f"Go in {module}", reason=reason)]
