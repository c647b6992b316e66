"""What people have decided about findings beforehand: a baseline of those that are known, and a list of those accepted.

Both are files of the target, so strangers may have written them: they take findings out of the count, and never out of
sight. Each one that they take out is told with the file's name, and so is each entry that takes out nothing.

The baseline is the SARIF log of an earlier scan, as it is (`cp report/security/security.sarif .sanctuary-baseline.sarif`).
The list of what is accepted is TOML, one table for each decision::

    [[accepted]]
    fingerprint = "5f0c…"           # of one finding; or a rule, in the files that a pattern names
    rule = "B608"
    file = "app/reports/*.py"
    reason = "The table's name comes from an enumeration."
    by = "Ada Lovelace"
    until = 2027-03-01              # the last day on which it holds
"""

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from clones.engines.contract import EngineError, NotAnalysed
from clones.engines.security.findings import Finding, Findings, Suppressed
from clones.engines.security.judge import Kind
from clones.engines.security.sarif import FINGERPRINT
from clones.engines.security.scope import ACCEPTED, BASELINE, MAX_FILE_BYTES, LeftOutError, content
from schemas.errors import ErrorCode

_MAX_ENTRIES = 100_000
_MAX_TOLD = 20

_Words = Annotated[str, Meta(min_length=1, max_length=1000)]


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One decision to live with a finding, or with all of a rule."""

    reason: _Words
    by: _Words
    until: dt.date
    """The last day on which it holds."""
    fingerprint: str = ""
    rule: str = ""
    """The finding's, or that of any scanner which reports it."""
    file: str = ""
    """A pattern as in a shell, with `*` for slashes too; empty: any file."""

    def __post_init__(self) -> None:
        """Refuse one that would accept everything, with a ValueError."""
        if not self.fingerprint and not self.rule:
            raise ValueError("an entry needs a `fingerprint` or a `rule`")

    def covers(self, finding: Finding) -> bool:
        """Whether the decision is about this finding."""
        return (
            (not self.fingerprint or self.fingerprint == finding.fingerprint)
            and (not self.rule or self.rule in {finding.rule, *(each.split()[-1] for each in finding.reported_as)})
            and (not self.file or fnmatchcase(finding.file, self.file))
        )

    @property
    def subject(self) -> str:
        """What it is about, in words."""
        what = self.rule or f"fingerprint {self.fingerprint}"
        return f"{what} in {self.file}" if self.file else what


