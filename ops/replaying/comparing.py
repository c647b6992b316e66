"""What came of each submission then and now, held against each other."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from bus.subjects import WORKFLOW_TYPE
from ops.replaying.driving import Driven
from ops.replaying.payload import differences, digest, payload
from ops.replaying.plan import Planned
from ops.replaying.sides import Side, data_artifact
from schemas import ErrorCode, TaskCompletion, TaskResult

Verdict = Literal["equal", "different", "pending", "by command", "unrecorded"]
VERDICTS: dict[Verdict, str] = {
    "equal": "the same answer",
    "different": "another answer",
    "pending": "no answer yet",
    "by command": "ended by a command when it was recorded, and so not compared",
    "unrecorded": "had not ended when it was recorded, and so not compared",
}
"""What each verdict means, for people."""
COMPARED: tuple[Verdict, ...] = ("equal", "different", "pending")
"""Those of what was compared."""
MOST_ROWS = 1000
"""So many equal outcomes are told one by one, and ten times as many others; all are counted."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a task ended on one side."""

    task_id: str
    state: Literal["completed", "failed"]
    code: str = ""
    """Of a failure."""
    words: str = ""
    """A completion's summary, or a failure's message."""
    digest: str
    """Of the payload: equal work has equal digests."""
    ran_s: float | None
    """How long the attempt ran that ended it, in seconds; None: none was begun."""
    attempt: int
    clone: str
    cached_from: str | None = None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One task, or one step of a run, on both sides."""

    sequence: int
    """Of the submission, in the recorded ledger."""
    task_type: str
    task_id: str
    """Of the submission, as it was recorded."""
    step: str = ""
    """Empty for what was submitted itself."""
    verdict: Verdict
    before: Outcome | None
    after: Outcome | None
    differences: tuple[str, ...] = ()
    """Where the payloads differ."""
    files: tuple[str, ...] = ()
    """The files whose content differs, which does not count."""


class Durations(msgspec.Struct, frozen=True, kw_only=True):
    """How long the attempts of one task type ran on both sides, in seconds; of those that ended on both."""

    task_type: str
    count: int
    before_median_s: float
    after_median_s: float
    before_p95_s: float
    after_p95_s: float
    before_total_s: float
    after_total_s: float


class Tally:
    """Rows as they come: all are counted, and as many are kept as can be told."""

    def __init__(self) -> None:
        self.counts = Counter[Verdict]()
        self.rows: list[Row] = []
        self.left_out = 0
        """How many rows are counted and not told."""
        self._kept = Counter[bool]()
        self._ran: dict[str, tuple[array[float], array[float]]] = defaultdict(lambda: (array("d"), array("d")))

    def add(self, row: Row) -> None:
        """Take a row in."""
        self.counts[row.verdict] += 1
        if row.before is not None and row.after is not None and None not in (row.before.ran_s, row.after.ran_s):
            before, after = self._ran[row.task_type]
            before.append(row.before.ran_s or 0.0)
            after.append(row.after.ran_s or 0.0)
        equal = row.verdict == "equal"
        if self._kept[equal] < MOST_ROWS * (1 if equal else 10):
            self._kept[equal] += 1
            self.rows.append(row)
        else:
            self.left_out += 1

    @property
    def is_equal(self) -> bool:
        """Tell whether all that was compared is equal, and nothing is pending."""
        return not (self.counts["different"] or self.counts["pending"])

    def durations(self) -> list[Durations]:
        """Return the statistics of each task type, by name."""
        return [
            Durations(
                task_type=task_type,
                count=len(before),
                before_median_s=_share(before, 0.5),
                after_median_s=_share(after, 0.5),
                before_p95_s=_share(before, 0.95),
                after_p95_s=_share(after, 0.95),
                before_total_s=round(sum(before), 3),
                after_total_s=round(sum(after), 3),
            )
            for task_type, (before, after) in sorted(self._ran.items())
        ]


def _share(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed (nearest rank)."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 4)


async def compare(before: Side, after: Side, plan: Planned, driven: Driven) -> list[Row]:
    """Return the rows of one submission: its own, and of a run those of its steps.

    Raises:
        SanctuaryError: one of the sides could not be read.
    """
    new_id = driven.id_of(plan)
    row = await _row(before, after, plan, (plan.task_type, plan.task_id), (plan.task_type, new_id))
    if plan.task_type != WORKFLOW_TYPE or row.before is None or row.after is None:
        return [row]
    then = {part.path: part for part in await before.parts(plan.task_id)}
    now = {part.path: part for part in await after.parts(new_id)}
    rows = [row]
    for path in dict.fromkeys((*then, *now)):
        one, other = then.get(path), now.get(path)
        rows.append(await _row(before, after, plan, one and one[1:], other and other[1:], step=path))
    return rows


async def _row(
    before: Side,
    after: Side,
    plan: Planned,
    then: tuple[str, str] | None,
    now: tuple[str, str] | None,
    *,
    step: str = "",
) -> Row:
    first = None if then is None else await before.result(*then)
    second = None if now is None else await after.result(*now)
    one = None if first is None else payload(first, await before.data(first))
    other = None if second is None else payload(second, await after.data(second))
    verdict = _verdict(first, one, other, step=step)
    return Row(
        sequence=plan.sequence,
        task_type=(then or now or (plan.task_type,))[0],
        task_id=plan.task_id,
        step=step,
        verdict=verdict,
        before=_outcome(first, one),
        after=_outcome(second, other),
        differences=tuple(differences(one, other)) if verdict == "different" else (),
        files=_files(first, second),
    )


def _verdict(recorded: TaskResult | None, one: Any, other: Any, *, step: str) -> Verdict:
    if recorded is None and not step:
        return "unrecorded"
    if recorded is not None and _is_by_command(recorded):
        return "by command"
    if other is None and not step:
        return "pending"
    return "equal" if one == other else "different"


def _is_by_command(result: TaskResult) -> bool:
    """Tell whether somebody ended it: when that came is not what is driven once more."""
    cancelled = not isinstance(result, TaskCompletion) and result.code == ErrorCode.CANCELLED
    return cancelled or result.writer.startswith("command-")


def _outcome(result: TaskResult | None, told: Any) -> Outcome | None:
    if result is None:
        return None
    completed = isinstance(result, TaskCompletion)
    ran = None if result.started_at is None else (result.finished_at - result.started_at).total_seconds()
    return Outcome(
        task_id=result.task_id,
        state="completed" if completed else "failed",
        code="" if isinstance(result, TaskCompletion) else result.code,
        words=result.summary if isinstance(result, TaskCompletion) else result.message,
        digest=digest(told),
        ran_s=None if ran is None else round(ran, 4),
        attempt=result.attempt,
        clone=result.clone,
        cached_from=result.cached_from if isinstance(result, TaskCompletion) else None,
    )


def _files(first: TaskResult | None, second: TaskResult | None) -> tuple[str, ...]:
    """Return the files of one name on both sides that differ in what is in them."""
    if not isinstance(first, TaskCompletion) or not isinstance(second, TaskCompletion):
        return ()
    there = {ref.filename: ref.digest for ref in second.artifacts}
    findings = data_artifact(first)  # compared by what they say
    return tuple(
        ref.filename for ref in first.artifacts if ref != findings and there.get(ref.filename, ref.digest) != ref.digest
    )
