"""One request for tasks, as the server sees it (ADR-13, ADR-42): its words, its heartbeats, its end."""

import asyncio
import time
from collections.abc import Iterable

import msgspec
from nats.aio.msg import Msg

from bus.delivery import Delivery
from bus.topology import PRIORITY_GROUP

HEARTBEAT_S = 4.0
"""How often the server says on a waiting pull that it knows of it."""
SILENCE_S = 2.25 * HEARTBEAT_S
"""A waiting pull without a word for so long is lost: the server, or what is between, has forgotten it."""
GRACE_S = 2.0
"""How much later than its expiry a pull without a word from the server counts as lost."""

_ENDS = frozenset({"404", "408"})
"""No tasks there; expired."""
_HEARTBEAT = "100"
_NO_CONSUMER = "503"


class PullRequest:
    """One request, sent to one or more consumers: how many tasks it may still take, and whether it has ended."""

    def __init__(self, batch: int) -> None:
        self.open_slots = batch
        self.connection = -1
        """On which connection it was sent, counted by reconnects; the server forgets a pull with its connection."""
        self.received = 0
        self.pending = 0
        """How many more the server had when it sent the last one."""
        self.refusals: dict[str, str] = {}
        """What the server said where it refused, by inbox."""
        self.lost = False
        """Whether the server said nothing for too long; what still comes on its inbox cannot be told from an answer to the next."""
        self._heard: dict[str, float] = {}
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def body(self, place: int, expires_s: float) -> bytes:
        """Return what to send to a consumer; `expires_s` 0 asks only for what is there now."""
        wanted: dict[str, object] = {"batch": self.open_slots, "group": PRIORITY_GROUP, "priority": place}
        if expires_s <= 0:
            wanted["no_wait"] = True
        else:
            wanted["expires"] = round(expires_s * 1e9)
            if expires_s >= SILENCE_S:
                wanted["idle_heartbeat"] = round(HEARTBEAT_S * 1e9)
        return msgspec.json.encode(wanted)

    def take(self, delivery: Delivery) -> None:
        """Count a task that came."""
        self.received += 1
        self.pending = delivery.pending
        self.open_slots -= 1
        if self.open_slots == 0:
            self.end()

    def on_status(self, message: Msg) -> None:
        """Take the server's word: 404 none there, 408 expired, 100 a heartbeat, anything else (409, 503) a refusal."""
        headers = message.headers or {}
        status = headers.get("Status", "")
        if status == _HEARTBEAT:
            self._heard[message.subject] = time.monotonic()
        elif status in _ENDS:
            self.end()
        elif status:
            said = headers.get("Description", status)
            self.refusals[message.subject] = "no such consumer" if status == _NO_CONSUMER else said
            self.end()

    def end(self) -> None:
        """Say that nothing more is to come."""
        if not self._ended.done():
            self._ended.set_result(None)

    async def wait(self, inboxes: Iterable[str], expires_s: float) -> None:
        """Wait until it has ended, or until the server has been silent for too long on one of `inboxes`."""
        limit = time.monotonic() + expires_s + GRACE_S
        if expires_s < SILENCE_S:
            await asyncio.wait((self._ended,), timeout=expires_s + GRACE_S)
        else:
            self._heard = dict.fromkeys(inboxes, time.monotonic())
            while not self._ended.done():
                due = min(limit, min(self._heard.values()) + SILENCE_S)
                if due <= time.monotonic():
                    break
                await asyncio.wait((self._ended,), timeout=due - time.monotonic())
        self.lost = not self._ended.done()

    def close(self) -> int:
        """Return the slots that it did not fill; a task that still comes is a late one."""
        unfilled, self.open_slots = self.open_slots, 0
        return unfilled
