"""nats-py's protocol parser with a short way through for whole messages. Behaviour of nats-py 2.16.

Most of what a busy client reads is whole messages, many in one read. These are cut out of what was read where they lie;
nats-py's own parser matches patterns against its buffer, and moves it, for each. All else (a message that is not whole yet,
pings, errors, what is malformed) is left to it.
"""

from collections.abc import Awaitable, Callable, Container
from typing import Any

from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

Dispatch = Callable[[int, bytes, bytes, bytes, bytes], Awaitable[None] | None]
"""Takes subscription number, subject, reply subject, payload and headers (empty where there are none) of a message."""

_LINE_END = b"\r\n"


class QuickParser(Parser):
    """Hands messages to `dispatch`, and all else to the client as nats-py does."""

    def __init__(self, client: Any, dispatch: Dispatch) -> None:
        super().__init__(client)
        self._dispatch = dispatch
        self.behind = 0
        """How many bytes were read that `parse` has not been through yet."""

    def take(self, data: bytes, quick: Container[int], tell: Callable[[Awaitable[None]], None]) -> int:
        """Parse whole messages of the subscriptions in `quick` where they are read, if nothing that came before waits.

        Return how many bytes that were: the rest has to reach `parse`. What `dispatch` wants to be awaited goes to `tell`.
        """
        taken = 0
        if not self.behind and self.state == AWAITING_CONTROL_LINE and not self.buf:
            while taken < len(data) and (found := _message_at(data, taken)) is not None and found[0][0] in quick:
                message, taken = found
                waiting = self._dispatch(*message)
                if waiting is not None:
                    tell(waiting)
        self.behind += len(data) - taken
        return taken

    async def parse(self, data: bytes = b"") -> None:
        """Parse what was read."""
        try:
            await self._parse(data)
        finally:
            self.behind = max(0, self.behind - len(data))

    async def _parse(self, data: bytes) -> None:
        if self.state != AWAITING_CONTROL_LINE or self.buf:
            await super().parse(data)
            return
        start = 0
        while start < len(data) and (found := _message_at(data, start)) is not None:
            message, start = found
            waiting = self._dispatch(*message)
            if waiting is not None:
                await waiting
        if start < len(data):
            await super().parse(data[start:])


def _message_at(data: bytes, start: int) -> tuple[tuple[int, bytes, bytes, bytes, bytes], int] | None:
    """Return what `dispatch` takes, and where the next begins; None where no whole message begins at `start`."""
    line_end = data.find(_LINE_END, start)
    words = data[start:line_end].split()
    if line_end < 0 or not words:
        return None
    try:
        if words[0] == b"MSG":
            head = 0
        elif words[0] == b"HMSG":
            head = int(words.pop(-2))
        else:
            return None
        payload = line_end + 2 + head
        end = line_end + 2 + int(words[-1])
        subject, sid, reply = words[1], int(words[2]), words[3] if len(words) == 5 else b""
    except (ValueError, IndexError):
        return None
    if end < payload or end + 2 > len(data):
        return None
    return (sid, subject, reply, data[payload:end], data[line_end + 2 : payload]), end + 2
