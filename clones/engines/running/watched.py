"""Run a program that records what it does, tell of it while it runs, and interrupt it when its time is used up."""

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import process
from clones.engines.contract import EngineError
from clones.engines.running.offline import offline

GRACE_S = 10.0
"""How long an interrupted program may take to end by itself, and so to write its results."""

_POLL_S = 0.25

Event = dict[str, Any]


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """How a watched program ended."""

    events: tuple[Event, ...]
    """What it recorded, in order."""
    exit_status: int | None
    """None where it had to be killed because it did not end when interrupted."""
    interrupted: bool
    """Whether its time was used up."""
    stdout: str
    stderr: str
    duration_s: float


def run_watched(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    record: Path,
    budget_s: float,
    on_event: Callable[[Event], None],
    network: bool = True,
) -> Watched:
    """Run `argv`, whose JSON lines appear in `record`, of which the first holds its `pid`.

    After `budget_s` it gets SIGINT, as from a person's Ctrl-C, and `GRACE_S` later its process group is killed.
    `on_event` is called in a thread of its own. Without `network` it gets loopback alone, where the machine allows that.

    Raises:
        EngineError: the program cannot be started.
    """
    record.touch()
    watch = _Watch(record, budget_s, on_event)
    begin = time.monotonic()
    watch.start()
    try:
        done = process.run(argv if network else offline(argv), cwd=cwd, timeout_s=budget_s + GRACE_S, env=env)
    except EngineError as error:
        if error.code != "engine_timeout":
            raise
        done = None
    finally:
        watch.stop()
    return Watched(
        events=tuple(watch.events),
        exit_status=done.exit_status if done else None,
        interrupted=watch.interrupted or done is None,
        stdout=done.stdout.decode(errors="replace") if done else "",
        stderr=done.stderr.decode(errors="replace") if done else "",
        duration_s=time.monotonic() - begin,
    )


class _Watch(threading.Thread):
    """Follows the record; the thread ends at `stop`, after reading what is left."""

    def __init__(self, record: Path, budget_s: float, on_event: Callable[[Event], None]) -> None:
        super().__init__(name="watch-target", daemon=True)
        self.events: list[Event] = []
        self.interrupted = False
        self._record = record
        self._budget_s = budget_s
        self._on_event = on_event
        self._ended = threading.Event()
        self._pid: int | None = None
        self._rest = b""

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        deadline = time.monotonic() + self._budget_s
        with self._record.open("rb") as lines:
            while not self._ended.wait(_POLL_S):
                self._take(lines.read())
                if time.monotonic() > deadline and not self.interrupted and self._pid is not None:
                    self.interrupted = True
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(self._pid, signal.SIGINT)
            self._take(lines.read())

    def _take(self, chunk: bytes) -> None:
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        for line in whole:
            try:
                event = json.loads(line)
            except ValueError:  # the target's code can write here too
                continue
            if not isinstance(event, dict):
                continue
            if self._pid is None and event.get("event") == "start" and _is_child(event.get("pid")):
                self._pid = event["pid"]
            self.events.append(event)
            self._on_event(event)


def _is_child(pid: object) -> bool:
    """Say whether `pid` is a child of this process: the record is written by the target, which could name any other."""
    if not isinstance(pid, int):
        return False
    with contextlib.suppress(OSError, ValueError, IndexError):
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(status.rpartition(")")[2].split()[1]) == os.getpid()
    return False
