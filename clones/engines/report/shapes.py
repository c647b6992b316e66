"""The engines' `data` as the report reads it: unknown fields pass, missing ones are empty, a wrong type is told.

A result may come from another version of a clone, so nothing here is required but what a line of the report needs.
"""

from typing import Any, Literal

import msgspec

from clones.engines.report.checks import Check, Stated

Severity = Literal["critical", "high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One place on the way of a value to where it does harm."""

    file: str
    line: int
    message: str = ""
    snippet: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One security finding."""

    rule: str
    title: str
    severity: Severity
    confidence: str
    file: str
    line: int
    cwe: int | None = None
    snippet: str = ""
    message: str = ""
    how_to_check: str = ""
    engine: str = ""
    fingerprint: str = ""
    check: Check | None = None
    flow: list[Step] = []
    """The source first."""
    state: str = ""
    """`new` or `same`, against an earlier revision."""


class ScanEngine(msgspec.Struct, frozen=True, kw_only=True):
    """One analyser of the security scan."""

    name: str
    version: str = ""
    findings: int | None = None
    files_analysed: int | None = None
    duration_s: float | None = None
    command: list[str] = []
    """Run in the target it prints the same."""


class SetAside(msgspec.Struct, frozen=True, kw_only=True):
    """What an analyser reported and the clone does not count as a finding, and why."""

    rule: str
    title: str = ""
    count: int
    reason: str = ""


class TakenOut(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that a file of the target takes out of the count, and why."""

    rule: str
    file: str
    line: int
    by: str
    severity: str = ""
    title: str = ""
    reason: str = ""


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """What a file of the target knows from before."""

    file: str
    entries: int
    found_again: int = 0
    gone: list[str] = []
    gone_total: int = 0


class Fixed(msgspec.Struct, frozen=True, kw_only=True):
    """What the earlier revision had and this one has not."""

    rule: str
    file: str
    line: int
    severity: str = ""
    title: str = ""


class SecuritySince(msgspec.Struct, frozen=True, kw_only=True):
    """Against an earlier revision."""

    revision: str
    new: int
    same: int
    fixed_total: int
    fixed: list[Fixed] = []


class SecurityData(msgspec.Struct, frozen=True, kw_only=True):
    """Of `security`."""

    findings: list[Finding]
    counts: dict[str, int] = {}
    """All findings by severity; more than `findings` where the engine cut its list."""
    reviews: list[Finding] = []
    """Places to review, which are no findings."""
    reviews_total: int = 0
    engines: list[ScanEngine] = []
    set_aside: list[SetAside] = []
    suppressed_total: int | None = None
    """Taken back by comments in the target's code."""
    by_files: list[TakenOut] = []
    baseline: Baseline | None = None
    since: SecuritySince | None = None
    files_analysed: int | None = None


class HotFunction(msgspec.Struct, frozen=True, kw_only=True):
    """Where time went."""

    function: str
    file: str = ""
    line: int | None = None
    kind: str = ""
    """Whose code it is: `target`, `tests`, `third-party` or `stdlib`; empty where it is not told apart."""
    self_s: float
    self_share: float | None = None
    """0.0 to 1.0 of the profiled time."""
    total_s: float | None = None
    source: str = ""
    check: Check | None = None


class Change(Stated, frozen=True, kw_only=True):
    """One quantity at two revisions, or of two commands; `certain`: the difference is beyond the noise."""

    change_s: float
    change_percent: float | None = None
    noise_s: float
    interval_s: tuple[float, float] | None = None
    """Between which values the change lies with `confidence`; older results have none."""
    confidence: float | None = None
    certain: bool


class FunctionChange(Change, frozen=True, kw_only=True):
    """A function's own time."""

    function: str
    file: str = ""


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """A profile beside that of an earlier revision."""

    against: str
    rounds: int
    wall: Change
    cpu: Change | None = None
    functions: list[FunctionChange] = []


class PerformanceData(msgspec.Struct, frozen=True, kw_only=True):
    """Of `performance`."""

    hot: list[HotFunction]
    command: list[str] = []
    exit_status: int | None = None
    wall_s: float | None = None
    cpu_s: float | None = None
    sample_interval_s: float | None = None
    samples: int | None = None
    share_by_kind: dict[str, float] = {}
    """0.0 to 1.0 of the time, by whose code ran."""
    interrupted: bool = False
    stderr_tail: str = ""
    compared: Compared | None = None


class ImportLine(msgspec.Struct, frozen=True, kw_only=True):
    """One import, with the line that proves it; `deferred`: inside a function."""

    importer: str
    imported: str
    file: str
    line: int
    lines: list[int] = []
    """All that import it; empty in older results."""
    code: str = ""
    deferred: bool = False


class Cycle(msgspec.Struct, frozen=True, kw_only=True):
    """Modules that all import each other, directly or not; `shortest` is a way round, the last imports the first."""

    modules: list[str]
    shortest: list[str] = []
    imports: list[ImportLine] = []
    at_import_time: bool | None = None
    cut: list[ImportLine] = []
    """Imports without which there is no cycle."""
    cut_count: int = 0
    cut_is_least: bool = False
    """Whether it is proven that no others cost less."""
    cut_check: Check | None = None
    check: Check | None = None


class Orphan(msgspec.Struct, frozen=True, kw_only=True):
    """A module that nothing imports."""

    module: str
    file: str = ""


class HotSpot(msgspec.Struct, frozen=True, kw_only=True):
    """A function that is complex and changes often."""

    function: str
    file: str
    line: int
    complexity: int
    nloc: int | None = None
    churn: int | None = None
    """Commits that touched its file; None without a history."""
    check: Check | None = None


class Coupling(msgspec.Struct, frozen=True, kw_only=True):
    """A module's neighbours: `afferent` import it, `efferent` are imported by it; instability is efferent / both (Martin)."""

    module: str
    afferent: int
    efferent: int
    instability: float | None = None


class ArchitectureData(msgspec.Struct, frozen=True, kw_only=True):
    """Of `architecture`."""

    modules: int
    imports: int
    packages: list[Any] = []
    cycles: list[list[str]] = []
    cycle_details: list[Cycle] = []
    upward_imports: list[Any] = []
    """Dependencies against the layers."""
    orphans: list[Orphan] = []
    orphan_count: int | None = None
    layers: list[list[str]] = []
    """Top first."""
    hot_spots: list[HotSpot] = []
    coupling: list[Coupling] = []


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Tests by outcome."""

    total: int
    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    xfailed: int = 0
    xpassed: int = 0


class TestCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """Line and branch coverage of the target."""

    line_percent: float | None = None
    branch_percent: float | None = None
    lines_covered: int | None = None
    lines_total: int | None = None
    branches_covered: int | None = None
    branches_total: int | None = None


class CoveredFile(msgspec.Struct, frozen=True, kw_only=True):
    """Coverage of one file."""

    file: str
    line_percent: float | None = None
    branch_percent: float | None = None
    missing: list[Any] = []
    """Line numbers, or ranges as pairs or text."""


class SlowTest(msgspec.Struct, frozen=True, kw_only=True):
    """One of the slowest tests."""

    test: str
    duration_s: float


class TestFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A test that failed or broke."""

    test: str
    message: str = ""
    file: str | None = None
    line: int | None = None
    check: Check | None = None


class TestingData(msgspec.Struct, frozen=True, kw_only=True):
    """Of `testing`."""

    ran: bool
    reason: str = ""
    """Why no test ran, or why not all did."""
    command: list[str] = []
    counts: Counts | None = None
    duration_s: float | None = None
    coverage: TestCoverage | None = None
    files: list[CoveredFile] = []
    slowest: list[SlowTest] = []
    failures: list[TestFailure] = []
    failures_total: int | None = None
    collected: int | None = None
    deselected: int = 0
    environment: dict[str, Any] = {}


class DocumentedShare(msgspec.Struct, frozen=True, kw_only=True):
    """Documented public objects; `percent` is None of nothing."""

    documented: int
    total: int
    percent: float | None = None


class DocumentedModule(msgspec.Struct, frozen=True, kw_only=True):
    """One module's share."""

    module: str
    file: str
    documented: int
    total: int
    percent: float | None = None


class UndocumentedObject(msgspec.Struct, frozen=True, kw_only=True):
    """A public object without a docstring."""

    name: str
    kind: str
    file: str
    line: int
    check: Check | None = None


class DocumentFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a document, or a docstring, that does not hold."""

    rule: str
    file: str
    line: int
    message: str
    check: Check | None = None


class DocumentFindings(msgspec.Struct, frozen=True, kw_only=True):
    """Such places; `total` counts all."""

    total: int = 0
    findings: list[DocumentFinding] = []


class DocumentationData(msgspec.Struct, frozen=True, kw_only=True):
    """Of `documentation`."""

    coverage: DocumentedShare
    modules: list[DocumentedModule] = []
    undocumented: list[UndocumentedObject] = []
    undocumented_total: int | None = None
    pages: int | None = None
    command: list[str] = []
    documents: DocumentFindings = DocumentFindings()
    docstrings: DocumentFindings = DocumentFindings()


class ModelAdvice(msgspec.Struct, frozen=True, kw_only=True):
    """What a language model said about a task's data, which is none of them; see `clones.models.advice`."""

    model: str
    outcome: str
    problem: str = ""
    overview: str = ""
    entries: list[dict[str, Any]] = []
    not_shown: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    cost_usd: float | None = None
    took_s: float | None = None


EngineData = SecurityData | PerformanceData | ArchitectureData | TestingData | DocumentationData

_SHAPES: dict[str, type[EngineData]] = {
    "security": SecurityData,
    "performance": PerformanceData,
    "architecture": ArchitectureData,
    "testing": TestingData,
    "documentation": DocumentationData,
}


def is_known(task_type: str) -> bool:
    """Whether tasks of this type have a part of their own in the report."""
    return task_type in _SHAPES


def read(task_type: str, data: dict[str, Any]) -> EngineData | None:
    """Return `data` in the shape of its task type, None for a type that has no part of its own in the report.

    Raises `msgspec.ValidationError` where the data have another shape.
    """
    shape = _SHAPES.get(task_type)
    return None if shape is None else msgspec.convert(data, shape)


def read_advice(advice: Any) -> ModelAdvice | None:
    """Return a model's words as they stand in a result; None where there are none, or in a shape that is not known."""
    try:
        return msgspec.convert(advice, ModelAdvice | None)
    except msgspec.ValidationError:
        return None
