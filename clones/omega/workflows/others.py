"""What one run has to do with others: what an ended one leaves to the one that resumes it, and the end of sub-workflows."""

import asyncio
from collections.abc import Callable

from bus.identity import Identity
from bus.intake import Request
from bus.journal import Journal
from bus.lease import TICK_S
from bus.network import Network
from bus.outcomes import failure
from bus.subjects import WORKFLOW_TYPE
from bus.task import printable
from bus.wake import dismiss
from clones.omega.submissions import consumer_of, find_open, open_tasks
from clones.omega.workflows.ports import Kept
from clones.omega.workflows.telling import Run, Telling
from clones.workflows.views import finished, kept
from schemas import CancelRequested, ErrorCode, RoutingTable, TaskCompletion

STOPPED_WITHIN_S = 2 * TICK_S
"""A worker looks for a result of what it runs once a tick: later than this a run that has its result asks for nothing more."""


class Others:
    """As `clones.omega.workflows.ports.Others`."""

    def __init__(
        self, network: Network, identity: Identity, telling: Telling, table: Callable[[], RoutingTable]
    ) -> None:
        self._network = network
        self._identity = identity
        self._telling = telling
        self._table = table
        self._journal = Journal(network.requester, network.subjects)

    async def kept_of(self, workflow_id: str) -> Kept | None:
        """As in the port; None also where the run was completed: nothing is left to be done."""
        run = await self._telling.run(workflow_id)
        if run is None:
            return None
        # One that a person has ended has a result, and a history that goes on.
        result = await self._network.results.read(WORKFLOW_TYPE, workflow_id)
        if result is None or isinstance(result, TaskCompletion):
            return None
        ended, skipped = kept(run.definition, run.state)
        return Kept(run.definition.name, run.state.version, dict(run.state.begun.input), ended, skipped)

    async def cancel(self, workflow_id: str, reason: str) -> bool:
        """As in the port."""
        if await self._telling.tell(workflow_id, lambda run: _request(run, reason)) is not None:
            return True
        if await self._network.results.read(WORKFLOW_TYPE, workflow_id) is not None:
            return True
        found = await find_open(self._network, WORKFLOW_TYPE, workflow_id, None)
        if found is None:
            return False
        if await self._end(found.request, reason) and (consumer := consumer_of(self._network.subjects, found.subject)):
            await dismiss(self._network, consumer, found.sequence)
        # It may have begun at that very moment.
        await self.end_steps(workflow_id, reason)
        return True

    async def end_steps(self, workflow_id: str, reason: str) -> set[str]:
        """Cancel what a run has asked for that was given its result from outside: nobody drives it any more. Returns the ids.

        Raises:
            SanctuaryError: the network did not answer; trying again repeats nothing.
        """
        if await self._telling.run(workflow_id) is None:
            return set()
        ended = await self._end_steps(workflow_id, reason)
        # What drove it may have asked for more before it learnt of the result.
        await asyncio.sleep(STOPPED_WITHIN_S)
        return ended | await self._end_steps(workflow_id, reason)

    async def _end_steps(self, workflow_id: str, reason: str) -> set[str]:
        ended: set[str] = set()
        async for step in open_tasks(self._network, {*self._table().routes, WORKFLOW_TYPE}):
            if step.request.assignment.parent_id != workflow_id or step.request.assignment.parent_type is not None:
                continue
            if step.request.task_type == WORKFLOW_TYPE:
                await self.cancel(step.request.id, reason)
            elif await self._end(step.request, reason):
                ended.add(step.request.id)
                await dismiss(self._network, step.consumer, step.sequence)
        return ended

    async def _end(self, request: Request, reason: str) -> bool:
        """Give what was asked for its result, unless it has one; tells whether it was this."""
        last = await self._journal.last(request.task_type, request.id)
        attempt = last.attempt if last is not None else 0
        result = failure(self._identity, request, ErrorCode.CANCELLED, printable(reason), attempt=attempt)
        return (await self._network.results.settle(result)).won


def _request(run: Run, reason: str) -> CancelRequested | None:
    if finished(run.state) is not None or any(isinstance(event, CancelRequested) for event in run.events()):
        return None
    return CancelRequested(reason=reason)
