"""What ended tasks had asked other clones for: it is cancelled, whoever ended them, and whether or not anybody held them.

What a task asks for stands in its TaskAsked events. Each Omega knows the asked tasks that have not ended from its reading of
what waits and runs (`clones.omega.deadlines`), and looks every second whether those who asked have a result; several may do
so at once, the first result stands.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from bus.identity import Identity
from bus.journal import Journal, event_of
from bus.ledger import entries
from bus.network import Network
from bus.outcomes import failure
from bus.replies import reply
from bus.unfinished import Unfinished
from bus.wake import dismiss
from clones.omega.asked_ids import AskedIds, Key
from clones.omega.repeating import repeat
from clones.omega.submissions import open_tasks
from clones.omega.wording import of_task
from schemas import ErrorCode, SchemaError, TaskAsked, TaskFailure, TaskResult

LOOK_EVERY_S = 1.0
AT_ONCE = 256
"""Tasks whose results are read, and tasks that are ended, at the same time."""

log = logging.getLogger(__name__)


class Children:
    """Ends asked tasks for one Omega."""

    def __init__(self, network: Network, identity: Identity) -> None:
        self._network = network
        self._identity = identity
        self._journal = Journal(network.requester, network.subjects)
        self._ids = AskedIds(network)
        self._open: dict[Key, dict[Key, Unfinished]] = {}
        """By who asked, what had not ended when it was read; without parameters."""

    async def run(self) -> None:
        """Look until cancelled."""
        await repeat(self.look, LOOK_EVERY_S, "end what ended tasks have asked for")

    def note(self, found: Unfinished) -> None:
        """Take in a task that has not ended; those that no task asked for are nothing to us."""
        assignment = found.request.assignment
        if assignment.parent_type is None or assignment.parent_id is None:
            return
        request = msgspec.structs.replace(found.request, assignment=msgspec.structs.replace(assignment, params={}))
        asked = self._open.setdefault((assignment.parent_type, assignment.parent_id), {})
        asked[request.task_type, request.id] = msgspec.structs.replace(found, request=request)

    async def look(self) -> None:
        """End what those have asked for who have ended.

        Raises:
            SanctuaryError: the network did not answer; what was not ended is ended the next time.
        """
        parents = list(self._open)
        for first in range(0, len(parents), AT_ONCE):
            part = parents[first : first + AT_ONCE]
            results = await asyncio.gather(*(self._network.results.read(*parent) for parent in part))
            for parent, result in zip(part, results, strict=True):
                if result is not None:
                    await self._end_noted(parent)

    def prune(self, first_open: Mapping[str, int]) -> None:
        """Forget what is acknowledged for certain: `first_open` holds the first sequence of each consumer that may not be."""
        for parent, noted in list(self._open.items()):
            for key, found in list(noted.items()):
                if found.sequence < first_open.get(found.consumer, 0):
                    del noted[key]
            if not noted:
                del self._open[parent]

    async def _end_noted(self, parent: Key) -> None:
        # One that names a parent which has not asked for it is somebody's own, such as an asked task that is run again.
        asked = await self.asked_by(*parent)
        noted = list(self._open.get(parent, {}).items())
        for first in range(0, len(noted), AT_ONCE):
            part = noted[first : first + AT_ONCE]
            await asyncio.gather(*(self._end(found, parent) for key, found in part if key in asked))
        for key, _ in noted:
            self._open.get(parent, {}).pop(key, None)

    async def asked_by(self, task_type: str, task_id: str) -> set[Key]:
        """Return what a task has asked for, by its events.

        Raises:
            SanctuaryError: they could not be read.
        """
        subject = self._network.subjects.event(task_type, task_id)
        events = [event_of(message) async for message in entries(self._network, subject)]
        return {await self._ids.child_of(event) for event in events if isinstance(event, TaskAsked)}

    async def end(
        self, task_type: str, task_id: str, *, writer: str | None = None, details: Mapping[str, Any] | None = None
    ) -> set[str]:
        """End what a task that has ended had asked for, and what that had asked for in turn, now; returns the ids.

        Those among them that another Omega has ended, or this one before. `writer` and `details` stand in their results.

        Raises:
            SanctuaryError: the network did not answer; nothing is done twice when this is tried again.
        """
        ended: set[str] = set()
        known: set[Key] = {(task_type, task_id)}
        to_look_at = list(known)
        while to_look_at:
            parent = to_look_at.pop()
            asked = await self.asked_by(*parent)
            for found in await self._open_of(parent, asked):
                await self._end(found, parent, writer=writer, details=details)
            ended |= await self._ended_with(parent, asked)
            to_look_at += asked - known
            known |= asked
        return ended

    async def _open_of(self, parent: Key, asked: set[Key]) -> list[Unfinished]:
        """Return those of `asked` that may not have ended and name `parent` as who asked for them."""
        if not asked:
            return []
        return [
            each
            async for each in open_tasks(self._network, {task_type for task_type, _ in asked})
            if (each.request.task_type, each.request.id) in asked
            and (each.request.assignment.parent_type, each.request.assignment.parent_id) == parent
        ]

    async def _end(
        self, found: Unfinished, parent: Key, *, writer: str | None = None, details: Mapping[str, Any] | None = None
    ) -> None:
        """Cancel one, unless it has a result."""
        network, request = self._network, found.request
        last = await self._journal.last(request.task_type, request.id)
        message = _why(parent)
        attempt = 0 if last is None else last.attempt
        result = failure(self._identity, request, ErrorCode.CANCELLED, message, attempt=attempt)
        result = msgspec.structs.replace(result, details=dict(details or {}), writer=writer or result.writer)
        settlement = await network.results.settle(result)
        if settlement.won:
            log.info("%s was %s", of_task(request.task_type, request.id), message)
            reply(network.client, request.reply_to, result, found.content_type)
        await dismiss(network, found.consumer, found.sequence)

    async def _ended_with(self, parent: Key, asked: set[Key]) -> set[str]:
        """Return the ids of those of `asked` that are cancelled because `parent` has ended, by whichever Omega."""
        ended: set[str] = set()
        wanted = sorted(asked)
        for first in range(0, len(wanted), AT_ONCE):
            results = await asyncio.gather(*(self._result(key) for key in wanted[first : first + AT_ONCE]))
            ended |= {
                result.task_id
                for result in results
                if isinstance(result, TaskFailure) and result.message == _why(parent)
            }
        return ended

    async def _result(self, key: Key) -> TaskResult | None:
        try:
            return await self._network.results.read(*key)
        except SchemaError:
            return None  # of a later version, or of somebody who stored something else


def _why(parent: Key) -> str:
    return f"cancelled, as {of_task(*parent)}, which had asked for it, has ended"
