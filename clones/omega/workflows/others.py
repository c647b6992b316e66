"""What one run has to do with others: what an ended one leaves to the one that resumes it, and the end of sub-workflows."""

import asyncio

from bus.identity import Identity
from bus.intake import Request
from bus.journal import Journal
from bus.lease import TICK_S
from bus.ledger import entry
from bus.network import Network
from bus.outcomes import failure
from bus.subjects import WORKFLOW_TYPE
from bus.task import printable
from bus.wake import dismiss
from clones.omega.submissions import consumer_of, find_open
from clones.omega.workflows.ports import Kept
from clones.omega.workflows.telling import Run, Telling
from clones.workflows.left import not_undone
from clones.workflows.views import Expected, expected, finished, kept
from schemas import CancelRequested, ErrorCode, TaskAssignment, TaskCompletion

AT_ONCE = 64
"""Steps that are ended at the same time."""
STOPPED_WITHIN_S = 2 * TICK_S
"""A worker looks for a result of what it runs once a tick: later than this a run that has its result asks for nothing more."""


class Others:
    """As `clones.omega.workflows.ports.Others`."""

    def __init__(self, network: Network, identity: Identity, telling: Telling) -> None:
        self._network = network
        self._identity = identity
        self._telling = telling
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
            # Its start may be on its way still, from an Omega that was stopped for a while: it begins nothing.
            await self._end(Request(workflow_id, WORKFLOW_TYPE, TaskAssignment(params={}, id=workflow_id)), reason)
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
        # Until it learns of the result, what drives the run may ask for more, and would undo steps for one that is cancelled.
        await asyncio.sleep(STOPPED_WITHIN_S)
        run = await self._telling.run(workflow_id)
        if run is None:
            return set()
        wanted = expected(run.definition, run.state)
        ended: set[str] = set()
        for first in range(0, len(wanted), AT_ONCE):
            part = wanted[first : first + AT_ONCE]
            done = await asyncio.gather(*(self._end_step(run, each, reason) for each in part))
            ended.update(each.task_id for each, is_ended in zip(part, done, strict=True) if is_ended)
        return ended

    async def not_undone(self, workflow_id: str) -> tuple[str, ...]:
        """Return the steps of a run that are done and would be undone if it failed by itself; raises as `Telling`."""
        run = await self._telling.run(workflow_id)
        return () if run is None else not_undone(run.state)

    async def _end_step(self, run: Run, wanted: Expected, reason: str) -> bool:
        """Cancel what a run waits for; tells whether it is ended by this. A sub-workflow is told, and sees to its end itself."""
        if wanted.task_type == WORKFLOW_TYPE:
            await self.cancel(wanted.task_id, reason)
            return False
        begun = run.state.begun
        assignment = TaskAssignment(
            params={}, id=wanted.task_id, labels=begun.labels, parent_id=run.id, traceparent=begun.traceparent
        )
        is_ended = await self._end(Request(wanted.task_id, wanted.task_type, assignment), reason)
        last = await self._journal.last(wanted.task_type, wanted.task_id)
        stored = None if last is None or last.sequence is None else await entry(self._network, last.sequence)
        if stored is not None and (consumer := consumer_of(self._network.subjects, stored.subject)):
            await dismiss(self._network, consumer, stored.sequence)
        return is_ended

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
