"""The scanners, and how they run beside each other."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec

from clones.engines.contract import NotAnalysed, Progress
from clones.engines.security import bandit_scan, ci_scan, go_scan, javascript_scan, ruff_scan, secrets_scan
from clones.engines.security.apart import scan_apart
from clones.engines.security.osv import scan as osv_scan
from clones.engines.security.reported import Scan
from clones.engines.security.scope import Scope

MAX_OF_A_FILE = 5000
"""Results of one scanner that are told of one file: one with more was made by a tool, or to keep people busy."""
MAX_OF_A_LINE = 50
MAX_LINES = 500
"""That one result spans."""


class Run(Protocol):
    """How a scanner is run.

    It raises EngineError only where the whole scan is worth nothing without it; what it merely lacks (a tool, a database)
    it tells in `Scan.left_out`, and where its time is up it returns what it has, as `Scan.is_part`.
    """

    def __call__(self, copy: Path, scope: Scope, progress: Callable[[float], None], *, deadline: float) -> Scan:
        """Scan what of `scope` it knows in the directory `copy`, and tell the fraction that is done.

        `deadline` is the moment of `time.monotonic()` at which it ends.
        """


class Scanner(msgspec.Struct, frozen=True):
    """One scanner."""

    name: str
    run: Run
    share: float = 0.0
    """Of the whole scan's time, about; for the progress."""


def scanners() -> tuple[Scanner, ...]:
    """Return all of them; a place that several report is told in this order."""
    return (
        Scanner("bandit", bandit_scan.scan, share=0.5),
        Scanner("ruff", ruff_scan.scan),
        Scanner("gitleaks", secrets_scan.scan),
        Scanner("osv", osv_scan.scan),
        Scanner("zizmor", ci_scan.scan),
        Scanner("oxlint", javascript_scan.scan),
        Scanner("gosec", go_scan.scan),
        Scanner("config", partial(scan_apart, "config", "clones.engines.security.config.scan")),
        Scanner("taint", partial(scan_apart, "taint", "clones.engines.security.taint.taint_scan"), share=0.5),
    )


def run_all(
    wanted: Sequence[Scanner], copy: Path, scope: Scope, progress: Progress, deadline: float
) -> tuple[Scan, ...]:
    """Run all scanners at once until `deadline`, each in a thread; most of them wait for a process of their own.

    Raises:
        EngineError: as the first scanner that fails does.
    """
    heard = _Heard(wanted, progress)
    with ThreadPoolExecutor(max(1, len(wanted))) as pool:
        running = [pool.submit(_run, each, copy, scope, heard, deadline) for each in wanted]
        return tuple(each.result() for each in running)


def _run(scanner: Scanner, copy: Path, scope: Scope, heard: "_Heard", deadline: float) -> Scan:
    scan = scanner.run(copy, scope, lambda done: heard.tell(scanner.name, done), deadline=deadline)
    heard.tell(scanner.name, 1.0)
    return bounded(scan)


def bounded(scan: Scan) -> Scan:
    """Return a scan with what is reported of each file and line bounded, the rest told in numbers."""
    of_file: Counter[str] = Counter()
    of_line: Counter[tuple[str, int]] = Counter()
    beyond: Counter[str] = Counter()
    kept = []
    for each in scan.results:
        if of_file[each.path] >= MAX_OF_A_FILE or of_line[each.path, each.line] >= MAX_OF_A_LINE:
            beyond[each.path] += 1
            continue
        of_file[each.path] += 1
        of_line[each.path, each.line] += 1
        last = min(each.end_line, each.line + MAX_LINES)
        kept.append(each if last == each.end_line else msgspec.structs.replace(each, end_line=last))
    notes = [
        NotAnalysed(
            subject=path, reason=f"{scan.name} reports more of it than people write: {count} places are not told"
        )
        for path, count in sorted(beyond.items())
    ]
    return msgspec.structs.replace(scan, results=tuple(kept), left_out=(*scan.left_out, *notes))


class _Heard:
    """One progress of many."""

    def __init__(self, wanted: Iterable[Scanner], progress: Progress) -> None:
        self._shares = {each.name: each.share for each in wanted}
        self._done = dict.fromkeys(self._shares, 0.0)
        self._progress = progress
        self._lock = threading.Lock()

    def tell(self, name: str, done: float) -> None:
        with self._lock:
            self._done[name] = max(self._done[name], min(1.0, done))
            together = sum(share * self._done[each] for each, share in self._shares.items())
            busy = [each for each, fraction in self._done.items() if fraction < 1.0]
            words = f"{', '.join(busy)} at work" if busy else "all scanners are done"
            self._progress(together / (sum(self._shares.values()) or 1.0), words)
