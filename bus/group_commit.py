"""Storing many messages: each is sent at once, unless the stream is slow and it pays to send many as one.

An atomic batch (ADR-50) is stored with one fsync. Whether it pays cannot be told from here. A server that calls fsync before
each acknowledgement takes a batch of fifty in a fifth of the time of fifty single messages; one that does not, takes longer
for it, since each batch is first written beside the stream. So both are tried, and timed, where the stream is slow to answer.

A batch promises no more than its messages do one by one. It is stored whole or not at all, so where one of its messages is
refused (a full stream, an id that is known), or the answer does not come, each is sent again alone and has its own answer;
`Nats-Msg-Id` keeps what was stored after all from being stored twice.
"""

import asyncio
from collections import deque
from functools import partial

from nats.aio.msg import Msg

from bus.errors import SanctuaryError
from bus.jetstream import PubAck, pub_ack
from bus.requests import Requester
from schemas import new_id

PATIENCE_S = 0.01
"""A stream is slow while the oldest message that is under way has waited longer than this for its answer."""
AT_ONCE = 1000
"""No more messages are under way."""
OVERDUE_S = 0.25
"""Nothing is held longer than this."""
LEAST_BATCH = 16
"""Fewer messages go out one by one: they come only where little is to do."""
MOST_MESSAGES = 500
"""In one batch; the server takes 1000."""
MOST_BYTES = 1024 * 1024
"""In one batch, unless its first message alone is larger."""
TRY_EVERY_S = 10.0
"""So often both ways are tried while the stream is slow."""
WORTH = 4 / 3
"""A batch may take a third longer than single messages: it leaves more of the disk to what else goes on there."""
MEMORY = 8
"""How many timed flights of each kind are remembered."""


class Choice:
    """Which way many messages should go, told from how long flights of each kind took. Pure.

    Of those remembered the quickest counts: all else that happens on the machine only ever adds to a flight.
    """

    def __init__(self) -> None:
        self._single_s: deque[float] = deque(maxlen=MEMORY)
        """Of each message."""
        self._batch_s: deque[float] = deque(maxlen=MEMORY)
        """Of the whole batch: its length matters little."""
        self._try_at = 0.0
        self._untried: list[bool] = []
        self._batches_pay = False

    def may_pay(self, now: float) -> bool:
        """Tell whether to gather messages, seeing that the stream is slow."""
        return self._batches_pay or bool(self._untried) or now >= self._try_at

    @property
    def undecided(self) -> bool:
        """Whether more flights are to be timed first."""
        return bool(self._untried)

    def batch(self, messages: int, now: float) -> bool:
        """Tell whether so many messages should go as a batch."""
        if now >= self._try_at:
            self._try_at = now + TRY_EVERY_S
            self._untried = [True, False]
        if self._untried:
            return self._untried.pop()
        if self._single_s and self._batch_s:
            self._batches_pay = min(self._batch_s) < min(self._single_s) * messages * WORTH
        return self._batches_pay

    def note(self, *, batch: bool, messages: int, seconds: float) -> None:
        """Take in how long a flight took whose messages were sent together."""
        if batch:
            self._batch_s.append(seconds)
        else:
            self._single_s.append(seconds / messages)


class _Message:
    __slots__ = ("body", "future", "headers", "sent_at", "subject")

    def __init__(self, subject: str, body: bytes, headers: dict[str, str]) -> None:
        self.subject = subject
        self.body = body
        self.headers = headers
        self.sent_at = 0.0
        self.future: asyncio.Future[PubAck] = asyncio.get_running_loop().create_future()


class _Flight:
    """What is under way: a batch, or single messages."""

    def __init__(self, *, batch: bool = False, begun: float | None = None) -> None:
        self.batch = batch
        self.begun = begun
        """When all were sent, if they were sent together and no others may join."""
        self.messages = 0
        self.unanswered = 0
        self._in_order: deque[_Message] = deque()

    def add(self, message: _Message, now: float) -> None:
        message.sent_at = now
        self.messages += 1
        self.unanswered += 1
        self._in_order.append(message)

    def waited_s(self, now: float) -> float:
        """Return how long the oldest message that has no answer has been under way."""
        while self._in_order and self._in_order[0].future.done():
            self._in_order.popleft()
        return now - self._in_order[0].sent_at if self._in_order else 0.0


