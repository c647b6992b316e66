"""The stream that holds what was published to durable topics: one subject a topic type, each bounded."""

import asyncio
import contextlib
import itertools
import secrets
from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec
from nats.errors import MaxPayloadError

from bus.agents.durable.records import Named
from bus.agents.errors import CannotTravel, RuntimeFailed, TopicFull, TopicUnreachable
from bus.agents.session import Session
from bus.errors import (
    Disconnected,
    JetStreamError,
    NoResponders,
    RequestTimeout,
    SanctuaryError,
    SlotTaken,
    StorageFull,
)
from bus.jetstream import StoredMessage, api, last_of, publish, stored

MOST_STORED = 10_000
"""Messages a topic type holds that not all subscribers have handled; `nats stream edit` changes it for a namespace."""
_WITHIN_S = 4.5
"""No publisher waits longer than this for the server, or for a full topic in which no room is made."""
_TRY_S = 2.0
_PAUSE_S = 0.05
_PAGE_BYTES = 4_000_000
_IN_USE = 10058
"""A stream of this name exists with another configuration, which then counts."""


class Topics:
    """The stream as one runtime uses it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._ids = itertools.count(1)
        self._id_prefix = secrets.token_hex(8)
        self._lines: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waiting: Counter[str] = Counter()
        """How many publishers wait for room."""
        self._stored_at: dict[str, float] = {}

    async def name(self, topic_types: Sequence[str]) -> None:
        """Make topic types durable, for all runtimes of the namespace and for good; doing it again does no harm.

        Raises:
            RuntimeFailed: the server does not let us, or did not answer.
        """
        names = self._session.names
        try:
            await self._create()
            for topic_type in topic_types:
                named = msgspec.json.encode(Named(topic_type))
                await publish(self._session.requester, names.named(topic_type), named, timeout_s=_TRY_S)
        except SanctuaryError as error:
            raise RuntimeFailed(
                f"topics cannot be made durable in {names.namespace}, with the stream {names.topics}: {error.message}"
            ) from None

    async def _create(self) -> None:
        names = self._session.names
        stream = {
            "name": names.topics,
            "subjects": [names.every_topic],
            "max_msgs_per_subject": MOST_STORED,
            "discard": "new",
            "discard_new_per_subject": True,
            "allow_direct": True,
            "deny_delete": True,
        }
        try:
            await api(self._session.requester, f"STREAM.CREATE.{names.topics}", stream, timeout_s=_TRY_S)
        except JetStreamError as error:
            if error.err_code != _IN_USE:
                raise

    async def put(self, topic_type: str, event: bytes) -> None:
        """Store an event, once, however often the server has to be asked; when this returns, it is stored.

        Raises:
            TopicFull: there was no room for 4.5 s.
            TopicUnreachable: the server did not say for 4.5 s that it is stored. It may be.
            CannotTravel: it is larger than the server takes.
            JetStreamError: the server refused it.
        """
        began = asyncio.get_running_loop().time()
        headers = {
            "Nats-Msg-Id": f"{self._id_prefix}-{next(self._ids)}",
            "Nats-Expected-Stream": self._session.names.topics,
        }
        if not self._waiting[topic_type] and await self._try(topic_type, event, headers, began):
            return
        # Room goes to who came first; the others ask nothing meanwhile.
        self._waiting[topic_type] += 1
        try:
            async with self._lines[topic_type]:
                while not await self._try(topic_type, event, headers, began):  # noqa: ASYNC110  the server tells nobody
                    await asyncio.sleep(_PAUSE_S)
        finally:
            self._waiting[topic_type] -= 1

    async def _try(self, topic_type: str, event: bytes, headers: dict[str, str], began: float) -> bool:
        """Store an event; False where there is no room just now."""
        while True:
            try:
                await publish(
                    self._session.requester,
                    self._session.names.topic(topic_type),
                    event,
                    headers=headers,
                    timeout_s=_TRY_S,
                )
            except MaxPayloadError:
                limit = self._session.client.max_payload
                raise CannotTravel(f"an event of {len(event)} bytes; the NATS server takes {limit} at most") from None
            except (SlotTaken, StorageFull) as error:
                if self._is_overdue(topic_type, began):
                    raise TopicFull(
                        f"nothing was published: topic {topic_type!r} is full ({error.message}), and for {_WITHIN_S:g} s its "
                        "subscribers have made no room"
                    ) from None
                return False
            except (RequestTimeout, NoResponders, Disconnected) as error:
                if self._is_overdue(topic_type, began):
                    raise TopicUnreachable(
                        f"the server did not say that the event for topic {topic_type!r} is stored: {error.message}"
                    ) from None
                if isinstance(error, NoResponders):
                    await self._create_again()
                await asyncio.sleep(_PAUSE_S)
            else:
                self._stored_at[topic_type] = asyncio.get_running_loop().time()
                with contextlib.suppress(Disconnected):
                    self._session.client.post(self._session.names.stored(topic_type), b"")
                return True

    def _is_overdue(self, topic_type: str, began: float) -> bool:
        since = max(began, self._stored_at.get(topic_type, 0.0))
        return asyncio.get_running_loop().time() - since > _WITHIN_S

    async def _create_again(self) -> None:
        """Make the stream where the server has lost it; where it is only starting, whoever asks tries again."""
        try:
            await self._create()
        except (RequestTimeout, NoResponders, Disconnected):
            return

    def subject(self, topic_type: str) -> str:
        """Return where events of a topic are stored."""
        return self._session.names.topic(topic_type)

    async def after(self, topic_type: str, sequence: int, most: int) -> tuple[list[StoredMessage], bool]:
        """Return up to `most` messages of a topic that follow a sequence, in order, and whether there are more.

        Fewer come where they are large. Raises as `last_of`.
        """
        names = self._session.names
        # ADR-31; the last answer has a status and no more.
        wanted = {"seq": sequence + 1, "next_by_subj": names.topic(topic_type), "batch": most, "max_bytes": _PAGE_BYTES}
        subject, body = f"$JS.API.DIRECT.GET.{names.topics}", msgspec.json.encode(wanted)
        answers = await self._session.requester.collect(subject, body, timeout_s=_TRY_S)
        end = answers.pop().headers or {}
        if end.get("Status") not in ("204", "404"):
            raise JetStreamError("the stored events cannot be read", err_code=int(end.get("Status", 0)))
        messages = [message for answer in answers if (message := stored(answer)) is not None]
        return messages, end.get("Nats-Num-Pending", "0") != "0"

    async def at(self, sequence: int) -> StoredMessage | None:
        """Return one message, or None where it is not there any more; raises as `last_of`."""
        wanted = msgspec.json.encode({"seq": sequence})
        subject = f"$JS.API.DIRECT.GET.{self._session.names.topics}"
        return stored(await self._session.requester.request(subject, wanted, timeout_s=_TRY_S))

    async def last(self, topic_type: str) -> int:
        """Return the sequence of a topic's newest message, 0 where it holds none; raises as `last_of`."""
        names = self._session.names
        newest = await last_of(self._session.requester, names.topics, names.topic(topic_type), timeout_s=_TRY_S)
        return 0 if newest is None else newest.sequence

    async def purge(self, topic_type: str, sequence: int) -> None:
        """Drop a topic's messages up to and with a sequence."""
        names = self._session.names
        wanted = {"filter": names.topic(topic_type), "seq": sequence + 1}
        await api(self._session.requester, f"STREAM.PURGE.{names.topics}", wanted, timeout_s=_TRY_S)
