"""A clone as an agent: `send_message(TaskAssignment(...), AgentId("beta", "security"))` returns the task's result.

What an agent is sent becomes a task like any other: stored before anything else happens, taken by whoever is free, with the limits,
retries and events of its route. So it matters to nobody how a task came, and no task is lost with the agent that it came by.

This module loads AutoGen; `clones.membership` is what daemons import.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import msgspec
from autogen_core import AgentId, BaseAgent, MessageContext
from autogen_core.exceptions import CantHandleException

from bus.agent_runtime import NatsAgentRuntime
from bus.agents.errors import RecipientNotFound, WorkerLost
from bus.client import Submitter
from bus.delivery import from_ledger
from bus.errors import SanctuaryError
from bus.identity import Identity
from bus.intake import MAX_BODY_BYTES, Request, misuse, read
from bus.journal import Journal, insist
from bus.ledger import entry
from bus.network import Network
from bus.outcomes import failure
from bus.task import printable
from clones.agent_keys import Keys
from schemas import (
    JSON,
    ErrorCode,
    SchemaError,
    TaskAssignment,
    TaskCompletion,
    TaskFailure,
    TaskResult,
    decode,
    encode,
    new_id,
)

log = logging.getLogger(__name__)

END_WITHIN_S = 10.0
"""How long a task whose caller has cancelled it is tried to be ended."""


class Malformed(msgspec.Struct, frozen=True):
    """The body of a TaskAssignment that is none."""

    body: bytes


class AssignmentSerializer:
    """Writes assignments as everybody does, and reads also those that are none: they become tasks too, which fail in words."""

    data_content_type = JSON
    type_name = TaskAssignment.__name__
    cls = TaskAssignment

    def serialize(self, message: TaskAssignment) -> bytes:
        """Return the JSON."""
        return encode(message)

    def deserialize(self, payload: bytes) -> TaskAssignment | Malformed:
        """Return the assignment, or the payload as it came."""
        try:
            assignment: TaskAssignment = decode(TaskAssignment, payload)
        except SchemaError:
            return Malformed(payload)
        return assignment


def runtime_on(network: Network) -> NatsAgentRuntime:
    """Return a runtime in the namespace of the realm, on the network's own connection."""
    runtime = NatsAgentRuntime(network.connection, namespace=network.subjects.realm)
    runtime.add_message_serializer(AssignmentSerializer())
    return runtime


class CloneAgent(BaseAgent):
    """One clone's agent for one task type, which is its key. It has no state: all of it stands in the ledger."""

    def __init__(self, desk: "Desk") -> None:
        super().__init__(
            f"Sanctuary's clone {desk.name}: takes a TaskAssignment, returns a TaskCompletion or a TaskFailure"
        )
        self._desk = desk

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> TaskCompletion | TaskFailure:
        """Have a TaskAssignment done, and return the result.

        Raises:
            RecipientNotFound: the agent's key is no task type of this clone; names those that are.
            WorkerLost: this instance stops, and the task is not done yet; it goes on.
            CantHandleException: the message is no TaskAssignment.
        """
        if not isinstance(message, TaskAssignment | Malformed):
            raise CantHandleException(f"{self.id} takes a schemas.TaskAssignment, and no {type(message).__name__}")
        asking = self._desk.ask(self.id, message, ctx.sender)
        ctx.cancellation_token.link_future(asking)
        return await asking


