"""What each task's part of the report shows: its data bounded and put in order, ready for either template. Pure but for pictures."""

import re
from collections import Counter
from collections.abc import Sequence

import msgspec

from clones.engines.report import shapes, wording
from clones.engines.report.blocks import Block
from clones.engines.report.checks import Check
from clones.engines.report.full import full_data
from clones.engines.report.kinds import architecture, performance, testing
from clones.engines.report.model import Section
from clones.engines.report.pictures import Picture, picture
from clones.engines.report.wording import Some, some

MAX_PLACES = 250
"""Findings shown in all, the most severe first."""
MAX_PLACES_OF_A_RULE = 25
MAX_ROWS = 15
MAX_LISTED = 60
MAX_SNIPPET_CHARS = 600
MAX_MESSAGE_CHARS = 1500
MAX_STEPS = 12
"""Of a flow; a longer one is told by its beginning and its end."""
_MAX_FACT_CHARS = 600
_OWN = frozenset({"", "target"})


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a rule found something; what its group says for all its places is empty here."""

    file: str
    line: int
    confidence: str
    snippet: str
    message: str
    how_to_check: str
    check: Check | None = None
    flow: tuple[shapes.Step, ...] = ()
    """From the source to here; empty where nothing was followed."""
    steps_between: int = 0
    """Left out after the first half of them."""
    is_new: bool = False
    """Against an earlier revision."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The findings of one rule at one severity, by the same analysers."""

    severity: shapes.Severity
    rule: str
    title: str
    engine: str
    cwe: int | None
    confidence: str
    message: str
    """The usual one; a place with another has its own."""
    how_to_check: str
    """For one of the places; the others' differ in file and line alone, or they have their own."""
    total: int
    places: Some[Place]


class SecurityPart(msgspec.Struct, frozen=True, kw_only=True):
    """Findings grouped by severity and rule."""

    data: shapes.SecurityData
    total: int
    counts: tuple[tuple[shapes.Severity, int], ...]
    groups: tuple[Group, ...]
    more: int
    """Findings of which no place is shown."""
    full: str


class ArchitecturePart(msgspec.Struct, frozen=True, kw_only=True):
    """Structure."""

    data: shapes.ArchitectureData
    cycles: Some[shapes.Cycle]
    layers: Some[tuple[int, Some[str]]]
    """Top first, numbered from the bottom as in the diagram."""
    hot_spots: Some[shapes.HotSpot]
    most_complex: int
    """The highest complexity shown, for the bars."""
    coupling: Some[shapes.Coupling]
    orphans: Some[shapes.Orphan]
    diagram: Picture | None
    full: str
    result: str
    """Where the tables' other rows are; the graph's file has the graph alone."""
    broken: Some[architecture.Contract]
    """Declared contracts that imports break."""
    blocks: tuple[Block, ...]
    """What follows the tables."""


class TestingPart(msgspec.Struct, frozen=True, kw_only=True):
    """Tests and their coverage."""

    data: shapes.TestingData
    outcomes: tuple[tuple[str, int], ...]
    never_ran: int
    """Collected tests without an outcome."""
    """Each outcome that occurred, in the order of the bar."""
    failures: Some[shapes.TestFailure]
    least_covered: Some[shapes.CoveredFile]
    slowest: Some[shapes.SlowTest]
    environment: tuple[tuple[str, str], ...]
    coverage_picture: Picture | None
    full: str
    coverage_full: str
    blocks: tuple[Block, ...]


class ChangedFunction(msgspec.Struct, frozen=True, kw_only=True):
    """A function whose own time is another than at an earlier revision, and what is said of its file."""

    change: shapes.FunctionChange
    check: Check | None


class PerformancePart(msgspec.Struct, frozen=True, kw_only=True):
    """A profile."""

    data: shapes.PerformanceData
    shares: tuple[tuple[str, float], ...]
    """Percent of the time by whose code ran, the largest first."""
    own: Some[shapes.HotFunction]
    """The target's functions, or all where the data do not tell them apart."""
    others: Some[shapes.HotFunction]
    changed: Some[ChangedFunction]
    """Against an earlier revision, where there was one."""
    flame: Picture | None
    blocks: tuple[Block, ...]
    """What follows the tables."""
    full: str


class DocumentationPart(msgspec.Struct, frozen=True, kw_only=True):
    """Documentation coverage."""

    data: shapes.DocumentationData
    missing: int
    least: Some[shapes.DocumentedModule]
    undocumented: Some[shapes.UndocumentedObject]
    docstrings: Some[shapes.DocumentFinding]
    documents: Some[shapes.DocumentFinding]
    full: str


