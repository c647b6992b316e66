"""The parameters of each task type: what `params` of a TaskAssignment may hold.

Unknown fields are refused, so that a typo is told. The structs are light on purpose: the command line and Omega check
parameters with them and never import an engine.
"""

import shlex
from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.identifiers import TaskId, Token

Target = Annotated[str, Meta(min_length=1, max_length=4096)]
"""A directory, a git URL, or `artifact:<name>` for an uploaded archive."""


Budget = Annotated[float, Meta(ge=10, le=86400)]
"""Seconds that an engine may take which runs the target's code or may be long in looking at it; the building of an environment
for that code is included.

At its end the work is interrupted and what there is by then is reported; keep it below the task's `timeout_s`, whose end
leaves nothing."""


Revision = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9_]((?!\.\.)[A-Za-z0-9_./+~^-])*$")]
"""A tag, a branch or a commit of the target's history, also `HEAD~3`."""


Command = tuple[str, ...] | Annotated[str, Meta(max_length=65536)]
"""An argument list, or one line that is split into it as a POSIX shell splits words; no shell runs it."""


class TargetParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the parameters of every task type hold."""

    target: Target


class CommandParams(TargetParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the parameters of task types hold that may run a Python command of the target."""

    command: Command = ()
    """What starts a Python script or module: `["python", "-m", "mypkg"]`, `"script.py --fast"`. Empty: there is none."""

    def __post_init__(self) -> None:
        """Refuse a line that cannot be split, with a ValueError."""
        _ = self.argv

    @property
    def argv(self) -> tuple[str, ...]:
        """The command as an argument list."""
        if not isinstance(self.command, str):
            return self.command
        try:
            return tuple(shlex.split(self.command))
        except ValueError as error:
            raise ValueError(f"the command {self.command!r} cannot be split into arguments: {error}") from None


class SecurityParams(TargetParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Beta, `security`: scan the target's code, secrets, dependencies and configuration."""

    budget_s: Budget = 600.0
    since: Revision | None = None
    """A revision of the target's history to compare with: which findings are new, fixed and the same."""
    baseline: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    """The SARIF log of an earlier scan whose findings are known, a path relative to the target. Default:
    `.sanctuary-baseline.sarif`, where there is one."""


class PerformanceParams(CommandParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Beta, `performance`: profile one Python command, or where there is none the target's tests, in a copy of the target."""

    budget_s: Budget = 600.0
    against: Revision | None = None
    """A revision of the target's history to compare with: both are profiled `rounds` times, in turn."""
    beside: tuple[str, ...] = ()
    """Another Python command of the target to compare with, in the same way; in place of a revision."""
    rounds: Annotated[int, Meta(ge=2, le=30)] = 5
    """Four are the fewest that can tell a difference from noise."""
    memory: bool = True
    """Whether to run it once more with each allocation traced, which can take ten times as long as the profile."""

    def __post_init__(self) -> None:
        """Refuse two things to compare with at once, with a ValueError."""
        super().__post_init__()
        if self.beside and self.against is not None:
            raise ValueError("either `against` a revision or `beside` another command, not both")


class ArchitectureParams(TargetParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Gamma, `architecture`: module graph, cycles, layers, contracts, dead and duplicated code, hot spots, and diagrams."""

    budget_s: Budget = 600.0
    """Seconds after which what is not measured yet is left out, and told."""


class DesignParams(TargetParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Gamma, `design`: components that the imports propose, their contracts, risks, and a plan in stages."""

    budget_s: Budget = 600.0
    """Seconds after which what is not read or measured yet is left out, and told."""


class ScalabilityParams(CommandParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Gamma, `scalability`: the Universal Scalability Law over given points, or over a command run as 1, 2, 4 … copies at once."""

    points: Annotated[
        tuple[tuple[Annotated[float, Meta(ge=1, le=1e9)], Annotated[float, Meta(gt=0, le=1e15)]], ...],
        Meta(max_length=1000),
    ] = ()
    """Pairs of n (users, workers, nodes) and the throughput at it, in any one unit."""
    budget_s: Budget = 600.0


class ImpactParams(TargetParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Gamma, `impact`: which modules and tests depend on what was changed."""

    files: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=4096)], ...], Meta(max_length=1000)] = ()
    """Paths relative to the target. Empty: what was changed since `since`."""
    since: Revision | None = None
    """Default: the newest tag before HEAD."""


Percent = Annotated[float, Meta(ge=0, le=100)]


class Gates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run of the tests has to keep; a gate that is not set is not looked at."""

    no_failures: bool = False
    """No test fails or has an error."""
    line_percent: Percent | None = None
    """The least coverage of lines."""
    branch_percent: Percent | None = None
    diff_percent: Percent | None = None
    """The least coverage of the lines changed since `since`."""
    no_flaky: bool = False
    """No test changes its outcome in `shuffles` other orders."""
    max_duration_s: Annotated[float, Meta(gt=0)] | None = None
    """Of the tests, in their own order, under coverage."""


class TestingParams(TargetParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Delta, `testing`: run the target's tests with branch coverage in an isolated copy."""

    pytest_args: tuple[str, ...] = ()
    """Further arguments for pytest, for example `["tests/unit", "-k", "fast"]`."""
    budget_s: Budget = 600.0
    shuffles: Annotated[int, Meta(ge=0, le=50)] = 0
    """In how many other orders the tests are run again, to find those that are flaky or depend on the order."""
    since: Revision | None = None
    """A revision: the coverage of the lines changed since then is told, too."""
    gates: Gates | None = None
    """The task completes whether they are passed or not; its data say which are, and why."""
    network: bool = False
    """Whether the target's code, its build included, is given the network; the packages it needs are fetched either way."""


class CoveredFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a testing task says of one file; its other fields are passed over."""

    file: str
    missing: tuple[Annotated[str, Meta(pattern=r"^[0-9]{1,9}(-[0-9]{1,9})?$")], ...] = ()
    """Ranges of lines that no test ran."""


class StrategyParams(TargetParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Delta, `strategy`: what is untested and risky, ranked, with the cases to write for it and drafts of property tests."""

    coverage: tuple[CoveredFile, ...] | None = None
    """`files` of a testing task's output; without it, whether the tests name a function stands for it."""
    drafts: Annotated[int, Meta(ge=0, le=50)] = 10
    """For how many functions property tests are drafted and run, in a copy of the target; 0: nothing of it is run."""
    budget_s: Budget = 300.0
    """For the drafts."""


class MutationParams(TargetParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Delta, `mutation`: which small changes to the code no test notices, in a copy of the target."""

    files: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=4096)], ...], Meta(max_length=1000)] = ()
    """The files to change, relative to the target. Empty: those changed since `since`, or without it the riskiest."""
    since: Revision | None = None
    mutants: Annotated[int, Meta(ge=1, le=5000)] = 100
    """How many changes are tried, at most."""
    seed: Annotated[int, Meta(ge=0, le=2**31)] = 0
    """Decides which of the possible changes those are."""
    pytest_args: tuple[str, ...] = ()
    budget_s: Budget = 600.0
    network: bool = False
    """Whether the target's code, its build included, is given the network; the packages it needs are fetched either way."""


class TriageParams(CommandParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Delta, `triage`: whether a failure comes again, where it happens, and which commit brought it, in a copy of the target.

    A command, instead of tests, fails where its exit status is not 0.
    """

    tests: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=1000)], ...], Meta(max_length=100)] = ()
    """Names as pytest has them (`tests/test_a.py::test_b`). Empty, and no command: all are run, to find those that fail."""
    since: Revision | None = None
    """A revision at which it passed. Default: the newest tag before HEAD."""
    repeats: Annotated[int, Meta(ge=1, le=50)] = 5
    """How often each is run by itself."""
    budget_s: Budget = 600.0
    network: bool = False
    """Whether the target's code, its build included, is given the network; the packages it needs are fetched either way."""


class ReportSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task that a report is to be written over; or a step of a workflow that came to no task, and why."""

    task_type: Token
    task_id: TaskId | None = None
    sequence: Annotated[int, Meta(ge=1)] | None = None
    """The ledger sequence of its TaskAssignment, where it is known; the audit trail begins there."""
    state: str | None = None
    """Of the step, such as `skipped`; what a task with a result came to stands in that."""
    code: str | None = None
    message: str | None = None
    """Why there is no task, or no result of it."""


class DocumentationParams(TargetParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sigma, `documentation`: API reference and coverage; with `report_over`, one report over other tasks as well."""

    run_examples: bool = False
    """Whether the Python of documents and docstrings is run, in a copy of the target and without a network."""
    budget_s: Budget = 300.0
    """With `run_examples`, for all of it."""
    report_over: Annotated[tuple[ReportSource, ...], Meta(max_length=100)] = ()
    report_alone: bool = False
    """The report is written, and the target's API is neither described nor a chapter of it."""
    workflow: Annotated[str, Meta(min_length=1, max_length=100)] = "Review"
    """What the report is of, for its heading: `Release check`."""
    about: Annotated[str, Meta(max_length=1000)] = ""
    """What the report answers, below its heading."""


class ApiChangesParams(TargetParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sigma, `api-changes`: what of the public surface is gone, changed or new since an earlier version."""

    since: Revision | None = None
    """Default: the newest tag before HEAD."""
    against: Target | None = None
    """Another target that holds the earlier version, where the history does not; `since` is then left out."""


class CompareParams(ApiChangesParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the engine of `api-changes` gets: the task's parameters, and where the other target was opened."""

    against_path: str | None = None
    against_origin: str | None = None
    """Where it came from, for a person; `against_path` itself where that is there to stay."""


class ChangelogParams(TargetParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sigma, `changelog`: a draft of the changelog from the commits."""

    since: Revision | None = None
    """Default: the newest tag before HEAD; where there is none, the beginning."""


class KnowledgeParams(TargetParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sigma, `knowledge`: a searchable index of code and documents, with an overview and a glossary."""


class CodeMapParams(TargetParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Gamma, `code-map`: entry points, what each package is for, who uses whom, and an order to read it in."""


PARAMS: dict[str, type[TargetParams]] = {
    "security": SecurityParams,
    "performance": PerformanceParams,
    "architecture": ArchitectureParams,
    "design": DesignParams,
    "scalability": ScalabilityParams,
    "impact": ImpactParams,
    "testing": TestingParams,
    "strategy": StrategyParams,
    "mutation": MutationParams,
    "triage": TriageParams,
    "documentation": DocumentationParams,
    "api-changes": ApiChangesParams,
    "changelog": ChangelogParams,
    "code-map": CodeMapParams,
    "knowledge": KnowledgeParams,
}
"""The parameters of each task type."""