class _List(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    accepted: Annotated[tuple[Entry, ...], Meta(max_length=10_000)] = ()


class Known(msgspec.Struct, frozen=True):
    """What an earlier scan has told."""

    what: str
    """For a person."""
    kind: Kind = "flaw"


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """What the target's files say."""

    baseline: dict[str, Known] | None = None
    """By fingerprint; None: there is no baseline."""
    baseline_file: str = BASELINE
    accepted: tuple[Entry, ...] = ()
    unread: tuple[NotAnalysed, ...] = ()


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the findings, and of the decisions."""

    findings: Findings
    gone: tuple[str, ...]
    """Of the baseline: what was known, and is not found any more."""
    notes: tuple[NotAnalysed, ...]
    """Decisions that have expired, or are about nothing that was found."""


def read(target: Path, baseline: str | None) -> Decisions:
    """Read both files of `target`; `baseline` is where the first lies, if not at `BASELINE`.

    A file that cannot be understood decides nothing, and `unread` says why.

    Raises:
        EngineError: `target_not_found`, where the baseline that was asked for is not there.
    """
    unread: list[NotAnalysed] = []
    known: dict[str, Known] | None = None
    accepted: tuple[Entry, ...] = ()
    name = baseline or BASELINE
    try:
        if (log := _read(target, name)) is not None:
            known = parse_baseline(log)
        elif baseline is not None:
            words = f"the target has no file {baseline!r} to take as a baseline; give a path relative to the target"
            raise EngineError(words, code=ErrorCode.TARGET_NOT_FOUND)
    except ValueError as error:
        unread.append(NotAnalysed(subject=name, reason=f"no baseline was taken from it: {error}"))
    try:
        if (listed := _read(target, ACCEPTED)) is not None:
            accepted = parse_accepted(listed)
    except ValueError as error:
        unread.append(NotAnalysed(subject=ACCEPTED, reason=f"none of its entries was applied: {error}"))
    return Decisions(baseline=known, baseline_file=name, accepted=accepted, unread=tuple(unread))


def _read(target: Path, name: str) -> bytes | None:
    path = target / name
    if not path.is_symlink() and not path.exists():
        return None
    # Path.resolve() raises RuntimeError at links in a circle until Python 3.13
    if not Path(os.path.realpath(path)).is_relative_to(target.resolve()):
        raise ValueError("it lies outside the target")
    try:
        return content(path, name, MAX_FILE_BYTES)
    except LeftOutError as error:
        raise ValueError(str(error)) from error


class _SarifResult(msgspec.Struct, frozen=True, rename="camel"):
    partial_fingerprints: dict[str, str] = {}
    rule_id: str = ""
    kind: str = "fail"
    baseline_state: str = ""
    suppressions: list[Any] = []
    locations: list[dict[str, Any]] = []


class _SarifRun(msgspec.Struct, frozen=True):
    results: list[_SarifResult] = []


class _SarifLog(msgspec.Struct, frozen=True):
    runs: list[_SarifRun]


def parse_baseline(log: bytes) -> dict[str, Known]:
    """Return what a SARIF log of ours has found, by fingerprint, and what it knew before.

    Raises:
        ValueError: it is no such log; the message says why.
    """
    try:
        results = [result for run in msgspec.json.decode(log, type=_SarifLog).runs for result in run.results]
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"it is no SARIF log: {error}") from error
    named = [result for result in results if FINGERPRINT in result.partial_fingerprints]
    if results and not named:
        raise ValueError(f"none of its results has a fingerprint {FINGERPRINT!r}: it is of another program or version")
    if len(named) > _MAX_ENTRIES:
        raise ValueError(f"it has {len(named)} results; the limit is {_MAX_ENTRIES}")
    return {
        result.partial_fingerprints[FINGERPRINT]: Known(
            f"{result.rule_id} in {_uri(result)}", "review" if result.kind == "review" else "flaw"
        )
        for result in named
        if result.baseline_state != "absent" and (not result.suppressions or result.baseline_state == "unchanged")
    }


def _uri(result: _SarifResult) -> str:
    try:
        return str(result.locations[0]["physicalLocation"]["artifactLocation"]["uri"])
    except (IndexError, KeyError, TypeError):
        return "a file"


def parse_accepted(text: bytes) -> tuple[Entry, ...]:
    """Return the entries of a list of what is accepted.

    Raises:
        ValueError: with what is wrong, and where.
    """
    try:
        return msgspec.toml.decode(text, type=_List).accepted
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def apply(decisions: Decisions, findings: Findings, today: dt.date, *, is_whole: bool = True) -> Applied:
    """Take out what was decided about; a decision holds until the end of its last day.

    What was known as a place to review alone counts once it is a finding. Of a scan that is not whole nobody knows what is
    gone, nor which decisions are about nothing.
    """
    holding = [entry for entry in decisions.accepted if entry.until >= today]
    used: set[Entry] = set()
    left: dict[Kind, list[Finding]] = {"flaw": [], "review": []}
    taken: list[Suppressed] = []
    for finding in (*findings.counted, *findings.reviews):
        entry = next((each for each in holding if each.covers(finding)), None)
        if entry is not None:
            used.add(entry)
            reason = f"accepted by {entry.by} until {entry.until}: {entry.reason}"
            taken.append(_taken(msgspec.structs.replace(finding, state=""), reason, ACCEPTED))
        elif _is_known(finding, decisions.baseline or {}):
            known = msgspec.structs.replace(finding, state="same")
            taken.append(_taken(known, "known from an earlier scan", decisions.baseline_file))
        else:
            left[finding.kind].append(finding)
    suppressed = (each.finding for each in findings.suppressed)
    found = {each.fingerprint for each in (*findings.counted, *findings.reviews, *suppressed)}
    known_before = (decisions.baseline or {}) if is_whole else {}
    gone = [known.what for fingerprint, known in known_before.items() if fingerprint not in found]
    return Applied(
        findings=Findings(
            counted=tuple(left["flaw"]), reviews=tuple(left["review"]), suppressed=(*findings.suppressed, *taken)
        ),
        gone=tuple(sorted(gone)),
        notes=(*decisions.unread, *_notes(decisions.accepted, used if is_whole else set(holding), today)),
    )


def _is_known(finding: Finding, baseline: Mapping[str, Known]) -> bool:
    known = baseline.get(finding.fingerprint)
    return known is not None and (known.kind == "flaw" or finding.kind == "review")


def _taken(finding: Finding, reason: str, by: str) -> Suppressed:
    return Suppressed(finding=finding, kind="external", reason=reason, printed=True, by=by)


def _notes(entries: Sequence[Entry], used: set[Entry], today: dt.date) -> list[NotAnalysed]:
    notes = []
    for entry in entries:
        if entry.until < today:
            reason = (
                f"{entry.subject}: the entry by {entry.by} has expired on {entry.until}; what it covers counts again"
            )
        elif entry not in used:
            reason = f"{entry.subject}: the entry by {entry.by} is about nothing that was found, and may be taken out"
        else:
            continue
        notes.append(NotAnalysed(subject=ACCEPTED, reason=reason))
    if len(notes) > _MAX_TOLD:
        rest = f"{len(notes) - _MAX_TOLD} more entries have expired or are about nothing"
        notes = [*notes[:_MAX_TOLD], NotAnalysed(subject=ACCEPTED, reason=rest)]
    return notes
