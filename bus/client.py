"""Submitting tasks, and waiting for their results without missing any."""

import asyncio
import contextlib
import itertools
from dataclasses import dataclass
from datetime import datetime

import msgspec
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from bus.errors import Disconnected, RequestTimeout, SanctuaryError
from bus.group_commit import GroupCommit
from bus.intake import MAX_BODY_BYTES
from bus.ledger import entries
from bus.network import Network
from bus.subjects import WORKFLOW_TYPE
from schemas import Priority, SchemaError, TaskAssignment, TaskResult, WorkflowStart, decode, encode, new_id

LOOK_EVERY_S = 1.0
"""A waiter looks for the result this often, whatever it hears."""
RECONNECT_POLL_S = 0.1
SUBMIT_WITHIN_S = 25.0
"""How long a task is offered to a network that does not answer, or is not there just now."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A stored task."""

    task_type: str
    id: str
    sequence: int
    """In the ledger."""


class _Named(msgspec.Struct, frozen=True):
    id: str | None = None


class Submitter:
    """Submits tasks and waits for results on one network; any number at once. Use as an async context manager."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._inbox = f"_INBOX.{new_id()}."
        self._subscription: Subscription | None = None
        self._subscribing = asyncio.Lock()
        self._ledger = GroupCommit(network.requester)
        self._serial = itertools.count()
        self._wakes: dict[str, asyncio.Event] = {}

    async def __aenter__(self) -> "Submitter":
        self._forget = self._network.on_reconnect(self._wake_all)
        self._ticker = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ticker.cancel()
        self._forget()
        if self._subscription is not None and not self._network.client.is_closed:
            await self._subscription.unsubscribe()

    async def _listen(self) -> None:
        """Hear what is sent to the inbox. Nobody does before it is named: a clone, which never names it, may not hear everybody's."""
        async with self._subscribing:
            if self._subscription is None:
                self._subscription = await self._network.client.listen(self._inbox + "*", self._on_reply)

    def _on_reply(self, message: Msg) -> None:
        wake = self._wakes.get(message.subject[len(self._inbox) :])
        if wake is not None:
            wake.set()

    async def _tick(self) -> None:
        # A reply is best effort; the stored result is found without it, a little later.
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._wake_all()

    def _wake_all(self) -> None:
        for wake in self._wakes.values():
            wake.set()

    async def submit(
        self, task_type: str, assignment: TaskAssignment, *, priority: Priority | None = None
    ) -> Submitted:
        """Store a task, under a fresh random id where `assignment` has none, and return once it is stored.

        A publish without an answer is repeated, over reconnects too; the server knows the id and stores it once.

        Raises:
            ValueError: the assignment is larger than `MAX_BODY_BYTES`.
            StorageFull: the ledger takes no more; nothing was stored.
            RequestTimeout: no answer within `SUBMIT_WITHIN_S`; whether it was stored is unknown.
            Disconnected: no connection within that time; nothing was stored.
            NoResponders, JetStreamError: nothing was stored.
        """
        task_id = assignment.id or new_id()
        body = encode(assignment if assignment.id else msgspec.structs.replace(assignment, id=task_id))
        subject = self._network.subjects.task(task_type, priority)
        return Submitted(task_type, task_id, await self._store(subject, body, task_id))

    async def submit_body(self, task_type: str, body: bytes) -> int:
        """Store a body that may be no TaskAssignment as it is, and return its number in the ledger; otherwise as `submit`.

        The worker that takes it says what is wrong with it, also that it is too large.
        """
        return await self._offer(self._network.subjects.task(task_type), body, new_id())

    async def find(self, task_type: str, task_id: str, *, since: datetime) -> Submitted | None:
        """Return the task that was stored under this id, without a priority, at `since` or later; None where there is none.

        Raises:
            JetStreamError, RequestTimeout, NoResponders, Disconnected: the ledger could not be read.
        """
        async for message in entries(self._network, self._network.subjects.task(task_type), start=since):
            try:
                named: _Named = decode(_Named, message.data, message.headers.get("Content-Type"))
            except SchemaError:
                continue
            if named.id == task_id:
                return Submitted(task_type, task_id, message.sequence)
        return None

    async def start_workflow(self, name: str, start: WorkflowStart) -> Submitted:
        """Store a workflow start; otherwise as `submit`."""
        task_id = start.id or new_id()
        body = encode(start if start.id else msgspec.structs.replace(start, id=task_id))
        subject = self._network.subjects.workflow(name)
        return Submitted(WORKFLOW_TYPE, task_id, await self._store(subject, body, task_id))

    async def _store(self, subject: str, body: bytes, task_id: str) -> int:
        if len(body) > MAX_BODY_BYTES:
            raise ValueError(f"the task has {len(body):,} bytes and may have {MAX_BODY_BYTES:,}: upload large input")
        return await self._offer(subject, body, task_id)

    async def _offer(self, subject: str, body: bytes, task_id: str) -> int:
        headers = {"Nats-Msg-Id": f"{subject}.{task_id}"}
        clock = asyncio.get_running_loop().time
        deadline, unanswered = clock() + SUBMIT_WITHIN_S, None
        while True:
            try:
                return (await self._ledger.publish(subject, body, headers)).seq
            except RequestTimeout as error:
                unanswered = error
            except Disconnected as error:
                if clock() >= deadline:
                    # What was sent before the connection broke may be stored.
                    raise unanswered or error from None
                await asyncio.sleep(RECONNECT_POLL_S)
            if unanswered is not None and clock() >= deadline:
                raise unanswered

    async def result(self, task_type: str, task_id: str, *, timeout_s: float | None = None) -> TaskResult:
        """Return the task's result, now or when it is stored. Hearing of it only wakes: what counts is what is stored.

        Raises:
            TimeoutError: none within `timeout_s`; the task lives on.
        """
        waiter = f"{task_type} {task_id} {next(self._serial)}"
        wake = self._wakes[waiter] = asyncio.Event()
        wake.set()  # look at once: it may be there

        def heard(_: Msg) -> None:
            wake.set()

        subscription = await self._network.client.listen(self._network.subjects.result(task_type, task_id), heard)
        try:
            async with _within(timeout_s):
                return await self._read_when(wake, task_type, task_id)
        finally:
            del self._wakes[waiter]
            if not self._network.client.is_closed:
                await subscription.unsubscribe()

    async def run(
        self,
        task_type: str,
        assignment: TaskAssignment,
        *,
        priority: Priority | None = None,
        timeout_s: float | None = None,
    ) -> TaskResult:
        """Submit a task and return its result; raises as `submit` and `result` do.

        The result is announced on an inbox of this submitter, named in `reply_to`: one subscription serves all tasks.
        """
        task_id = assignment.id or new_id()
        waiter = str(next(self._serial))  # not the id: several may wait for one task
        wake = self._wakes[waiter] = asyncio.Event()
        try:
            async with _within(timeout_s):
                await self._listen()
                reply_to = assignment.reply_to or self._inbox + waiter
                complete = msgspec.structs.replace(assignment, id=task_id, reply_to=reply_to)
                await self.submit(task_type, complete, priority=priority)
                return await self._read_when(wake, task_type, task_id)
        finally:
            del self._wakes[waiter]

    async def _read_when(self, wake: asyncio.Event, task_type: str, task_id: str) -> TaskResult:
        """Read the result each time that `wake` is set, until there is one."""
        while True:
            await wake.wait()
            wake.clear()
            try:
                result = await self._network.results.read(task_type, task_id)
            except SanctuaryError:
                continue
            if result is not None:
                return result


def _within(timeout_s: float | None) -> contextlib.AbstractAsyncContextManager[object]:
    return contextlib.nullcontext() if timeout_s is None else asyncio.timeout(timeout_s)
