"""A real network in one process, for the tests of clones of one's own.

    async def test_it_translates() -> None:
        async with network_of(Translator) as network:
            result = await network.run("translate", {"text": "hi"})
            assert result.output == "salve"

A server on a free port with a store that is thrown away, Omega, and the clones, each connected as its own user: what works
here has the rights that it needs. Nothing in it belongs to pytest.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bus.artifacts import Artifacts
from bus.client import Submitted, Submitter
from bus.identity import OMEGA, Identity
from bus.ledger import entries
from bus.network import Network, open_network
from bus.routes import ensure_bucket, put
from bus.server import EmbeddedServer, ServerOptions
from bus.server_config import AGENTS, OPERATOR
from bus.task import Service
from bus.topology import Limits
from clones.base import Clone, definition_of
from clones.daemon import Daemon
from clones.engine_handler import Workshop, artifact_fetcher
from clones.membership import Membership
from clones.models.asking import Adviser, Model
from clones.offer import Offer
from clones.omega.coordination import coordination, make_network
from clones.routing import types_by_clone
from clones.targets import TargetPolicy
from schemas import AnyTaskEvent, Priority, RoutesInForce, RoutingTable, TaskAssignment, TaskEvent, TaskResult, decode

if TYPE_CHECKING:
    from autogen_core import AgentRuntime

CAPACITY = 4
WITHIN_S = 30.0


class Harness:
    """A network that runs; made by `network_of`."""

    def __init__(
        self,
        server: EmbeddedServer,
        network: Network,
        submitter: Submitter,
        application: Membership,
        clones: Sequence[Membership],
    ) -> None:
        """Take the memberships of an application of AutoGen, and of the clones and Omega."""
        self.server = server
        self.network = network
        """The operator's connection."""
        self._submitter = submitter
        self._application = application
        self._clones = clones

    async def submit(
        self,
        task_type: str,
        params: Mapping[str, Any] | None = None,
        *,
        priority: Priority | None = None,
        **fields: Any,
    ) -> Submitted:
        """Store a task, and return under which id; `fields` are further ones of TaskAssignment."""
        assignment = TaskAssignment(params=dict(params or {}), **fields)
        return await self._submitter.submit(task_type, assignment, priority=priority)

    async def result(self, task_type: str, task_id: str, *, within_s: float = WITHIN_S) -> TaskResult:
        """Return a task's TaskCompletion or TaskFailure, as soon as there is one.

        Raises:
            TimeoutError: there was none within `within_s`.
        """
        return await self._submitter.result(task_type, task_id, timeout_s=within_s)

    async def run(
        self,
        task_type: str,
        params: Mapping[str, Any] | None = None,
        *,
        priority: Priority | None = None,
        within_s: float = WITHIN_S,
        **fields: Any,
    ) -> TaskResult:
        """Submit a task and return its result; parameters and errors as of `submit` and `result`."""
        submitted = await self.submit(task_type, params, priority=priority, **fields)
        return await self.result(task_type, submitted.id, within_s=within_s)

    async def agents(self) -> "AgentRuntime":
        """Return a runtime as an application of AutoGen has it, of which all clones are agents by now.

        Raises:
            TimeoutError: they were not within 30 s.
        """
        async with asyncio.timeout(WITHIN_S):
            for clone in self._clones:
                await clone.served()
            return await self._application.runtime()

    async def events(self, task_type: str, task_id: str) -> list[TaskEvent]:
        """Return what the ledger tells of a task between its assignment and its result, oldest first."""
        subject = self.network.subjects.event(task_type, task_id)
        return [decode(AnyTaskEvent, message.data) async for message in entries(self.network, subject)]


@asynccontextmanager
async def network_of(
    *kinds: type[Clone], workspace: Path | None = None, model: Model | None = None
) -> AsyncIterator[Harness]:
    """Run a network with these clones, and with their routes and no others, while this is open.

    `workspace` is what relative targets are relative to; None: the current directory. `model` is the language model that
    the clones may ask; it stays open.

    Raises:
        InvalidClone: a class is no usable clone.
        Exception: what a clone's `start` raised; at the end, what ended a clone's daemon by itself.
    """
    definitions = [definition_of(kind) for kind in kinds]
    routes = {task_type: route for definition in definitions for task_type, route in definition.routes.items()}
    table = RoutingTable(routes=routes)
    async with AsyncExitStack() as stack:
        store = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sanctuary-")))
        options = ServerOptions(store=store, port=-1, clones=types_by_clone(table))
        server = await stack.enter_async_context(EmbeddedServer(options))
        operator = await _connected(stack, server, OPERATOR)
        await ensure_bucket(operator)
        # Before Omega looks for a table, and puts the default one into force.
        await put(operator, RoutesInForce(table=table, at=datetime.now(UTC), command=0, by="harness"), base_revision=0)

        omega, identity = await _connected(stack, server, OMEGA), Identity(OMEGA)
        await make_network(omega, Limits())
        services = await stack.enter_async_context(coordination(omega, identity))
        memberships = [await stack.enter_async_context(Membership(omega))]
        await stack.enter_async_context(_running(omega, identity, services, memberships[0]))
        for definition in definitions:
            network = await _connected(stack, server, definition.name)
            artifacts = Artifacts(network)
            targets = TargetPolicy(workspace=workspace or Path.cwd(), fetch_artifact=artifact_fetcher(artifacts))
            adviser = Adviser(model) if model is not None else None
            membership = await stack.enter_async_context(Membership(network))
            workshop = Workshop(
                network=network, artifacts=artifacts, targets=targets, adviser=adviser, membership=membership
            )
            handlers = await stack.enter_async_context(definition.serving(workshop))
            offer = Offer(definition.name, handlers, network.subjects)
            await stack.enter_async_context(_running(network, Identity(definition.name), offer, membership))
            memberships.append(membership)
        submitter = await stack.enter_async_context(Submitter(operator))
        application = await stack.enter_async_context(Membership(await _connected(stack, server, AGENTS)))
        yield Harness(server, operator, submitter, application, memberships)


async def _connected(stack: AsyncExitStack, server: EmbeddedServer, user: str) -> Network:
    subjects = server.subjects
    return await stack.enter_async_context(
        open_network(server.settings_for(user), subjects, name=user, wait_s=WITHIN_S)
    )


@asynccontextmanager
async def _running(
    network: Network, identity: Identity, serves: Iterable[Service] | Offer, membership: Membership
) -> AsyncIterator[None]:
    """Run a daemon while this is open."""
    daemon = Daemon(network, identity, serves, capacity=CAPACITY, drain_s=0.0, membership=membership)
    stop = asyncio.Event()
    running = asyncio.create_task(daemon.run(stop))
    try:
        yield
    finally:
        stop.set()
        await running
