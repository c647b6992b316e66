"""nats-py's client with a short way out and in, for the messages of which every task needs several. Behaviour of nats-py 2.16.

nats-py's own `publish` and `subscribe` stay as they are, for everything else. The short way saves a coroutine for each
message that goes out, and a queue and a change of tasks for each that comes in: a third of what a task costs otherwise.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from bus.errors import Disconnected
from bus.quick_parser import QuickParser
from bus.steady_client import SteadyClient

Listener = Callable[[Msg], None]

_NOT_IN_SUBJECTS = re.compile(r"[ \t\r\n]")
_FLUSH_S = 2
_VERSION = b"NATS/1.0"
_LINE_ENDS = re.compile(r"[\r\n]")


class QuickClient(SteadyClient):
    """A client that can publish without waiting, and hear without a queue."""

    def __init__(self, *, demand_tls: bool) -> None:
        super().__init__(demand_tls=demand_tls)
        self._listeners: dict[int, Listener] = {}
        self._ps = QuickParser(self, self._on_message)

    def post(self, subject: str, payload: bytes, *, reply: str = "", headers: Mapping[str, str] | None = None) -> None:
        """Publish at the end of this turn of the event loop, together with what else is posted in it.

        A socket that is slow does not hold the caller back: what is under way is bounded by who waits for an answer to it.

        Raises:
            Disconnected: there is no connection just now; nothing was sent.
            nats.errors.BadSubjectError: no such subject can be.
            nats.errors.MaxPayloadError: the server does not take so much.
        """
        if self._status != Client.CONNECTED:
            raise Disconnected("not connected to the NATS server")
        if not subject or _NOT_IN_SUBJECTS.search(f"{subject}{reply}"):
            raise errors.BadSubjectError
        size = len(payload)
        if size > self._max_payload:
            raise errors.MaxPayloadError
        if headers is None:
            command = f"PUB {subject} {reply} {size}\r\n".encode()
        else:
            head = _head(headers)
            command = f"HPUB {subject} {reply} {len(head)} {len(head) + size}\r\n".encode() + head
        self.stats["out_msgs"] += 1
        self.stats["out_bytes"] += size
        self._pending += (command, payload, b"\r\n")
        self._pending_data_size += len(command) + size + 2
        if self._flush_queue is not None and self._flush_queue.empty():
            self._flush_queue.put_nowait(_nobody_waits())

    async def listen(self, subject: str, listener: Listener, *, queue: str = "") -> Subscription:
        """Subscribe; `listener` is called where the message is read, so it must be short. What it raises goes to `error_cb`.

        Where `queue` names a group, one of its members hears each message. `unsubscribe` and `drain` of the subscription
        work as they do for nats-py's own.
        """

        async def call(message: Msg) -> None:
            listener(message)

        subscription = await self.subscribe(subject, queue=queue, cb=call)
        self._listeners[subscription._id] = listener  # noqa: SLF001  the number that its messages come with
        return subscription

    async def end(self, subscription: Subscription) -> None:
        """End a subscription; what the server had sent by then is still heard, where it says so within 2 s."""
        if self.is_connected:
            with contextlib.suppress(errors.Error):
                await self._send_unsubscribe(subscription._id)  # noqa: SLF001  as above
                await self.flush(_FLUSH_S)
        if not self.is_closed and not self.is_draining:
            await subscription.unsubscribe()

    def _on_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes
    ) -> Awaitable[None] | None:
        listener = self._listeners.get(sid)
        if listener is None:
            return super()._process_msg(sid, subject, reply, data, headers)
        self.stats["in_msgs"] += 1
        self.stats["in_bytes"] += len(data)
        try:
            parsed = self._parse_headers(headers) if headers else None
            listener(_Message(self, subject.decode(), reply.decode(), data, parsed))
        except Exception as error:  # noqa: BLE001  it would end nats-py's read loop
            return self._error_cb(error)
        return None

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        # Messages that came in pieces take nats-py's way through the parser; they must not be overtaken by whole ones.
        waiting = self._on_message(sid, subject, reply, data, headers or b"")
        if waiting is not None:
            await waiting

    def _parse_headers(self, raw: bytes) -> dict[str, str]:
        """Return the headers, and the status of the server's own messages: `NATS/1.0 404 No Messages` (ADR-4)."""
        version, _, lines = raw.partition(b"\r\n")
        headers = self._parse_header_lines(lines)
        status, _, description = version[len(_VERSION) :].strip().decode("utf-8", "replace").partition(" ")
        if status:
            headers["Status"] = status
        if description:
            headers["Description"] = description
        return headers

    def _remove_sub(self, sid: int, max_msgs: int = 0) -> None:
        self._listeners.pop(sid, None)
        super()._remove_sub(sid, max_msgs)


class _Message(Msg):
    """nats-py's message; its own constructor takes as long as all else here together."""

    def __init__(self, client: Client, subject: str, reply: str, data: bytes, headers: dict[str, str] | None) -> None:
        self._client = client
        self.subject = subject
        self.reply = reply
        self.data = data
        self.headers = headers


def _head(headers: Mapping[str, str]) -> bytes:
    """Return headers as they are sent (ADR-4); a line end in one becomes a blank, as nats-py does it."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\r") + lines.count("\n") > 2 * len(headers):
        lines = "".join([_LINE_ENDS.sub(" ", f"{name}: {value}") + "\r\n" for name, value in headers.items()])
    return f"NATS/1.0\r\n{lines}\r\n".encode()


def _nobody_waits() -> "asyncio.Future[Any]":
    """Return what nats-py's flusher takes as the word to send; it would tell a future that is not done when that has happened."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future
