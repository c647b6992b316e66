"""What the engine tells of a scan: its data, its summary, and what was not analysed."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from clones.engines.contract import NotAnalysed
from clones.engines.git import Since
from clones.engines.security.accepted import Applied, Decisions
from clones.engines.security.compare import Compared
from clones.engines.security.findings import FOLLOWS_FLOWS, Finding, Suppressed, shortened
from clones.engines.security.reported import Scan
from clones.engines.security.rules import SEVERITIES
from clones.engines.security.scope import Scope

SARIF = "security.sarif"
MAX_LISTED = 300
"""Findings, and things not analysed, that the data lists; the SARIF file has all, and the counts count all."""
MAX_STEPS_LISTED = 12
"""Of a flow, in the data; the SARIF file has more."""
_MAX_GONE = 50
_SHOWN = 3
"""Files that the summary names."""
_PYTHON_READERS = ("bandit", "ruff", FOLLOWS_FLOWS)


class Scanned(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known when the scan is done."""

    scope: Scope
    scans: tuple[Scan, ...]
    decisions: Decisions
    applied: Applied
    since: Since | None = None
    compared: Compared | str | None = None
    """Against `since`; a text says why nothing was compared."""

    @property
    def parts(self) -> list[str]:
        """Return the scanners whose time was up before their end."""
        return [scan.name for scan in self.scans if scan.is_part]


def not_analysed(scanned: Scanned) -> list[NotAnalysed]:
    """Return what was left out, all of it."""
    scope, scans = scanned.scope, scanned.scans
    left_out = list(scope.left_out)
    if not scope.python:
        left_out.append(
            NotAnalysed(subject="Python code", reason="there is none in the target; its scanners had nothing to read")
        )
    if stubs := [name for name in scope.python if not name.endswith(".py")]:
        left_out.append(
            NotAnalysed(subject="bandit", reason=f"reads .py files alone; ruff read {len(stubs)} with another ending")
        )
    secrets = next((scan for scan in scans if scan.name == "gitleaks"), None)
    if secrets is not None and secrets.unread:
        endings = Counter(name.rpartition("/")[2].rpartition(".")[2] for name in secrets.unread)
        shown = ", ".join(f".{ending} ({count})" for ending, count in endings.most_common(8))
        reason = f"gitleaks passes over {len(secrets.unread)} binaries, pictures and lock files: {shown}"
        left_out.append(NotAnalysed(subject="secrets", reason=reason))
    left_out += [each for scan in scans for each in scan.left_out]
    if scanned.since is not None and isinstance(scanned.compared, str):
        reason = f"{scanned.compared}, so what is new since {scanned.since.revision} is not known"
        left_out.append(NotAnalysed(subject="comparison", reason=reason))
    # single files last, for there may be very many of them
    return [*left_out, *scanned.applied.notes, *_unread(scans)]


def _unread(scans: Sequence[Scan]) -> list[NotAnalysed]:
    """Say which scanners could not read a file, and why, and which did."""
    failed: dict[str, dict[str, str]] = defaultdict(dict)
    for scan in scans:
        if scan.name != "gitleaks":
            for name, why in scan.unread.items():
                failed[name][scan.name] = why
    readers = [scan.name for scan in scans if scan.name in _PYTHON_READERS and scan.files_analysed + len(scan.unread)]
    left_out = []
    for name, whys in sorted(failed.items()):
        told = "; ".join(f"{scanner}: {why}" for scanner, why in whys.items())
        read = [reader for reader in readers if reader not in whys]
        if not read and whys.keys() >= set(readers):
            reason = f"no scanner of Python code could read it whole; {told}"
        else:
            others = f"; {' and '.join(read)} read it whole" if read and whys.keys() & set(_PYTHON_READERS) else ""
            reason = f"{told}{others}"
        left_out.append(NotAnalysed(subject=name, reason=reason))
    return left_out


