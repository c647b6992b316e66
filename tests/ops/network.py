"""`sanctuary up` and other commands that live for a while, as real processes."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bus.client import Submitter
from bus.jetstream import StoredMessage
from bus.ledger import entries
from bus.network import Network, open_network
from bus.store import read_network
from bus.subjects import Subjects
from ops.status import ask
from schemas import AnyTaskEvent, StatusResponse, TaskAssignment, TaskEvent, TaskResult, decode
from tests.bus.eventually import eventually
from tests.ops.rig import SANCTUARY

needs_proc = pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="looks at processes in /proc, as Linux has it")
WITHIN_S = 90.0
"""For anything that a machine with much else to do will do some time."""


def parents() -> dict[int, int]:
    """Every living process, with its parent."""
    found = {}
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            with contextlib.suppress(OSError):
                state, parent = (directory / "stat").read_text().rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    found[int(directory.name)] = int(parent)
    return found


def below(pid: int) -> set[int]:
    """All living descendants of a process."""
    table = parents()
    found: set[int] = set()
    new = {pid}
    while new:
        new = {child for child, parent in table.items() if parent in new} - found
        found |= new
    return found


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """A port where nobody listens, and which the system gives to nobody who asks for any free one, as long as this is open.

    Who asks for this very port, as servers do, gets it: a socket that only has an address is in nobody's way.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


class Command:
    """A command of `sanctuary`, its standard error in a file."""

    def __init__(self, *arguments: str | Path, directory: Path, **environment: str) -> None:
        """Start it with `directory` as its working directory; its temporary files go to one of their own."""
        self.directory = directory
        self.store = directory / "store"
        self.temporary = directory / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self._log = directory / f"{len(list(directory.glob('*.stderr')))}.stderr"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("NATS_", "SANCTUARY_"))}
        # A home of its own: the contexts and the state of whoever runs the tests are no part of them.
        home = {"HOME": str(directory), "TMPDIR": str(self.temporary), "SANCTUARY_STORE": str(self.store)}
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [SANCTUARY, *arguments],
                cwd=directory,
                env={**clean, **home, "XDG_CACHE_HOME": cache, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._seen: dict[int, str] = {}

    @property
    def log(self) -> str:
        """What it wrote to standard error so far."""
        return self._log.read_text()

    def said(self, pattern: str) -> bool:
        return re.search(pattern, self.log) is not None

    def until(self, pattern: str) -> "re.Match[str]":
        """Wait until it has said this."""
        deadline = time.monotonic() + WITHIN_S
        while (found := re.search(pattern, self.log)) is None:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)
        return found

    def below(self) -> dict[str, int]:
        """Its direct children by name: the server, Omega, the notary, and the clones."""
        self._seen |= {pid: command(pid) for pid in below(self.process.pid)}
        table = parents()
        named = {}
        for pid, parent in table.items():
            if parent == self.process.pid and (
                found := re.search(r"nats-server|omega|notary|clone (\w+)", command(pid))
            ):
                named[found[1] or found[0]] = pid
        return named

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal, and return its exit status once it has ended."""
        self.below()
        self.process.send_signal(number)
        return self.wait()

    def wait(self, within_s: float = WITHIN_S) -> int:
        """Return its exit status once it has ended by itself; standard output is in `out`."""
        self.out = self.process.communicate(timeout=within_s)[0].decode()
        return self.process.returncode

    def left(self) -> list[str]:
        """What ran below it when it was last looked at, or was told to end, and lives still a while after it.

        What ends with its parent ends a moment later, on a busy machine some moments.
        """
        deadline = time.monotonic() + WITHIN_S / 3
        while True:
            table = parents()
            found = [line for pid, line in self._seen.items() if pid in table and command(pid) == line]
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.02)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Client"]:
        """Connect as its operator."""
        known = read_network(self.store)
        assert known is not None
        settings = known.settings_for("operator")
        async with (
            open_network(settings, Subjects(known.realm), name="test") as network,
            Submitter(network) as submitter,
        ):
            yield Client(network, submitter)


class Client:
    """A client of a network that runs."""

    def __init__(self, network: Network, submitter: Submitter) -> None:
        self.network = network
        self.submitter = submitter

    async def ready(self) -> dict[str, StatusResponse]:
        """By clone, who is ready and has answered: on a busy machine not everybody answers in time each time."""
        return {answer.clone: answer for answer in await ask(self.network) if answer.state == "ready"}

    async def all_ready(self, *clones: str) -> dict[str, StatusResponse]:
        """As `ready`, once each of these has answered at one time or another."""
        found: dict[str, StatusResponse] = {}

        async def have_answered() -> bool:
            found.update(await self.ready())
            return found.keys() >= set(clones)

        await eventually(have_answered, within_s=WITHIN_S)
        return found

    async def run(self, task_type: str, target: str = "project") -> TaskResult:
        return await self.submitter.run(task_type, TaskAssignment(params={"target": target}), timeout_s=WITHIN_S)

    async def ledger(self, subject: str) -> list[StoredMessage]:
        """The ledger's entries on a subject, wildcards allowed, oldest first."""
        return [message async for message in entries(self.network, subject)]

    async def events(self, task_type: str, task_id: str) -> list[TaskEvent]:
        """What the ledger tells of a task, oldest first."""
        subject = self.network.subjects.event(task_type, task_id)
        return [decode(AnyTaskEvent, message.data) for message in await self.ledger(subject)]


@contextlib.contextmanager
def running(*arguments: str | Path, directory: Path, **environment: str) -> Iterator[Command]:
    """A command that is killed at the end where it runs still, with all that runs below it."""
    started = Command(*arguments, directory=directory, **environment)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            remaining = below(started.process.pid)
            started.process.kill()
            for pid in remaining:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        started.process.communicate()


def make_project(directory: Path) -> Path:
    """A project of one module that every clone has something to say about."""
    directory.mkdir(parents=True)
    (directory / "calc.py").write_text('def double(number):\n    """Return twice `number`."""\n    return number * 2\n')
    return directory
