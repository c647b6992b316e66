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
from nats.aio.transport import TcpTransport

from bus.errors import Disconnected
from bus.quick_parser import QuickParser
from bus.steady_client import SteadyClient

Listener = Callable[[Msg], None]
RawListener = Callable[[bytes, bytes, bytes, bytes], None]
"""Takes a message's subject, reply subject, payload and header block (empty where there is none) as they came."""

_NOT_IN_SUBJECTS = re.compile(r"[ \t\r\n]")
_FLUSH_S = 2
_VERSION = b"NATS/1.0"
_LINE_ENDS = re.compile(r"[\r\n]")


class QuickClient(SteadyClient):
    """A client that can publish without waiting, and hear without a queue."""

    def __init__(self, *, demand_tls: bool) -> None:
        super().__init__(demand_tls=demand_tls)
        self._listeners: dict[int, RawListener] = {}
        self._ps: QuickParser = QuickParser(self, self._on_message)
        self._posted = 0
        """How many messages were posted in this turn of the event loop."""
        self._few = True
        """In the last turn in which there were any, it was one."""
        self._telling: set[asyncio.Future[Any]] = set()

    def post(self, subject: str, payload: bytes, *, reply: str = "", headers: Mapping[str, str] | None = None) -> None:
        """Publish: at once where few messages are posted, otherwise together with all others of this turn of the event loop.

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
        self._posted += 1
        if self._posted == 1:
            asyncio.get_running_loop().call_soon(self._turn_over)
        if self._posted == 1 and self._few and not self._pending_data_size and type(self._transport) is TcpTransport:
            # A lone call or answer need not wait for a change of tasks; where there is much to send, it goes in one piece.
            self._transport.write(b"".join((command, payload, b"\r\n")))  # type: ignore[no-untyped-call]  # nats-py's
            return
        self._pending += (command, payload, b"\r\n")
        self._pending_data_size += len(command) + size + 2
        if self._flush_queue is not None and self._flush_queue.empty():
            self._flush_queue.put_nowait(_nobody_waits())

    def _turn_over(self) -> None:
        self._few, self._posted = self._posted == 1, 0

    async def listen(self, subject: str, listener: Listener, *, queue: str = "") -> Subscription:
        """Subscribe; `listener` is called where the message is read, so it must be short. What it raises goes to `error_cb`.

        Where `queue` names a group, one of its members hears each message. `unsubscribe` and `drain` of the subscription
        work as they do for nats-py's own.
        """

        def hear(subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
            parsed = self.parse_headers(headers) if headers else None
            listener(_Message(self, subject.decode(), reply.decode(), data, parsed))

        return await self.listen_raw(subject, hear, queue=queue)

    async def listen_raw(self, subject: str, listener: RawListener, *, queue: str = "") -> Subscription:
        """As `listen`, with each message as it came: nothing of it is parsed."""
        # The number that its messages will come with, the first of which may be read before this goes on.
        number = self._sid + 1
        self._listeners[number] = listener
        try:
            # Without a callback of nats-py's, for each of which it keeps a task.
            return await self.subscribe(subject, queue=queue)
        except BaseException:
            self._listeners.pop(number, None)
            raise

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
            listener(subject, reply, data, headers)
        except Exception as error:  # noqa: BLE001  it would end nats-py's read loop
            return self._error_cb(error)
        return None

    async def _read_loop(self) -> None:
        # nats-py has done so when it gave the last connection up, which may have been read once more before it was closed.
        self._ps.reset()
        if type(self._transport) is TcpTransport:
            transport: Any = self._transport
            # What came right after the greeting is in the reader already; neither library has another way to tell.
            self._ps.behind = len(transport._io_reader._buffer)  # noqa: SLF001
            wire = transport._io_writer.transport  # noqa: SLF001
            wire.set_protocol(_ReadAhead(wire.get_protocol(), self._take))
        await super()._read_loop()

    def _take(self, data: bytes) -> bytes:
        return self._ps.take(data, self._listeners, self._tell)

    def _tell(self, waiting: Awaitable[None]) -> None:
        telling = asyncio.ensure_future(waiting)
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        # Messages that came in pieces take nats-py's way through the parser; they must not be overtaken by whole ones.
        waiting = self._on_message(sid, subject, reply, data, headers or b"")
        if waiting is not None:
            await waiting

    def parse_headers(self, raw: bytes) -> dict[str, str]:
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


class _ReadAhead(asyncio.Protocol):
    """Between the socket and nats-py's reader: what can be handled where it is read spares it a queue and a change of tasks."""

    def __init__(self, reader: Any, take: Callable[[bytes], bytes]) -> None:
        self._reader = reader
        self._take = take

    def data_received(self, data: bytes) -> None:
        if left := self._take(data):
            self._reader.data_received(left)

    def eof_received(self) -> bool | None:
        return bool(self._reader.eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        self._reader.connection_lost(exc)

    def pause_writing(self) -> None:
        self._reader.pause_writing()

    def resume_writing(self) -> None:
        self._reader.resume_writing()


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
