"""How much may be on its way to a worker that it has not taken yet."""

import asyncio

_WINDOW = 2048
"""Messages. A worker that reads more slowly than we write would be cut off by the server, and lose what waits for it."""


class _Window:
    __slots__ = ("received", "sent", "waiting")

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.waiting: list[asyncio.Future[None]] = []


class Windows:
    """The windows of one sender, by worker."""

    def __init__(self) -> None:
        self._windows: dict[str, _Window] = {}

    def sent(self, worker: str) -> None:
        """Count a message to a worker."""
        window = self._windows.get(worker)
        if window is None:
            window = self._windows[worker] = _Window()
        window.sent += 1

    def returned(self, worker: str) -> None:
        """Count one less: it did not arrive."""
        window = self._windows.get(worker)
        if window is not None:
            window.sent -= 1
            self._wake(window)

    def received(self, worker: str, count: int) -> None:
        """Note how many a worker has taken, of all that it was sent."""
        window = self._windows.get(worker)
        if window is not None:
            window.received = max(window.received, count)
            self._wake(window)

    def forget(self, worker: str) -> None:
        """Let those go on who waited for a worker that is gone."""
        window = self._windows.pop(worker, None)
        if window is not None:
            window.sent = window.received
            self._wake(window)

    def is_full(self, worker: str) -> bool:
        """Tell whether no more is to be sent for now."""
        window = self._windows.get(worker)
        return window is not None and window.sent - window.received >= _WINDOW

    async def room(self, worker: str) -> None:
        """Return once less than the window is on its way."""
        while self.is_full(worker):
            window = self._windows[worker]
            future = asyncio.get_running_loop().create_future()
            window.waiting.append(future)
            await future

    def _wake(self, window: _Window) -> None:
        if window.waiting and window.sent - window.received < _WINDOW:
            waiting, window.waiting = window.waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)
