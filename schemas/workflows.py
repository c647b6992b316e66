"""Workflows: what Omega is to have done by many clones, how far it has come, and when it is started.

A definition is language-neutral: the same fields as TOML, as JSON, and as these structs. Text may hold `${…}`, a JMESPath
expression (https://jmespath.org/specification.html) over `input`, `steps.<step>` and, in a fan-out, `item` and `index`; text
that is one expression and nothing else becomes the expression's value, of whatever type.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from schemas.base import Asked, Told
from schemas.identifiers import Token
from schemas.routes import Person, Priority, Retries, Words
from schemas.tasks import ArtifactRef, Labels, Seconds

MAX_STEPS = 1000
MAX_ITEMS = 10_000
"""Of one fan-out."""

Expression = Annotated[str, Meta(max_length=4096)]
"""JMESPath, without `${}` around it."""
Text = Annotated[str, Meta(max_length=65536)]
"""Text that may hold `${expression}`."""
SecondsOrText = Seconds | Text
"""A duration, or text that becomes one."""


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a definition is made of: unknown fields are refused."""


class InputField(Part, frozen=True, kw_only=True):
    """One field of a workflow's input."""

    kind: Literal["string", "number", "integer", "boolean", "list", "object", "any"] = "string"
    description: str = ""
    required: bool = False
    default: Any = None
    """What an input without the field has; None: null."""
    one_of: tuple[Any, ...] = ()
    """The values that it may have; empty: any of its kind."""


class Approval(Part, frozen=True, kw_only=True):
    """A person's Decision that a step waits for. A rejection fails the step with the code `rejected`."""

    prompt: Text = ""
    """What is to be decided, for a person."""
    timeout_s: SecondsOrText | None = None
    """How long it waits; the step then fails with `deadline_exceeded`. None: as long as the workflow may take."""


class Wait(Part, frozen=True, kw_only=True):
    """A timer: exactly one of the two."""

    for_s: SecondsOrText | None = None
    """Since the step became ready."""
    until: Text | None = None
    """A moment (RFC 3339, with its offset); one that has passed ends the wait at once."""


class Compensation(Part, frozen=True, kw_only=True):
    """The task that undoes a completed step when the workflow fails or is cancelled; the newest step is undone first.

    Its parameters may refer to the results of steps, its own step's among them.
    """

    task: Token
    params: dict[str, Any] = {}
    priority: Priority | None = None
    timeout_s: SecondsOrText | None = None
    retries: Retries | None = None


class Step(Part, frozen=True, kw_only=True):
    """One step: exactly one of `task`, `workflow`, `decision` and `wait`.

    It becomes ready when all steps in `needs` have ended and each of them is satisfied: completed, skipped by its own
    condition, or failed with `on_failure = "continue"`. Where one is not, the step is skipped, and so is what needs it.

    A step that fails with a branch (`on_failure` names it) forks the run: what needs the step goes on one way, the branch
    and what needs that on the other, and one of the two is skipped. A step outlives the failure, or the branch that was not
    taken, if it needs something from both sides of the fork; longer branch chains count too.
    """

    task: Token | None = None
    """The task type."""
    workflow: Token | None = None
    """A sub-workflow's name; it runs with the version that is current when the step begins."""
    decision: Approval | None = None
    wait: Wait | None = None
    description: str = ""
    params: dict[str, Any] = {}
    """Of the task, or the input of the sub-workflow. Any text in it may hold `${…}`."""
    needs: tuple[Token, ...] = ()
    when: Expression = ""
    """Looked at when the step is ready; false as JMESPath has it (false, null, and whatever is empty): the step is skipped."""
    foreach: Expression = ""
    """A list: the step is done once for each of its elements, as `item`, with its place as `index` from 0."""
    parallelism: Annotated[int, Meta(ge=1, le=MAX_ITEMS)] = 16
    """Elements of `foreach` at once."""
    priority: Priority | None = None
    """None: the workflow's own."""
    timeout_s: SecondsOrText | None = None
    """Start-to-close of one attempt of the task, or of the whole sub-workflow."""
    schedule_to_close_s: SecondsOrText | None = None
    """How long the task may take in all, waiting included."""
    retries: Retries | None = None
    """As in TaskAssignment."""
    cache: Literal["use", "refresh"] | None = None
    """As in TaskAssignment."""
    on_failure: Token = "fail"
    """`fail`: the workflow fails; `continue`: it goes on as if the step were done, without output; otherwise the step that is
    done in this case alone (the branch), after which the workflow goes on."""
    compensate: Compensation | None = None


class WorkflowDefinition(Part, frozen=True, kw_only=True):
    """A workflow. Once stored it has a version, which never changes; runs keep the version that they began with."""

    name: Token
    description: str = ""
    input: dict[Token, InputField] = {}
    """By name; an input with other fields is refused."""
    steps: Annotated[dict[Token, Step], Meta(min_length=1, max_length=MAX_STEPS)]
    output: Any = None
    """The result's output, with `${…}` over `input` and `steps`."""
    summary: Text = ""
    """The result's summary; empty: how many steps were done."""
    artifacts: tuple[Token, ...] = ()
    """The steps whose files the result names."""
    timeout_s: SecondsOrText | None = None
    """How long a run may take; its steps are then cancelled and those that are done are compensated."""


class WorkflowInForce(Told, frozen=True, kw_only=True):
    """A version of a definition, as the bucket `<realm>_workflows` holds it under the key `<name>.<version>`."""

    definition: WorkflowDefinition
    version: int
    """1 for the first."""
    at: datetime
    command: int = 0
    """The ledger sequence of the WorkflowPut; 0: it came with the product."""
    by: str = ""
    reason: str = ""


