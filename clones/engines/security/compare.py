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
    comment takes back by now is not fixed.
    """
    known = {finding.fingerprint for finding in before.counted}
    there = {finding.fingerprint for finding in (*now.counted, *(each.finding for each in now.suppressed))}
    gone = [finding for finding in before.counted if finding.fingerprint not in there]
    moved_from = _by_line([finding for finding in gone if finding.file not in files_now])
    counted: list[Finding] = []
    found_again: set[str] = set()
    for finding in now.counted:
        is_same = finding.fingerprint in known
        moved = [] if is_same or finding.file in files_before else moved_from.get((finding.rule, finding.snippet), [])
        if moved:
            found_again.add(moved.pop(0).fingerprint)
            is_same = True
        counted.append(msgspec.structs.replace(finding, state="same" if is_same else "new"))
    fixed = [finding for finding in gone if finding.fingerprint not in found_again]
    return Compared(
        findings=Findings(counted=tuple(sorted(counted, key=weight)), suppressed=now.suppressed),
        fixed=tuple(sorted(fixed, key=weight)),
    )


def _by_line(findings: Sequence[Finding]) -> dict[tuple[str, str], list[Finding]]:
    lines: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        lines[finding.rule, finding.snippet].append(finding)
    return lines
