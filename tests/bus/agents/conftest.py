"""Runtimes on a real server, each test in a namespace of its own."""

import asyncio
import itertools
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from autogen_core import SingleThreadedAgentRuntime

from bus.agent_runtime import NatsAgentRuntime
from bus.requests import Requester
from bus.server import EmbeddedServer, ServerOptions
from tests.bus.agents.pair import Pair
from tests.bus.eventually import WITHIN_S

_serial = itertools.count(1)

AWAITED = (
    "bus.connect_options.PING_INTERVAL_S",
    "bus.quick_client._FLUSH_S",
    "bus.agents.control._SYNC_WAIT_S",
    "bus.agents.durable.dispatcher._STOP_WAIT_S",
    "bus.agents.durable.dispatching._UNKNOWN_S",
    "bus.agents.durable.office._RELEASE_WAIT_S",
    "bus.agents.durable.topics._WITHIN_S",
    "bus.agents.node._JOIN_WAIT_S",
    "bus.agents.placing._WITHIN_S",
    "bus.agents.running._START_WAIT_S",
    "bus.agents.session._CONNECT_WAIT_S",
    "bus.agents.states._WITHIN_S",
    "bus.agents.watching._WITHOUT_CONNECTION_S",
)
"""How long a runtime waits for others, beside the single requests."""
ANSWERED_WITHIN_S = 12.0
"""A request that was lost is still made again in time for whoever waits as tests do."""
BACK_WITHIN = (
    "bus.agents.claims._GRACE_S",
    "bus.agents.placing._WITHIN_S",
    "bus.agents.session._RECENTLY_S",
    "bus.agents.states._WITHIN_S",
    "bus.agents.watching._WITHOUT_CONNECTION_S",
)
"""How long a runtime waits for the server, and for others after it."""


class Grounds:
    """Makes runtimes and worker processes in one namespace, and ends them."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        self.namespace = f"test{next(_serial)}"
        self._runtimes: list[NatsAgentRuntime] = []
        self._processes: list[Process] = []

    def runtime(self, **options: Any) -> NatsAgentRuntime:
        runtime = NatsAgentRuntime(self.server.settings_for("operator"), namespace=self.namespace, **options)
        self._runtimes.append(runtime)
        return runtime

    async def started(self, **options: Any) -> NatsAgentRuntime:
        runtime = self.runtime(**options)
        await runtime.start()
        return runtime

    async def process(self, agent_type: str = "worker", *topics: str) -> Process:
        settings = self.server.settings_for("operator")
        command = [sys.executable, "-m", "tests.bus.agents.process", settings.servers[0], str(settings.nkey)]
        command += [str(settings.inbox_prefix), self.namespace, agent_type, *topics]
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
        self.keep(process)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        return process

    def keep(self, process: Process) -> None:
        """End a process with the test."""
        self._processes.append(process)

    async def end(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
                await process.wait()
        for runtime in reversed(self._runtimes):
            await runtime.close()


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nobody given up for being slow: for what is not about how long a runtime waits, however busy the machine is."""
    for name in AWAITED:
        monkeypatch.setattr(name, WITHIN_S)
    send = Requester._send

    def waiting(self: Requester, *arguments: Any) -> "asyncio.Future[Any]":
        subject, payload, headers, timeout_s, parts = arguments
        return send(self, subject, payload, headers, max(timeout_s, ANSWERED_WITHIN_S), parts)

    monkeypatch.setattr(Requester, "_send", waiting)


@pytest.fixture
def enduring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nobody give up while a server is restarted, nor on those who come back late; requests that broke are soon tried again."""
    for name in BACK_WITHIN:
        monkeypatch.setattr(name, WITHIN_S)


@pytest_asyncio.fixture
async def grounds(server: EmbeddedServer) -> AsyncIterator[Grounds]:
    made = Grounds(server)
    yield made
    await made.end()


Make = Callable[..., Any]


@pytest.fixture(params=["in one process", "on NATS", "on NATS, traffic from elsewhere"])
def make(request: pytest.FixtureRequest, grounds: Grounds) -> Make:
    """Makes the runtime that a test of behaviour common to both kinds is about."""
    if request.param == "in one process":
        return SingleThreadedAgentRuntime
    if request.param == "on NATS":
        return grounds.runtime
    return lambda **options: Pair(grounds.runtime(**options), grounds.runtime(**options))


@pytest_asyncio.fixture
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Grounds]:
    """Grounds on a server that the test may kill."""
    options = ServerOptions(store=tmp_path_factory.mktemp("own") / "store", port=-1)
    async with EmbeddedServer(options) as server:
        grounds = Grounds(server)
        yield grounds
        await grounds.end()