class WorkflowPut(Asked, frozen=True, kw_only=True):
    """Store this definition as the next version of its name: `sanctuary.command.workflow`."""

    definition: WorkflowDefinition
    by: Person = ""
    reason: Words = ""


class Schedule(Part, frozen=True, kw_only=True):
    """When a workflow is started: exactly one of `cron`, `every_s` and `at`."""

    workflow: Token
    input: dict[str, Any] = {}
    labels: Labels = {}
    cron: str | None = None
    """Five fields, as crontab(5)."""
    timezone: str = "UTC"
    """Of `cron`, by its IANA name."""
    every_s: Annotated[float, Meta(ge=1, le=31_536_000)] | None = None
    """Counted from when the schedule was stored."""
    at: Annotated[datetime, Meta(tz=True)] | None = None
    """Once. With its offset."""
    overlap: Literal["skip", "buffer_one", "cancel_other", "allow_all"] = "skip"
    """Where the run before is not over: start none, start one when it is over, cancel it, or run both."""
    catch_up_s: Annotated[float, Meta(ge=0, le=31_536_000)] = 60.0
    """Starts that were missed because no Omega was there are made up for if they are at most so old."""
    paused: bool = False


class ScheduleChange(Asked, frozen=True, kw_only=True):
    """Put this schedule into force under its name, or remove it: `sanctuary.command.schedule`."""

    name: Token
    schedule: Schedule | None = None
    """None: remove it."""
    by: Person = ""
    reason: Words = ""


class ScheduleInForce(Told, frozen=True, kw_only=True):
    """A schedule, as the bucket `<realm>_schedules` holds it under its name. Written by Omega, by compare-and-set."""

    schedule: Schedule
    at: datetime
    """When it was put into force with these times."""
    command: int
    """The ledger sequence of the newest ScheduleChange."""
    by: str = ""
    reason: str = ""
    done_until: datetime | None = None
    """The due times up to here are dealt with; None: none was due yet."""
    last_due: datetime | None = None
    """The due time of the newest run."""
    last_id: str | None = None
    """The newest run's id. It follows from name, command, due time and `secret`, so that no start is made twice."""
    buffered: datetime | None = None
    """The due time of the start that waits for the run before (`buffer_one`)."""
    secret: str = ""
    """What the ids of its runs are made with, so that nobody knows them beforehand who may not read this. Empty: they follow
    from the rest alone."""


StepState = Literal["pending", "running", "waiting", "completed", "failed", "skipped", "cancelled"]


class StepEnded(Told, frozen=True, kw_only=True):
    """A step's task or sub-workflow has a result, or a compensation's task has."""

    step: str
    index: int | None = None
    """Of the element, in a fan-out."""
    compensation: bool = False
    state: Literal["completed", "failed"]
    task_type: str
    """`workflow` for a sub-workflow."""
    task_id: str
    clone: str = ""
    output: Any = None
    """Those parts of the output that the definition refers to."""
    code: str = ""
    message: str = ""
    """A failure's message, or a completion's summary."""
    artifacts: tuple[ArtifactRef, ...] = ()
    """Where the definition names the step in `artifacts` or refers to them."""
    sequence: int | None = None
    """The ledger sequence of the assignment, where it is known."""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cached_from: str | None = None


class WorkflowBegun(Told, frozen=True, kw_only=True):
    """The first event of every run."""

    input: dict[str, Any]
    """With the defaults filled in."""
    labels: Labels = {}
    parent_id: str | None = None
    retry_of: str | None = None
    resumed: bool = False
    """Whether it goes on where the run `retry_of` failed; `kept` is what that one had completed."""
    kept: tuple[StepEnded, ...] = ()
    skipped: tuple[str, ...] = ()
    """The steps that that one had skipped by their conditions."""
    timeout_s: float | None = None
    traceparent: str | None = None
    priority: str | None = None
    secret: str = ""
    """What the ids of its steps' tasks and sub-workflows are made with, so that nobody knows them beforehand who may not read
    histories. Empty: they follow from the run's id alone."""


class DecisionMade(Told, frozen=True, kw_only=True):
    """A person has decided."""

    step: str
    verdict: Literal["approve", "reject"]
    decided_by: str
    comment: str = ""
    command: int
    """The ledger sequence of the Decision."""


class TimerFired(Told, frozen=True, kw_only=True):
    """A step's timer, or the limit of its decision, or the workflow's own limit (`step` empty) has passed."""

    step: str = ""


class CancelRequested(Told, frozen=True, kw_only=True):
    """The run is to end: somebody wants it to, or it cannot be driven on."""

    by: str = ""
    reason: str = ""
    command: int | None = None
    """The ledger sequence of the TaskCancel; None: the parent has ended, or the run cannot be driven on."""
    code: str = "cancelled"
    """What the run fails with."""


class StepInvalid(Told, frozen=True, kw_only=True):
    """A step cannot be begun, since Omega refused what its command asks for (an unknown task type, for example)."""

    step: str
    index: int | None = None
    code: str
    message: str


WorkflowEvent = WorkflowBegun | StepEnded | DecisionMade | TimerFired | CancelRequested | StepInvalid


class WorkflowEntry(Told, frozen=True, kw_only=True):
    """One step of a run's history: `sanctuary.history.<workflow_id>`, each written after the one before by compare-and-set.

    The state of a run is what its entries' events make of the definition, one after the other; nothing else is kept of it.
    """

    workflow_id: str
    workflow: str
    version: int
    at: datetime
    instance: str
    """The Omega that wrote it."""
    activation: int
    """The ledger sequence of the start, or the wake-up, under which this Omega drives the run. An Omega that finds entries of a
    later activation than its own lets go of it. What is told from outside (a decision) has the number of the entry before."""
    events: tuple[WorkflowEvent, ...] = ()
