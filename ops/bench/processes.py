"""The processes of a bench, as whoever measures sees them."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn, TypeVar

import msgspec

from bus.errors import SanctuaryError
from ops.bench.child import LINE_BYTES

SILENCE_S = 300.0
"""No round takes this long, not even on a slow disk; if one does, a worker has gone."""
STOPPED_WITHIN_S = 30.0
LAST_WORDS_CHARS = 2000

_Answer = TypeVar("_Answer")


class BenchFailed(SanctuaryError):
    """The measurement came to no end, or to one that cannot be believed."""


class Child:
    """A process that answers in lines."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self._name = name
        self._process = process

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def ask(self, order: msgspec.Struct | None, kind: type[_Answer]) -> _Answer:
        """Send `order` and return what it is answered with."""
        if self._process.stdin is not None:
            self._process.stdin.write((msgspec.json.encode(order) if order is not None else b"{}") + b"\n")
        return msgspec.json.decode(await self.line(), type=kind)

    async def ended(self) -> NoReturn:
        """Wait until it ends, which it should not.

        Raises:
            BenchFailed: it has.
        """
        await self._process.wait()
        raise BenchFailed(f"the process `{self._name}` ended early; what it said is above")

    async def line(self) -> bytes:
        """Return the next line that it says.

        Raises:
            BenchFailed: it ended, or says nothing for `SILENCE_S`.
        """
        try:
            async with asyncio.timeout(SILENCE_S):
                line = await self._process.stdout.readline() if self._process.stdout is not None else b""
        except TimeoutError:
            raise BenchFailed(f"the process `{self._name}` came to no end within {SILENCE_S:g} s") from None
        return line or await self.ended()


@asynccontextmanager
async def child(store: Path, side: str, part: str) -> AsyncIterator[Child]:
    """Run a process of `ops.bench.child`; it is ready when this yields."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops.bench.child", store, side, part),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
    )
    try:
        made = Child(f"{side} {part}", process)
        await made.line()
        yield made
    except BaseException:
        if process.returncode is None:
            process.kill()
        raise
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


@asynccontextmanager
async def daemon(command: str, *options: str | Path, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command of sanctuary as people do, its log in `log`, and stop it as they do.

    Raises:
        BenchFailed: it ended before it was stopped, or did not stop.
    """
    with log.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ops.cli", command, *options), stderr=stderr
        )
    try:
        yield process
        if process.returncode is not None:
            raise BenchFailed(f"`sanctuary {command}` ended early, with status {process.returncode}{last_words(log)}")
        process.terminate()
        async with asyncio.timeout(STOPPED_WITHIN_S):
            await process.wait()
    except TimeoutError:
        raise BenchFailed(
            f"`sanctuary {command}` did not stop within {STOPPED_WITHIN_S:g} s{last_words(log)}"
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def last_words(log: Path) -> str:
    """Return the end of a daemon's log, to be put behind what went wrong."""
    return "; its last words:\n" + log.read_text(encoding="utf-8", errors="replace")[-LAST_WORDS_CHARS:]
