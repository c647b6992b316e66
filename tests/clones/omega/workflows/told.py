"""Commands that tell runs something, and what is seen of runs that wait."""

from collections.abc import Awaitable, Callable
from typing import Any

from bus.consumers import consumer_state
from bus.histories import Histories
from bus.sleepers import Sleepers
from bus.subjects import WORKFLOW_TYPE
from clones.omega.once import store_command
from clones.omega.workflows.wake_ups import mark_of, secret_of, store_wake_up
from clones.workflows.ids import new_proof
from schemas import (
    Command,
    Decision,
    TaskCancel,
    TaskCompletion,
    TaskFailure,
    WorkflowPut,
    WorkflowStart,
    sequence_id,
)
from tests.clones.rig import ClonesRig


async def verdict(rig: ClonesRig, command: Command) -> TaskCompletion:
    """Have a command carried out."""
    result = await _verdict(rig, command)
    assert isinstance(result, TaskCompletion), result
    return result


async def refusal(rig: ClonesRig, command: Command) -> TaskFailure:
    """Have a command refused."""
    result = await _verdict(rig, command)
    assert isinstance(result, TaskFailure), result
    return result


async def _verdict(rig: ClonesRig, command: Command) -> Any:
    sequence = await store_command(rig.network, command)
    return await rig.submitter.result("command", sequence_id(sequence), timeout_s=90)


def decision(step: str = "ask", verdict: Any = "approve", workflow_id: str = "w", **fields: Any) -> Decision:
    return Decision(workflow_id=workflow_id, step=step, verdict=verdict, decided_by="ann", **fields)


def cancel(workflow_id: str = "w", **fields: Any) -> TaskCancel:
    return TaskCancel(task_id=workflow_id, task_type=WORKFLOW_TYPE, **fields)


def putting(definition: Any, **fields: Any) -> WorkflowPut:
    return WorkflowPut(definition=definition, **fields)


def sleeps(rig: ClonesRig, workflow_id: str = "w") -> Callable[[], Awaitable[bool]]:
    """Tells whether a run only waits, and its message is acknowledged."""

    async def does() -> bool:
        standing = await Sleepers(rig.network).read(workflow_id)
        if standing.sleeper is None or standing.sleeper.woken_behind is not None:
            return False
        return await is_idle(rig)

    return does


async def is_idle(rig: ClonesRig) -> bool:
    """Tell whether nothing that starts or wakes a run is pending or held."""
    state = await consumer_state(rig.network, rig.subjects.workflows_consumer)
    return state is not None and state.is_idle


async def go_on(rig: ClonesRig, workflow_id: str = "w", name: str = "flow") -> None:
    """Have a run go on under a message of its own, as an Omega does."""
    history = await Histories(rig.network).read(workflow_id)
    mark = mark_of(new_proof(workflow_id, secret=secret_of(history)))
    subject, driven = rig.subjects.workflow(name), history[-1].entry.activation
    await store_wake_up(rig.network, subject, WorkflowStart(id=workflow_id), mark=mark, driven=driven)


async def activations(rig: ClonesRig, name: str = "flow") -> int:
    """How many starts and wake-ups of a workflow there were."""
    return len(await rig.bus.in_stream(rig.subjects.ledger, rig.subjects.workflow(name)))
