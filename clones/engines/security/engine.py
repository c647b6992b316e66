"""The `security` engine's entry: scan a copy of the target, and hand back what was found."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from clones.engines.contract import EngineError, EngineOutput, NotAnalysed, OutputFile, Progress
from clones.engines.security import bandit_scan, ruff_scan, sarif, scope, secrets_scan
from clones.engines.security.findings import Finding, Findings, build
from clones.engines.security.reported import Scan
from clones.engines.security.rules import SEVERITIES
from clones.engines.security.scope import Scope
from clones.params import SecurityParams
from schemas.errors import ErrorCode

MAX_LISTED = 300
"""Findings, and things not analysed, that the data lists; `security.sarif` has all, and the counts count all."""
_SARIF = "security.sarif"


def analyse(target: Path, params: SecurityParams, out: Path, progress: Progress) -> EngineOutput:
    """Scan `target` for flaws in Python code and for secrets in any file; reads, and runs nothing of it.

    `data`:

    - `findings`: the worst first, at most `MAX_LISTED` (`findings_total` counts all), as `findings.Finding`
    - `counts`: findings by severity
    - `engines`: of each scanner `name`, `version`, `command` (run in the target it prints the same), `findings` (how
      many it prints), `suppressed` (by comments in the code), `files_analysed`, `not_read`, `duration_s`
    - `merging`: where the scanners' findings went: `reported` is `findings` plus `merged_away` (second reports of one
      flaw), `set_aside` and `taken_back` (by a comment that another scanner does not know)
    - `set_aside`: by rule, how many results are no findings, and why
    - `suppressed`: what comments in the code take back
    - `settings_not_obeyed`: the target's own settings of scanners
    - `files_analysed`: files that at least one scanner read

    Files: `security.sarif`.

    Raises:
        EngineError: `target_not_found`, or as the scanners do.
    """
    if not target.is_dir():
        raise EngineError(f"{target}: no such directory", code=ErrorCode.TARGET_NOT_FOUND)
    with tempfile.TemporaryDirectory(prefix="sanctuary-security-") as name:
        scratch = Path(name).resolve()
        copy = scratch / "target"
        copy.mkdir()
        progress(0.0, "listing files")
        surveyed = scope.survey(target, copy)
        progress(0.05, f"scanning {len(surveyed.python)} Python files, searching {len(surveyed.files)} for secrets")
        scans = _scan(copy, surveyed, scratch, progress)
        progress(0.95, "merging")
        findings = build(scans, surveyed, copy)
    not_analysed = _not_analysed(surveyed, scans)
    document = sarif.document(scans, findings, not_analysed)
    (out / _SARIF).write_bytes(msgspec.json.encode(document))
    data = _data(surveyed, scans, findings)
    unread = len(scans[0].unread.keys() | scans[1].unread.keys())
    progress(1.0, "done")
    return EngineOutput(
        summary=_summary(data, unread),
        data=data,
        files=(OutputFile(name=_SARIF, media_type="application/sarif+json"),),
        not_analysed=_capped(not_analysed),
    )


def _scan(copy: Path, surveyed: Scope, scratch: Path, progress: Progress) -> tuple[Scan, ...]:
    with ThreadPoolExecutor(2) as pool:
        ruff = pool.submit(ruff_scan.scan, copy, surveyed, scratch)
        secrets = pool.submit(secrets_scan.scan, copy, surveyed)
        bandit = bandit_scan.scan(copy, surveyed, lambda done: progress(0.05 + 0.85 * done, "bandit reads the code"))
        return bandit, ruff.result(), secrets.result()


def _not_analysed(surveyed: Scope, scans: Sequence[Scan]) -> list[NotAnalysed]:
    bandit, ruff, secrets = scans
    left_out = list(surveyed.left_out)
    if not surveyed.python:
        left_out.append(
            NotAnalysed(
                subject="Python code", reason="there is none in the target; bandit and ruff had nothing to read"
            )
        )
    left_out += [
        NotAnalysed(subject=name, reason=_unread(bandit.unread.get(name), ruff.unread.get(name)))
        for name in sorted(bandit.unread.keys() | ruff.unread.keys())
    ]
    if stubs := [name for name in surveyed.python if not name.endswith(".py")]:
        left_out.append(
            NotAnalysed(subject="bandit", reason=f"reads .py files alone; ruff read {len(stubs)} with another ending")
        )
    if secrets.unread:
        endings = Counter(Path(name).suffix or Path(name).name for name in secrets.unread)
        shown = ", ".join(f"{ending} ({count})" for ending, count in endings.most_common(8))
        reason = f"gitleaks passes over {len(secrets.unread)} binaries, pictures and lock files: {shown}"
        left_out.append(NotAnalysed(subject="secrets", reason=reason))
    return left_out


def _unread(bandit: str | None, ruff: str | None) -> str:
    """Say which scanner could not read a Python file, and why; ruff's reason names the place."""
    if bandit and ruff:
        return f"no scanner of Python code could read it; bandit: {bandit}; ruff: {ruff}"
    if bandit:
        return f"bandit could not read it ({bandit}; it knows the syntax of the Python it runs on, no newer); ruff did"
    return f"ruff could not read it ({ruff}); bandit did"


