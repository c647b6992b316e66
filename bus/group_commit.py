"""Storing many messages at once: what waits while others are under way goes out together, as a wave.

A wave is either as many single publishes, or one atomic batch (ADR-50), which the server stores with one fsync. What costs
less cannot be told from here. A server that calls fsync before each acknowledgement takes a batch of fifty in a fifth of
the time of fifty single messages; one that does not, takes longer for it, since each batch is first written beside the
stream. So the waves themselves are timed.

A batch promises no more than its messages do one by one. It is stored whole or not at all, so where one of its messages is
refused (a full stream, an id that is known), or the answer does not come, each is sent again alone and has its own answer;
`Nats-Msg-Id` keeps what was stored after all from being stored twice.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Sequence
from functools import partial

from nats.aio.msg import Msg

from bus.errors import SanctuaryError
from bus.jetstream import PubAck, pub_ack
from bus.requests import Requester
from schemas import new_id

LEAST_BATCH = 16
"""Smaller waves go out one by one: they come only where little is to do."""
MOST_MESSAGES = 500
"""In one wave; the server takes 1000 in a batch."""
MOST_BYTES = 1024 * 1024
"""In one wave, unless its first message alone is larger."""
OVERDUE_S = 0.25
"""The next wave does not wait longer for one that is under way."""
PROBE_EVERY = 128
"""One wave in so many goes the other way, so that a disk that became slow, or quick, is noticed."""
CLEARLY = 1.5
"""A batch must save at least a third: it holds up all else that the stream does meanwhile."""
MEMORY = 32
"""How many waves of each kind are remembered."""


class Costs:
    """What a message costs, in seconds, one by one and in a batch. Pure.

    Of the last waves of each kind the quickest counts: all else that happens on the machine only ever adds to a wave.
    """

    def __init__(self) -> None:
        self._singles: deque[float] = deque(maxlen=MEMORY)
        self._batches: deque[float] = deque(maxlen=MEMORY)
        self._waves = 0

    def batch_next(self) -> bool:
        """Tell whether the next wave should be a batch. Each way is tried first, and again from time to time."""
        self._waves += 1
        if not self._singles or not self._batches:
            return bool(self._singles)
        cheaper = min(self._batches) * CLEARLY < min(self._singles)
        return cheaper != (self._waves % PROBE_EVERY == 0)

    def note(self, *, batch: bool, messages: int, seconds: float) -> None:
        """Take in how long a wave took."""
        (self._batches if batch else self._singles).append(seconds / messages)


class _Message:
    __slots__ = ("body", "future", "headers", "subject")

    def __init__(self, subject: str, body: bytes, headers: dict[str, str]) -> None:
        self.subject = subject
        self.body = body
        self.headers = headers
        self.future: asyncio.Future[PubAck] = asyncio.get_running_loop().create_future()


class _Wave:
    """Messages that were sent together, and how many of them have no answer yet."""

    def __init__(self, messages: Sequence[_Message], *, batch: bool) -> None:
        self.messages = messages
        self.batch = batch
        self.unanswered = len(messages)
        self.begun = asyncio.get_running_loop().time()
        self.overdue: asyncio.TimerHandle | None = None


class GroupCommit:
    """Stores messages in one stream."""

    def __init__(self, requester: Requester) -> None:
        self._requester = requester
        self._waiting: deque[_Message] = deque()
        self._under_way: _Wave | None = None
        self._scheduled = False
        self._costs = Costs()

    async def publish(self, subject: str, body: bytes, headers: dict[str, str]) -> PubAck:
        """Store a message, whose headers hold a `Nats-Msg-Id`; otherwise as `bus.jetstream.publish`, with its errors."""
        message = _Message(subject, body, headers)
        self._waiting.append(message)
        if self._under_way is None and not self._scheduled:
            # At the end of this turn of the event loop: what is submitted in the same turn goes together.
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._next)
        return await message.future

    def _next(self) -> None:
        self._scheduled = False
        messages = self._take()
        if not messages:
            return
        batch = len(messages) >= LEAST_BATCH and self._costs.batch_next()
        wave = self._under_way = _Wave(messages, batch=batch)
        wave.overdue = asyncio.get_running_loop().call_later(OVERDUE_S, self._make_way, wave)
        if not (batch and self._send_batch(wave)):
            self._send_singles(wave)

    def _take(self) -> list[_Message]:
        """Return the messages of the next wave; a caller that has gone takes its own along."""
        messages: list[_Message] = []
        size = 0
        while self._waiting and len(messages) < MOST_MESSAGES:
            size += len(self._waiting[0].body)
            if messages and size > MOST_BYTES:
                break
            message = self._waiting.popleft()
            if not message.future.done():
                messages.append(message)
        return messages

    def _make_way(self, wave: _Wave) -> None:
        """Let the next wave go."""
        if wave.overdue is not None:
            wave.overdue.cancel()
        if self._under_way is wave:
            self._under_way = None
            if self._waiting and not self._scheduled:
                self._next()

    def _send_singles(self, wave: _Wave) -> None:
        for message in wave.messages:
            try:
                answer = self._requester.send(message.subject, message.body, headers=message.headers)
            except Exception as error:  # noqa: BLE001  whatever it is, it is the caller's to hear
                self._end(wave, message, error)
            else:
                answer.add_done_callback(partial(self._answered, wave, message))

    def _answered(self, wave: _Wave, message: _Message, answer: "asyncio.Future[Msg]") -> None:
        try:
            self._end(wave, message, pub_ack(answer.result()))
        except (SanctuaryError, asyncio.CancelledError) as error:
            self._end(wave, message, error)

    def _end(self, wave: _Wave, message: _Message, outcome: PubAck | BaseException) -> None:
        if message.future.done():
            pass  # its caller has gone
        elif isinstance(outcome, PubAck):
            message.future.set_result(outcome)
        elif isinstance(outcome, asyncio.CancelledError):
            message.future.cancel()
        else:
            message.future.set_exception(outcome)
        wave.unanswered -= 1
        if wave.unanswered == 0:
            if len(wave.messages) >= LEAST_BATCH:
                seconds = asyncio.get_running_loop().time() - wave.begun
                self._costs.note(batch=wave.batch, messages=len(wave.messages), seconds=seconds)
            self._make_way(wave)

    def _send_batch(self, wave: _Wave) -> bool:
        """Send the wave as a batch; False where that is not possible."""
        batch_id = new_id()
        *others, last = wave.messages
        try:
            for number, message in enumerate(others, 1):
                headers = message.headers | {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}
                self._requester.post(message.subject, message.body, headers=headers)
            headers = last.headers | {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(len(wave.messages))}
            answer = self._requester.send(last.subject, last.body, headers=headers | {"Nats-Batch-Commit": "1"})
        except Exception:  # noqa: BLE001  nothing is stored without the commit; one by one, each caller hears what is wrong
            return False
        answer.add_done_callback(partial(self._batch_answered, wave))
        return True

    def _batch_answered(self, wave: _Wave, answer: "asyncio.Future[Msg]") -> None:
        try:
            ack = pub_ack(answer.result())
        except (SanctuaryError, asyncio.CancelledError):
            ack = None
        if ack is None or ack.count != len(wave.messages):
            self._send_singles(wave)
            return
        # A batch has a run of sequences to itself, and its answer names the last one.
        for sequence, message in zip(itertools.count(ack.seq - ack.count + 1), wave.messages, strict=False):
            self._end(wave, message, PubAck(ack.stream, sequence))