Part = SecurityPart | ArchitecturePart | TestingPart | PerformancePart | DocumentationPart


def part(section: Section, data: shapes.EngineData) -> Part:
    """Return what the report shows of `data`."""
    match data:
        case shapes.SecurityData():
            return _security(section, data)
        case shapes.ArchitectureData():
            return _architecture(section, data)
        case shapes.TestingData():
            return _testing(section, data)
        case shapes.PerformanceData():
            return _performance(section, data)
        case shapes.DocumentationData():
            return _documentation(section, data)


def _security(section: Section, data: shapes.SecurityData) -> SecurityPart:
    found = dict.fromkeys(shapes.SEVERITIES, 0)
    by_rule: dict[tuple[shapes.Severity, str, str, str], list[shapes.Finding]] = {}
    rank = {"high": 0, "medium": 1, "low": 2}
    for finding in sorted(
        data.findings, key=lambda each: (each.state == "same", rank.get(each.confidence, 3), each.file, each.line)
    ):
        found[finding.severity] += 1
        by_rule.setdefault((finding.severity, finding.rule, finding.title, finding.engine), []).append(finding)
    counts = tuple((severity, max(found[severity], data.counts.get(severity, 0))) for severity in shapes.SEVERITIES)
    total = sum(count for _, count in counts)
    order = sorted(
        by_rule, key=lambda key: (shapes.SEVERITIES.index(key[0]), rank.get(by_rule[key][0].confidence, 3), key)
    )
    groups: list[Group] = []
    left = MAX_PLACES
    for key in order:
        groups.append(_group(key[0], by_rule[key], min(left, MAX_PLACES_OF_A_RULE)))
        left -= len(groups[-1].places.items)
        if left <= 0:
            break
    in_groups = sum(group.total for group in groups)
    return SecurityPart(
        data=data,
        total=total,
        counts=counts,
        groups=tuple(groups),
        more=total - in_groups,
        full=full_data(section, "security.sarif"),
    )


def _group(severity: shapes.Severity, findings: Sequence[shapes.Finding], limit: int) -> Group:
    first = findings[0]
    message, own_messages = _usual([(each.message, each.file) for each in findings])
    check, own_checks = _usual([(each.how_to_check, each.file) for each in findings])
    one_confidence = len({each.confidence for each in findings}) == 1
    places = [
        Place(
            file=each.file,
            line=each.line,
            confidence="" if one_confidence else each.confidence,
            snippet=wording.cut(each.snippet.strip("\r\n"), MAX_SNIPPET_CHARS),
            message=own_message,
            how_to_check=own_check,
            check=each.check,
            flow=_steps(each.flow),
            steps_between=max(0, len(each.flow) - MAX_STEPS),
            is_new=each.state == "new",
        )
        for each, own_message, own_check in zip(findings[:limit], own_messages, own_checks, strict=False)
    ]
    return Group(
        severity=severity,
        rule=first.rule,
        title=first.title,
        engine=first.engine,
        cwe=first.cwe,
        confidence=first.confidence if one_confidence else "",
        message=message,
        how_to_check=check,
        total=len(findings),
        places=some(places, limit, len(findings)),
    )


