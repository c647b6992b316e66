"""Whether a type's primary is there: its primaries listen on a subject, and its fallbacks ask on it.

The server itself answers "no responders" in the moment in which nobody listens any more, so a fallback learns within one
round trip of its question that the connection of the last primary has ended. Being busy does not keep a primary from
answering; not taking tasks (draining, a broken circuit) ends its listening.
"""

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Iterable

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from bus.errors import Disconnected
from bus.network import Network

PROBE_S = 0.02
"""How often a fallback asks."""
SILENCE_S = 5.0
"""A primary that has not answered for so long is frozen, and counts as absent."""
CHECK_S = 1.0
"""How often a primary makes sure that it can be heard."""
_PAUSE_S = 1.0
"""A prober that was stopped itself for so long knows nothing of who was silent meanwhile."""
_QUEUE = "primaries"
_NO_RESPONDERS = "503"

log = logging.getLogger(__name__)


class Announcements:
    """Answers for the types whose tasks this worker takes as a primary.

    Each second it asks itself: a server that has forgotten that it listens, or refused it the right to when it began (rights
    for a new route may come later than the route), would have fallbacks take what is the primary's for ever.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._wanted: frozenset[str] = frozenset()
        self._unheard: set[str] = set()
        """Types for which nobody answered, not even this worker itself."""
        self._changed = asyncio.Event()
        self._questions = _Questions(network)
        self._listening: dict[str, Subscription] = {}

    def want(self, task_types: Iterable[str]) -> None:
        """Answer for these types, and for no others, from very soon on."""
        wanted = frozenset(task_types)
        if wanted != self._wanted:
            self._wanted = wanted
            self._changed.set()

    async def run(self) -> None:
        """Listen as wanted, until cancelled."""
        client, subjects = self._network.client, self._network.subjects
        answers = await client.listen(self._questions.answers, self._on_own_answer)
        try:
            while True:
                self._changed.clear()
                for task_type in self._listening.keys() - (self._wanted - self._unheard):
                    await self._withdraw(task_type)
                self._unheard.clear()
                for task_type in self._wanted - self._listening.keys():
                    subject = subjects.presence(task_type)
                    self._listening[task_type] = await client.listen(subject, self._answer, queue=_QUEUE)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CHECK_S):
                        await self._changed.wait()
                for task_type in self._listening:
                    self._questions.ask(task_type)
        finally:
            if self._network.is_connected():
                await answers.unsubscribe()

    def _on_own_answer(self, answer: Msg) -> None:
        if _is_no_responders(answer):
            self._unheard.add(_type_of(answer))
            self._changed.set()

    async def close(self) -> None:
        """Answer no more; `run` has been cancelled."""
        for task_type in tuple(self._listening):
            await self._withdraw(task_type)

    async def _withdraw(self, task_type: str) -> None:
        try:
            await self._listening.pop(task_type).unsubscribe()
        except NatsError as error:
            log.debug("could not withdraw the presence for %s: %r", task_type, error)

    def _answer(self, question: Msg) -> None:
        try:
            if question.reply:
                self._network.client.post(question.reply, b"")
        except (Disconnected, NatsError) as error:
            log.debug("could not say that a primary is here: %r", error)


class Probe:
    """Asks for the types whose tasks this worker takes only while no primary is there."""

    def __init__(self, network: Network, changed: Callable[[], None]) -> None:
        """Have `changed` called when `is_absent` is another for one of the types."""
        self._network = network
        self._changed = changed
        self._questions = _Questions(network)
        self._heard: dict[str, float] = {}
        """When a primary of each type was last heard, or began to be asked."""
        self._absent: set[str] = set()
        self._wanted = asyncio.Event()

    def watch(self, task_types: Iterable[str]) -> None:
        """Ask for these types, and for no others; a primary counts as there until the first answer says otherwise."""
        now = time.monotonic()
        self._heard = {task_type: self._heard.get(task_type, now) for task_type in task_types}
        self._absent &= self._heard.keys()
        if self._heard:
            self._wanted.set()
        else:
            self._wanted.clear()

    def is_absent(self, task_type: str) -> bool:
        """Tell whether no primary of a type is there."""
        return task_type in self._absent

    async def run(self) -> None:
        """Ask until cancelled."""
        subscription = await self._network.client.listen(self._questions.answers, self._on_answer)
        asked_at, reconnects = 0.0, -1
        try:
            while True:
                await self._wanted.wait()
                now = time.monotonic()
                if now - asked_at > _PAUSE_S or reconnects != self._network.reconnects:
                    self._heard = dict.fromkeys(self._heard, now)
                asked_at, reconnects = now, self._network.reconnects
                if self._network.is_connected():
                    self._ask(now)
                else:
                    self._heard = dict.fromkeys(self._heard, now)
                await asyncio.sleep(PROBE_S)
        finally:
            if self._network.is_connected():
                await subscription.unsubscribe()

    def _ask(self, now: float) -> None:
        for task_type, heard_at in tuple(self._heard.items()):
            if now - heard_at > SILENCE_S:
                self._found(task_type, absent=True)
            self._questions.ask(task_type)

    def _on_answer(self, answer: Msg) -> None:
        task_type = _type_of(answer)
        if task_type not in self._heard:
            return
        absent = _is_no_responders(answer)
        if not absent:
            self._heard[task_type] = time.monotonic()
        self._found(task_type, absent=absent)

    def _found(self, task_type: str, *, absent: bool) -> None:
        if absent is not (task_type in self._absent):
            if absent:
                self._absent.add(task_type)
            else:
                self._absent.discard(task_type)
            log.info("%s primary of %s is there", "no" if absent else "a", task_type)
            self._changed()


class _Questions:
    """Asks whether primaries are there, and knows where the answers come in."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._inbox = network.client.new_inbox()
        self._serial = itertools.count()
        """Each question has a reply subject of its own: the server lets a primary answer once on each, and no more."""

    @property
    def answers(self) -> str:
        """The wildcard of all answers."""
        return f"{self._inbox}.*.*"

    def ask(self, task_type: str) -> None:
        """Ask for a type; without a connection, ask nobody."""
        subject = self._network.subjects.presence(task_type)
        with contextlib.suppress(Disconnected):
            self._network.client.post(subject, b"", reply=f"{self._inbox}.{task_type}.{next(self._serial)}")


def _type_of(answer: Msg) -> str:
    """Return the task type that was asked for."""
    return answer.subject.split(".")[-2]


def _is_no_responders(answer: Msg) -> bool:
    return (answer.headers or {}).get("Status") == _NO_RESPONDERS
