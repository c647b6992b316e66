"""The `review` workflow: all clones look at one target side by side, then Sigma reports over what they found."""

import asyncio
import hashlib
import shlex
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bus.client import Submitted, Submitter
from bus.journal import insist
from bus.task import Done, Handler, Task, TaskError
from clones.params import Target, describe_misfit
from schemas import ErrorCode, SchemaError, TaskAssignment, TaskCompletion, TaskFailure, TaskResult, convert, to_plain

STEP_TIMEOUT_S = 900.0
"""What each step may take where the input names nothing else: real test suites run longer than the routes' defaults."""
REPORT_TYPE = "documentation"


class ReviewInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `sanctuary.workflow.review` takes as `input`."""

    target: Target
    command: tuple[str, ...] | str = ()
    """What Beta profiles, an argument list or one line split as a shell would; empty: no performance analysis."""
    pytest_args: tuple[str, ...] = ()
    step_timeout_s: Annotated[float, Meta(ge=30, le=86400)] = STEP_TIMEOUT_S


class _Step(msgspec.Struct, frozen=True, kw_only=True):
    task_type: str
    params: dict[str, Any]


def plan(review: ReviewInput) -> tuple[_Step, ...]:
    """Return the steps that run side by side.

    Raises:
        ValueError: the command cannot be split into arguments.
    """
    target = {"target": review.target}
    command = _split(review.command) if isinstance(review.command, str) else list(review.command)
    steps = [
        _Step(task_type="security", params=target),
        _Step(task_type="architecture", params=target),
        _Step(task_type="testing", params={**target, "pytest_args": list(review.pytest_args)}),
    ]
    if command:
        steps.append(_Step(task_type="performance", params={**target, "command": command}))
    return tuple(steps)


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise ValueError(f"the command {command!r} cannot be split into arguments: {error}") from None


def step_id(workflow_id: str, step: str) -> str:
    """Return the id of a workflow's step: the same after any restart, so that no step runs under two ids."""
    return hashlib.sha256(f"{workflow_id}/{step}".encode()).hexdigest()[:32]


def review_handler(submitter: Submitter) -> Handler:
    """Return what Omega does for a WorkflowStart of `review`."""

    async def review(task: Task) -> Done:
        try:
            wanted = convert(ReviewInput, task.params)
            steps = plan(wanted)
        except SchemaError as error:
            raise TaskError.incompatible(describe_misfit("review", ReviewInput, error.message, field="input")) from None
        except ValueError as error:
            raise TaskError.incompatible(f"the review cannot use this input: {error}") from None
        run = _Run(submitter, task, wanted.step_timeout_s, total=len(steps) + 1)
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(run.step(step)) for step in steps]
        over = [
            {"task_type": submitted.task_type, "task_id": submitted.id, "sequence": submitted.sequence}
            for submitted in run.submitted.values()
        ]
        params = {"target": wanted.target, "report_over": over}
        report = await run.step(_Step(task_type=REPORT_TYPE, params=params))
        return conclude([*(step.result() for step in running), report])

    return review


def conclude(results: list[TaskResult]) -> Done:
    """Return the workflow's result, from its steps' with the report's last.

    `output`: `{"steps": [{"task_type", "task_id", "state", "clone", "summary" | "code", "message"}]}`.

    Raises:
        TaskError: `step_failed`, where there is no report.
    """
    report = results[-1]
    if isinstance(report, TaskFailure):
        if all(isinstance(result, TaskFailure) and result.code == report.code for result in results):
            # One cause, a target that nobody can read for example: it is told as itself.
            raise TaskError(report.code, report.message, retryable=False)
        raise TaskError(
            ErrorCode.STEP_FAILED,
            f"the report could not be written ({report.code}): {report.message}",
            details={"steps": [_line(result) for result in results]},
        )
    done = sum(isinstance(result, TaskCompletion) for result in results)
    return Done(
        summary=f"{done} of {len(results)} analyses done",
        output={"steps": [_line(result) for result in results]},
        artifacts=report.artifacts,
    )


def _line(result: TaskResult) -> dict[str, Any]:
    common = {"task_type": result.task_type, "task_id": result.task_id, "clone": result.clone}
    if isinstance(result, TaskCompletion):
        return {**common, "state": "completed", "summary": result.summary, "artifacts": to_plain(result.artifacts)}
    return {**common, "state": "failed", "code": result.code, "message": result.message}


class _Run:
    """One review under way, perhaps taken up again after another Omega died with it."""

    def __init__(self, submitter: Submitter, task: Task, timeout_s: float, total: int) -> None:
        self._submitter = submitter
        self._task = task
        self._timeout_s = timeout_s
        self._total = total
        self._done = 0
        self.submitted: dict[str, Submitted] = {}

    async def step(self, step: _Step) -> TaskResult:
        """Have a step done, and say so when it is."""
        # What a network that is away for a while, or full, refuses is asked for again: a workflow outlives that.
        submitted = await insist(lambda: self._submit(step))
        self.submitted[step.task_type] = submitted
        result = await self._submitter.result(step.task_type, submitted.id)
        self._done += 1
        self._task.report(self._done / self._total, f"{result.clone}: {step.task_type} is done")
        return result

    async def _submit(self, step: _Step) -> Submitted:
        """Submit a step, unless that was done before: stored a second time, it would run beside itself."""
        task_id = step_id(self._task.id, step.task_type)
        earlier = await self._submitter.find(step.task_type, task_id, since=self._task.stored_at)
        if earlier is not None:
            return earlier
        assignment = TaskAssignment(
            id=task_id,
            params=step.params,
            timeout_s=self._timeout_s,
            parent_id=self._task.id,
            labels=dict(self._task.labels),
            traceparent=self._task.traceparent,
        )
        return await self._submitter.submit(step.task_type, assignment)
