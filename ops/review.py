"""Running a review from outside: start the workflow, follow its clones, fetch the report."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from nats.aio.msg import Msg

from bus.artifacts import Artifacts
from bus.client import Submitter
from bus.errors import SanctuaryError
from bus.network import Network
from bus.subjects import WORKFLOW_TYPE
from clones.omega.review import ReviewInput, plan, step_id
from clones.tables import table_of
from schemas import (
    AnyTaskEvent,
    ArtifactRef,
    SchemaError,
    TaskCompletion,
    TaskEvent,
    TaskFailure,
    TaskProgress,
    TaskResult,
    TaskRetrying,
    TaskStarted,
    WorkflowStart,
    decode,
    new_id,
    to_plain,
)

REPORT_FILES = ("report.html", "report.md")


class StepNews(msgspec.Struct, frozen=True, kw_only=True):
    """How one step fares now."""

    clone: str
    task_type: str
    state: str
    """`waiting`, `running`, `retrying`, `completed` or `failed`."""
    fraction: float = 0.0
    text: str = ""
    flawed: bool = False
    """Of what is completed: as `is_flawed`."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A review that has ended."""

    workflow_id: str
    result: TaskResult
    steps: tuple[TaskResult, ...]
    files: tuple[Path, ...]
    """The report's files, where they were written to."""
    directories: tuple[Path, ...]
    """Where the files that the steps made were written to."""
    took_s: float


async def review(network: Network, wanted: ReviewInput, output: Path, on_news: Callable[[StepNews], None]) -> Reviewed:
    """Start a review, tell `on_news` how its steps fare, and write the report's files into the directory `output`.

    Raises:
        SanctuaryError: the network refused, or the report could not be fetched.
        ValueError: the input cannot be used.
    """
    begun = time.monotonic()
    workflow_id = new_id()
    types = [step.task_type for step in plan(wanted)] + ["documentation"]
    ids = {step_id(workflow_id, task_type): task_type for task_type in types}
    routes = (await table_of(network)).routes
    async with Submitter(network) as submitter:
        for task_type in types:
            clone = routes[task_type].clone if task_type in routes else ""
            on_news(StepNews(clone=clone, task_type=task_type, state="waiting"))
        follow = [asyncio.create_task(_follow_result(submitter, ids[task_id], task_id, on_news)) for task_id in ids]
        subscriptions = [
            await network.client.subscribe(network.subjects.event(task_type, task_id), cb=_listener(on_news))
            for task_id, task_type in ids.items()
        ]
        try:
            start = WorkflowStart(id=workflow_id, input=to_plain(wanted))
            await submitter.start_workflow("review", start)
            result = await submitter.result(WORKFLOW_TYPE, workflow_id)
            steps = await _known_results(network, ids)
        finally:
            for task in follow:
                task.cancel()
            await asyncio.gather(*follow, return_exceptions=True)
            for subscription in subscriptions:
                await subscription.unsubscribe()
    files = await _fetch(network, result, steps, output) if isinstance(result, TaskCompletion) else ()
    directories = tuple(output / step.task_type for step in steps if isinstance(step, TaskCompletion))
    return Reviewed(workflow_id, result, steps, files, directories, time.monotonic() - begun)


async def _known_results(network: Network, ids: dict[str, str]) -> tuple[TaskResult, ...]:
    found = [await network.results.read(task_type, task_id) for task_id, task_type in ids.items()]
    return tuple(result for result in found if result is not None)


async def _follow_result(
    submitter: Submitter, task_type: str, task_id: str, on_news: Callable[[StepNews], None]
) -> None:
    result = await submitter.result(task_type, task_id)
    if isinstance(result, TaskFailure):
        on_news(_news(result, "failed", 1.0, f"{result.code}: {result.message}"))
    else:
        done = _news(result, "completed", 1.0, result.summary)
        on_news(msgspec.structs.replace(done, flawed=is_flawed(result)))


def is_flawed(result: TaskCompletion) -> bool:
    """Tell whether the task was done and yet not all is well with its target: tests failed, or not all of them ran."""
    if result.task_type != "testing" or not isinstance(result.output, dict):
        return False
    left_out = result.output.get("not_analysed") or ()
    data = result.output.get("data") or {}  # large data travel as an artifact
    counts = data.get("counts") or {}
    return any(each.get("subject") == "tests" for each in left_out) or bool(
        counts.get("failed") or counts.get("errors")
    )


def _listener(on_news: Callable[[StepNews], None]) -> Callable[[Msg], Coroutine[None, None, None]]:
    async def on_message(message: Msg) -> None:
        try:
            event: AnyTaskEvent = decode(AnyTaskEvent, message.data)
        except SchemaError:
            return
        if isinstance(event, TaskProgress):
            on_news(_news(event, "running", event.fraction, event.message))
        elif isinstance(event, TaskStarted):
            on_news(_news(event, "running", 0.0, f"attempt {event.attempt}" if event.attempt > 1 else ""))
        elif isinstance(event, TaskRetrying):
            on_news(_news(event, "retrying", 0.0, f"{event.code}: {event.message}"))

    return on_message


def _news(told: TaskEvent | TaskResult, state: str, fraction: float = 0.0, text: str = "") -> StepNews:
    return StepNews(clone=told.clone, task_type=told.task_type, state=state, fraction=fraction, text=text)


async def _fetch(
    network: Network, result: TaskCompletion, steps: Iterable[TaskResult], output: Path
) -> tuple[Path, ...]:
    """Write the report's files into `output` and what the steps made into `output/<task type>`; returns the report's."""
    artifacts = Artifacts(network)
    report = [await _write(artifacts, ref, output) for ref in result.artifacts if ref.filename in REPORT_FILES]
    for step in steps:
        if isinstance(step, TaskCompletion):
            for ref in step.artifacts:
                if ref.filename not in REPORT_FILES:
                    await _write(artifacts, ref, output / step.task_type)
    return tuple(report)


async def _write(artifacts: Artifacts, ref: ArtifactRef, directory: Path) -> Path:
    path = directory / ref.filename
    if (path.is_absolute() and not path.is_relative_to(directory)) or ".." in path.parts[len(directory.parts) :]:
        raise SanctuaryError(
            f"the artifact {ref.name!r} has a file name that leads out of {directory}: {ref.filename!r}"
        )
    await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
    await artifacts.get(ref.name, path)
    return path
