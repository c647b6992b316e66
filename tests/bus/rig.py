"""A realm of its own on a real server, workers on connections of their own, and what the streams hold afterwards."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec

from bus.client import Submitted, Submitter
from bus.consumers import consumer_state
from bus.errors import RequestTimeout
from bus.identity import Identity
from bus.jetstream import PubAck, StoredMessage, publish, stored
from bus.network import Network, open_network
from bus.observer import Observer
from bus.server import EmbeddedServer
from bus.settings import ConnectionSettings
from bus.subjects import PRIORITIES, Subjects
from bus.task import Done, Handler, Service, Task, TaskError
from bus.topology import Limits, ensure
from bus.worker import Worker
from schemas import (
    AnyTaskEvent,
    Backoff,
    ErrorCode,
    Priority,
    TaskAssignment,
    TaskEvent,
    TaskFailure,
    TaskResult,
    TaskStarted,
    decode,
)
from tests.bus.eventually import WITHIN_S, eventually

TYPE = "echo"
QUICK = Backoff(initial_s=0.02, maximum_s=0.05)

_serial = itertools.count(1)


def weights(subjects: Subjects, task_type: str) -> dict[str, int]:
    """The consumers of a type and their weights, a bare subject counting as medium."""
    by_priority: dict[Priority | None, int] = {None: 3, "high": 8, "medium": 3, "low": 1}
    return {subjects.consumer(task_type, priority): by_priority[priority] for priority in (None, *PRIORITIES)}


class Runs:
    """A handler that does as the task's `params` say, and keeps count.

    `sleep_s` waits; `held` waits until `released`; `fail` raises TaskError of that code, `until` the attempt of that number.
    """

    def __init__(self) -> None:
        self.starts: list[tuple[str, int]] = []
        self.finished: list[str] = []
        self.cancelled: list[str] = []
        self.running = 0
        self.most = 0
        self.released = asyncio.Event()

    def let_go(self) -> None:
        """Release those that are held now; those that come later are held."""
        self.released.set()
        self.released = asyncio.Event()

    def has_finished(self, count: int) -> bool:
        return len(self.finished) == count

    async def __call__(self, task: Task) -> Done:
        released = self.released
        self.starts.append((task.id, task.attempt))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(task.params.get("sleep_s", 0))
            if task.params.get("held"):
                await released.wait()
        except asyncio.CancelledError:
            self.cancelled.append(task.id)
            raise
        finally:
            self.running -= 1
        if "fail" in task.params and task.attempt < task.params.get("until", 1000):
            raise TaskError(task.params["fail"], "as asked")
        self.finished.append(task.id)
        return Done(summary="done", output=task.params.get("output", {"attempt": task.attempt}))


class Rig:
    """One realm."""

    def __init__(self, settings: ConnectionSettings, network: Network, submitter: Submitter) -> None:
        self.settings = settings
        self.network = network
        self.subjects = network.subjects
        self.submitter = submitter

    def service(self, handler: Handler, task_type: str = TYPE, **options: Any) -> Service:
        return Service(
            task_type=task_type,
            handler=handler,
            consumers=options.pop("consumers", None) or weights(self.subjects, task_type),
            **{"timeout_s": 20.0, "backoff": QUICK, **options},
        )

    @asynccontextmanager
    async def worker(
        self,
        handler: Handler,
        *,
        capacity: int = 8,
        name: str = "echo",
        types: Iterable[str] = (TYPE,),
        observer: Observer | None = None,
        drain_s: float = 0.0,
        **options: Any,
    ) -> AsyncIterator[Worker]:
        """A started worker, stopped at the end."""
        async with open_network(self.settings, self.subjects, name=name) as network:
            services = [self.service(handler, task_type, **options) for task_type in types]
            worker = Worker(network, services, Identity(name), capacity=capacity, observer=observer)
            await worker.start()
            try:
                yield worker
            finally:
                await worker.stop(drain_s)

    async def publish(
        self, body: bytes, task_type: str = TYPE, *, priority: Priority | None = None, content_type: str | None = None
    ) -> PubAck:
        """Store any bytes as a task, as a stranger to the SDK would."""
        headers = {"Content-Type": content_type} if content_type else None
        subject = self.subjects.task(task_type, priority)
        return await publish(self.network.requester, subject, body, headers=headers, timeout_s=WITHIN_S)

    async def run(
        self, params: Mapping[str, Any] | None = None, *, within_s: float = WITHIN_S, **fields: Any
    ) -> TaskResult:
        """Submit a task and return its result."""
        assignment = TaskAssignment(params=dict(params or {}), **fields)
        return await self.submitter.run(TYPE, assignment, timeout_s=within_s)

    async def result(self, task_id: str, task_type: str = TYPE, *, within_s: float = WITHIN_S) -> TaskResult:
        return await self.submitter.result(task_type, task_id, timeout_s=within_s)

    async def submit(self, task_id: str, params: Mapping[str, Any] | None = None, **fields: Any) -> Submitted:
        return await self.submitter.submit(TYPE, TaskAssignment(id=task_id, params=dict(params or {}), **fields))

    async def in_stream(self, stream: str, subject: str) -> list[StoredMessage]:
        """All messages of a subject (wildcards allowed), oldest first."""
        found: list[StoredMessage] = []
        following = 1
        while True:
            body = msgspec.json.encode({"seq": following, "next_by_subj": subject, "batch": 1000})
            get = f"$JS.API.DIRECT.GET.{stream}"
            answers = await self.network.requester.collect(get, body, timeout_s=WITHIN_S)
            messages = [message for message in map(stored, answers[:-1]) if message is not None]
            found += messages
            if len(messages) < 1000:
                return found
            following = messages[-1].sequence + 1

    async def results(self) -> list[StoredMessage]:
        return await self.in_stream(self.subjects.results, self.subjects.every("result"))

    async def events(self, task_id: str, task_type: str = TYPE) -> list[TaskEvent]:
        """What the ledger tells of a task, oldest first."""
        messages = await self.in_stream(self.subjects.ledger, self.subjects.event(task_type, task_id))
        return [decode(AnyTaskEvent, message.data) for message in messages]

    async def has_started(self, task_id: str, attempt: int = 1) -> bool:
        return any(isinstance(event, TaskStarted) and event.attempt == attempt for event in await self.events(task_id))

    async def all_settled(self) -> bool:
        return await self.unsettled() == 0

    async def unsettled(self, task_type: str = TYPE) -> int:
        """How many tasks wait or run.

        What waits is told by the ledger: a consumer counts a task a moment after its publisher has heard that it is stored.
        """
        total = 0
        for priority in (None, *PRIORITIES):
            state = await consumer_state(self.network, self.subjects.consumer(task_type, priority))
            assert state is not None
            waiting = {"seq": state.first_waiting, "next_by_subj": state.subject, "batch": 1}
            get = f"$JS.API.DIRECT.GET.{self.subjects.ledger}"
            first, *_ = await self.network.requester.collect(get, msgspec.json.encode(waiting), timeout_s=WITHIN_S)
            if stored(first) is not None:
                total += 1 + int((first.headers or {})["Nats-Num-Pending"])
            total += state.num_ack_pending
        return total


def failure(task_id: str, code: str = ErrorCode.CANCELLED, *, writer: str = "someone else") -> TaskFailure:
    """A result as Omega would write it."""
    return TaskFailure(
        task_id=task_id,
        task_type=TYPE,
        code=code,
        message="ended from outside",
        clone="omega",
        instance="omega-1",
        finished_at=datetime.now(UTC),
        writer=writer,
    )


class LeaseClock:
    """In place of the module `time` in `bus.lease`: goes as that does, and ahead of it after each `stop_for`."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead_s

    def stop_for(self, seconds: float) -> None:
        """Have that time have passed for all leases of this process, as when it was stopped for so long."""
        self._ahead_s += seconds


@asynccontextmanager
async def open_rig(
    server: EmbeddedServer, *, types: Iterable[str] = (TYPE,), limits: Limits | None = None
) -> AsyncIterator[Rig]:
    """A fresh realm with its streams, and consumers for `types`."""
    subjects = Subjects(f"realm{next(_serial)}")
    settings = server.settings_for("operator")
    async with open_network(settings, subjects, name="rig") as network, Submitter(network) as submitter:
        task_types = dict.fromkeys(types, ("echo",))

        async def made() -> bool:
            with contextlib.suppress(RequestTimeout):  # a disk with much else to do
                await ensure(network.requester, subjects, task_types=task_types, limits=limits)
                return True
            return False

        await eventually(made, within_s=2 * WITHIN_S)
        yield Rig(settings, network, submitter)
