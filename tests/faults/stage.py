"""A network of daemons as people run them, each a process of its own that a test may kill, stop and start."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from bus.client import Submitted, Submitter
from bus.ledger import entries
from bus.network import Network, open_network
from bus.server import EmbeddedServer, ServerOptions
from clones.routing import DEFAULT_TABLE, types_by_clone
from ops.rights import keep_rights
from ops.status import ask
from ops.supervisor import Supervisor
from schemas import (
    AnyTaskEvent,
    Command,
    Priority,
    StatusResponse,
    TaskAssignment,
    TaskEvent,
    TaskResult,
    decode,
    encode,
)
from tests.bus.eventually import eventually
from tests.faults.scene import ROOT

WITHIN_S = 60.0
"""For anything that a machine with much else to do will do some time."""
TOILER = "tests.faults.clones:Toiler"
THIS, NEXT = "", "tests.faults.next_version"
"""Versions of Sanctuary."""
UNDERSTUDY = "tests.faults.clones:Understudy"
"""The fallback of the Toiler."""


class Stage:
    """A server and Omega, and any number of clones."""

    def __init__(self, server: EmbeddedServer, network: Network, submitter: Submitter, directory: Path) -> None:
        self.server = server
        self.network = network
        self.submitter = submitter
        self.directory = directory
        self.daemons: dict[str, Process] = {}

    def python(self, module: str, *arguments: object, version: str = THIS) -> list[str]:
        """Return the command line of a program of this version, or of the next."""
        return [sys.executable, "-m", *([version] if version else []), module, *map(str, arguments)]

    def argv(self, what: str, *options: str, version: str = THIS) -> list[str]:
        """Return the command line of Omega or a clone."""
        daemon = ["omega"] if what == "omega" else ["clone", what, "--workspace", str(self.directory)]
        return self.python("ops.cli", *daemon, "--store", self.server.options.store, *options, version=version)

    @property
    def environment(self) -> Mapping[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("NATS_", "SANCTUARY_"))}
        return {**clean, "PYTHONPATH": str(ROOT)}

    async def start(self, name: str, what: str, *options: str, version: str = THIS) -> StatusResponse:
        """Start a daemon and return its status once it is ready; its log is `<name>.log`."""
        with (self.directory / f"{name}.log").open("wb") as log:
            self.daemons[name] = await asyncio.create_subprocess_exec(
                *self.argv(what, *options, version=version),
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        return await self.ready(name)

    async def ready(self, name: str) -> StatusResponse:
        process, deadline = self.daemons[name], time.monotonic() + WITHIN_S
        while True:
            for answer in await ask(self.network):
                if answer.pid == process.pid and answer.state == "ready":
                    return answer
            log = (self.directory / f"{name}.log").read_text()
            assert process.returncode is None, log
            assert time.monotonic() < deadline, log

    def send(self, name: str, number: signal.Signals) -> None:
        self.daemons[name].send_signal(number)

    async def end(self, name: str, number: signal.Signals) -> int:
        """End a daemon and return its exit status."""
        process = self.daemons.pop(name)
        process.send_signal(number)
        return await asyncio.wait_for(process.wait(), WITHIN_S)

    @asynccontextmanager
    async def supervised(self, daemons: Mapping[str, list[str]]) -> AsyncIterator[Supervisor]:
        """Keep daemons running, by name and command line, as `sanctuary up` does."""
        supervisor = Supervisor(1.0, self.environment, self.directory)
        try:
            for name, argv in daemons.items():
                supervisor.add(name, argv)
            yield supervisor
        finally:
            await supervisor.stop()

    async def answering(self, clone: str) -> dict[str, StatusResponse]:
        """Return the ready instances of a clone."""
        return {each.instance: each for each in await ask(self.network) if (each.clone, each.state) == (clone, "ready")}

    async def submit(
        self, task_type: str, params: Mapping[str, Any] | None = None, priority: Priority | None = None, **fields: Any
    ) -> Submitted:
        assignment = TaskAssignment(params=dict(params or {}), **fields)
        return await self.submitter.submit(task_type, assignment, priority=priority)

    async def result(self, submitted: Submitted, *, within_s: float = WITHIN_S) -> TaskResult:
        return await self.submitter.result(submitted.task_type, submitted.id, timeout_s=within_s)

    async def command(self, command: Command) -> TaskResult:
        """Give a command to Omega and return the verdict."""
        subject = self.network.subjects.call_command()
        answer = await self.network.requester.request(subject, encode(command), timeout_s=WITHIN_S)
        verdict: TaskResult = decode(TaskResult, answer.data)
        return verdict

    async def events(self, submitted: Submitted) -> list[TaskEvent]:
        """What the ledger tells of a task, oldest first."""
        subject = self.network.subjects.event(submitted.task_type, submitted.id)
        return [decode(AnyTaskEvent, message.data) async for message in entries(self.network, subject)]

    async def told(self, submitted: Submitted, kind: type[TaskEvent], *, attempt: int | None = None) -> None:
        """Wait until the ledger has such an event of a task."""

        async def there() -> bool:
            events = await self.events(submitted)
            return any(isinstance(event, kind) and attempt in (None, event.attempt) for event in events)

        await eventually(there, within_s=WITHIN_S)

    async def close(self) -> None:
        for process in self.daemons.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


@asynccontextmanager
async def open_stage(directory: Path, store: Path | None = None) -> AsyncIterator[Stage]:
    """A server whose clones' rights follow the routing table, and Omega, ready; relative targets lie in `directory`."""
    async with AsyncExitStack() as stack:
        clones = types_by_clone(DEFAULT_TABLE)
        options = ServerOptions(store=store or directory / "store", port=-1, clones=clones)
        server = await stack.enter_async_context(EmbeddedServer(options))
        network = await stack.enter_async_context(
            open_network(server.settings_for("operator"), server.subjects, name="stage")
        )
        stack.callback(asyncio.create_task(keep_rights(network, server)).cancel)
        submitter = await stack.enter_async_context(Submitter(network))
        stage = Stage(server, network, submitter, directory)
        stack.push_async_callback(stage.close)
        await stage.start("omega", "omega")
        yield stage