class GroupCommit:
    """Stores messages in one stream."""

    def __init__(self, requester: Requester) -> None:
        self._requester = requester
        self._held: deque[_Message] = deque()
        self._flight: _Flight | None = None
        self._overdue: asyncio.TimerHandle | None = None
        self._choice = Choice()
        self._gathering = False
        """Whether messages wait for the flight to land, to go together."""

    async def publish(self, subject: str, body: bytes, headers: dict[str, str]) -> PubAck:
        """Store a message, whose headers hold a `Nats-Msg-Id`; otherwise as `bus.jetstream.publish`, with its errors."""
        loop = asyncio.get_running_loop()
        message = _Message(subject, body, headers)
        now = loop.time()
        flight = self._flight
        if flight is None:
            flight = self._flight = _Flight()
        elif self._must_wait(flight, now):
            if self._overdue is None:
                self._overdue = loop.call_later(OVERDUE_S, self._make_way, flight)
            self._held.append(message)
            return await message.future
        flight.add(message, now)
        self._send(flight, message)
        return await message.future

    def _must_wait(self, flight: _Flight, now: float) -> bool:
        if not self._gathering:
            self._gathering = flight.waited_s(now) > PATIENCE_S and self._choice.may_pay(now)
        return self._gathering or bool(self._held) or flight.unanswered >= AT_ONCE

    def _send(self, flight: _Flight, message: _Message) -> None:
        try:
            answer = self._requester.send(message.subject, message.body, headers=message.headers)
        except Exception as error:  # noqa: BLE001  whatever it is, it is the caller's to hear
            # Later, for this may be one of many: the flight must not land before all have been sent.
            asyncio.get_running_loop().call_soon(self._end, flight, message, error)
        else:
            answer.add_done_callback(partial(self._answered, flight, message))

    def _answered(self, flight: _Flight, message: _Message, answer: "asyncio.Future[Msg]") -> None:
        try:
            self._end(flight, message, pub_ack(answer.result()))
        except (SanctuaryError, asyncio.CancelledError) as error:
            self._end(flight, message, error)

    def _end(self, flight: _Flight, message: _Message, outcome: PubAck | BaseException) -> None:
        if message.future.done():
            pass  # its caller has gone
        elif isinstance(outcome, PubAck):
            message.future.set_result(outcome)
        elif isinstance(outcome, asyncio.CancelledError):
            message.future.cancel()
        else:
            message.future.set_exception(outcome)
        flight.unanswered -= 1
        if flight.unanswered == 0:
            if flight.begun is not None and flight.messages >= LEAST_BATCH:
                seconds = asyncio.get_running_loop().time() - flight.begun
                self._choice.note(batch=flight.batch, messages=flight.messages, seconds=seconds)
            self._make_way(flight)

    def _make_way(self, flight: _Flight) -> None:
        """Let go what was held while `flight` was under way: it has landed, or is overdue."""
        if self._flight is not flight:
            return
        self._flight = None
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        batch = False
        if len(self._held) >= LEAST_BATCH:
            batch = self._choice.batch(len(self._held), now)
            self._gathering = batch or self._choice.undecided
        messages = self._take(MOST_MESSAGES if batch else AT_ONCE)
        if not messages:
            self._gathering = False
            return
        following = self._flight = _Flight(batch=batch, begun=now if self._gathering else None)
        for message in messages:
            following.add(message, now)
        if self._held:
            self._overdue = loop.call_later(OVERDUE_S, self._make_way, following)
        if not (batch and self._send_batch(following, messages)):
            self._send_apart(following, messages)

    def _take(self, most: int) -> list[_Message]:
        """Return what is held longest; a message whose caller has gone goes with it."""
        messages: list[_Message] = []
        size = 0
        while self._held and len(messages) < most:
            size += len(self._held[0].body)
            if messages and size > MOST_BYTES:
                break
            message = self._held.popleft()
            if not message.future.done():
                messages.append(message)
        return messages

    def _send_apart(self, flight: _Flight, messages: list[_Message]) -> None:
        for message in messages:
            self._send(flight, message)

    def _send_batch(self, flight: _Flight, messages: list[_Message]) -> bool:
        """Send a batch; False where it cannot be sent, whatever the reason: one by one, each caller hears its own."""
        batch_id = new_id()
        try:
            *others, last = (
                message.headers | {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}
                for number, message in enumerate(messages, 1)
            )
            for message, headers in zip(messages, others, strict=False):
                self._requester.post(message.subject, message.body, headers=headers)
            # The server stores nothing of a batch before it has this one.
            last["Nats-Batch-Commit"] = "1"
            answer = self._requester.send(messages[-1].subject, messages[-1].body, headers=last)
        except Exception:  # noqa: BLE001  see above
            return False
        answer.add_done_callback(partial(self._batch_answered, flight, messages))
        return True

    def _batch_answered(self, flight: _Flight, messages: list[_Message], answer: "asyncio.Future[Msg]") -> None:
        try:
            ack = pub_ack(answer.result())
        except (SanctuaryError, asyncio.CancelledError):
            ack = None
        if ack is None or ack.count != len(messages):
            self._send_apart(flight, messages)
            return
        # A batch has a run of sequences to itself, and its answer names the last one.
        for sequence, message in enumerate(messages, ack.seq - ack.count + 1):
            self._end(flight, message, PubAck(ack.stream, sequence))
