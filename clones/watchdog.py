"""Ends a daemon whose event loop is blocked, by a handler that never yields: a supervisor starts it again.

Such a process looks alive and does nothing; its tasks went to others when their leases ended. What notices cannot run on
the loop. A thread looks whether the loop still turns, and counts its own looks, so that time in which the whole process was
stopped (SIGSTOP, a suspended machine) does not count. Code that holds the interpreter's lock, such as a regular expression,
keeps that thread from looking too; then the kernel counts the processor time that the process spends, and ends it.
"""

import asyncio
import contextlib
import faulthandler
import logging
import os
import signal
import threading
from collections.abc import Iterator

LIMIT_S = 15.0
LOOKS = 15
"""So many in a row must find the loop where it was."""
SAY_WITHIN_S = 5.0
"""How long writing down why may take: standard error may be what blocks."""
EXIT_STATUS = 70
"""EX_SOFTWARE of sysexits.h."""

_STANDARD_ERROR = 2

log = logging.getLogger(__name__)


@contextlib.contextmanager
def watched(limit_s: float = LIMIT_S) -> Iterator[None]:
    """End this process, its stacks written to standard error, should its event loop not turn for `limit_s` seconds.

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
            blocked = blocked + 1 if turns == seen else 0
            seen = turns
            if blocked == LOOKS:
                _end(self._limit_s)


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
