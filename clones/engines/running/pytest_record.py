"""What the recorder's lines amount to: counts as in pytest's summary, failures, the slowest tests. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

CATEGORIES = {
    "passed": "passed",
    "failed": "failed",
    "error": "errors",
    "skipped": "skipped",
    "xfailed": "xfailed",
    "xpassed": "xpassed",
}
"""pytest's category and the name under which it is reported."""

MAX_FAILURES = 100
MAX_SLOWEST = 20


class PytestOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One run of pytest."""

    started: bool
    collected: int | None
    """Tests to run after deselection; None where collection did not finish."""
    deselected: int
    counts: dict[str, int]
    """`total` is the sum of the six; a test that passes and fails in its teardown counts twice, as pytest does."""
    other: dict[str, int]
    """Categories of plugins, for example `rerun`."""
    tests_run: int
    """Tests that were started."""
    failures: tuple[dict[str, Any], ...]
    failures_total: int
    slowest: tuple[dict[str, Any], ...]
    running: str | None
    """The last test that had started and not ended."""
    finished: bool
    """Whether pytest came to its end, be it interrupted."""


def fold(events: Iterable[dict[str, Any]], *, scrub: Callable[[str], str] = str) -> PytestOutcome:
    """Fold the lines of one run, complete or not; `scrub` takes out of messages what a report does not show."""
    categories: Counter[str] = Counter()
    durations: defaultdict[str, float] = defaultdict(float)
    failures: list[dict[str, Any]] = []
    collected: int | None = None
    deselected = 0
    running: dict[str, None] = {}
    tests_run = 0
    started = finished = False
    for event in events:
        kind, test = event.get("event"), str(event.get("test", ""))
        if kind == "start":
            started = True
        elif kind == "collected":
            collected, deselected = int(event["tests"]), int(event["deselected"])
        elif kind == "running":
            running[test] = None
            tests_run += 1
        elif kind == "phase":
            durations[test] += float(event["duration_s"])
            if event["phase"] == "teardown":
                running.pop(test, None)
        elif kind == "outcome":
            categories[str(event["category"])] += 1
            if event["category"] in {"failed", "error"}:
                failures.append(_failure(event, scrub))
        elif kind == "finish":
            finished = True
    counts = {name: categories.pop(category, 0) for category, name in CATEGORIES.items()}
    slowest = sorted(durations.items(), key=lambda item: -item[1])[:MAX_SLOWEST]
    return PytestOutcome(
        started=started,
        collected=collected,
        deselected=deselected,
        counts={"total": sum(counts.values()), **counts},
        other=dict(categories),
        tests_run=tests_run,
        failures=tuple(failures[:MAX_FAILURES]),
        failures_total=len(failures),
        slowest=tuple({"test": test, "duration_s": round(seconds, 4)} for test, seconds in slowest),
        running=next(reversed(running), None),
        finished=finished,
    )


def _failure(event: dict[str, Any], scrub: Callable[[str], str]) -> dict[str, Any]:
    return {
        "test": event["test"],
        "phase": event.get("phase", "call"),
        "message": scrub(event.get("message", "")),
        "file": event.get("file"),
        "line": event.get("line"),
        "traceback": scrub(event.get("traceback", "")),
    }