def data(scanned: Scanned) -> dict[str, Any]:
    """Return the engine's data; `engine.analyse` tells its fields."""
    findings = scanned.applied.findings
    counts = Counter(finding.severity for finding in findings.counted)
    in_source = [each for each in findings.suppressed if each.kind == "inSource"]
    by_files = [each for each in findings.suppressed if each.by]
    aside = [each for each in findings.suppressed if each.kind == "external" and not each.by]
    reported = sum(scan.findings for scan in scanned.scans)
    taken_back = sum(each.printed for each in in_source)
    return {
        "findings": [_finding(finding) for finding in findings.counted[:MAX_LISTED]],
        "findings_total": len(findings.counted),
        "counts": {severity: counts[severity] for severity in SEVERITIES},
        "engines": [_engine(scan) for scan in scanned.scans],
        "merging": {
            "reported": reported,
            "merged_away": reported
            - taken_back
            - len(aside)
            - len(by_files)
            - len(findings.counted)
            - len(findings.reviews),
            "set_aside": len(aside),
            "taken_back": taken_back,
            "by_files": len(by_files),
            "reviews": len(findings.reviews),
            "findings": len(findings.counted),
        },
        "reviews": [_finding(finding) for finding in findings.reviews[:MAX_LISTED]],
        "reviews_total": len(findings.reviews),
        "set_aside": _by_rule(aside),
        "suppressed": [
            {name: getattr(each.finding, name) for name in ("rule", "file", "line", "engine", "snippet")}
            for each in in_source[:MAX_LISTED]
        ],
        "suppressed_total": len(in_source),
        "by_files": [
            {
                **{name: getattr(each.finding, name) for name in ("rule", "title", "severity", "fingerprint")},
                "file": each.finding.file,
                "line": each.finding.line,
                "by": each.by,
                "reason": each.reason,
            }
            for each in by_files[:MAX_LISTED]
        ],
        "baseline": _baseline(scanned),
        "since": _since(scanned),
        "settings_not_obeyed": list(scanned.scope.settings),
        "files_analysed": len(scanned.scope.files),
    }


def _finding(finding: Finding) -> Any:
    flow = shortened(finding.flow, MAX_STEPS_LISTED)
    return msgspec.to_builtins(msgspec.structs.replace(finding, flow=flow))


def _engine(scan: Scan) -> dict[str, Any]:
    return {
        "name": scan.name,
        "version": scan.version,
        "command": list(scan.command),
        "findings": scan.findings,
        "suppressed": len(scan.results) - scan.findings,
        "files_analysed": scan.files_analysed,
        "not_read": len(scan.unread),
        "duration_s": round(scan.duration_s, 3),
    }


def _by_rule(aside: Sequence[Suppressed]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for each in aside:
        groups[each.finding.rule, each.reason].append(each.finding)
    return [
        {
            "rule": rule,
            "title": found[0].title,
            "count": len(found),
            "files": len({finding.file for finding in found}),
            "reason": reason,
        }
        for (rule, reason), found in sorted(groups.items())
    ][:MAX_LISTED]


def _baseline(scanned: Scanned) -> dict[str, Any] | None:
    decisions = scanned.decisions
    if decisions.baseline is None:
        return None
    return {
        "file": decisions.baseline_file,
        "entries": len(decisions.baseline),
        "found_again": sum(each.by == decisions.baseline_file for each in scanned.applied.findings.suppressed),
        "gone": list(scanned.applied.gone[:_MAX_GONE]),
        "gone_total": len(scanned.applied.gone),
    }


def _since(scanned: Scanned) -> dict[str, Any] | None:
    if scanned.since is None or not isinstance(scanned.compared, Compared):
        return None
    states = Counter(finding.state for finding in scanned.applied.findings.counted)
    return {
        "revision": scanned.since.revision,
        "commit": scanned.since.commit,
        "new": states["new"],
        "same": states["same"],
        "fixed_total": len(scanned.compared.fixed),
        "fixed": [
            {name: getattr(each, name) for name in ("rule", "title", "severity", "file", "line", "fingerprint")}
            for each in scanned.compared.fixed[:MAX_LISTED]
        ],
    }


def summary(scanned: Scanned, told: dict[str, Any]) -> str:
    """Return the figures that matter in one sentence; `told` is the data."""
    counts = ", ".join(f"{count} {severity}" for severity, count in told["counts"].items() if count)
    total = told["findings_total"]
    found = f"{total} finding{'' if total == 1 else 's'} ({counts})" if total else "No findings"
    printed = ", ".join(f"{each['name']} {each['findings']}" for each in told["engines"])
    parts = [
        f"reported by {printed}",
        f"{told['reviews_total']} to review" if told["reviews_total"] else "",
        f"{told['merging']['set_aside']} set aside" if told["merging"]["set_aside"] else "",
        f"{told['suppressed_total']} taken back by comments" if told["suppressed_total"] else "",
        *(
            f"{count} taken out by {name}"
            for name, count in sorted(Counter(each["by"] for each in told["by_files"]).items())
        ),
    ]
    if since := told["since"]:
        parts.append(
            f"since {since['revision']} {since['new']} new, {since['fixed_total']} fixed, {since['same']} the same"
        )
    unread = sorted({name for scan in scanned.scans if scan.name in _PYTHON_READERS for name in scan.unread})
    if unread:
        more = f" and {len(unread) - _SHOWN} more" if len(unread) > _SHOWN else ""
        parts.append(f"Python files that not every scanner has read whole: {', '.join(unread[:_SHOWN])}{more}")
    if scanned.parts:
        parts.append(f"the time was up before the end of {', '.join(scanned.parts)}, so there may be more to find")
    return f"{found} in {told['files_analysed']} files; {'; '.join(filter(None, parts))}."
