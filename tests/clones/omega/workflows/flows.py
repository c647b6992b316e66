"""Definitions to run, clones that count what they do, and how to put, start and look at runs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from bus.definitions import create
from bus.histories import Histories
from bus.subjects import WORKFLOW_TYPE
from bus.task import Done, Task, TaskError
from schemas import (
    TaskAssignment,
    WorkflowCompletion,
    WorkflowDefinition,
    WorkflowEntry,
    WorkflowFailure,
    WorkflowInForce,
    WorkflowStart,
    convert,
    decode,
)
from tests.clones.rig import ClonesRig
from tests.conftest import CLONES


class Doers:
    """The handlers of all task types: each notes its task, waits where it is held, fails where told, and echoes its parameters."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.held: dict[str, asyncio.Event] = {}
        """By `params.target`."""
        self.failing: set[str] = set()
        """By `params.target`."""

    async def __call__(self, task: Task) -> Done:
        self.tasks.append(task)
        target = str(task.params.get("target"))
        if target in self.held:
            await self.held[target].wait()
        if target in self.failing:
            raise TaskError("engine_failed", f"{target} cannot be done")
        return Done(summary=f"{target} is done", output={"target": target, "number": len(self.tasks)})

    def hold(self, target: str) -> asyncio.Event:
        """Have the tasks with this target wait for the event that is returned."""
        return self.held.setdefault(target, asyncio.Event())

    @property
    def targets(self) -> list[str]:
        """The targets of all that began, in order."""
        return [str(task.params.get("target")) for task in self.tasks]

    def begun(self, *targets: str) -> Callable[[], bool]:
        return lambda: set(targets) <= set(self.targets)


@asynccontextmanager
async def clones(rig: ClonesRig, doers: Doers, *, capacity: int = 32) -> AsyncIterator[None]:
    """Every clone, each with these handlers."""
    async with AsyncExitStack() as stack:
        for clone, types in CLONES.items():
            await stack.enter_async_context(rig.clone(clone, dict.fromkeys(types, doers), capacity=capacity))
        yield


def definition(steps: dict[str, Any], name: str = "flow", **fields: Any) -> WorkflowDefinition:
    """A definition from plain values."""
    return convert(WorkflowDefinition, {"name": name, "steps": steps, **fields})


def task(target: str, *needs: str, **fields: Any) -> dict[str, Any]:
    """A step that has `target` looked at."""
    return {"task": "security", "params": {"target": target}, "needs": needs, **fields}


async def put(rig: ClonesRig, *definitions: WorkflowDefinition, version: int = 1) -> None:
    """Put definitions into force, as Omega would."""
    for each in definitions:
        assert await create(rig.network, WorkflowInForce(definition=each, version=version, at=datetime.now(UTC)))


async def start(rig: ClonesRig, name: str = "flow", workflow_id: str = "w", **fields: Any) -> None:
    await rig.submitter.start_workflow(name, WorkflowStart(id=workflow_id, **fields))


async def result(
    rig: ClonesRig, workflow_id: str = "w", *, within_s: float = 60.0
) -> WorkflowCompletion | WorkflowFailure:
    found = await rig.bus.result(workflow_id, WORKFLOW_TYPE, within_s=within_s)
    assert isinstance(found, WorkflowCompletion | WorkflowFailure), found
    return found


async def completed(rig: ClonesRig, workflow_id: str = "w", *, within_s: float = 60.0) -> WorkflowCompletion:
    found = await result(rig, workflow_id, within_s=within_s)
    assert isinstance(found, WorkflowCompletion), found
    return found


async def failed(rig: ClonesRig, workflow_id: str = "w", *, within_s: float = 60.0) -> WorkflowFailure:
    found = await result(rig, workflow_id, within_s=within_s)
    assert isinstance(found, WorkflowFailure), found
    return found


def states(ended: WorkflowCompletion | WorkflowFailure) -> dict[str, str]:
    return {line.step: line.state for line in ended.steps}


async def history(rig: ClonesRig, workflow_id: str = "w") -> list[WorkflowEntry]:
    return [written.entry for written in await Histories(rig.network).read(workflow_id)]


async def submitted(rig: ClonesRig) -> list[TaskAssignment]:
    """Every task that was stored, of whatever type and priority."""
    messages = await rig.bus.in_stream(rig.subjects.ledger, rig.subjects.every("task"))
    return [decode(TaskAssignment, message.data) for message in messages]
