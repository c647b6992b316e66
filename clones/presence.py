"""An instance's presence: a heartbeat each second, and an answer to whoever asks for its status."""

import asyncio
import logging
import os
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from bus.errors import Disconnected
from bus.identity import OMEGA, Identity
from bus.network import Network
from bus.observer import Observer
from bus.queues import queue_statuses
from bus.routes import Revision
from bus.worker import Worker
from clones.queues import Queues
from schemas import (
    Heartbeat,
    QueueStatus,
    Route,
    SchemaError,
    State,
    StatusQuery,
    StatusResponse,
    TaskCompletion,
    TaskResult,
    decode,
    encode,
)

HEARTBEAT_S = 1.0
QUEUES_WITHIN_S = 0.2
"""What an answer waits for the queues at most: who is there must be told whatever JetStream does."""

log = logging.getLogger(__name__)


class Tally(Observer):
    """Counts what this instance has done."""

    def __init__(self) -> None:
        self.succeeded = 0
        self.failed = 0

    def settled(self, result: TaskResult, *, since_stored_s: float) -> None:
        """As in Observer."""
        if isinstance(result, TaskCompletion):
            self.succeeded += 1
        else:
            self.failed += 1

    @property
    def success_rate(self) -> float | None:
        """The share that completed, 0 to 1; None where nothing has ended."""
        ended = self.succeeded + self.failed
        return self.succeeded / ended if ended else None


@dataclass(frozen=True, slots=True)
class About:
    """What an instance tells of itself that does not change."""

    identity: Identity
    version: str
    metrics_url: str | None
    started_at: datetime
    handlers: tuple[str, ...]
    share: float | None


class Presence:
    """Tells of one worker; use as an async context manager."""

    def __init__(self, network: Network, about: About, worker: Worker, tally: Tally) -> None:
        self._network = network
        self._about = about
        self._worker = worker
        self._tally = tally
        self.routes: Revision | None = None
        """The routing table that is in use here."""
        self._stack = AsyncExitStack()
        self._state: State = "starting"
        self._queues = Queues(self._look_at_queues)

    @property
    def state(self) -> State:
        """What is told; a change of it is told at once, for this may be the last beat."""
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        if state != self._state:
            self._state = state
            self._beat()

    async def __aenter__(self) -> "Presence":
        subjects, identity = self._network.subjects, self._about.identity
        for subject in (
            subjects.status(),
            subjects.status(identity.clone),
            subjects.status(identity.clone, identity.instance),
        ):
            await self._network.client.subscribe(subject, cb=self._on_query)
        beating = asyncio.create_task(self._keep_beating())
        self._stack.callback(beating.cancel)
        self._stack.callback(self._queues.close)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def response(self) -> StatusResponse:
        """Return this instance's status now, within `QUEUES_WITHIN_S` and a little."""
        queues = await self._queues.within(QUEUES_WITHIN_S) if self._network.is_connected() else ()
        about, worker, tally, routes = self._about, self._worker, self._tally, self.routes
        services, problems = worker.services, worker.problems()
        return StatusResponse(
            clone=about.identity.clone,
            instance=about.identity.instance,
            state=self._state,
            version=about.version,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=about.started_at,
            uptime_s=(datetime.now(UTC) - about.started_at).total_seconds(),
            task_types=tuple(dict.fromkeys(service.task_type for service in services if service.place == 0)),
            in_flight=worker.in_flight,
            capacity=worker.capacity,
            succeeded=tally.succeeded,
            failed=tally.failed,
            reconnects=self._network.reconnects,
            metrics_url=about.metrics_url,
            fallback_types=tuple(service.task_type for service in services if service.place > 0),
            health="degraded" if problems else "ok",
            problems=problems,
            success_rate=tally.success_rate,
            queues=queues,
            routes_revision=routes.number if routes else 0,
            server_version=self._network.server_version,
            handlers=about.handlers,
            share=about.share,
        )

    async def _look_at_queues(self) -> tuple[QueueStatus, ...]:
        clone = self._about.identity.clone
        routes: Mapping[str, Route] = self.routes.routes.table.routes if self.routes else {}
        if clone == OMEGA:
            return await queue_statuses(self._network, routes, workflows=True)
        served = {service.task_type for service in self._worker.services}
        mine = {task_type: route for task_type, route in routes.items() if task_type in served}
        return await queue_statuses(self._network, mine, clone=clone)

    async def _on_query(self, message: Msg) -> None:
        if not message.reply:
            return
        try:
            if message.data:
                decode(StatusQuery, message.data)
        except SchemaError as error:
            headers = {"Nats-Service-Error-Code": "400", "Nats-Service-Error": f"no StatusQuery: {error.message}"}
            await self._network.client.publish(message.reply, b"", headers=headers)
        else:
            await message.respond(encode(await self.response()))

    async def _keep_beating(self) -> None:
        while True:
            self._beat()
            await asyncio.sleep(HEARTBEAT_S)

    def _beat(self) -> None:
        identity = self._about.identity
        beat = Heartbeat(
            clone=identity.clone,
            instance=identity.instance,
            state=self._state,
            in_flight=self._worker.in_flight,
            capacity=self._worker.capacity,
            at=datetime.now(UTC),
        )
        try:
            self._network.client.post(self._network.subjects.heartbeat(identity.clone, identity.instance), encode(beat))
        except (Disconnected, NatsError) as error:
            log.debug("no heartbeat: %s", error)