def _data(surveyed: Scope, scans: Sequence[Scan], findings: Findings) -> dict[str, Any]:
    counts = Counter(finding.severity for finding in findings.counted)
    external = [each for each in findings.suppressed if each.kind == "external"]
    in_source = [each for each in findings.suppressed if each.kind == "inSource"]
    aside: dict[tuple[str, str], list[Finding]] = {}
    for each in external:
        aside.setdefault((each.finding.rule, each.reason), []).append(each.finding)
    reported = sum(scan.findings for scan in scans)
    taken_back = sum(each.printed for each in in_source)
    return {
        "findings": [msgspec.to_builtins(finding) for finding in findings.counted[:MAX_LISTED]],
        "findings_total": len(findings.counted),
        "counts": {severity: counts[severity] for severity in SEVERITIES},
        "engines": [
            {
                "name": scan.name,
                "version": scan.version,
                "command": list(scan.command),
                "findings": scan.findings,
                "suppressed": len(scan.results) - scan.findings,
                "files_analysed": scan.files_analysed,
                "not_read": len(scan.unread),
                "duration_s": round(scan.duration_s, 3),
            }
            for scan in scans
        ],
        "merging": {
            "reported": reported,
            "merged_away": reported - taken_back - len(external) - len(findings.counted),
            "set_aside": len(external),
            "taken_back": taken_back,
            "findings": len(findings.counted),
        },
        "set_aside": [
            {
                "rule": rule,
                "title": found[0].title,
                "count": len(found),
                "files": len({finding.file for finding in found}),
                "reason": reason,
            }
            for (rule, reason), found in sorted(aside.items())
        ],
        "suppressed": [
            {name: getattr(each.finding, name) for name in ("rule", "file", "line", "engine", "snippet")}
            for each in in_source[:MAX_LISTED]
        ],
        "suppressed_total": len(in_source),
        "settings_not_obeyed": list(surveyed.settings),
        "files_analysed": len(surveyed.files),
    }


def _summary(data: dict[str, Any], unread: int) -> str:
    counts = ", ".join(f"{count} {severity}" for severity, count in data["counts"].items() if count)
    total = data["findings_total"]
    found = f"{total} finding{'' if total == 1 else 's'} ({counts})" if total else "No findings"
    printed = ", ".join(f"{engine['name']} {engine['findings']}" for engine in data["engines"])
    aside = f"; {data['merging']['set_aside']} set aside" if data["merging"]["set_aside"] else ""
    back = f"; {data['suppressed_total']} taken back by comments" if data["suppressed_total"] else ""
    missed = f"; Python files that not every scanner could read: {unread}" if unread else ""
    return f"{found} in {data['files_analysed']} files; reported by {printed}{aside}{back}{missed}."


def _capped(not_analysed: Sequence[NotAnalysed]) -> tuple[NotAnalysed, ...]:
    if len(not_analysed) <= MAX_LISTED:
        return tuple(not_analysed)
    rest = NotAnalysed(subject=f"{len(not_analysed) - MAX_LISTED} more", reason=f"listed in {_SARIF}")
    return (*not_analysed[:MAX_LISTED], rest)
