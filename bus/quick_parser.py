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
_LINE_BYTES = 4096
"""As long as a server's line may be."""
_BEGUN_BYTES = 1024 * 1024
"""Messages up to this size are kept until they are whole: of larger ones, what is there would be copied too often."""


class QuickParser(Parser):
    """Hands messages to `dispatch`, and all else to the client as nats-py does."""

    def __init__(self, client: Any, dispatch: Dispatch) -> None:
        super().__init__(client)
        self._dispatch = dispatch
        self._begun = b""
        """The beginning of a message that is not whole yet; whatever is behind has been parsed."""
        self.behind = 0
        """How many bytes were read that `parse` has not been through yet."""

    def reset(self) -> None:
        """Begin anew, as with a new connection."""
        super().reset()
        self._begun = b""

    def take(self, data: bytes, quick: Container[int], tell: Callable[[Awaitable[None]], None]) -> bytes:
        """Parse messages of the subscriptions in `quick` where they are read, if nothing that came before waits.

        Return what has to reach `parse`. What `dispatch` wants to be awaited goes to `tell`. Of a message that is not whole
        yet, what is there is kept: waiting for it in `parse`, all that follows in a stream of many would wait there too.
        """
        if self.behind or self.state != AWAITING_CONTROL_LINE or self.buf:
            self.behind += len(data)
            return data
        if self._begun:
            data, self._begun = self._begun + data, b""
        taken = 0
        while taken < len(data) and (found := _message_at(data, taken)) is not None and found[0][0] in quick:
            message, taken = found
            waiting = self._dispatch(*message)
            if waiting is not None:
                tell(waiting)
        left = data[taken:]
        if _begins(left, quick):
            self._begun = left
            return b""
        self.behind += len(left)
        return left

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
        data, self._begun = self._begun + data, b""
        start = 0
        while start < len(data):
            found = _message_at(data, start)
            if found is not None:
                message, start = found
                waiting = self._dispatch(*message)
                if waiting is not None:
                    await waiting
                continue
            left = data[start:]
            if _begins(left, None):
                self._begun = left
                return
            # One line at a time: nats-py's parser would take all that follows, and in a stream of many come to no end of it.
            line_end = data.find(_LINE_END, start)
            start = len(data) if line_end < 0 else line_end + len(_LINE_END)
            await super().parse(data[len(data) - len(left) : start])
            if self.state != AWAITING_CONTROL_LINE or self.buf:
                await super().parse(data[start:])
                return


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


def _begins(data: bytes, quick: Container[int] | None) -> bool:
    """Tell whether `data` is the beginning of a message that may be kept, and of a subscription in `quick`, None: of any.

    Where its line is not whole, any is taken to be in `quick`.
    """
    if not any(word.startswith(data[: len(word)]) for word in (b"MSG ", b"HMSG ")):
        return False
    line_end = data.find(_LINE_END)
    if line_end < 0:
        return 0 < len(data) <= _LINE_BYTES
    words = data[:line_end].split()
    # A message with headers has their size before its own; a reply subject may be there or not.
    sizes = 2 if words[0] == b"HMSG" else 1
    try:
        subscription, size, head = int(words[2]), int(words[-1]), int(words[-sizes])
    except (ValueError, IndexError):
        return False
    is_message = len(words) - sizes in (3, 4) and 0 <= head <= size <= _BEGUN_BYTES
    return is_message and (quick is None or subscription in quick)
