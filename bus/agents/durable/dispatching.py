"""What one runtime does for the durable topics that its agent types are subscribed to."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from nats.aio.msg import Msg

from bus.agents.durable.books import Books
from bus.agents.durable.dispatcher import Dispatcher
from bus.agents.durable.topics import Topics
from bus.agents.members import Members
from bus.agents.outgoing import Outgoing
from bus.agents.session import Listening, Session
from bus.errors import SanctuaryError

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.02
_UNKNOWN_S = 4.5


class Dispatching:
    """Enters lasting subscriptions, and has a dispatcher for each agent type while the runtime is started."""

    def __init__(
        self, session: Session, members: Members, outgoing: Outgoing, topics: Topics, started: asyncio.Event
    ) -> None:
        self._session = session
        self._members = members
        self._outgoing = outgoing
        self._topics = topics
        self._started = started
        self._books = Books(session, members, topics)
        self._dispatchers: dict[str, Dispatcher] = {}
        self._entered: set[tuple[str, str]] = set()
        self._updating = asyncio.Lock()
        self._update: asyncio.Task[None] | None = None
        self._listening: Listening | None = None

    def does(self, agent_type: str) -> bool:
        """Tell whether this runtime dispatches, or would, where the record says that it does."""
        return agent_type in self._dispatchers

    async def update(self) -> None:
        """Do what own subscriptions and the topics that are durable ask for; when it returns, these subscriptions last.

        Raises:
            JetStreamError, RequestTimeout, NoResponders, Disconnected: as of the bucket.
        """
        async with self._updating:
            wanted = self._wanted()
            for pair in wanted - self._entered:
                await self._books.enter(*pair)
                self._entered.add(pair)
            for agent_type, topic_type in self._entered - wanted:
                if agent_type not in self._members.subscribed(topic_type):
                    await self._books.drop(agent_type, topic_type)
                self._entered.discard((agent_type, topic_type))
            if self._started.is_set():
                await self._dispatch({agent_type for agent_type, _ in wanted})
            for dispatcher in self._dispatchers.values():
                dispatcher.look()

    def _wanted(self) -> set[tuple[str, str]]:
        durable = self._members.durable
        return {(agent_type, topic) for topic in durable for agent_type in self._members.subscribed_here(topic)}

    async def _dispatch(self, agent_types: set[str]) -> None:
        if agent_types and self._listening is None:
            self._listening = await self._session.listen(self._session.names.every_stored, self._on_stored)
        for agent_type in agent_types - self._dispatchers.keys():
            self._dispatchers[agent_type] = Dispatcher(
                agent_type,
                session=self._session,
                members=self._members,
                outgoing=self._outgoing,
                topics=self._topics,
                books=self._books,
            )
        await self._end(self._dispatchers.keys() - agent_types)

    async def _end(self, agent_types: set[str]) -> None:
        await asyncio.gather(*(self._dispatchers[agent_type].stop() for agent_type in agent_types))
        for agent_type in agent_types:
            del self._dispatchers[agent_type]

    def _on_stored(self, _: Msg) -> None:
        for dispatcher in self._dispatchers.values():
            dispatcher.look()

    def beat(self) -> None:
        """Say that the process runs, and see whether a topic became durable; called each half second."""
        for dispatcher in self._dispatchers.values():
            dispatcher.office.refresh()
        if self._update is None and self._wanted() != self._entered:
            self._update = asyncio.create_task(self._update_later(), name="update durable subscriptions")

    async def _update_later(self) -> None:
        try:
            await self.update()
        except SanctuaryError as error:
            _log.info("durable subscriptions could not be entered yet: %s", error)
        finally:
            self._update = None

    async def stop(self) -> None:
        """Dispatch no more, and let others do it."""
        async with self._updating:
            listening, self._listening = self._listening, None
            if listening is not None:
                await listening.end()
            await self._end(set(self._dispatchers))

    async def quiet(self, stop: Callable[[], bool]) -> None:
        """Return when all that is stored by now for what is dispatched here is handled, or `stop` says so.

        Where that cannot be found out for 4.5 s, as there is no server, this returns.
        """
        goal: dict[str, int] = {}
        if self._dispatchers:
            with contextlib.suppress(SanctuaryError):
                goal = {topic: await self._topics.last(topic) for topic in self._members.durable}
        loop = asyncio.get_running_loop()
        known_at = loop.time()
        while not stop() and any(one.is_behind(goal) for one in self._dispatchers.values()):
            if self._session.client.is_connected and all(one.office.is_known for one in self._dispatchers.values()):
                known_at = loop.time()
            elif loop.time() - known_at > _UNKNOWN_S:
                _log.warning("whether all durable events are handled is unknown: the server does not say")
                return
            await asyncio.sleep(_LOOK_EVERY_S)
