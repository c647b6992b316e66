"""Findings as a person reads them, built from what the scanners report."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from clones.engines.security import again, rules
from clones.engines.security.judge import Kind, context, judge, set_aside
from clones.engines.security.merge import Merged, fingerprints, is_suppressed, merge
from clones.engines.security.nearby import Functions, Harmless
from clones.engines.security.redact import Redactor
from clones.engines.security.reported import Scan
from clones.engines.security.rules import CONFIDENCES, SEVERITIES, Confidence, Severity
from clones.engines.security.scope import Scope, test_directories
from clones.engines.statements import Lines, Statement

MAX_STEPS = 64
"""Steps of a flow that are kept: of a longer one those at its beginning and its end."""
FOLLOWS_FLOWS = "taint"
"""The scanner that follows values."""
_SNIPPET_CHARS = 240
_MESSAGE_CHARS = 600

State = Literal["", "new", "same"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One place on the way of a value."""

    file: str
    line: int
    message: str
    snippet: str
    """The source line, without secrets."""


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
    flow: tuple[Step, ...] = ()
    """From where the value comes in to here; empty where nothing was followed."""
    state: State = ""
    """Against an earlier revision, where there is one."""
    kind: Kind = "flaw"
    """`review`: not a finding, but a place to review."""


class Suppressed(msgspec.Struct, frozen=True, kw_only=True):
    """A finding, or a place to review, that does not count."""

    finding: Finding
    kind: str
    """`inSource`: a comment in the code takes it back; `external`: set aside by the engine or by a file of the target."""
    reason: str
    printed: bool
    """Whether a scanner run by hand prints it all the same."""
    by: str = ""
    """The file of the target that says so; empty where a comment or the engine does (`judge.set_aside`)."""


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """All findings and places to review; every result of every scanner is in exactly one of them."""

    counted: tuple[Finding, ...]
    """The worst first."""
    suppressed: tuple[Suppressed, ...]
    reviews: tuple[Finding, ...] = ()
    """Places to review: no findings, the ones that would weigh most first."""


def build(scans: Sequence[Scan], scope: Scope, copy: Path) -> Findings:
    """Merge, rate and describe what the scanners report of the files in `copy`."""
    results = [result for scan in scans for result in scan.results]
    paths = {result.path for result in results} | {step.path for result in results for step in result.flow}
    lines = {path: _lines(copy / path) for path in paths}
    redactor = Redactor(results, lines)
    shown = Lines(copy)

    @cache
    def text_at(path: str, line: int) -> str:
        source = lines[path]
        return redactor.line(path, line, source[line - 1]) if 0 < line <= len(source) else ""

    known = rules.load()
    merged = merge(results, known)
    tests = test_directories(scope.python)
    harmless = Harmless(one for scan in scans for one in scan.cleared)
    functions = {path: Functions(source) for path, source in lines.items()}
    followed = _followed(scans, scope)
    takes_requests = any(not context(path, tests) for scan in scans for path in scan.entries)
    counted: list[Finding] = []
    reviews: list[Finding] = []
    suppressed: list[Suppressed] = []
    named = fingerprints(merged, lambda each: text_at(each.path, each.line))
    for place, fingerprint in zip(merged, named, strict=True):
        source = lines[place.path]
        text = text_at(place.path, place.line)
        where = context(place.path, tests)
        rule = rules.describe(known, place.reported[0])
        is_followed = place.path in followed
        verdict = judge(place, rule, where, text, followed=is_followed, takes_requests=takes_requests)
        snippet = text.strip()
        finding = Finding(
            rule=place.rule,
            title=rule.title,
            severity=verdict.severity,
            confidence=verdict.confidence,
            cwe=rule.cwe,
            file=place.path,
            line=place.line,
            end_line=place.end_line,
            snippet=_cut(snippet),
            message=_message(redactor.message(place.reported[0]), verdict.note),
            how_to_check=again.how_to_check(place, rule.check),
            fingerprint=fingerprint,
            engine=place.engine,
            reported_as=tuple(dict.fromkeys(f"{result.engine} {result.rule}" for result in place.reported)),
            context=verdict.context,
            check=again.statement(place, rule.title, text_at, shown),
            flow=_flow(place, redactor, text_at),
            kind=verdict.kind,
        )
        function = functions[place.path].around(place.line)
        here = f"{text}\n{function[0].strip()}" if function else text
        printed = not all(result.suppressed for result in place.reported)
        if is_suppressed(place, source[place.line - 1 : place.end_line]):
            reason = "a comment on the line takes it back"
            suppressed.append(Suppressed(finding=finding, kind="inSource", reason=reason, printed=printed))
            continue
        cleared = harmless.near(place.path, place.line, place.end_line)
        if reason := set_aside(place, where, here, cleared, "\n".join(function)):
            suppressed.append(Suppressed(finding=finding, kind="external", reason=reason, printed=printed))
        else:
            (counted if finding.kind == "flaw" else reviews).append(finding)
    return Findings(
        counted=tuple(sorted(counted, key=weight)),
        reviews=tuple(sorted(reviews, key=weight)),
        suppressed=tuple(suppressed),
    )


def weight(finding: Finding) -> tuple[bool, int, bool, int, str, int]:
    """Order findings: the new ones first where that is known, then the worst."""
    return (
        finding.state == "same",
        SEVERITIES.index(finding.severity),
        bool(finding.context),
        CONFIDENCES.index(finding.confidence),
        finding.file,
        finding.line,
    )


def _followed(scans: Sequence[Scan], scope: Scope) -> frozenset[str]:
    """Return the files whose flows were followed; where the time was up none, for a value may come from any file."""
    scan = next(
        (each for each in scans if each.name == FOLLOWS_FLOWS and each.files_analysed and not each.is_part), None
    )
    return frozenset(scope.python) - scan.unread.keys() if scan is not None else frozenset()


def _lines(file: Path) -> list[str]:
    # as bandit, ruff and gitleaks count lines; str.splitlines also splits at form feeds and the like
    try:
        text = file.read_bytes().decode(errors="replace")
    except OSError:
        return []  # a scanner may speak of a file that is not there, such as a lock file that is missing
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _message(said: str, note: str) -> str:
    said = said.strip()
    if note:
        said = f"{said}{'' if said.endswith('.') else '.'} {note}"
    return said[:_MESSAGE_CHARS]


def _flow(each: Merged, redactor: Redactor, text_at: again.TextAt) -> tuple[Step, ...]:
    steps = tuple(
        Step(
            file=step.path,
            line=step.line,
            message=_cut(redactor.text(step.message).strip()),
            snippet=_cut(text_at(step.path, step.line).strip()),
        )
        for step in each.flow
    )
    return shortened(steps, MAX_STEPS)


def shortened(flow: tuple[Step, ...], limit: int) -> tuple[Step, ...]:
    """Return a flow's beginning and end where it has more steps than `limit`, which is even; the gap is told in words."""
    if len(flow) <= limit:
        return flow
    first, *last = flow[-(limit // 2) :]
    told = msgspec.structs.replace(first, message=f"({len(flow) - limit} steps later) {first.message}")
    return (*flow[: limit // 2], told, *last)


def _cut(text: str) -> str:
    return text if len(text) <= _SNIPPET_CHARS else f"{text[:_SNIPPET_CHARS]} …"
