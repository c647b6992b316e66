"""Starting a runtime and stopping it."""

import asyncio
import contextlib
from collections.abc import Awaitable

from bus.agents.idle import Idle
from bus.agents.node import Node
from bus.agents.registering import Registering
from bus.agents.tracing import Tracing
from bus.agents.unhandled import Unhandled
from bus.errors import SanctuaryError

_START_WAIT_S = 2.5
"""How long stopping waits for a start that is under way; without a connection that would be for ever."""


class Running:
    """Whether one runtime handles messages."""

    def __init__(
        self, node: Node, registering: Registering, tracing: Tracing, idle: Idle, unhandled: Unhandled
    ) -> None:
        self._node = node
        self._registering = registering
        self._tracing = tracing
        self._idle = idle
        self._unhandled = unhandled
        self._starting: asyncio.Task[None] | None = None

    @property
    def is_on(self) -> bool:
        """Tell whether `start` was called, and `stop` was not since."""
        return self._starting is not None

    def start(self) -> Awaitable[None]:
        """Begin; RuntimeError where it has begun."""
        if self._starting is not None:
            raise RuntimeError("Runtime is already started")
        self._unhandled.take()
        self._tracing.look()
        self._node.incoming.start()
        self._starting = asyncio.create_task(self._start(), name="start agents")
        # Whatever comes next on this runtime raises it again.
        self._starting.add_done_callback(lambda starting: starting.cancelled() or starting.exception())
        return asyncio.shield(self._starting)

    async def _start(self) -> None:
        await self._node.start()
        await self._registering.tell()

    async def ready(self) -> None:
        """Return once what `start` began has come about; raises what was in its way."""
        if self._starting is not None:
            await asyncio.shield(self._starting)

    async def stop(self, *, when_idle: bool) -> None:
        """End; raises RuntimeError where it has not begun, and the first error of a handler of an event, if that is wanted."""
        starting = self._starting
        if starting is None:
            raise RuntimeError("Runtime is not started")
        try:
            if when_idle:
                await self.ready()
                await self._quiet()
            else:
                await asyncio.wait((starting,), timeout=_START_WAIT_S)
                if starting.done():
                    starting.result()
        finally:
            self._starting = None
            starting.cancel()
            self._node.started.clear()
            try:
                # First, so that nobody asks us for what we let go. Without a connection the others have it from the server
                # that we are gone, and from us when we are back.
                if self._node.joined:
                    with contextlib.suppress(SanctuaryError):
                        await self._registering.tell()
            finally:
                await self._node.stop()
        error = self._unhandled.take()
        if error is not None:
            raise error

    async def end(self) -> None:
        """Stop for good. That the start failed is not raised again: whatever needed it has told, and this clears up after it."""
        starting = self._starting
        if starting is None:
            return
        try:
            await self.stop(when_idle=False)
        except Exception as error:
            if not starting.done() or starting.cancelled() or starting.exception() is not error:
                raise

    async def _quiet(self) -> None:
        """Return when nothing is under way any more, or an error is to be raised."""
        idle = self._idle
        while self._unhandled.first is None:
            if idle.count:
                await idle.wait()
                continue
            changes = idle.changes
            await self._node.dispatching.quiet(lambda: self._unhandled.first is not None)
            await self._node.sync()
            if not idle.count and idle.changes == changes:
                return
