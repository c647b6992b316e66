"""Tells of an event loop that a handler blocks, and ends a daemon whose loop stays so: a supervisor starts it again.

Such a process looks alive and does nothing; its tasks went to others when their leases ended. What notices cannot run on
the loop. A thread looks whether the loop still turns, and counts its own looks, so that time in which the whole process was
stopped (SIGSTOP, a suspended machine) does not count. Code that holds the interpreter's lock, such as a regular expression,
keeps that thread from looking too, so nothing warns of it; the kernel counts the processor time that the process spends,
and ends it.
"""

import asyncio
import contextlib
import faulthandler
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator

LIMIT_S = 15.0
LOOKS = 15
"""So many in a row must find the loop where it was."""
WARNED_AFTER = 2
"""After so many of them the log tells what blocks it. One look can find a loop that was only stopped with its process."""
SAY_WITHIN_S = 5.0
"""How long writing down why may take: standard error may be what blocks."""
EXIT_STATUS = 70
"""EX_SOFTWARE of sysexits.h."""

_STANDARD_ERROR = 2

log = logging.getLogger(__name__)


@contextlib.contextmanager
def watched(limit_s: float = LIMIT_S) -> Iterator[None]:
    """End this process, its stacks written to standard error, should its event loop not turn for `limit_s` seconds.

    From `WARNED_AFTER / LOOKS` of that on, each blocking is told in the log: by what once, and for how long when it is over.
    To be entered on the main thread, with the loop running.
    """
    guard = _Watchdog(asyncio.get_running_loop(), limit_s)
    guard.start()
    try:
        yield
    finally:
        guard.stop()


class _Watchdog:
    def __init__(self, loop: asyncio.AbstractEventLoop, limit_s: float) -> None:
        self._loop = loop
        self._limit_s = limit_s
        self._look_every_s = limit_s / LOOKS
        self._thread = threading.get_ident()
        self._turns = 0
        self._stopped = threading.Event()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        # Chained to the signal's own action, which ends the process once all stacks are written.
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
        faulthandler.register(signal.SIGVTALRM, file=_STANDARD_ERROR, all_threads=True, chain=True)
        self._turn()
        threading.Thread(target=self._look, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        if self._timer is not None:
            self._timer.cancel()
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        faulthandler.unregister(signal.SIGVTALRM)

    def _turn(self) -> None:
        self._turns += 1
        # Twice the limit: the thread comes first wherever it can, and says more.
        signal.setitimer(signal.ITIMER_VIRTUAL, 2 * self._limit_s)
        self._timer = self._loop.call_later(self._look_every_s / 2, self._turn)

    def _look(self) -> None:
        seen, blocked = 0, 0
        while not self._stopped.wait(self._look_every_s):
            turns = self._turns
            if turns == seen:
                blocked += 1
            else:
                if blocked >= WARNED_AFTER:
                    _aside(self._tell_end, blocked * self._look_every_s)
                blocked = 0
            seen = turns
            if blocked == WARNED_AFTER:
                _aside(self._tell_cause, blocked * self._look_every_s)
            if blocked == LOOKS:
                _end(self._limit_s)

    def _tell_cause(self, blocked_s: float) -> None:
        frame = sys._current_frames().get(self._thread)  # noqa: SLF001  Python's one way to another thread's stack
        log.warning(
            "the event loop has been blocked for %g s: no lease is renewed meanwhile, so that other instances get its tasks, "
            "and at %g s this process ends; put what blocks into asyncio.to_thread, or a program (clones.programs). "
            "The main thread is here:\n%s",
            blocked_s,
            self._limit_s,
            "".join(traceback.format_stack(frame)),
        )

    def _tell_end(self, blocked_s: float) -> None:
        log.warning("the event loop turns again; it was blocked for about %g s", blocked_s)


def _aside(tell: Callable[[float], None], blocked_s: float) -> None:
    """Log in a thread of its own: what blocks may hold the lock of the log, and whoever looks must go on looking."""
    threading.Thread(target=tell, args=(blocked_s,), name="watchdog's log", daemon=True).start()


def _end(limit_s: float) -> None:
    last_resort = threading.Timer(SAY_WITHIN_S, os._exit, (EXIT_STATUS,))
    last_resort.daemon = True
    last_resort.start()
    # The stacks first: they need no lock that the blocked thread may hold.
    faulthandler.dump_traceback(file=_STANDARD_ERROR, all_threads=True)
    log.critical(
        "the event loop has been blocked for %g s, by the main thread's code in the stacks above; this process ends, "
        "so that it can be started again",
        limit_s,
    )
    os._exit(EXIT_STATUS)
