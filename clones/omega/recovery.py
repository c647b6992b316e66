"""Letting a task go on that was parked, or that the clone which it was handed to has not taken; running one again that has ended.

Omega may die between any two steps, and the command is then carried out again, perhaps by two Omegas at once:

- The event that lets a parked task go on is stored on the condition that the event which was looked at is still the newest.
  So of several commands one moves the task, and a command that finds its own event has moved it.
- A new assignment carries the command's mark (`clones.omega.once`), under which nothing is stored twice.
- Waking comes last and is only ever a matter of time: what is not woken comes by itself within the hour.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from bus.consumers import consumer_state
from bus.errors import JetStreamError, SanctuaryError
from bus.identity import OMEGA, Identity
from bus.jetstream import WRONG_LAST_SEQUENCE, last_of, publish
from bus.journal import event_of
from bus.ledger import entries
from bus.network import Network
from bus.subjects import WORKFLOW_TYPE
from bus.task import Done, Task
from bus.wake import wake
from clones.omega.once import AGAIN, mark_of, store_once
from clones.omega.submissions import Submission, consumer_of, find_ended, find_open, stored_anew
from clones.omega.wording import how_it_ended, how_it_fares, of_task, refused, unknown
from clones.routing import clones_of
from schemas import (
    RecoveryAction,
    RoutingTable,
    TaskAssignment,
    TaskEvent,
    TaskParked,
    TaskResult,
    TaskResumed,
    decode,
    encode,
    new_id,
)

MOVED_TIMES = 5
"""How often a task may be moved by others while one command looks at it."""


class Recovery:
    """Carries out `retry` and `reassign` for one Omega."""

    def __init__(self, network: Network, identity: Identity, table: Callable[[], RoutingTable]) -> None:
        self._network = network
        self._identity = identity
        self._table = table

    async def go_on(self, command: Task, wanted: RecoveryAction) -> Done:
        """Let a parked task go on, or run an ended one again.

        Raises:
            TaskError: the task is neither, or the clone is none of its type's.
            SanctuaryError: the network did not answer; nothing is done twice when this is tried again.
        """
        self._check(wanted)
        for _ in range(MOVED_TIMES):
            # Looked for before anything else: what this command did earlier has changed what it would be judged by.
            if (resumed := await self._own_event(command, wanted)) is not None:
                return await self._resumed_before(wanted, resumed)
            result = await self._network.results.read(wanted.task_type, wanted.task_id)
            if result is not None:
                if wanted.by == OMEGA:
                    # Decided while it was parked; a person has cancelled or ended it since, and wants it no more.
                    raise refused(f"{how_it_ended(result)}; nothing is left to decide")
                return await self._again(command, wanted, result)
            event, sequence = await self._newest_event(wanted)
            if not isinstance(event, TaskParked | TaskResumed) or not await self._waits(wanted, event):
                raise refused(await self._why_not(wanted, event))
            if (done := await self._resume(command, wanted, event, sequence)) is not None:
                return done
        raise SanctuaryError(f"{of_task(wanted.task_type, wanted.task_id)} is being moved by others")

    def _check(self, wanted: RecoveryAction) -> None:
        route = self._table().routes.get(wanted.task_type)
        if wanted.task_type == WORKFLOW_TYPE or route is None:
            raise refused(
                "a workflow goes on by itself as long as an Omega runs; one that has failed begins anew, or where it failed, "
                "with `sanctuary workflow retry` or `resume`"
                if wanted.task_type == WORKFLOW_TYPE
                else f"no clone serves {wanted.task_type!r}; known: {', '.join(self._table().routes)}"
            )
        if wanted.action == "reassign" and wanted.clone not in clones_of(route):
            clones = ", ".join(clones_of(route))
            given = f"{wanted.clone} takes no {wanted.task_type} tasks" if wanted.clone else "no clone is named"
            raise refused(f"{given}; its route has: {clones}")

    async def _own_event(self, command: Task, wanted: RecoveryAction) -> TaskResumed | None:
        """Return the event by which this command has let the task go on before."""
        subject = self._network.subjects.event(wanted.task_type, wanted.task_id)
        async for message in entries(self._network, subject, start=command.sequence + 1):
            event = event_of(message)
            if isinstance(event, TaskResumed) and event.command == command.sequence:
                return event
        return None

    async def _newest_event(self, wanted: RecoveryAction) -> tuple[TaskEvent | None, int]:
        """Return the task's newest event and its number in the ledger."""
        subject = self._network.subjects.event(wanted.task_type, wanted.task_id)
        message = await last_of(self._network.requester, self._network.subjects.ledger, subject)
        return (None, 0) if message is None else (event_of(message), message.sequence)

    async def _waits(self, wanted: RecoveryAction, event: TaskParked | TaskResumed) -> bool:
        """Tell whether the task is parked, or has been handed to one clone that has not taken it: a person may choose another."""
        if isinstance(event, TaskParked):
            return True
        if wanted.action != "reassign" or wanted.by == OMEGA or event.to is None:
            return False
        consumer = self._network.subjects.handover_consumer(wanted.task_type, event.to)
        state = await consumer_state(self._network, consumer)
        return state is not None and event.sequence is not None and state.delivered.stream_seq < event.sequence

    async def _why_not(self, wanted: RecoveryAction, event: TaskEvent | None) -> str:
        found = await find_open(self._network, wanted.task_type, wanted.task_id, event)
        if found is None and event is None:
            return unknown(wanted.task_type, wanted.task_id)
        how = how_it_fares(wanted.task_type, wanted.task_id, event)
        return f"{how}; only a task that is parked or has ended can be recovered. `sanctuary task cancel` ends it"

    async def _resume(
        self, command: Task, wanted: RecoveryAction, newest: TaskParked | TaskResumed, sequence: int
    ) -> Done | None:
        """Let the task go on that `newest`, the ledger's entry `sequence`, tells of; None where it was moved meanwhile."""
        found = await find_open(self._network, wanted.task_type, wanted.task_id, newest)
        if found is None:
            raise refused(f"the assignment of {of_task(wanted.task_type, wanted.task_id)} is no longer in the ledger")
        in_charge = found.sequence
        if wanted.clone is not None:
            # Before the event that puts it in charge: a worker that has it hands it back until then.
            in_charge = await self._hand_over(command, wanted.clone, found)
        resumed = TaskResumed(
            task_id=wanted.task_id,
            task_type=wanted.task_type,
            clone=self._identity.clone,
            instance=self._identity.instance,
            attempt=newest.attempt,
            at=datetime.now(UTC),
            sequence=in_charge,
            forgiven=newest.attempt,
            command=command.sequence,
            to=wanted.clone,
            by=wanted.by,
            reason=wanted.reason,
        )
        subject = self._network.subjects.event(wanted.task_type, wanted.task_id)
        headers = {"Nats-Expected-Last-Subject-Sequence": str(sequence)}
        try:
            await publish(self._network.requester, subject, encode(resumed), headers=headers)
        except JetStreamError as error:
            if error.err_code != WRONG_LAST_SEQUENCE:
                raise
            return None
        await self._wake(found.subject, found.sequence)
        return _resumed(wanted)

    async def _resumed_before(self, wanted: RecoveryAction, resumed: TaskResumed) -> Done:
        newest, _ = await self._newest_event(wanted)
        # Once it has gone on, waking it would give it to a second worker.
        if newest == resumed and (parked := await self._parked_before(wanted, resumed)) is not None:
            found = await find_open(self._network, wanted.task_type, wanted.task_id, parked)
            if found is not None:
                await self._wake(found.subject, found.sequence)
        return _resumed(wanted)

    async def _parked_before(self, wanted: RecoveryAction, resumed: TaskResumed) -> TaskParked | None:
        """Return the last parking before the event `resumed`."""
        parked: TaskParked | None = None
        subject = self._network.subjects.event(wanted.task_type, wanted.task_id)
        async for message in entries(self._network, subject):
            event = event_of(message)
            if event == resumed:
                break
            if isinstance(event, TaskParked):
                parked = event
        return parked

    async def _hand_over(self, command: Task, clone: str, found: Submission) -> int:
        """Store the task for one clone alone, and return the new assignment's number."""
        handed = stored_anew(found.request, found.stored_at)
        subject = self._network.subjects.handover(found.request.task_type, clone)
        mark = mark_of("handover", command.sequence, command.stored_at)
        return (await store_once(self._network, subject, encode(handed), mark=mark, behind=command.sequence)).sequence

    async def _again(self, command: Task, wanted: RecoveryAction, ended: TaskResult) -> Done:
        """Run an ended task again, as a new one."""
        found = await find_ended(self._network, wanted.task_type, wanted.task_id)
        if found is None:
            raise refused(
                f"{how_it_ended(ended)}; what it was asked is no longer in the ledger, so it has to be submitted anew"
            )
        # Who waits for the first one has its result.
        new = msgspec.structs.replace(found.request.assignment, id=new_id(), retry_of=wanted.task_id, reply_to=None)
        subjects = self._network.subjects
        if wanted.clone is not None:
            subject = subjects.handover(wanted.task_type, wanted.clone)
        else:
            was_task = subjects.parse_task(found.subject) is not None
            subject = found.subject if was_task else subjects.task(wanted.task_type)
        mark = mark_of(AGAIN, command.sequence, command.stored_at)
        stored = await store_once(self._network, subject, encode(new), mark=mark, behind=command.sequence)
        standing: TaskAssignment = decode(TaskAssignment, stored.data)
        return Done(
            summary=f"{of_task(wanted.task_type, wanted.task_id)} runs again as {standing.id} ({how_it_ended(ended)})",
            output={**_output(wanted), "new_task_id": standing.id, "new_sequence": stored.sequence},
        )

    async def _wake(self, subject: str, sequence: int) -> None:
        consumer = consumer_of(self._network.subjects, subject)
        if consumer is not None:
            await wake(self._network, consumer, sequence)


def _resumed(wanted: RecoveryAction) -> Done:
    where = f" with {wanted.clone}" if wanted.clone else ""
    return Done(summary=f"{of_task(wanted.task_type, wanted.task_id)} goes on{where}", output=_output(wanted))


def _output(wanted: RecoveryAction) -> dict[str, Any]:
    told = {"action": wanted.action, "task_type": wanted.task_type, "task_id": wanted.task_id}
    return {**told, "clone": wanted.clone} if wanted.clone else told
