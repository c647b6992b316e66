"""The records of all dispatchers, in the agents' bucket."""

import msgspec

from bus.agents.durable.records import Reached, Record, decode_record
from bus.agents.durable.topics import Topics
from bus.agents.errors import NotPlaced
from bus.agents.members import Members
from bus.agents.session import Session
from bus.buckets import put
from bus.jetstream import StoredMessage, last_of, publish, stored

_TRY_S = 2.0
_MOST_TRIES = 50
_KEEP_DEAD_LETTERS = "720h"


class Books:
    """Reads and writes them, and keeps what is given up.

    All methods raise RequestTimeout, NoResponders, Disconnected and JetStreamError as the bucket.
    """

    def __init__(self, session: Session, members: Members, topics: Topics) -> None:
        self._session = session
        self._members = members
        self._topics = topics

    async def read(self, agent_type: str) -> tuple[Record, int]:
        """Return a type's record and its revision; an empty one of revision 0 where there is none."""
        names = self._session.names
        subject = names.dispatch(agent_type)
        found = await last_of(self._session.requester, names.stream, subject, timeout_s=_TRY_S)
        if found is None:
            return Record(agent_type), 0
        # The nats CLI deletes a key by an empty value.
        return decode_record(found.data) if found.data else Record(agent_type), found.sequence

    async def write(self, record: Record, revision: int) -> int | None:
        """Write a record in place of the given revision, and return the new one; None where another stands there now."""
        key = self._session.names.dispatch(record.agent_type)
        return await put(self._session.requester, key, msgspec.json.encode(record), revision, timeout_s=_TRY_S)

    async def enter(self, agent_type: str, topic_type: str) -> None:
        """Have a lasting subscription, which keeps whatever is published from then on; what is still stored is for it too."""
        for _ in range(_MOST_TRIES):
            record, revision = await self.read(agent_type)
            if topic_type in record.topics:
                return
            topics = {**record.topics, topic_type: Reached()}
            if await self.write(msgspec.structs.replace(record, topics=topics), revision) is not None:
                return
        raise NotPlaced(
            f"the subscription of {agent_type!r} to {topic_type!r} could not be entered: too many write there"
        )

    async def drop(self, agent_type: str, topic_type: str) -> None:
        """End a lasting subscription, and free what was kept for it alone."""
        for _ in range(_MOST_TRIES):
            record, revision = await self.read(agent_type)
            if topic_type not in record.topics:
                break
            topics = {name: reached for name, reached in record.topics.items() if name != topic_type}
            if await self.write(msgspec.structs.replace(record, topics=topics), revision) is not None:
                break
        await self.purge(topic_type)

    async def put_aside(self, agent_type: str, message: StoredMessage) -> str:
        """Keep an event that is given up for the agents of a type for 30 days, and return the key."""
        subject = self._session.names.dead_letter(agent_type, message.sequence)
        headers = {"Nats-TTL": _KEEP_DEAD_LETTERS}
        await publish(self._session.requester, subject, message.data, headers=headers, timeout_s=_TRY_S)
        return subject.removeprefix(self._session.names.keys)

    async def purge(self, topic_type: str) -> int:
        """Drop what all subscribers of a topic have handled, and return the last sequence of it.

        A subscriber that is known and not entered yet has handled nothing. Without a subscriber all is kept.
        """
        names = self._session.names
        wanted = msgspec.json.encode({"multi_last": [names.every_dispatch]})
        subject = f"$JS.API.DIRECT.GET.{names.stream}"
        answers = await self._session.requester.collect(subject, wanted, timeout_s=_TRY_S)
        found = [decode_record(answer.data) for answer in answers if answer.data and stored(answer) is not None]
        floors = {record.agent_type: record.topics[topic_type].floor for record in found if topic_type in record.topics}
        floor = min((floors.get(one, 0) for one in {*floors, *self._members.subscribed(topic_type)}), default=0)
        if floor:
            await self._topics.purge(topic_type, floor)
        return floor
