"""What a run has asked for and has no result of yet: hearing of the results, and reading them."""

import asyncio
from collections.abc import Sequence

from bus.errors import SanctuaryError
from bus.subjects import WORKFLOW_TYPE
from clones.omega.workflows.means import Means
from clones.omega.workflows.outcomes import step_ended, step_failed
from clones.workflows.views import Expected
from schemas import ErrorCode, SchemaError, StepEnded, TaskResult, WorkflowDefinition, decode, encode

LOOK_EVERY_S = 1.0
"""How often results are looked for, whatever is heard, where few are sought."""
AT_ONCE = 500
"""Where more are sought they are looked for less often, in proportion."""


class Seeking:
    """What one driver seeks."""

    def __init__(self, means: Means, wake: asyncio.Event) -> None:
        """Take what is set when there may be a result."""
        self._means = means
        self._wake = wake
        self._open: dict[str, Expected] = {}
        self._arrived: dict[str, bytes | None] = {}
        """By id the results that were heard of, as far as they were heard whole."""
        self._look_at = asyncio.get_running_loop().time() + LOOK_EVERY_S
        """When all of `_open` is looked for next, by the loop's clock."""
        self.sequences: dict[str, int] = {}
        """By id, where in the ledger it stands, as far as that is known."""

    def __len__(self) -> int:
        return len(self._open)

    async def seek(self, wanted: Expected) -> None:
        """Look for a result from now on, and hear of it."""
        self._open[wanted.task_id] = wanted
        await self._means.arrivals.expect(wanted.task_type, wanted.task_id, self.hear)

    def look_now(self) -> None:
        """Look for all of it as soon as anything is looked for: it was asked for before, and may have come to its end."""
        self._look_at = 0.0

    def drop(self, task_id: str) -> None:
        """Look for it no more."""
        if (sought := self._open.pop(task_id, None)) is not None:
            self._arrived.pop(task_id, None)
            self._means.arrivals.forget(sought.task_type, task_id, self.hear)

    def close(self) -> None:
        """Look for nothing more."""
        for task_id in tuple(self._open):
            self.drop(task_id)

    def of(self, task_id: str) -> Expected | None:
        """Return what is sought under an id."""
        return self._open.get(task_id)

    def hear(self, task_id: str, body: bytes | None = None) -> None:
        """Hear that there may be a result; with its body: that this one is stored."""
        if body is not None or task_id not in self._arrived:
            self._arrived[task_id] = body
        self._wake.set()

    def has_tasks(self) -> bool:
        """Tell whether a result of a task is sought, not of sub-workflows alone."""
        return any(wanted.task_type != WORKFLOW_TYPE for wanted in self._open.values())

    def by_type(self) -> dict[str, tuple[str, ...]]:
        """Return the ids of all that is sought by type."""
        found: dict[str, tuple[str, ...]] = {}
        for wanted in self._open.values():
            found[wanted.task_type] = (*found.get(wanted.task_type, ()), wanted.task_id)
        return found

    def look_again_s(self) -> float:
        """Return in how many seconds all of it is to be looked for; there is nothing to seek: for ever."""
        if not self._open:
            return float("inf")
        return max(0.0, self._look_at - asyncio.get_running_loop().time())

    async def ended(self, definition: WorkflowDefinition, most_bytes: int) -> list[StepEnded]:
        """Return the events of the results that stand, each of at most `most_bytes`, as far as anything is known of them."""
        arrived, self._arrived = self._arrived, {}
        sought: Sequence[Expected] = [self._open[task_id] for task_id in arrived if task_id in self._open]
        now = asyncio.get_running_loop().time()
        if now >= self._look_at:
            sought = tuple(self._open.values())
            self._look_at = now + LOOK_EVERY_S * max(1.0, len(sought) / AT_ONCE)
        reading = [self._read(definition, wanted, arrived.get(wanted.task_id)) for wanted in sought]
        # Most often there is one, which needs no task of its own.
        found = await asyncio.gather(*reading) if len(reading) > 1 else [await each for each in reading]
        return [_that_fits(event, most_bytes) for event in found if event is not None]

    async def _read(self, definition: WorkflowDefinition, wanted: Expected, body: bytes | None) -> StepEnded | None:
        """Return the event of a result, if it stands; `body` is what was heard of it."""
        place = (wanted.step, wanted.index, wanted.compensation)
        try:
            result: TaskResult | None
            if body is not None:
                result = decode(TaskResult, body)
            else:
                result = await self._means.results.read(wanted.task_type, wanted.task_id)
            if result is None:
                return None
            sequence = self.sequences.get(wanted.task_id)
            if sequence is None:
                last = await self._means.journal.last(wanted.task_type, wanted.task_id)
                sequence = None if last is None else last.sequence
        except SanctuaryError:
            return None  # looked for again in a moment
        except SchemaError as error:
            # It stands, so no further look could end better.
            message = f"the result cannot be read here: {error.message}"
            return step_failed(place, wanted.task_type, wanted.task_id, ErrorCode.HANDLER_FAILED, message)
        return step_ended(definition, place, result, sequence)


def _that_fits(event: StepEnded, most_bytes: int) -> StepEnded:
    """Return `event`, or a failure in its place where it is larger than an entry of the history may be."""
    size = len(encode(event))
    if size <= most_bytes:
        return event
    message = (
        f"what the workflow refers to of the output has {size:,} bytes, and its history takes {most_bytes:,}: "
        "refer to less of it, or have it stored as an artifact"
    )
    place = (event.step, event.index, event.compensation)
    return step_failed(place, event.task_type, event.task_id, ErrorCode.RESULT_TOO_LARGE, message)
