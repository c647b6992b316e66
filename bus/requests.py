"""Requests over one connection: any number in flight, answered on one shared inbox, each with a time limit of its own.

nats-py's own `request` does this too; here an answer is a plain future (so that a caller can send many and then wait), a
request costs neither a task nor a timer, and a missing responder is an error of ours.
"""

import asyncio
import itertools
from typing import Any, Protocol

from nats.aio.msg import Msg

from bus.errors import Disconnected, NoResponders, RequestTimeout
from bus.quick_client import QuickClient

DEFAULT_TIMEOUT_S = 5.0
SWEEP_S = 0.25
"""How often overdue requests are looked for: a time limit is kept to within this."""


class _Subscription(Protocol):
    async def unsubscribe(self, limit: int = 0) -> None: ...


class _Pending:
    """A request that waits: for one answer, or for all until the one with a status that ends them."""

    __slots__ = ("deadline", "future", "parts", "subject", "timeout_s")

    def __init__(
        self, future: "asyncio.Future[Any]", subject: str, timeout_s: float, parts: list[Msg] | None, now: float
    ) -> None:
        self.future = future
        self.subject = subject
        self.timeout_s = timeout_s
        self.parts = parts
        self.deadline = now + timeout_s

    def extend(self, now: float) -> None:
        """Let the time limit begin anew."""
        self.deadline = now + self.timeout_s


def server_status(message: Msg) -> str | None:
    """Return the status in a message that is the server's own word; None for all others.

    A stored message comes back with its publisher's headers, and those may hold a `Status` too. It is known by its
    sequence, which the server writes behind them.
    """
    headers = message.headers
    return None if headers is None or "Nats-Sequence" in headers else headers.get("Status")


class Requester:
    """Sends requests; use as an async context manager."""

    def __init__(self, client: QuickClient, inbox: str | None = None) -> None:
        """Take where to be answered, with a token more; by default an inbox of the client's."""
        self._client = client
        self._tokens = itertools.count()
        self._waiting: dict[str, _Pending] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._inbox = (inbox or client.new_inbox()) + "."
        self._subscription: _Subscription | None = None

    async def __aenter__(self) -> "Requester":
        self._subscription = await self._client.listen(self._inbox + "*", self._on_answer)
        self._sweep_later()
        return self

    async def __aexit__(self, *_: object) -> None:
        subscription, self._subscription = self._subscription, None
        if self._sweep is not None:
            self._sweep.cancel()
        for pending in self._waiting.values():
            if not pending.future.done():
                # Not cancelled: whoever waits would take that for an order to stop itself.
                pending.future.set_exception(Disconnected(f"closed before {pending.subject} answered"))
                pending.future.exception()  # nobody has to wait any more
        self._waiting.clear()
        if subscription is not None and not self._client.is_closed and not self._client.is_draining:
            await subscription.unsubscribe()

    def post(self, subject: str, payload: bytes, *, headers: dict[str, str] | None = None) -> None:
        """Publish without an answer, ahead of all that is sent later.

        Raises:
            Disconnected: nothing was sent.
        """
        self._client.post(subject, payload, headers=headers)

    def send(
        self,
        subject: str,
        payload: bytes,
        *,
        headers: dict[str, str] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> "asyncio.Future[Msg]":
        """Send a request and return the future of its answer, which fails with RequestTimeout or NoResponders.

        Raises:
            Disconnected: the connection is closed, or there is none just now; nothing was sent.
        """
        return self._send(subject, payload, headers, timeout_s, None)

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        *,
        headers: dict[str, str] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Msg:
        """Return the first answer.

        Raises:
            RequestTimeout: none came within `timeout_s`; whether the request had an effect is unknown.
            NoResponders: nobody listens on `subject`, or this user may not publish there from its account.
            Disconnected: nothing was sent.
        """
        answer: Msg = await self._send(subject, payload, headers, timeout_s, None)
        return answer

    async def collect(self, subject: str, payload: bytes = b"", *, timeout_s: float = DEFAULT_TIMEOUT_S) -> list[Msg]:
        """Return all answers up to and with the one that has a status and no body, which ends them; raises as `request`.

        `timeout_s` is the longest silence between two of them: how long all take depends on their size.
        """
        answers: list[Msg] = await self._send(subject, payload, None, timeout_s, [])
        return answers

    def _send(
        self, subject: str, payload: bytes, headers: dict[str, str] | None, timeout_s: float, parts: list[Msg] | None
    ) -> "asyncio.Future[Any]":
        token = str(next(self._tokens))
        self._client.post(subject, payload, reply=self._inbox + token, headers=headers)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting[token] = _Pending(future, subject, timeout_s, parts, loop.time())
        return future

    def forget(self) -> None:
        """Fail what waits with RequestTimeout: answers to requests of a connection that is gone do not come any more."""
        for pending in self._waiting.values():
            if not pending.future.done():
                pending.future.set_exception(RequestTimeout(f"the connection broke before {pending.subject} answered"))
        self._waiting.clear()

    def _on_answer(self, message: Msg) -> None:
        token = message.subject[len(self._inbox) :]
        pending = self._waiting.get(token)
        if pending is None:
            return
        status = None if message.data else server_status(message)
        if pending.parts is not None:
            pending.parts.append(message)
            if status is None:
                pending.extend(asyncio.get_running_loop().time())
                return
        del self._waiting[token]
        if pending.future.done():
            return
        if status == "503":
            pending.future.set_exception(NoResponders("nobody answers there"))
        else:
            pending.future.set_result(message if pending.parts is None else pending.parts)

    def _sweep_later(self) -> None:
        self._sweep = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep_now)

    def _sweep_now(self) -> None:
        now = asyncio.get_running_loop().time()
        for token, pending in tuple(self._waiting.items()):
            if pending.future.done():
                del self._waiting[token]
            elif now >= pending.deadline:
                del self._waiting[token]
                pending.future.set_exception(RequestTimeout(f"no answer on {pending.subject} in time"))
        self._sweep_later()
