"""SARIF 2.1.0 (OASIS, errata 01): one run, with every finding and place to review, those taken out marked as suppressed."""

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from clones.engines.contract import NotAnalysed
from clones.engines.security.findings import Finding, Findings, Step, Suppressed
from clones.engines.security.reported import Scan

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
# GitHub's bands for `security-severity`: critical above 9.0, high from 7.0, medium from 4.0
_SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0"}
_CWE = "CWE"
FINGERPRINT = "sanctuary/v2"
"""What a finding's name is called in `partialFingerprints`; another number means another way to make it."""
_STATES = {"new": "new", "same": "unchanged"}
_KINDS = {"flaw": "fail", "review": "review"}
"""Section 3.27.9; what is to be reviewed has the level `none` (3.27.10)."""


def document(
    scans: Sequence[Scan], findings: Findings, not_analysed: Iterable[NotAnalysed], fixed: Sequence[Finding] = ()
) -> dict[str, Any]:
    """Return the log as JSON values; `fixed` was found at the earlier revision, and is not any more."""
    everything = [*findings.counted, *findings.reviews, *(each.finding for each in findings.suppressed), *fixed]
    rules = list({finding.rule: finding for finding in reversed(everything)}.values())[::-1]
    index = {finding.rule: position for position, finding in enumerate(rules)}
    weaknesses = sorted({finding.cwe for finding in everything if finding.cwe is not None})
    notifications = [
        {"level": "note", "message": {"text": f"{each.subject}: {each.reason}"}, "descriptor": {"id": "not-analysed"}}
        for each in not_analysed
    ]
    run = {
        "tool": {
            "driver": {
                "name": "Sanctuary security",
                "version": version("sanctuary-bus"),
                "rules": [_rule(finding) for finding in rules],
                "notifications": [
                    {"id": "not-analysed", "shortDescription": {"text": "Something that was left out of the scan"}}
                ],
                "supportedTaxonomies": [{"name": _CWE}],
            },
            "extensions": [
                {"name": scan.name, "version": scan.version, **({"informationUri": scan.uri} if scan.uri else {})}
                for scan in scans
            ],
        },
        "taxonomies": [
            {
                "name": _CWE,
                "organization": "MITRE",
                "shortDescription": {"text": "The MITRE Common Weakness Enumeration"},
                "informationUri": "https://cwe.mitre.org/",
                "taxa": [
                    {"id": str(cwe), "helpUri": f"https://cwe.mitre.org/data/definitions/{cwe}.html"}
                    for cwe in weaknesses
                ],
            }
        ],
        "originalUriBaseIds": {"SRCROOT": {"description": {"text": "The directory that was scanned"}}},
        "invocations": [
            {
                "executionSuccessful": not any(scan.is_part for scan in scans),
                "toolExecutionNotifications": notifications,
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": [
            *(_result(finding, index) | _advice(finding) for finding in (*findings.counted, *findings.reviews)),
            *(_result(each.finding, index) | {"suppressions": [_suppression(each)]} for each in findings.suppressed),
            *(_result(finding, index) | _advice(finding) | {"baselineState": "absent"} for finding in fixed),
        ],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _suppression(each: Suppressed) -> dict[str, Any]:
    by = f" ({each.by})" if each.by else ""
    return {"kind": each.kind, "status": "accepted", "justification": f"{each.reason}{by}"}


def _rule(finding: Finding) -> dict[str, Any]:
    tags = ["security"]
    rule: dict[str, Any] = {
        "id": finding.rule,
        "shortDescription": {"text": finding.title},
        "defaultConfiguration": {"level": _LEVELS[finding.severity]},
    }
    if finding.cwe is not None:
        tags.append(f"external/cwe/cwe-{finding.cwe:03}")
        target = {"id": str(finding.cwe), "toolComponent": {"name": _CWE}}
        rule["relationships"] = [{"target": target, "kinds": ["superset"]}]
    rule["properties"] = {"tags": tags, "security-severity": _SCORES[finding.severity]}
    return rule


def _result(finding: Finding, index: dict[str, int]) -> dict[str, Any]:
    region = {
        "startLine": finding.line,
        # a snippet is the text of its whole region, and here it is one line
        **(
            {"endLine": finding.end_line} if finding.end_line > finding.line else {"snippet": {"text": finding.snippet}}
        ),
    }
    place = {"artifactLocation": _artifact(finding.file), "region": region}
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "kind": _KINDS[finding.kind],
        "level": _LEVELS[finding.severity] if finding.kind == "flaw" else "none",
        "message": {"text": f"{finding.title}. {finding.message}"},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {FINGERPRINT: finding.fingerprint},
    }
    if finding.flow:
        result["codeFlows"] = [{"threadFlows": [{"locations": [_step(step) for step in finding.flow]}]}]
    if finding.state:
        result["baselineState"] = _STATES[finding.state]
    return result


def _artifact(file: str) -> dict[str, Any]:
    return {"uri": quote(file), "uriBaseId": "SRCROOT"}


def _step(step: Step) -> dict[str, Any]:
    region = {"startLine": step.line, "snippet": {"text": step.snippet}}
    place = {"artifactLocation": _artifact(step.file), "region": region}
    return {"location": {"physicalLocation": place, "message": {"text": step.message}}}


def _advice(finding: Finding) -> dict[str, Any]:
    advice: dict[str, Any] = {
        "properties": {
            "severity": finding.severity,
            "confidence": finding.confidence,
            "reportedAs": list(finding.reported_as),
            "howToCheck": finding.how_to_check,
        }
    }
    if finding.cwe is not None:
        advice["taxa"] = [{"id": str(finding.cwe), "toolComponent": {"name": _CWE}}]
    return advice
