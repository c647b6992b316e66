"""What a task spent its time with, from its beginning to its end, without gaps. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, get_args

from bus.histories import Written
from clones.omega.wording import cancelled
from ops.stories import Event, Story
from schemas import (
    ErrorCode,
    TaskAsked,
    TaskCompletion,
    TaskParked,
    TaskProgress,
    TaskReassigned,
    TaskResult,
    TaskResumed,
    TaskRetrying,
    TaskStarted,
    WorkflowEntry,
    WorkflowWaiting,
)

Phase = Literal["queued", "running", "waiting", "retrying", "parked"]
"""`retrying`: the pause before another attempt; `waiting`: a workflow that nobody has to drive meanwhile."""
PHASES: tuple[Phase, ...] = get_args(Phase)


@dataclass(frozen=True, slots=True)
class Span:
    """One phase of a task."""

    phase: Phase
    begin: datetime
    end: datetime | None
    """None: it goes on."""
    attempt: int | None = None
    instance: str | None = None
    """Who has the task."""
    words: str = ""
    """How it ended; of a wait that goes on, for what."""
    failed: bool = False
    """Whether it is an attempt that failed."""

    def took_s(self, now: datetime) -> float:
        """Return how long it took, or has taken until `now`, in seconds."""
        return max(0.0, ((self.end or now) - self.begin).total_seconds())


def spans(story: Story, history: Sequence[Written] = ()) -> tuple[Span, ...]:
    """Return a task's phases in order; none where its assignment is not known. A workflow's `history` tells when it was driven.

    Each begins where the one before ends: several clocks tell the times, and none goes back here.
    """
    if story.submitted_at is None:
        return ()
    line = _Line(story.submitted_at)
    told: list[Event | Written] = [*story.events, *history]
    for each in sorted(told, key=_place):
        if isinstance(each, Written):
            line.drive(each.entry)
        else:
            line.take(each)
    if story.result is not None:
        line.finish(story.result)
    return line.spans


def _place(told: Event | Written) -> int:
    """Return where something stands in the ledger."""
    return told.sequence if isinstance(told, Written) else told.entry.sequence or 0


def totals_s(found: Sequence[Span], now: datetime) -> dict[Phase, float]:
    """Return how long each phase took in all, in seconds; those that never were are left out."""
    total: dict[Phase, float] = {}
    for span in found:
        total[span.phase] = total.get(span.phase, 0.0) + span.took_s(now)
    return {phase: total[phase] for phase in PHASES if phase in total}


class _Line:
    """Phases up to some moment, the last of them open."""

    def __init__(self, begin: datetime) -> None:
        self._ended: list[Span] = []
        self._open: Span | None = Span("queued", begin, None)

    @property
    def spans(self) -> tuple[Span, ...]:
        return (*self._ended, *([self._open] if self._open else []))

    def take(self, told: Event) -> None:
        """Go on with what an event says."""
        match told.event:
            case TaskStarted() | TaskProgress() | TaskAsked() as event:
                self._run(event.at, event.attempt, event.instance)
            case TaskRetrying() as event:
                words = f"{event.code}: {event.message}; again in {event.delay_s:.1f} s"
                self._turn("retrying", event.at, ended=words, failed=True)
            case TaskReassigned() as event:
                self._turn("queued", event.at, ended=f"handed back: {event.reason}")
            case TaskParked() as event:
                self._turn("parked", event.at, ended=f"{event.code}: {event.message}", failed=True)
            case TaskResumed() as event:
                by = f" by {event.by}" if event.by else ""
                self._turn("queued", event.at, ended=f"resumed{by}")
            case WorkflowWaiting() as event:
                self._turn("waiting", event.at, words=event.message)

    def _run(self, at: datetime, attempt: int, instance: str) -> None:
        if self._open is None or self._open.phase != "running":
            self._turn("running", at, attempt, instance)
        elif self._open.attempt is None:
            # A run's history begins before its attempt is told.
            self._open = replace(self._open, attempt=attempt, instance=instance)
        elif self._open.attempt != attempt:
            self._turn("running", at, attempt, instance)

    def drive(self, entry: WorkflowEntry) -> None:
        """Go on with an entry of a run's history."""
        if self._phase in ("queued", "waiting"):
            self._turn("running", entry.at, instance=entry.instance)

    def finish(self, result: TaskResult) -> None:
        """End with the result."""
        if self._open is None:
            return
        # What is over soon has told nothing before.
        started = result.started_at
        if self._phase != "running" and started is not None and started >= self._open.begin:
            self._turn("running", started, result.attempt, result.instance)
        if isinstance(result, TaskCompletion):
            self._close(result.finished_at, "completed")
        else:
            failed = result.code != ErrorCode.CANCELLED
            words = f"{result.code}: {result.message}" if failed else cancelled(result)
            self._close(result.finished_at, words, failed=failed)
        self._open = None

    @property
    def _phase(self) -> Phase | None:
        return self._open.phase if self._open else None

    def _turn(
        self,
        phase: Phase,
        at: datetime,
        attempt: int | None = None,
        instance: str | None = None,
        *,
        ended: str = "",
        failed: bool = False,
        words: str = "",
    ) -> None:
        begin = self._close(at, ended, failed=failed)
        self._open = Span(phase, begin, None, attempt, instance, words)

    def _close(self, at: datetime, words: str, *, failed: bool = False) -> datetime:
        """End the open phase, not before it began; return when."""
        if self._open is not None:
            at = max(at, self._open.begin)
            failed = failed and self._open.phase == "running"
            self._ended.append(replace(self._open, end=at, words=words or self._open.words, failed=failed))
        return at
