"""What a model is asked about each engine's findings. Pure."""

from collections import defaultdict
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from clones.engines.report import shapes
from clones.models.question import Entry, Item, Question

_MAX_LISTED = 20
"""Names or line numbers that one item is shown with."""


class Explanation(Entry, frozen=True, kw_only=True):
    """Beta: a finding, or where time goes."""

    why: Annotated[str, Meta(min_length=1, description="why it matters here, or why it probably does not")]
    what_to_do: Annotated[str, Meta(min_length=1, description="the change that mends it")]


class Step(Entry, frozen=True, kw_only=True):
    """Gamma: one step towards a design."""

    change: Annotated[str, Meta(min_length=1, description="the change to the structure")]
    why: Annotated[str, Meta(min_length=1, description="what it gains and what it costs")]


class Test(Entry, frozen=True, kw_only=True):
    """Delta: one part of a test strategy."""

    test: Annotated[str, Meta(min_length=1, description="what to test and how: unit, integration, property")]
    why: Annotated[str, Meta(min_length=1, description="which risk it covers")]


class Draft(Entry, frozen=True, kw_only=True):
    """Sigma: a text for one module."""

    text: Annotated[str, Meta(min_length=1, description="a draft of the module's documentation, to be checked")]


def question(task_type: str, data: dict[str, Any]) -> Question | None:
    """Return what to ask about an engine's data; None where no question is known for the type or the data have another shape."""
    try:
        found = shapes.read(task_type, data)
    except msgspec.ValidationError:
        return None
    return None if found is None else _QUESTIONS[type(found)](found)


def _security(data: shapes.SecurityData) -> Question:
    worst_first = sorted(data.findings, key=lambda each: shapes.SEVERITIES.index(each.severity))
    items = tuple(
        Item(
            about={
                "fingerprint": each.fingerprint,
                "title": each.title,
                "severity": each.severity,
                "file": each.file,
                "line": each.line,
            },
            facts={"rule": each.rule, "confidence": each.confidence, "message": each.message, "code": each.snippet},
        )
        for each in worst_first
    )
    return Question(
        instructions="The items are findings of security scanners. Order your entries by what should be mended first.",
        entry=Explanation,
        items=items,
    )


def _performance(data: shapes.PerformanceData) -> Question:
    own = [each for each in data.hot if each.kind in ("", "target")] or data.hot
    items = tuple(
        Item(
            about={"title": each.function, "file": each.file, "line": each.line},
            facts={
                "self_s": each.self_s,
                "share_of_time": each.self_share,
                "total_s": each.total_s,
                "code": each.source,
            },
        )
        for each in own
    )
    return Question(
        instructions="The items are functions where a profiler saw time go. Order your entries by what is worth changing.",
        entry=Explanation,
        items=items,
    )


def _architecture(data: shapes.ArchitectureData) -> Question:
    cycles = [
        Item(
            about={"title": f"import cycle of {len(cycle)} modules"},
            facts={"kind": "import cycle", "modules": cycle[:_MAX_LISTED]},
        )
        for cycle in data.cycles
    ]
    spots = [
        Item(
            about={"title": each.function, "file": each.file, "line": each.line},
            facts={
                "kind": "complex function",
                "cyclomatic_complexity": each.complexity,
                "lines": each.nloc,
                "commits": each.churn,
            },
        )
        for each in data.hot_spots
    ]
    busiest = sorted(data.coupling, key=lambda each: each.afferent + each.efferent, reverse=True)
    modules = [
        Item(
            about={"title": each.module},
            facts={
                "kind": "much coupled module",
                "imported_by": each.afferent,
                "imports": each.efferent,
                "instability": each.instability,
            },
        )
        for each in busiest[:_MAX_LISTED]
    ]
    return Question(
        instructions="The items are what a structural analysis stands out with. Draft a better structure, step by step.",
        entry=Step,
        items=(*cycles, *spots, *modules),
        overview="the design that you propose, and what it gives up",
    )


def _testing(data: shapes.TestingData) -> Question:
    failures = [
        Item(
            about={"title": each.test, "file": each.file, "line": each.line},
            facts={"kind": "failing test", "message": each.message},
        )
        for each in data.failures
    ]
    gaps = sorted(
        (each for each in data.files if each.missing),
        key=lambda each: 100.0 if each.line_percent is None else each.line_percent,
    )
    files = [
        Item(
            about={"title": each.file, "file": each.file},
            facts={
                "kind": "file with untested lines",
                "lines_covered_percent": each.line_percent,
                "branches_covered_percent": each.branch_percent,
                "lines_without_a_test": each.missing[:_MAX_LISTED],
            },
        )
        for each in gaps
    ]
    return Question(
        instructions="The items are failing tests and files with untested lines. Draft a strategy: which tests to write first.",
        entry=Test,
        items=(*failures, *files),
        overview="the strategy: what to test first, at which level, and what to leave",
    )


def _documentation(data: shapes.DocumentationData) -> Question:
    names: dict[str, list[str]] = defaultdict(list)
    for each in data.undocumented:
        names[each.file].append(f"{each.kind} {each.name}")
    poorest = sorted(data.modules, key=lambda each: each.documented - each.total)
    items = tuple(
        Item(
            about={"title": each.module, "file": each.file},
            facts={
                "public_objects": each.total,
                "documented": each.documented,
                "undocumented": names[each.file][:_MAX_LISTED],
            },
        )
        for each in poorest
    )
    return Question(
        instructions="The items are modules and their public objects without documentation. Draft texts for those that need one most.",
        entry=Draft,
        items=items,
        overview="an introduction to the project for its documentation, as far as the names of its modules allow",
    )


_QUESTIONS: dict[type[shapes.EngineData], Callable[[Any], Question]] = {
    shapes.SecurityData: _security,
    shapes.PerformanceData: _performance,
    shapes.ArchitectureData: _architecture,
    shapes.TestingData: _testing,
    shapes.DocumentationData: _documentation,
}
