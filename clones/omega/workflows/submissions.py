"""What runs store in the ledger: their steps' tasks and the starts of their sub-workflows, each under its own id, once."""

from collections.abc import Collection, Mapping

import msgspec

from bus.client import Submitted, Submitter
from bus.ledger import entries
from bus.network import Network
from clones.omega.workflows.wake_ups import store_wake_up
from schemas import Priority, SchemaError, TaskAssignment, WorkflowStart, decode


class _Named(msgspec.Struct, frozen=True):
    id: str | None = None


class Submissions:
    """As `clones.omega.workflows.ports.Submissions`."""

    def __init__(self, network: Network, submitter: Submitter) -> None:
        self._network = network
        self._submitter = submitter

    async def submit(
        self, task_type: str, assignment: TaskAssignment, *, priority: Priority | None = None
    ) -> Submitted:
        """As `bus.client.Submitter.submit`."""
        return await self._submitter.submit(task_type, assignment, priority=priority)

    async def start_workflow(self, name: str, start: WorkflowStart) -> Submitted:
        """As `bus.client.Submitter.start_workflow`."""
        return await self._submitter.start_workflow(name, start)

    async def go_on(self, subject: str, start: WorkflowStart, *, mark: str, driven: int) -> None:
        """As in the port."""
        await store_wake_up(self._network, subject, start, mark=mark, driven=driven)

    async def stored(self, subject: str, ids: Collection[str], *, after: int) -> Mapping[str, int]:
        """As in the port: one reading of the subject for all of them."""
        found: dict[str, int] = {}
        async for message in entries(self._network, subject, start=after + 1):
            try:
                named: _Named = decode(_Named, message.data, message.headers.get("Content-Type"))
            except SchemaError:
                continue
            if named.id is not None and named.id in ids:
                found.setdefault(named.id, message.sequence)
                if len(found) == len(ids):
                    break
        return found
