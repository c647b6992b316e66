"""A task's events: stored in the ledger, and the newest one read back to know which attempt is next."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from nats.aio.msg import Msg

from bus.errors import SanctuaryError
from bus.jetstream import StoredMessage, once, pub_ack, publish
from bus.latest import Latest, Reader
from bus.requests import Requester
from bus.subjects import Subjects
from schemas import AnyTaskEvent, SchemaError, TaskEvent, decode, encode

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0

log = logging.getLogger(__name__)
_T = TypeVar("_T")


async def insist(action: Callable[[], Awaitable[_T]]) -> _T:
    """Return what `action` gives, trying again for as long as the network refuses; a lost lease cancels this."""
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return await action()
        except SanctuaryError as error:
            log.warning("trying again in %.2g s: %s", pause_s, error)
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)


def event_of(message: StoredMessage) -> TaskEvent | None:
    """Return the task event in a ledger entry, or None where it is none that is known here."""
    try:
        event: TaskEvent = decode(AnyTaskEvent, message.data)
    except SchemaError:
        return None
    return event


class _Counted(msgspec.Struct, frozen=True):
    """What counts of an event of a kind that this version does not know."""

    attempt: int = 0
    sequence: int | None = None
    forgiven: int = 0


class Journal:
    """Writes and reads the events of tasks."""

    def __init__(self, requester: Requester, subjects: Subjects) -> None:
        self._requester = requester
        self._subjects = subjects
        self._latest = Latest(requester, subjects.ledger)
        self._on_the_way: set[asyncio.Future[Msg]] = set()

    async def store(self, event: TaskEvent) -> None:
        """Return once `event` is stored, however long that takes: what follows depends on it.

        It is stored once. Sent again after an answer that was lost, it would stand behind what others have told since: a
        task would be parked again that somebody has let go on.
        """
        await insist(lambda: self._publish(event))

    def post(self, event: TaskEvent) -> None:
        """Store `event` in the background; it informs, nothing depends on it, so a refusal is only logged."""
        try:
            # Sent here and now: an event that is stored later stands behind it in the ledger, and is the one that counts.
            answer = self._requester.send(self._subject(event), encode(event))
        except SanctuaryError as error:
            log.warning("an event was not stored: %s", error)
            return
        self._on_the_way.add(answer)
        answer.add_done_callback(self._posted)

    def ask_last(self, task_type: str, task_id: str) -> Reader:
        """Ask for the task's newest event, for `last` to read."""
        return self._latest.read(self._subjects.event(task_type, task_id))

    async def last(self, task_type: str, task_id: str, asked: Reader | None = None) -> TaskEvent | None:
        """Return the task's newest event, or None where it has none; one of an unknown kind counts as a TaskEvent.

        `asked` is what `ask_last` returned a moment ago.
        """
        answers = iter([asked] if asked is not None else [])
        message = await insist(lambda: next(answers, None) or self.ask_last(task_type, task_id))
        if message is None:
            return None
        try:
            event: TaskEvent = decode(AnyTaskEvent, message.data)
        except SchemaError as error:
            log.warning("the last event of %s %s is none that is known here: %s", task_type, task_id, error)
            return _counted(message, task_type, task_id)
        return event

    async def is_known(self, task_type: str, task_id: str) -> bool:
        """Tell whether a task of this id has been begun."""
        return await self.last(task_type, task_id) is not None

    async def close(self) -> None:
        """Wait for the events that are on their way."""
        await asyncio.gather(*self._on_the_way, return_exceptions=True)

    async def _publish(self, event: TaskEvent) -> None:
        body = encode(event)
        await publish(self._requester, self._subject(event), body, headers=once("event", body))

    def _subject(self, event: TaskEvent) -> str:
        return self._subjects.event(event.task_type, event.task_id)

    def _posted(self, answer: "asyncio.Future[Msg]") -> None:
        self._on_the_way.discard(answer)
        if answer.cancelled():
            return
        try:
            pub_ack(answer.result())
        except SanctuaryError as error:
            log.warning("an event was not stored: %s", error)


def _counted(message: StoredMessage, task_type: str, task_id: str) -> TaskEvent:
    try:
        counted: _Counted = decode(_Counted, message.data)
    except SchemaError:
        counted = _Counted()
    return TaskEvent(
        task_id=task_id,
        task_type=task_type,
        clone="",
        instance="",
        attempt=counted.attempt,
        at=message.stored_at,
        sequence=counted.sequence,
        forgiven=counted.forgiven,
    )
