"""A clone's way into its network's runtime of agents (`bus.agent_runtime`).

AutoGen is loaded with the first who wants it, and away from the event loop: tasks that come meanwhile do not wait for it, and whoever has
no use for agents is spared it.
"""

import asyncio
import importlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from bus.errors import Disconnected
from bus.identity import Identity
from bus.network import Network
from clones.agent_keys import Keys

if TYPE_CHECKING:
    from bus.agent_runtime import NatsAgentRuntime
    from clones.agent import Desk

log = logging.getLogger(__name__)


class Membership:
    """One process's membership, on the connection that its clone has. Nothing is joined before somebody asks for it.

    Use as an async context manager, within which the connection is open.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._joining: asyncio.Task[NatsAgentRuntime] | None = None
        self._desk: Desk | None = None
        self._served = asyncio.Event()
        self._closed = False

    async def runtime(self) -> "NatsAgentRuntime":
        """Return the runtime, joined and started; one for all who ask.

        Raises:
            RuntimeFailed, RequestTimeout, NoResponders, Disconnected, JetStreamError: it could not join; the next to ask tries again.
        """
        if self._closed:
            raise Disconnected("this process leaves the network's agents")
        if self._joining is None:
            self._joining = asyncio.create_task(self._join(), name="join the network's agents")
        joining = self._joining
        try:
            return await asyncio.shield(joining)
        except BaseException:
            if joining.done() and self._joining is joining:
                self._joining = None
            raise

    async def _join(self) -> "NatsAgentRuntime":
        module: Any = await asyncio.to_thread(importlib.import_module, "clones.agent")
        runtime: NatsAgentRuntime = module.runtime_on(self._network)
        try:
            await runtime.start()
        except BaseException:
            await _leave(runtime)
            raise
        return runtime

    async def serve(self, identity: Identity, keys: Callable[[], Keys]) -> None:
        """Be an agent: have what is sent to agents of the clone's name done as tasks; `keys` says which there are just now.

        Raises:
            As of `runtime`; nothing is served then, and it may be called again.
        """
        runtime = await self.runtime()
        module: Any = await asyncio.to_thread(importlib.import_module, "clones.agent")
        desk: Desk = module.Desk(self._network, identity, keys)
        try:
            await desk.open(runtime)
        except BaseException:
            # Half registered, it could not be registered again.
            self._joining = None
            await desk.close(0)
            await _leave(runtime)
            raise
        self._desk = desk
        self._served.set()
        log.info("%s is an agent of %s", identity.clone, self._network.subjects.realm)

    async def served(self) -> None:
        """Return once the clone is an agent."""
        await self._served.wait()

    async def withdraw(self) -> None:
        """Take no more messages: other instances get them from now on. Those that are being handled, and sending, go on.

        Raises nothing: a clone that cannot withdraw ends its tasks all the same.
        """
        runtime = self._joined()
        if runtime is None:
            return
        try:
            await runtime.stop()
        except RuntimeError:
            log.debug("whoever else has the runtime has stopped it")
        except Exception as error:  # noqa: BLE001  handlers of a clone's own agents may have raised anything
            log.warning("withdrew from the network's agents with an error: %s: %s", type(error).__name__, error)

    async def answer(self, within_s: float) -> None:
        """Give those that wait for a task `within_s` more; then tell them that the task goes on without us."""
        desk, self._desk = self._desk, None
        if desk is not None:
            await desk.close(within_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave."""
        self._closed = True
        await self.withdraw()
        await self.answer(0)
        runtime = self._joined()
        if runtime is not None:
            await _leave(runtime)
        elif self._joining is not None:
            self._joining.cancel()
            await asyncio.wait((self._joining,))
        self._joining = None

    def _joined(self) -> "NatsAgentRuntime | None":
        joining = self._joining
        done = joining is not None and joining.done() and not joining.cancelled() and joining.exception() is None
        return joining.result() if joining is not None and done else None


async def _leave(runtime: "NatsAgentRuntime") -> None:
    try:
        await runtime.close()
    except Exception as error:  # noqa: BLE001  agents of a clone's own may raise anything when they are closed
        log.warning("left the network's agents with an error: %s: %s", type(error).__name__, error)
