"""Words to those who sent: which deliveries have settled, and how many have come. Those of one turn of the loop go together."""

import asyncio

from bus.agents import wire
from bus.agents.session import Session
from bus.errors import Disconnected

_EVERY = 256
"""After so many deliveries the sender is told, which keeps its window open."""


class _Waiting:
    __slots__ = ("faults", "numbers", "received")

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.faults: dict[int, wire.Fault] = {}
        self.received = 0


class Notices:
    """The notices of one worker."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._waiting: dict[str, _Waiting] = {}
        self._received: dict[str, int] = {}

    def received(self, inbox: str) -> None:
        """Count a delivery."""
        count = self._received[inbox] = self._received.get(inbox, 0) + 1
        if count % _EVERY == 0:
            self._for(inbox).received = count

    def settled(self, inbox: str, number: int, fault: wire.Fault | None) -> None:
        """Say that a delivery has settled."""
        waiting = self._for(inbox)
        waiting.numbers.append(number)
        if fault is not None:
            waiting.faults[number] = fault

    def _for(self, inbox: str) -> _Waiting:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._send)
        waiting = self._waiting.get(inbox)
        if waiting is None:
            waiting = self._waiting[inbox] = _Waiting()
        return waiting

    def _send(self) -> None:
        all_waiting, self._waiting = self._waiting, {}
        for inbox, waiting in all_waiting.items():
            done = wire.Done(waiting.numbers, waiting.faults, waiting.received, self._session.worker)
            try:
                self._session.client.post(f"{inbox}.done", wire.encode(done))
            except Disconnected:
                # Whoever waits finds out by watching.
                return
