"""Carrying out a person's cancel of a run: it is told to end, which its driver sees to, and the person hears how far that is."""

from typing import Any

from bus.client import Submitter
from bus.network import Network
from bus.subjects import WORKFLOW_TYPE
from bus.task import Done, Task
from clones.omega.wording import how_it_ended, of_task, refused
from clones.omega.workflows.telling import Run, Telling
from clones.omega.workflows.waiting_words import with_steps
from clones.workflows.views import finished
from schemas import CancelRequested, TaskCancel, TaskCompletion, TaskResult

WITHIN_S = 5.0
"""How long the verdict waits for the run's end: steps that must be undone may take any time."""


async def cancel_run(
    network: Network, submitter: Submitter, telling: Telling, command: Task, wanted: TaskCancel
) -> Done | None:
    """Have a run cancelled; carried out again, it is told once. None: no run of this id has begun.

    `output`: `{"action", "task_type", "task_id", "ended", "steps": the ids of what was cancelled of it}`.

    Raises:
        TaskError: it has another end.
        SanctuaryError: the network did not answer; trying again repeats nothing.
    """
    workflow_id = wanted.task_id
    if not await _is_told(network, telling, command, wanted):
        return None
    result = await _result(submitter, workflow_id)
    run = await telling.run(workflow_id)
    steps = [] if run is None else sorted(_cancelled(run))
    told = of_task(WORKFLOW_TYPE, workflow_id)
    if isinstance(result, TaskCompletion):
        # It was completed when it was told, and nobody had stored its result yet.
        raise refused(_too_late(result))
    how = f"{told} is cancelled{with_steps(len(steps))}"
    if result is None:
        how = (
            f"{told} is being cancelled{with_steps(len(steps))}: what is done of it is undone first "
            f"(sanctuary workflow show {workflow_id})"
        )
    output: dict[str, Any] = {"action": "cancel", "task_type": WORKFLOW_TYPE, "task_id": workflow_id}
    return Done(summary=how, output={**output, "ended": result is not None, "steps": steps})


async def _is_told(network: Network, telling: Telling, command: Task, wanted: TaskCancel) -> bool:
    standing = await network.results.read(WORKFLOW_TYPE, wanted.task_id)

    def judge(run: Run) -> CancelRequested | None:
        requests = [event for event in run.events() if isinstance(event, CancelRequested)]
        if any(event.command == command.sequence for event in requests):
            return None
        if standing is not None:
            raise refused(_too_late(standing))
        if requests or finished(run.state) is not None:
            # It is on its way to its end already.
            return None
        return CancelRequested(by=wanted.by, reason=wanted.reason, command=command.sequence)

    return await telling.tell(wanted.task_id, judge) is not None


async def _result(submitter: Submitter, workflow_id: str) -> TaskResult | None:
    try:
        return await submitter.result(WORKFLOW_TYPE, workflow_id, timeout_s=WITHIN_S)
    except TimeoutError:
        return None


def _cancelled(run: Run) -> list[str]:
    return [part.task_id for step in run.state.steps.values() for part in step.parts if part.state == "cancelled"]


def _too_late(result: TaskResult) -> str:
    again = f"`sanctuary workflow retry {result.task_id}` begins it anew"
    return f"{how_it_ended(result)}, and a result is final. {again}"
