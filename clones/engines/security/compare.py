"""What is new against an earlier revision, what is fixed, and what is the same."""

from collections import defaultdict
from collections.abc import Sequence, Set

import msgspec

from clones.engines.security.findings import Finding, Findings, weight


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """Two scans of one project."""

    findings: Findings
    """Those of the later one, with their state."""
    fixed: tuple[Finding, ...]
    """What the earlier one had, and the later one has not; the worst first."""


def compare(before: Findings, now: Findings, files_before: Set[str], files_now: Set[str]) -> Compared:
    """Tell findings of `now` that are new from those that were there before.

    They are the same where their fingerprints are, or, in a file that was moved, where rule and source line are. What a
    comment takes back by now is not fixed, nor is what is still a place to review. A place to review that is a flaw by now
    is new.
    """
    there = {each.fingerprint for each in (*now.counted, *now.reviews, *(each.finding for each in now.suppressed))}
    gone = [finding for finding in (*before.counted, *before.reviews) if finding.fingerprint not in there]
    moved_from = _by_line([finding for finding in gone if finding.file not in files_now])
    found_again: set[str] = set()

    def told(found: Sequence[Finding], earlier: Sequence[Finding]) -> tuple[Finding, ...]:
        known = {finding.fingerprint for finding in earlier}
        result = []
        for finding in found:
            is_same = finding.fingerprint in known
            at = finding.kind, finding.rule, finding.snippet
            moved = [] if is_same or finding.file in files_before else moved_from.get(at, [])
            if moved:
                found_again.add(moved.pop(0).fingerprint)
                is_same = True
            result.append(msgspec.structs.replace(finding, state="same" if is_same else "new"))
        return tuple(sorted(result, key=weight))

    counted = told(now.counted, before.counted)
    reviews = told(now.reviews, (*before.counted, *before.reviews))
    fixed = [finding for finding in gone if finding.kind == "flaw" and finding.fingerprint not in found_again]
    return Compared(
        findings=Findings(counted=counted, reviews=reviews, suppressed=now.suppressed),
        fixed=tuple(sorted(fixed, key=weight)),
    )


def _by_line(findings: Sequence[Finding]) -> dict[tuple[str, str, str], list[Finding]]:
    lines: dict[tuple[str, str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        lines[finding.kind, finding.rule, finding.snippet].append(finding)
    return lines