class Desk:
    """Has done as tasks what the agents of one clone are sent."""

    def __init__(self, network: Network, identity: Identity, keys: Callable[[], Keys]) -> None:
        self.name = identity.clone
        self._network = network
        self._identity = identity
        self._keys = keys
        self._submitter = Submitter(network)
        self._stack = contextlib.AsyncExitStack()
        self._asking: set[asyncio.Task[TaskResult]] = set()
        self._closing = asyncio.Event()
        self._journal = Journal(network.requester, network.subjects)

    async def open(self, runtime: NatsAgentRuntime) -> None:
        """Take messages for agents of the clone's name; raises as `NatsAgentRuntime.register_factory`."""
        await self._stack.enter_async_context(self._submitter)
        await runtime.register_factory(self.name, lambda: CloneAgent(self), expected_class=CloneAgent)

    async def close(self, within_s: float) -> None:
        """Let those that wait have their results within so many seconds; the others get WorkerLost."""
        if self._asking:
            await asyncio.wait(self._asking, timeout=within_s)
        self._closing.set()
        if self._asking:
            await asyncio.wait(self._asking)
        await self._stack.aclose()

    def ask(
        self, agent: AgentId, message: TaskAssignment | Malformed, sender: AgentId | None
    ) -> "asyncio.Task[TaskResult]":
        """Store a task and return its result, whoever brings it about; cancelling this ends the task. Raises as `CloneAgent`."""
        asking = asyncio.create_task(self._result_of(agent, message, sender))
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)
        return asking

    async def _result_of(
        self, agent: AgentId, message: TaskAssignment | Malformed, sender: AgentId | None
    ) -> TaskResult:
        task_type = self._task_type(agent)
        storing = asyncio.create_task(self._store(task_type, message))
        waiting = asyncio.create_task(self._wait(task_type, storing))
        closing = asyncio.create_task(self._closing.wait())
        try:
            await asyncio.wait((waiting, closing), return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
        except asyncio.CancelledError:
            # What is being stored is stored first: only then is there something to end.
            waiting.cancel()
            try:
                async with asyncio.timeout(END_WITHIN_S):
                    await self._end(task_type, await storing, message, sender)
            except (TimeoutError, SanctuaryError, WorkerLost) as error:
                log.warning("a task of %s, cancelled by its caller, may go on: %s", agent, error)
            raise
        finally:
            for task in (storing, waiting, closing):
                task.cancel()
        stored = storing.done()
        what = f"the task {storing.result()} goes on without it" if stored else "whether the task is stored is unknown"
        raise WorkerLost(f"{self._identity.instance}, which had {agent}, stops; {what}")

    async def _wait(self, task_type: str, storing: "asyncio.Task[str]") -> TaskResult:
        return await self._submitter.result(task_type, await asyncio.shield(storing))

    def _task_type(self, agent: AgentId) -> str:
        keys = self._keys()
        if agent.key in keys.own or agent.key in keys.others:
            return agent.key
        if agent.key == "default" and len(keys.own) == 1:
            return keys.own[0]
        other = f"; in place of others also {', '.join(keys.others)}" if keys.others else ""
        raise RecipientNotFound(
            f"there is no agent {agent}: the keys of {self.name} are its task types, {', '.join(keys.own) or 'none just now'}{other}"
        )

    async def _store(self, task_type: str, message: TaskAssignment | Malformed) -> str:
        """Store what came as it came, and return the id that its result has."""
        if isinstance(message, TaskAssignment) and misuse(message) is None:
            named = message if message.id else msgspec.structs.replace(message, id=new_id())
            if len(encode(named)) <= MAX_BODY_BYTES:
                return (await self._submitter.submit(task_type, named)).id
        # The worker that takes it says what is wrong, as it does for everybody.
        body = message.body if isinstance(message, Malformed) else encode(message)
        sequence = await self._submitter.submit_body(task_type, body)
        stored = await insist(lambda: entry(self._network, sequence))
        if stored is None:
            raise WorkerLost(f"the ledger has lost its entry {sequence}")
        return read(self._network.subjects, task_type, from_ledger(stored)).id

    async def _end(
        self, task_type: str, task_id: str, message: TaskAssignment | Malformed, sender: AgentId | None
    ) -> None:
        """Give a task its end, where it has none yet; whoever runs it stops when it hears of that."""
        assignment = message if isinstance(message, TaskAssignment) else TaskAssignment()
        last = await self._journal.last(task_type, task_id)
        by = "its caller" if sender is None else f"the agent {sender}"
        result = failure(
            self._identity,
            Request(task_id, task_type, assignment),
            ErrorCode.CANCELLED,
            printable(f"cancelled by {by}"),
            attempt=last.attempt if last is not None else 0,
        )
        await self._network.results.settle(result)
