"""Tasks that were handed to one clone which their type's route does not name any more: whoever is free gets them.

Nobody else takes from that clone's consumer, so Omega does, as a worker would: what is superseded or has ended is acknowledged,
what is parked stays parked there until a decision wakes it, and what is to run is stored once more where the type's tasks are.

Omega may die between any two steps, and several may do this at once. The event that puts the new assignment in charge is
stored on the condition that the one which was looked at is still the newest, and of the assignments under one id only the
one in charge runs; so one that was stored in vain costs an acknowledgement.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from nats.aio.msg import Msg

from bus.attempts import NotNow, Run, turn
from bus.consumers import ConsumerState, consumer_states
from bus.delivery import Delivery, acknowledge, hand_back, parse
from bus.errors import JetStreamError
from bus.identity import Identity
from bus.intake import Refusal, Request, read
from bus.jetstream import WRONG_LAST_SEQUENCE, last_of, publish
from bus.journal import event_of
from bus.network import Network
from bus.outcomes import failure
from bus.parking import KEPT_S
from bus.topology import PRIORITY_GROUP
from bus.unfinished import Source, handover_sources
from clones.omega.once import mark_of
from clones.omega.repeating import repeat
from clones.omega.submissions import stored_anew
from clones.routing import clones_of
from clones.tables import table_of
from schemas import ErrorCode, RoutingTable, TaskReassigned, encode, sequence_id

LOOK_EVERY_S = 1.0
AGAIN_S = 1.0
"""When one is looked at again that something else happens to."""
ANSWER_WITHIN_S = 5.0
AT_ONCE = 1000
"""So many of one consumer are moved before the others have their turn."""

log = logging.getLogger(__name__)


class Departed:
    """Moves such tasks, for one Omega."""

    def __init__(self, network: Network, identity: Identity, table: Callable[[], RoutingTable]) -> None:
        """Take what gives the routing table in force."""
        self._network = network
        self._identity = identity
        self._table = table

    async def run(self) -> None:
        """Look until cancelled."""
        await repeat(self.look, LOOK_EVERY_S, "move tasks of clones that no route names")

    async def look(self) -> None:
        """Move what waits now.

        Raises:
            SanctuaryError, TimeoutError: the network did not answer; what was not moved is moved the next time.
        """
        states = await consumer_states(self._network)
        if self._abandoned(states, self._table()):
            # Ours may be a moment old, and the clone named again by now.
            for source, clone in self._abandoned(states, await table_of(self._network, self._table())).items():
                await self._empty(source, clone)

    def _abandoned(self, states: dict[str, ConsumerState], table: RoutingTable) -> dict[Source, str]:
        # Of a type that nobody serves at all everything ends (`clones.omega.strays`).
        return {
            source: clone
            for source, clone in handover_sources(self._network.subjects, states).items()
            if not states[source.consumer].is_idle
            and (route := table.routes.get(source.task_type)) is not None
            and clone not in clones_of(route)
        }

    async def _empty(self, source: Source, clone: str) -> None:
        client = self._network.client
        inbox, arrived = client.new_inbox(), asyncio.Queue[Msg]()
        pull = f"$JS.API.CONSUMER.MSG.NEXT.{self._network.subjects.ledger}.{source.consumer}"
        one = msgspec.json.encode({"batch": 1, "no_wait": True, "group": PRIORITY_GROUP})
        subscription = await client.listen(inbox, arrived.put_nowait)
        try:
            for _ in range(AT_ONCE):
                client.post(pull, one, reply=inbox)
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    delivery = parse(await arrived.get())
                if delivery is None:
                    return  # none waits; one that runs is still its worker's
                await self._judge(source, clone, delivery)
        finally:
            if self._network.is_connected():
                await subscription.unsubscribe()

    async def _judge(self, source: Source, clone: str, delivery: Delivery) -> None:
        client, subjects = self._network.client, self._network.subjects
        request = read(subjects, source.task_type, delivery)
        if isinstance(request, Refusal):
            # Not under the id that it names: a body that is no task must not end somebody's task.
            nobodys = msgspec.structs.replace(request, id=sequence_id(delivery.sequence))
            refused = failure(self._identity, nobodys, ErrorCode.INVALID_ASSIGNMENT, request.message)
            await self._network.results.settle(refused)
            acknowledge(client, delivery)
            return
        if await self._has_ended(request):
            acknowledge(client, delivery)
            return
        newest = await last_of(self._network.requester, subjects.ledger, subjects.event(source.task_type, request.id))
        match turn(delivery.sequence, None if newest is None else event_of(newest)):
            case NotNow.SUPERSEDED:
                acknowledge(client, delivery)
            case NotNow.PARKED:
                hand_back(client, delivery, KEPT_S)
            case NotNow.EARLY:
                hand_back(client, delivery, AGAIN_S)
            case Run() as run:
                moved = await self._move(clone, delivery, request, run, newest.sequence if newest else 0)
                if moved:
                    acknowledge(client, delivery)
                else:
                    hand_back(client, delivery, AGAIN_S)

    async def _has_ended(self, request: Request) -> bool:
        if await self._network.results.read(request.task_type, request.id) is not None:
            return True
        # It may have waited here for longer than results are kept; the ledger has them for ever.
        subject = self._network.subjects.result(request.task_type, request.id)
        return await last_of(self._network.requester, self._network.subjects.ledger, subject) is not None

    async def _move(self, clone: str, delivery: Delivery, request: Request, run: Run, newest: int) -> bool:
        """Store the task for whoever is free; False where something else has happened to it meanwhile."""
        requester, subjects = self._network.requester, self._network.subjects
        body = encode(stored_anew(request, delivery.stored_at))
        headers = {"Nats-Msg-Id": mark_of("moved", delivery.sequence, delivery.stored_at)}
        stored = await publish(requester, subjects.task(request.task_type), body, headers=headers)
        event = TaskReassigned(
            task_id=request.id,
            task_type=request.task_type,
            clone=self._identity.clone,
            instance=self._identity.instance,
            attempt=run.attempt,
            forgiven=run.forgiven,
            at=datetime.now(UTC),
            sequence=stored.seq,
            reason=f"the route of {request.task_type} does not name {clone} any more",
        )
        headers = {"Nats-Expected-Last-Subject-Sequence": str(newest)}
        try:
            await publish(requester, subjects.event(request.task_type, request.id), encode(event), headers=headers)
        except JetStreamError as error:
            if error.err_code != WRONG_LAST_SEQUENCE:
                raise
            return False
        log.info("%s: %s %s goes on with whoever is free", event.reason, request.task_type, request.id)
        return True
