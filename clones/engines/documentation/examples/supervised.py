"""Run the steps of one document in a process of their own, below a launcher of its own, and hear what comes of each."""

import asyncio
import json
import math
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from clones import launcher
from clones.engines.documentation.examples.copies import Copy
from clones.engines.documentation.examples.ends import End, decoded
from clones.engines.messages import Ended
from clones.launching import Limits, Tail, launched

GRACE_S = 5.0
"""What a step that does not let itself be interrupted gets beyond its time."""
PROCESSES = 100
DISK_BYTES = 1024**3
"""What a run may add to the copy and its home; its TMPDIR may hold as much again."""
_READ_BYTES = 64 * 1024
_MAX_TOLD_BYTES = 32 * 1024 * 1024
_LOOK_EVERY_S = 0.5
_LOOK_SHARE = 0.1
"""Of the time that looking at what a run has written may take, in a very large project."""
_TAIL_BYTES = 4096
_LOST = "it killed the process that looks after it"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """As `sanctuary_examples` has it."""

    file: str
    limit_s: float
    processes: int
    groups: tuple["RequestedGroup", ...]


class RequestedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """As there."""

    module: str | None
    steps: tuple["RequestedStep", ...]


class RequestedStep(msgspec.Struct, frozen=True, kw_only=True):
    """As there."""

    number: int
    source: str
    line: int
    typed: bool
    again: bool


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    event: str
    number: int = -1


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run."""

    ends: Mapping[int, End]
    begun: int | None
    """The step that was begun last; None before the first, and in the import of what a docstring begins with."""
    finished: bool
    why: str
    """How it ended where it is not finished."""


def run(argv: Sequence[str], request: Request, *, env: Mapping[str, str], copy: Copy, limits: Limits) -> Heard:
    """Run `argv`, which is `sanctuary_examples` with its interpreter, in `copy`.

    No process of it is left afterwards, unless it killed its launcher: what it then left in sessions of its own ends with the
    engine, and the copy is given up, as that could write there.
    """
    hearing = _Hearing(request, copy)
    heard = asyncio.run(_run(argv, hearing, env=env, limits=limits))
    if heard.why == _LOST:
        copy.give_up("a block before it killed the process that looks after it, so what that started may still run")
    return heard


async def _run(argv: Sequence[str], hearing: "_Hearing", *, env: Mapping[str, str], limits: Limits) -> Heard:
    log = Tail(_TAIL_BYTES)
    stopped = ""
    # names of files may hold what is no text; msgspec refuses that, and json escapes it
    stdin = json.dumps(msgspec.to_builtins(hearing.request)).encode()
    async with launched(argv, stdin=stdin, limits=limits, env=env, log=log, directory=str(hearing.copy.root)) as output:
        while not stopped:
            try:
                async with asyncio.timeout(_LOOK_EVERY_S):
                    data = await output.read(_READ_BYTES)
                if not data:
                    break
                hearing.feed(data)
            except TimeoutError:
                pass
            stopped = hearing.over()
    return hearing.heard(stopped, bytes(log).decode(errors="replace"), limits)


class _Hearing:
    """The lines of a run as they arrive.

    The code that is run can write lines too: it may so tell of itself and of what follows it in the same process, and get the
    time of that; not of what ended before it, and no step is begun twice.
    """

    def __init__(self, request: Request, copy: Copy) -> None:
        self.request = request
        self.copy = copy
        self._asked = {step.number for group in request.groups for step in group.steps if not step.again}
        self._expected = deque(_beginnings(request))
        self._ends: dict[int, End] = {}
        self._begun: int | None = None
        self._begun_at = math.inf
        """The time that it takes to start is no step's."""
        self._finished = False
        self._ended: Ended | None = None
        self._partial = b""
        self._bytes = 0
        self._least = _taken(copy.scratch)
        self._look_at = time.monotonic() + _LOOK_EVERY_S

    def feed(self, data: bytes) -> None:
        self._bytes += len(data)
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._line(line)

    def over(self) -> str:
        """Say why the run is not waited for any longer; empty where it is."""
        if self._bytes > _MAX_TOLD_BYTES:
            return "it wrote without end"
        if time.monotonic() - self._begun_at > self.request.limit_s + GRACE_S:
            return f"it had not ended after {self.request.limit_s:g} s, and could not be interrupted"
        return "it wrote more than it may" if self._is_full() else ""

    def heard(self, stopped: str, log: str, limits: Limits) -> Heard:
        return Heard(
            ends=self._ends,
            begun=self._begun,
            finished=self._finished,
            why=stopped or self._how(log, limits),
        )

    def _is_full(self) -> bool:
        begin = time.monotonic()
        if begin < self._look_at:
            return False
        taken = _taken(self.copy.scratch)
        self._look_at = begin + max(_LOOK_EVERY_S, (time.monotonic() - begin) / _LOOK_SHARE)
        return taken - self._least > DISK_BYTES

    def _line(self, line: bytes) -> None:
        try:
            if line.startswith(b'{"type":"ended"'):
                self._ended = msgspec.json.decode(line, type=Ended)
                return
            event = msgspec.json.decode(line, type=_Event)
            if event.event == "finish":
                self._finished = not self._expected
            elif event.event == "end" and event.number == self._begun and event.number in self._asked:
                self._ends.setdefault(event.number, decoded(line))
            elif self._expected and event == self._expected[0]:
                self._expected.popleft()
                self._begun = event.number if event.event == "begin" else None
                self._begun_at = time.monotonic()
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return

    def _how(self, log: str, limits: Limits) -> str:
        if self._ended is None:
            return _LOST
        passed = limits.passed(self._ended.reason)
        if passed is not None:
            return f"it was stopped: {passed}"
        if self._ended.reason == "timeout":
            return ""
        status = self._ended.status
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        last = log.strip().splitlines()[-1:] if self._begun is None else []
        return f"it ended its process {how}" + (f": {last[0][:200]}" if last else "")


def _beginnings(request: Request) -> Iterator[_Event]:
    """Yield what a run is to write of what it begins, in order."""
    for group in request.groups:
        if group.module is not None:
            yield _Event(event="import")
        for step in group.steps:
            yield _Event(event="begin", number=step.number)


def _taken(directory: Path) -> int:
    total = 0
    for total in launcher.sizes(str(directory)):  # noqa: B007 -- the last is the whole
        pass
    return total
