"""Findings as a person reads them, built from what the scanners report."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import msgspec

from clones.engines.security import rules
from clones.engines.security.judge import context, judge, set_aside
from clones.engines.security.merge import Merged, fingerprints, is_suppressed, merge
from clones.engines.security.redact import Redactor
from clones.engines.security.reported import Scan
from clones.engines.security.rules import CONFIDENCES, SEVERITIES, Confidence, Severity
from clones.engines.security.scope import Scope, test_directories
from clones.engines.statements import Lines, Statement, quoted

_SNIPPET_CHARS = 240
_MESSAGE_CHARS = 600
_AROUND_LINES = 2
_MAX_LINES = 20


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One flaw at one place."""

    rule: str
    title: str
    severity: Severity
    confidence: Confidence
    cwe: int | None
    file: str
    line: int
    end_line: int
    snippet: str
    """The source line, without secrets."""
    message: str
    how_to_check: str
    fingerprint: str
    """Stays when lines move; see `merge.fingerprints`."""
    engine: str
    """The scanners that report it, as `bandit+ruff`."""
    reported_as: tuple[str, ...]
    """Each scanner's own name for the rule, as `ruff S602`."""
    context: str
    """`test code`, `documentation or an example`, or empty for code that ships."""
    check: Statement
    """That it is reported, for a program to check; `how_to_check` is for the person who judges it."""


class Suppressed(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that does not count."""

    finding: Finding
    kind: str
    """`inSource`: a comment in the code takes it back; `external`: set aside by the engine (`judge.set_aside`)."""
    reason: str
    printed: bool
    """Whether a scanner run by hand prints it all the same."""


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """All findings; every result of every scanner is in exactly one of them."""

    counted: tuple[Finding, ...]
    """The worst first."""
    suppressed: tuple[Suppressed, ...]


def build(scans: Sequence[Scan], scope: Scope, copy: Path) -> Findings:
    """Merge, rate and describe what the scanners report of the files in `copy`."""
    results = [result for scan in scans for result in scan.results]
    lines = {path: _lines(copy / path) for path in {result.path for result in results}}
    redactor = Redactor(results, lines)
    merged = merge(results)

    shown = Lines(copy)

    def text(each: Merged) -> str:
        source = lines[each.path]
        return redactor.line(each.path, each.line, source[each.line - 1]) if each.line <= len(source) else ""

    known = rules.load()
    tests = test_directories(scope.python)
    counted: list[Finding] = []
    suppressed: list[Suppressed] = []
    for each, fingerprint in zip(merged, fingerprints(merged, text), strict=True):
        finding = _finding(
            each,
            rules.describe(known, each.rule),
            where=context(each.path, tests),
            fingerprint=fingerprint,
            text=text(each),
            message=redactor.message(each.reported[0]),
            shown=shown,
        )
        printed = not all(result.suppressed for result in each.reported)
        if is_suppressed(each, lines[each.path][each.line - 1 : each.end_line]):
            reason = "a comment on the line takes it back"
            suppressed.append(Suppressed(finding=finding, kind="inSource", reason=reason, printed=printed))
        elif reason := set_aside(each, finding.context, finding.snippet):
            suppressed.append(Suppressed(finding=finding, kind="external", reason=reason, printed=printed))
        else:
            counted.append(finding)
    counted.sort(key=_weight)
    return Findings(counted=tuple(counted), suppressed=tuple(suppressed))


def _lines(file: Path) -> list[str]:
    # as bandit, ruff and gitleaks count lines; str.splitlines also splits at form feeds and the like
    text = file.read_bytes().decode(errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _finding(
    each: Merged, rule: rules.Rule, *, where: str, fingerprint: str, text: str, message: str, shown: Lines
) -> Finding:
    verdict = judge(each, rule, where, text)
    message = message.strip()
    if verdict.note:
        message = f"{message}{'' if message.endswith('.') else '.'} {verdict.note}"
    snippet = text.strip()
    return Finding(
        rule=each.rule,
        title=rule.title,
        severity=verdict.severity,
        confidence=verdict.confidence,
        cwe=rule.cwe,
        file=each.path,
        line=each.line,
        end_line=each.end_line,
        snippet=snippet if len(snippet) <= _SNIPPET_CHARS else f"{snippet[:_SNIPPET_CHARS]} …",
        message=message[:_MESSAGE_CHARS],
        how_to_check=_how_to_check(each, rule.check),
        fingerprint=fingerprint,
        engine=each.engine,
        reported_as=tuple(f"{result.engine} {result.rule}" for result in each.reported),
        context=verdict.context,
        check=_check(each, rule.title, text, shown),
    )


def _how_to_check(each: Merged, check: str) -> str:
    file = shlex.quote(f"./{each.path}" if each.path.startswith("-") else each.path)
    shown = f"sed -n '{max(1, each.line - _AROUND_LINES)},{min(each.end_line, each.line + _MAX_LINES) + _AROUND_LINES}p' {file}"
    first = each.reported[0]
    again = {
        "bandit": f"bandit -t {first.rule} {file}",
        "ruff": f"ruff check --isolated --select {first.rule} {file}",
        "gitleaks": f"gitleaks dir --redact --verbose {file}",
    }[first.engine]
    return f"`{shown}`: {check}. To see it reported: `{again}`."


def _check(each: Merged, title: str, text: str, lines: Lines) -> Statement:
    """Show the line, unless it holds a secret, and that the scanner reports it there."""
    first = each.reported[0]
    file = quoted(each.path)
    again = {
        "bandit": f"bandit --ini /dev/null -q -t {first.rule} -f custom --msg-template '{{line}} {{test_id}}' {file} 2>/dev/null "
        f"| grep -qx '{first.line} {first.rule}'",
        "ruff": f"ruff check --isolated --no-cache -q --select {first.rule} --output-format concise {file} "
        f"| grep -q '^[^:]*:{first.line}:'",
        "gitleaks": f"gitleaks dir --redact --verbose --no-banner --no-color {file} 2>/dev/null "
        f"| grep -qx 'Fingerprint: .*:{first.rule}:{first.line}'",
    }[first.engine]
    command, expected = f"{again} && echo found", "found"
    if first.engine != "gitleaks" and text and text == lines.at(each.path, each.line):
        line, printed = lines.shown([(each.path, each.line)])
        command, expected = f"{line}; {command}", f"{printed}\n{expected}"
    said = title.replace("`", "")
    return Statement(
        text=f"{each.path}:{each.line}: {said} ({first.engine} {first.rule})", how_to_check=command, expected=expected
    )


def _weight(finding: Finding) -> tuple[int, bool, int, str, int]:
    return (
        SEVERITIES.index(finding.severity),
        bool(finding.context),
        CONFIDENCES.index(finding.confidence),
        finding.file,
        finding.line,
    )
