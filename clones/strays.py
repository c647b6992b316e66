"""Tasks that nobody serves: a type or a priority that does not exist ends at once with a TaskFailure that says so.

The ledger takes any subject below `<realm>.task.`, so a typo would wait for ever. Omega lists the subjects that hold
messages (one request, however many tasks there are) and settles what no consumer covers.
"""

import asyncio
import logging

from nats.errors import Error as NatsError

from bus.delivery import Delivery
from bus.errors import SanctuaryError
from bus.execution import failure
from bus.identity import Identity
from bus.intake import Refusal, Request, read
from bus.jetstream import StoredMessage, api
from bus.ledger import entries
from bus.network import Network
from bus.subjects import PRIORITIES, WORKFLOW_TYPE
from clones.routing import task_types
from clones.workflows import WORKFLOWS
from schemas import MSGPACK, ErrorCode, encode

LOOK_EVERY_S = 1.0

log = logging.getLogger(__name__)


class Strays:
    """Ends tasks on subjects that no route serves; several Omegas may do so at once, the first result stands."""

    def __init__(self, network: Network, identity: Identity) -> None:
        self._network = network
        self._identity = identity
        self._next: dict[str, int] = {}
        """By subject, the ledger sequence to read on from. Empty after a start: what was settled before is refused then."""
        subjects = network.subjects
        self._served = {subjects.task(kind, priority) for kind in task_types() for priority in (None, *PRIORITIES)}
        self._served |= {subjects.workflow(name) for name in WORKFLOWS}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                for subject in await self._unserved():
                    await self._settle_all(subject)
            except (SanctuaryError, NatsError) as error:
                log.warning("could not look for tasks that nobody serves: %s", error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _unserved(self) -> list[str]:
        subjects = self._network.subjects
        found: set[str] = set()
        for family in (subjects.every("task"), subjects.every("workflow")):
            info = await api(
                self._network.requester, f"STREAM.INFO.{subjects.ledger}", {"subjects_filter": family}, timeout_s=10
            )
            found |= set(info["state"].get("subjects") or ())
        return sorted(found - self._served)

    async def _settle_all(self, subject: str) -> None:
        async for message in entries(self._network, subject, start=self._next.get(subject, 1)):
            await self._settle(message)
            self._next[subject] = message.sequence + 1

    async def _settle(self, message: StoredMessage) -> None:
        tokens = message.subject.split(".")
        is_workflow = tokens[1] == "workflow"
        task_type = WORKFLOW_TYPE if is_workflow else tokens[2]
        code = ErrorCode.UNKNOWN_WORKFLOW if is_workflow else ErrorCode.UNKNOWN_TASK_TYPE
        delivery = Delivery(
            subject=message.subject,
            data=message.data,
            headers=message.headers,
            ack_subject="",
            consumer="",
            sequence=message.sequence,
            stored_at_s=message.stored_at.timestamp(),
            delivered=1,
        )
        request = read(self._network.subjects, task_type, delivery)
        result = failure(self._identity, request, code, _why(tokens))
        settlement = await self._network.results.settle(result)
        reply_to = _reply_to(request)
        if settlement.won and reply_to is not None:
            headers = {"Content-Type": MSGPACK} if delivery.content_type == MSGPACK else None
            body = encode(settlement.result, delivery.content_type)
            await self._network.client.publish(reply_to, body, headers=headers)


def _reply_to(request: Request | Refusal) -> str | None:
    return request.reply_to if isinstance(request, Refusal) else request.assignment.reply_to


def _why(tokens: list[str]) -> str:
    """Return what is wrong with a task or workflow subject, given as its tokens."""
    family, name, *rest = tokens[1:]
    if family == "workflow":
        return f"there is no workflow {name!r}; known: {', '.join(WORKFLOWS)}"
    if name in task_types() and rest:
        return f"{'.'.join(rest)!r} is no priority; publish on {tokens[0]}.task.{name}, or with .{', .'.join(PRIORITIES)} behind it"
    return f"no clone serves {name!r}; known: {', '.join(task_types())}"
