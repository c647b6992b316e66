"""The ids of a run's steps: nobody knows them who cannot read its history."""

from functools import partial
from typing import Protocol

from bus.histories import Histories
from bus.network import Network
from clones.workflows.ids import step_id
from schemas import WorkflowBegun
from tests.bus.eventually import eventually


class IdOf(Protocol):
    """Gives the id of a step's task or sub-workflow."""

    def __call__(self, step: str, index: int | None = None, *, compensation: bool = False) -> str: ...


async def ids_of(network: Network, workflow_id: str = "w") -> IdOf:
    """What gives the ids of a run's steps, once it has begun."""
    begun: list[WorkflowBegun] = []

    async def has_begun() -> bool:
        for written in await Histories(network).read(workflow_id):
            begun.extend(event for event in written.entry.events if isinstance(event, WorkflowBegun))
        return bool(begun)

    await eventually(has_begun, within_s=60)
    return partial(step_id, workflow_id, secret=begun[0].secret)
