"""A limit to how many do something at once, that keeps together those who wait."""

import asyncio
from collections import deque


class Groups:
    """Lets `most` in at once, as a semaphore does; but when that many are in, the next come in as a group, once half have left.

    One by one, each message that is answered would send out one other alone, at three times the cost for the server and us.
    Use as an async context manager.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        if not self._waiting and self._inside < self._most:
            self._inside += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    def _leave(self) -> None:
        self._inside -= 1
        if self._inside > self._most // 2:
            return
        while self._waiting and self._inside < self._most:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._inside += 1