def _steps(flow: Sequence[shapes.Step]) -> tuple[shapes.Step, ...]:
    kept = flow if len(flow) <= MAX_STEPS else (*flow[: MAX_STEPS // 2], *flow[-(MAX_STEPS // 2) :])
    return tuple(
        msgspec.structs.replace(
            step,
            message=wording.cut(step.message, MAX_MESSAGE_CHARS),
            snippet=wording.cut(step.snippet.strip("\r\n"), MAX_SNIPPET_CHARS),
        )
        for step in kept
    )


def _usual(texts: Sequence[tuple[str, str]]) -> tuple[str, list[str]]:
    """Return the text that most places of a rule share but for file and numbers, and each place's own, empty where it is that one."""
    kinds = [_without_place(text, file) for text, file in texts]
    usual = Counter(kinds).most_common(1)[0][0]
    own = [
        "" if kind == usual else wording.cut(text, MAX_MESSAGE_CHARS)
        for kind, (text, _) in zip(kinds, texts, strict=True)
    ]
    return wording.cut(texts[kinds.index(usual)][0], MAX_MESSAGE_CHARS), own


def _without_place(text: str, file: str) -> str:
    """Return what stays of `text` for another place of the same rule: no file, no numbers."""
    return re.sub(r"\d+", "#", text.replace(file, "FILE") if file else text)


def _architecture(section: Section, data: shapes.ArchitectureData) -> ArchitecturePart:
    layers = [
        (number, some(members, MAX_ROWS * 2))
        for number, members in zip(range(len(data.layers), 0, -1), data.layers, strict=True)
    ]
    coupling = sorted(data.coupling, key=lambda each: (-each.afferent - each.efferent, each.module))
    hot = some(data.hot_spots, MAX_ROWS)
    further = msgspec.convert(section.data, architecture.Data)
    return ArchitecturePart(
        data=data,
        cycles=some(
            data.cycle_details or [shapes.Cycle(modules=each) for each in data.cycles], MAX_ROWS, len(data.cycles)
        ),
        layers=some(layers, MAX_ROWS * 2),
        hot_spots=hot,
        most_complex=max((each.complexity for each in hot.items), default=1),
        coupling=some(coupling, MAX_ROWS),
        orphans=some(data.orphans, MAX_ROWS, data.orphan_count),
        diagram=picture(section.files, "architecture.svg"),
        full=full_data(section, "graph.json"),
        result=full_data(section, ""),
        broken=some([each for each in further.contracts.declared if each.kept is False], MAX_ROWS),
        blocks=architecture.blocks(section, further),
    )


def _testing(section: Section, data: shapes.TestingData) -> TestingPart:
    counts = data.counts
    names = ("passed", "failed", "errors", "skipped", "xfailed", "xpassed")
    outcomes = [(name, getattr(counts, name)) for name in names] if counts is not None else []
    least = sorted(data.files, key=lambda each: (101 if each.line_percent is None else each.line_percent, each.file))
    short = [
        msgspec.structs.replace(each, message=wording.cut(each.message, MAX_MESSAGE_CHARS)) for each in data.failures
    ]
    return TestingPart(
        data=data,
        never_ran=max(0, (data.collected or 0) - counts.total) if counts is not None else 0,
        outcomes=tuple(
            ("error" if (name, count) == ("errors", 1) else name, count) for name, count in outcomes if count
        ),
        failures=some(short, MAX_ROWS * 2, data.failures_total),
        least_covered=some(least, MAX_ROWS),
        slowest=some(data.slowest, MAX_ROWS),
        environment=tuple(
            (key.replace("_", " "), _scalar(value)) for key, value in data.environment.items() if _scalar(value)
        ),
        coverage_picture=picture(section.files, "coverage.svg"),
        full=full_data(section, "junit.xml"),
        coverage_full=full_data(section, "coverage.xml"),
        blocks=testing.blocks(section, msgspec.convert(section.data, testing.Data)),
    )


def _performance(section: Section, data: shapes.PerformanceData) -> PerformancePart:
    hot = sorted(data.hot, key=lambda each: -each.self_s)
    shares = sorted(((kind, 100 * share) for kind, share in data.share_by_kind.items()), key=lambda pair: -pair[1])
    return PerformancePart(
        data=data,
        shares=tuple(shares),
        own=some([each for each in hot if each.kind in _OWN], MAX_ROWS),
        others=some([each for each in hot if each.kind not in _OWN], MAX_ROWS),
        changed=some(
            [
                ChangedFunction(change=each, check=each.check)
                for each in (data.compared.functions if data.compared is not None else ())
            ],
            MAX_ROWS,
        ),
        flame=picture(section.files, "flame.svg"),
        blocks=performance.blocks(section, msgspec.convert(section.data, performance.Data)),
        full=full_data(section, "profile.json"),
    )


def _documentation(section: Section, data: shapes.DocumentationData) -> DocumentationPart:
    missing = data.coverage.total - data.coverage.documented
    least = sorted(
        (each for each in data.modules if each.documented < each.total),
        key=lambda each: (each.documented - each.total, each.module),
    )
    return DocumentationPart(
        data=data,
        missing=missing,
        least=some(least, MAX_ROWS),
        undocumented=some(data.undocumented, MAX_LISTED, missing),
        docstrings=some(data.docstrings.findings, MAX_LISTED, data.docstrings.total),
        documents=some(data.documents.findings, MAX_LISTED, data.documents.total),
        full=full_data(section, "documentation.json"),
    )


def _scalar(value: object) -> str:
    """Return a JSON value as one line; empty for nothing."""
    match value:
        case bool():
            return "yes" if value else "no"
        case str() | int() | float():
            return wording.cut(str(value), _MAX_FACT_CHARS)
        case dict():
            return wording.cut(", ".join(f"{key} {_scalar(each)}" for key, each in value.items()), _MAX_FACT_CHARS)
        case list():
            return wording.cut("; ".join(_scalar(each) for each in value), _MAX_FACT_CHARS)
        case _:
            return ""
