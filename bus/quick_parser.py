"""nats-py's protocol parser with a short way through for whole messages. Behaviour of nats-py 2.16.

Most of what a busy client reads is whole messages, many in one read. These are cut out of what was read where they lie;
nats-py's own parser matches patterns against its buffer, and moves it, for each. All else (a message that is not whole yet,
pings, errors, what is malformed) is left to it.
"""

from collections.abc import Awaitable, Callable
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

    async def parse(self, data: bytes = b"") -> None:
        """Parse what was read."""
        if self.state != AWAITING_CONTROL_LINE or self.buf:
            await super().parse(data)
            return
        start, size = 0, len(data)
        while start < size:
            line_end = data.find(_LINE_END, start)
            words = data[start:line_end].split()
            if line_end < 0 or not words:
                break
            try:
                if words[0] == b"MSG":
                    head = 0
                elif words[0] == b"HMSG":
                    head = int(words.pop(-2))
                else:
                    break
                payload = line_end + 2 + head
                end = line_end + 2 + int(words[-1])
                subject, sid, reply = words[1], int(words[2]), words[3] if len(words) == 5 else b""
            except (ValueError, IndexError):
                break
            if end + 2 > size:
                break
            waiting = self._dispatch(sid, subject, reply, data[payload:end], data[line_end + 2 : payload])
            start = end + 2
            if waiting is not None:
                await waiting
        if start < size:
            await super().parse(data[start:])
