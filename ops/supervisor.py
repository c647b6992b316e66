"""Keeps processes running: starts each, starts it again with back-off when it dies, and stops all of them cleanly."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import bus.tether

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 30.0
"""A process that ran this long is taken to work: its next death begins the back-off anew."""
KILL_AFTER_S = 20.0
"""What a process gets beyond its own time to drain before it is killed: more than a worker's own limits on the way out
add up to (withdraw its pulls, hand tasks back, store the last events, close the connection)."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Child:
    """One supervised process."""

    name: str
    argv: Sequence[str]
    ends_last: bool = False
    final_status: int | None = None
    process: asyncio.subprocess.Process | None = None
    starts: int = 0
    failures_in_row: int = 0
    runner: "asyncio.Task[None] | None" = field(default=None, repr=False)


def pause_s(failures_in_row: int) -> float:
    """Return how long to wait before the next start after this many deaths in a row."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (failures_in_row - 1)) if failures_in_row else 0.0


class Supervisor:
    """Runs children until `stop`. On Linux they end with this process, however it ends."""

    def __init__(
        self,
        drain_s: float,
        environ: Mapping[str, str],
        log_directory: Path | None = None,
        on_death: Callable[[str, str], None] = lambda name, how: None,
    ) -> None:
        """Take what children inherit, how long they may drain, and where `<name>.log` goes; None: to our standard error.

        `on_death` hears of each child that ended by itself: its name, and how, in words.
        """
        self._drain_s = drain_s
        self._environ = dict(environ)
        self._log_directory = log_directory
        self._on_death = on_death
        self._children: dict[str, Child] = {}
        self._stopping = asyncio.Event()

    @property
    def children(self) -> Mapping[str, Child]:
        """By name."""
        return self._children

    def add(self, name: str, argv: Sequence[str], *, ends_last: bool = False, final_status: int | None = None) -> None:
        """Start a process and keep it running; one that `ends_last` is stopped once all others have ended.

        Where it ends with `final_status`, starting it again is no use, and it has told why: it is left alone.
        """
        child = Child(name, argv, ends_last, final_status)
        self._children[name] = child
        child.runner = asyncio.create_task(self._keep(child), name=f"keep {name}")

    async def stop(self) -> None:
        """Stop all: SIGTERM, time to drain, SIGKILL. Returns when none lives, even where it is cancelled meanwhile."""
        self._stopping.set()
        ending = asyncio.create_task(self._end_all())
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await asyncio.wait((ending,))
            raise

    async def _end_all(self) -> None:
        for last in (False, True):
            await asyncio.gather(*(self._end(child) for child in self._children.values() if child.ends_last is last))

    async def _keep(self, child: Child) -> None:
        while not self._stopping.is_set():
            started_at = time.monotonic()
            ended = await self._run(child)
            if self._stopping.is_set():
                return
            if child.process is not None and child.process.returncode == child.final_status is not None:
                log.error("%s %s, for a reason that starting it again does not mend", child.name, ended)
                return
            steady = time.monotonic() - started_at >= STEADY_S
            child.failures_in_row = 1 if steady else child.failures_in_row + 1
            pause = pause_s(child.failures_in_row)
            log.error("%s %s; starting it again in %.1f s", child.name, ended, pause)
            self._on_death(child.name, ended)
            await asyncio.sleep(pause)

    async def _run(self, child: Child) -> str:
        """Run the process once; returns in words how it ended."""
        try:
            child.process = await self._start(child)
        except OSError as error:
            return f"could not be started: {error}"
        child.starts += 1
        status = await child.process.wait()
        return f"ended with status {status}" if status >= 0 else f"was killed by signal {-status}"

    async def _start(self, child: Child) -> asyncio.subprocess.Process:
        log_file = (
            None if self._log_directory is None else await asyncio.to_thread(_open_log, self._log_directory, child)
        )
        try:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", Path(bus.tether.__file__), str(os.getpid())),
                *child.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stderr=log_file,
                env=self._environ,
                start_new_session=True,
            )
        finally:
            if log_file is not None:
                log_file.close()

    async def _end(self, child: Child) -> None:
        process = child.process
        if process is not None and process.returncode is None:
            _signal(process, signal.SIGTERM)
            try:
                async with asyncio.timeout(self._drain_s + KILL_AFTER_S):
                    await process.wait()
            except TimeoutError:
                log.warning("%s did not stop in time and is killed", child.name)
                _signal(process, signal.SIGKILL)
                await process.wait()
        if child.runner is not None:
            child.runner.cancel()
            await asyncio.gather(child.runner, return_exceptions=True)


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)


def _open_log(directory: Path, child: Child) -> BinaryIO:
    """Open a child's log: a new one at first, later the same, as it says why the child died."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return (directory / f"{child.name}.log").open("ab" if child.starts else "wb")
