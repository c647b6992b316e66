"""Whether a failure comes again, where it happens, and which commit brought it."""

from collections.abc import Sequence

import msgspec

from clones.engines.report.blocks import Block, Content, Notice, Point, Row, Text, code, place, points, prose, table
from clones.engines.report.checks import Stated
from clones.engines.report.full import full_data
from clones.engines.report.model import Section
from clones.engines.report.verdict import Risk, Tile, Tone
from clones.engines.report.wording import cut, plural

_MAX_ROWS = 20
_SHORT = 12


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """The innermost line of the project's own."""

    file: str
    line: int | None = None
    function: str = ""


class Frame(Stated, frozen=True, kw_only=True):
    """A line on the way to the failure."""

    file: str
    line: int
    function: str = ""


class Subject(Stated, frozen=True, kw_only=True):
    """A failure that was looked into."""

    test: str = ""
    verdict: str
    runs: int = 0
    failed: int = 0
    message: str = ""
    traceback: str = ""
    place: Place | None = None
    frames: tuple[Frame, ...] = ()


class Commit(Stated, frozen=True, kw_only=True):
    """A commit."""

    commit: str
    author: str = ""
    at: str = ""
    subject: str = ""
    files: tuple[str, ...] = ()


class Bisected(Stated, frozen=True, kw_only=True):
    """How far halving the history came."""

    found: bool = False
    note: str = ""
    between: int = 0
    first_bad: Commit | None = None


class History(msgspec.Struct, frozen=True, kw_only=True):
    """From where on the history was looked at."""

    since: str
    how: str = ""


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """Of `triage`."""

    subjects: tuple[Subject, ...]
    other_failures: tuple[str, ...] = ()
    history: History | None = None
    suspects: tuple[Commit, ...] = ()
    bisect: Bisected | None = None


def content(section: Section, data: Data) -> Content:
    """Return the part: the verdicts, the commit that brought it, then suspects and the way to the failure."""
    full = full_data(section, "triage.md")
    blocks: list[Block] = []
    if not data.subjects:
        blocks.append(Notice(tone="good", text="Nothing fails: there was nothing to look into."))
    blocks += points(
        "Verdicts",
        [_verdict(each) for each in data.subjects],
        limit=_MAX_ROWS,
        what="failures",
        full=full,
    )
    if data.bisect is not None and data.bisect.first_bad is not None:
        title = "The commit that brought it" if data.bisect.found else "Between two commits"
        blocks += points(title, [_brought(data.bisect, data.bisect.first_bad)], limit=1, what="commits", full=full)
    elif data.bisect is not None and data.bisect.note:
        blocks.append(Notice(tone="plain", text=f"Halving the history came to no end: {data.bisect.note}"))
    blocks += table(
        "Suspects",
        ("commit", "subject", "author", "files on the way that it touched"),
        [
            Row(
                cells=(code(each.commit[:_SHORT]), prose(each.subject), prose(each.author), prose(_files(each.files))),
                check=each.check,
            )
            for each in data.suspects
        ],
        limit=_MAX_ROWS,
        what="commits",
        full=full,
        note=f"Commits since `{data.history.since}` ({data.history.how}) that touched a file on the way to the failure."
        if data.history
        else "",
    )
    for subject in data.subjects[:3]:
        blocks += table(
            f"The way to the failure of {subject.test or 'the command'}",
            ("function", "place"),
            [
                Row(cells=(code(frame.function), place(frame.file, frame.line)), check=frame.check)
                for frame in subject.frames
            ],
            limit=_MAX_ROWS,
            what="lines",
            full=full,
        )
        if subject.traceback:
            title = f"What {subject.test or 'the command'} said"
            blocks.append(Text(title=title, text=subject.traceback, name=full))
    blocks += points(
        "Others that fail",
        [Point(text=f"`{each}`") for each in data.other_failures],
        limit=_MAX_ROWS,
        what="tests",
        full=full,
    )
    return Content(tile=_tile(data), blocks=tuple(blocks), risks=tuple(_risks(data)))


def _verdict(each: Subject) -> Point:
    message = " ".join(each.message.split()).replace("`", "'")
    details = (Point(text=f"It says: {cut(message, 300)}"),) if message else ()
    return Point(text=each.text or each.test, where=_where(each), check=each.check, details=details)


def _where(each: Subject) -> str:
    return f"{each.place.file}:{each.place.line}" if each.place is not None else ""


def _brought(found: Bisected, commit: Commit) -> Point:
    text = f"`{commit.commit[:_SHORT]}` by {commit.author}, {commit.at[:10]}: {commit.subject}"
    details = (Point(text=found.text, check=found.check),) if found.text else ()
    return Point(text=text, details=details)


def _culprit(data: Data, subject: Subject, before: str = "") -> str:
    """Say which commit brought a failure; empty where halving found none, or was about another failure."""
    found = data.bisect
    if found is None or not found.found or found.first_bad is None:
        return ""
    if subject.test and f"`{subject.test}`" not in found.text:
        return ""
    commit = found.first_bad
    return f"{before}{commit.commit[:_SHORT]} by {commit.author} brought it: {commit.subject}"


def _files(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:6])


def _tile(data: Data) -> Tile:
    if not data.subjects:
        return Tile(figure="none", label="nothing fails", details=(), tone="good")
    first = data.subjects[0]
    details = [f"`{first.test}`" if first.test else "the command"]
    if culprit := _culprit(data, first):
        details.append(cut(culprit, 160))
    elif data.suspects:
        details.append(f"{plural(len(data.suspects), 'commit')} touched the files on the way")
    others = len(data.subjects) - 1 + len(data.other_failures)
    if others:
        details.append(plural(others, "more failure"))
    label = {"always": "runs fail", "never": "runs fail here: it passes"}.get(
        first.verdict, f"runs fail: {first.verdict}"
    )
    tone: Tone = "plain" if first.verdict == "never" else "bad"
    return Tile(figure=f"{first.failed} of {first.runs}", label=label, details=tuple(details), tone=tone)


def _risks(data: Data) -> list[Risk]:
    failing = [each for each in data.subjects if each.verdict not in {"never", "unknown"}]
    return [
        Risk(
            tone="bad",
            kind="failure",
            text=f"{each.text or each.test}{_culprit(data, each, '; ')}",
            where=_where(each),
            anchor="",
        )
        for each in failing
    ]
