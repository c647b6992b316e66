"""Small hooks through which metrics see an Omega's workflows; each is called from the event loop and must not block."""

import time

from bus.histories import Histories, Written
from schemas import WorkflowEntry


class WorkflowObserver:
    """Hears nothing; override what is of interest. Names of workflows are always those of stored definitions."""

    def appended(self, entry: WorkflowEntry, took_s: float) -> None:
        """Hear that an entry was stored in a run's history, which took `took_s` seconds."""

    def conflicted(self) -> None:
        """Hear that an entry was not stored: the history had grown meanwhile."""

    def taken_up(self) -> None:
        """Hear that a run is driven here from now on."""

    def left(self) -> None:
        """Hear that a run that was driven here is not any more: it has ended, only waits, or is somebody else's."""

    def sleeping(self, count: int) -> None:
        """Hear how many runs of the whole network only wait, as this Omega knows it."""

    def woken(self, workflow: str) -> None:
        """Hear that a run that only waited is woken by this Omega."""

    def scheduled(self, outcome: str) -> None:
        """Hear what became of a start that was due by a schedule, as `clones.scheduling.Move.kind` has it."""


class ObservedHistories:
    """As `bus.histories.Histories`, and tells an observer what is written."""

    def __init__(self, histories: Histories, observer: WorkflowObserver) -> None:
        self._histories = histories
        self._observer = observer

    async def read(self, workflow_id: str, *, after: int = 0) -> list[Written]:
        """As there."""
        return await self._histories.read(workflow_id, after=after)

    async def append(self, entry: WorkflowEntry, *, last: int) -> int | None:
        """As there."""
        begun = time.monotonic()
        sequence = await self._histories.append(entry, last=last)
        if sequence is None:
            self._observer.conflicted()
        else:
            self._observer.appended(entry, time.monotonic() - begun)
        return sequence
