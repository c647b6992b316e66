"""One nats-server process: started so that it ends with its starter, listened to, and ended."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import msgspec

STOP_TIMEOUT_S = 15.0
_LAST_LINES = 20

_log = logging.getLogger(__name__)


class Ports(msgspec.Struct, frozen=True):
    """Where a server listens, as URLs."""

    nats: list[str]
    monitoring: list[str]


class ServerProcess:
    """Made by `start_process`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._listener = asyncio.create_task(self._listen(), name="nats-server stderr")

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs; a negative signal number where one ended it."""
        return self._process.returncode

    @property
    def last_words(self) -> Sequence[str]:
        """The last lines that went to stderr: what a server says before it has a log, and when it crashes."""
        return tuple(self._lines)

    async def ports(self, directory: Path, within_s: float) -> Ports | None:
        """Wait for the ports file, which the server writes into `directory` once it accepts clients; None: it ended, or is late."""
        deadline = time.monotonic() + within_s
        while (found := _read_ports(directory, self.pid)) is None:
            if self.exit_status is not None or time.monotonic() > deadline:
                return None
            await asyncio.sleep(0.005)
        return found

    async def wait(self) -> int:
        """Wait until it ends, and return its exit status."""
        return await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal; one that is gone already does no harm."""
        # Not `process.send_signal`: that looks whether the child has ended, and so takes its exit status from the event loop.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    async def end(self, first: signal.Signals = signal.SIGTERM) -> None:
        """End it with `first`, and with SIGKILL after 15 s; returns when it is gone and all its words are heard."""
        if self._process.returncode is None:
            self.send(first)
            try:
                await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)
            except BaseException as error:
                # Never left behind with the store, not even when this is cancelled.
                self.send(signal.SIGKILL)
                if not isinstance(error, TimeoutError):
                    raise
                _log.warning("nats-server did not stop within %g s and was killed", STOP_TIMEOUT_S)
                await self._process.wait()
        await self._listener

    async def _listen(self) -> None:
        if self._process.stderr is None:
            return
        while chunk := await self._process.stderr.read(65536):
            self._lines.extend(chunk.decode(errors="replace").splitlines())


async def start_process(binary: Path, config_file: Path, lock: int) -> ServerProcess:
    """Start `binary` on a configuration file; it inherits the store's lock, and ends when this process does."""
    tether = Path(__file__).with_name("tether.py")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", tether, str(os.getpid()), binary, "-c", config_file),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=(lock,),
        # Ctrl-C at a terminal is for the starter, which drains its daemons before it stops the server.
        start_new_session=True,
    )
    return ServerProcess(process)


def _read_ports(directory: Path, pid: int) -> Ports | None:
    for path in directory.glob(f"*_{pid}.ports"):
        with contextlib.suppress(OSError, msgspec.DecodeError):  # not yet whole
            return msgspec.json.decode(path.read_bytes(), type=Ports)
    return None
