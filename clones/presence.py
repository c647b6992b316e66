"""An instance's presence: a heartbeat each second, and an answer to whoever asks for its status."""

import asyncio
import logging
import os
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from bus.identity import Identity
from bus.network import Network
from bus.observer import Observer
from bus.worker import Worker
from schemas import (
    Heartbeat,
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


@dataclass(frozen=True, slots=True)
class About:
    """What an instance tells of itself that does not change."""

    identity: Identity
    version: str
    task_types: tuple[str, ...]
    metrics_url: str | None
    started_at: datetime


class Presence:
    """Tells of one worker; use as an async context manager. `state` is what it tells."""

    def __init__(self, network: Network, about: About, worker: Worker, tally: Tally) -> None:
        self._network = network
        self._about = about
        self._worker = worker
        self._tally = tally
        self._stack = AsyncExitStack()
        self.state: State = "starting"

    async def __aenter__(self) -> "Presence":
        subjects, identity = self._network.subjects, self._about.identity
        for subject in (
            subjects.status(),
            subjects.status(identity.clone),
            subjects.status(identity.clone, identity.instance),
        ):
            await self._network.client.subscribe(subject, cb=self._on_query)
        heartbeat = asyncio.create_task(self._beat())
        self._stack.callback(heartbeat.cancel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def response(self) -> StatusResponse:
        """Return this instance's status now."""
        about = self._about
        return StatusResponse(
            clone=about.identity.clone,
            instance=about.identity.instance,
            state=self.state,
            version=about.version,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=about.started_at,
            uptime_s=(datetime.now(UTC) - about.started_at).total_seconds(),
            task_types=about.task_types,
            in_flight=self._worker.in_flight,
            capacity=self._worker.capacity,
            succeeded=self._tally.succeeded,
            failed=self._tally.failed,
            reconnects=self._network.reconnects,
            metrics_url=about.metrics_url,
        )

    async def _on_query(self, message: Msg) -> None:
        if not message.reply:
            return
        try:
            if message.data:
                decode(StatusQuery, message.data)
            await message.respond(encode(self.response()))
        except SchemaError as error:
            headers = {"Nats-Service-Error-Code": "400", "Nats-Service-Error": f"no StatusQuery: {error.message}"}
            await self._network.client.publish(message.reply, b"", headers=headers)

    async def _beat(self) -> None:
        subject = self._network.subjects.heartbeat(self._about.identity.clone, self._about.identity.instance)
        while True:
            if self._network.is_connected():
                beat = Heartbeat(
                    clone=self._about.identity.clone,
                    instance=self._about.identity.instance,
                    state=self.state,
                    in_flight=self._worker.in_flight,
                    capacity=self._worker.capacity,
                    at=datetime.now(UTC),
                )
                try:
                    await self._network.client.publish(subject, encode(beat))
                except NatsError as error:
                    log.debug("no heartbeat: %s", error)
            await asyncio.sleep(HEARTBEAT_S)
