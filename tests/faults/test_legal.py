"""What counts as a legal story, and that the others are told apart."""

import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pytest

from clones.completeness.stories import Assigned, Entry, breaches
from schemas import (
    ErrorCode,
    TaskAssignment,
    TaskCompletion,
    TaskEvent,
    TaskFailure,
    TaskParked,
    TaskProgress,
    TaskReassigned,
    TaskResult,
    TaskResumed,
    TaskRetrying,
    TaskStarted,
)
from tests.faults.legal import Execution, excesses

T, H = 1, 40
"""The ledger sequences of the assignment, and of the one that hands the task over."""
AT = datetime(2026, 1, 1, tzinfo=UTC)
_seconds = itertools.count()
ASKED = Assigned(TaskAssignment(id="x"))
HANDED = Assigned(TaskAssignment(id="x"), handed_to="bob")


def event(
    kind: Callable[..., TaskEvent], attempt: int, *, sequence: int = T, forgiven: int = 0, **more: Any
) -> TaskEvent:
    return kind(
        task_id="x",
        task_type="plain",
        clone="ann",
        instance="ann-1",
        at=AT + timedelta(seconds=next(_seconds)),
        attempt=attempt,
        sequence=sequence,
        forgiven=forgiven,
        **more,
    )


started = partial(event, TaskStarted)
progress = partial(event, TaskProgress, fraction=0.5)
retrying = partial(event, TaskRetrying, code="x", message="", delay_s=0)
reassigned = partial(event, TaskReassigned, reason="")
parked = partial(event, TaskParked, code="x", message="")


def resumed(attempt: int, *, to: str | None = None, sequence: int = T, forgiven: int | None = None) -> TaskEvent:
    forgiven = attempt if forgiven is None else forgiven
    return event(TaskResumed, attempt, sequence=sequence, forgiven=forgiven, to=to, command=5)


def done(attempt: int) -> TaskResult:
    return TaskCompletion(
        task_id="x",
        task_type="plain",
        clone="ann",
        instance="ann-1",
        attempt=attempt,
        started_at=AT,
        finished_at=AT,
        writer="w",
    )


def lost(attempt: int) -> TaskResult:
    return TaskFailure(
        task_id="x",
        task_type="plain",
        clone="ann",
        instance="ann-1",
        attempt=attempt,
        finished_at=AT,
        writer="w",
        code=ErrorCode.ATTEMPTS_EXHAUSTED,
        message="",
    )


def story(*said: Assigned | TaskEvent | TaskResult) -> list[Entry]:
    """An assignment and what follows; what was handed over stands at `H`."""
    entries = [Entry(T, ASKED)]
    for each in said:
        entries.append(Entry(H if each == HANDED else entries[-1].sequence + 1, each))
    return entries


ONCE = retrying(1)
LEGAL: dict[str, Sequence[Assigned | TaskEvent | TaskResult]] = {
    "a short attempt leaves nothing": [done(1)],
    "a longer one is told of": [started(1), progress(1), done(1)],
    "a first one's progress may come before it is told of": [progress(1), started(1), done(1)],
    "failures": [retrying(1), started(2), retrying(2), started(3), progress(3), done(3)],
    "a worker that died": [started(1), started(2), done(2)],
    "a worker that died before the first attempt was told of": [progress(1), started(2), done(2)],
    "all workers died": [started(1), started(2), started(3), lost(3)],
    "handed back": [started(1), reassigned(1), started(1), reassigned(1), started(1), retrying(1), started(2), done(2)],
    "parked": [retrying(1), started(2), retrying(2), started(3), parked(3)],
    "resumed": [retrying(1), started(2), started(3), parked(3), resumed(3), started(4, forgiven=3), done(4)],
    "handed over": [
        *(started(1), started(2), started(3), parked(3), HANDED, resumed(3, to="bob", sequence=H)),
        *(retrying(4, forgiven=3, sequence=H), started(5, forgiven=3, sequence=H), done(5)),
    ],
    "handed on before it was taken": [
        *(started(1), started(2), started(3), parked(3), HANDED, resumed(3, to="bob", sequence=H)),
        *(Assigned(TaskAssignment(id="x"), handed_to="carl"), resumed(3, to="carl", sequence=H + 2)),
        *(started(4, forgiven=3, sequence=H + 2), done(4)),
    ],
    "said twice": [ONCE, ONCE, started(2), done(2)],
    "after the end": [done(1), started(1), parked(1), started(7)],
}
ILLEGAL: dict[str, Sequence[Assigned | TaskEvent | TaskResult]] = {
    "a number left out": [retrying(1), started(3), done(3)],
    "a number had twice": [started(1), retrying(1), started(1), done(1)],
    "it begins with the second": [started(2), done(2)],
    "told of after it failed": [retrying(1), progress(1), started(2), done(2)],
    "not told of before it ran": [retrying(1), retrying(2), started(3), done(3)],
    "counted although it was handed back": [started(1), reassigned(1), started(2), done(2)],
    "handed back and not told of again": [started(1), reassigned(1), retrying(1), started(2), done(2)],
    "more than are allowed": [retrying(1), started(2), retrying(2), started(3), retrying(3), started(4), done(4)],
    "a result of more than are allowed": [done(4)],
    "parked too early": [retrying(1), started(2), parked(2)],
    "parked and run": [started(1), started(2), started(3), parked(3), started(4), done(4)],
    "resumed and not parked": [started(1), resumed(1), started(2, forgiven=1), done(2)],
    "resumed without forgiving": [started(1), started(2), started(3), parked(3), resumed(3, forgiven=0)],
    "forgiven by nobody": [retrying(1), started(2, forgiven=1), done(2)],
    "forgotten what was forgiven": [started(1), started(2), started(3), parked(3), resumed(3), started(4)],
    "somebody else's assignment": [retrying(1), started(2, sequence=9), done(2)],
    "handed over to another one": [
        *(started(1), started(2), started(3), parked(3), HANDED, resumed(3, to="ann", sequence=H)),
    ],
    "one that is not in charge any more": [
        *(started(1), started(2), started(3), parked(3), HANDED, resumed(3, to="bob", sequence=H)),
        started(4, forgiven=3, sequence=T),
    ],
    "lost, and it was not": [started(1), started(2), started(3), retrying(3), lost(3)],
    "lost too early": [started(1), lost(1)],
}


@pytest.mark.parametrize("said", LEGAL.values(), ids=LEGAL)
def test_legal_stories(said: Sequence[Assigned | TaskEvent | TaskResult]) -> None:
    assert breaches(story(*said), retries=2, parks=True) == []


@pytest.mark.parametrize("said", ILLEGAL.values(), ids=ILLEGAL)
def test_illegal_stories(said: Sequence[Assigned | TaskEvent | TaskResult]) -> None:
    assert breaches(story(*said), retries=2, parks=True)


MADE_BY_TWO: dict[str, Sequence[Assigned | TaskEvent | TaskResult]] = {
    "both told of": [started(1), started(1), done(1)],
    "the one told of and heard from before the other": [started(1), progress(1), started(1), progress(1), done(1)],
    "the one heard from before it was told of": [progress(1), started(1), started(1), done(1)],
    "and one of them fails": [started(1), started(1), retrying(1), started(2), done(2)],
    "and one of them is handed back": [started(1), started(1), reassigned(1), started(1), done(1)],
}
NOT_BY_TWO: dict[str, Sequence[Assigned | TaskEvent | TaskResult]] = {
    "a first attempt of three": [started(1), started(1), started(1), done(1)],
    "a later attempt": [started(1), retrying(1), started(2), started(2), done(2)],
    "a later attempt, whose worker died": [started(1), started(2), started(2), done(2)],
    "one that was told to have failed": [started(1), retrying(1), started(1), done(1)],
    "one that was handed back": [started(1), reassigned(1), started(1), started(1), done(1)],
    "one of another assignment": [started(1), started(1, sequence=9), done(1)],
    "more than are allowed": [started(1), started(1), started(2), started(3), started(4), done(4)],
}


@pytest.mark.parametrize("said", MADE_BY_TWO.values(), ids=MADE_BY_TWO)
def test_a_server_that_died_may_have_a_first_attempt_made_by_two(
    said: Sequence[Assigned | TaskEvent | TaskResult],
) -> None:
    assert breaches(story(*said), retries=2, parks=True, server_died=True) == []
    assert breaches(story(*said), retries=2, parks=True)


@pytest.mark.parametrize("said", NOT_BY_TWO.values(), ids=NOT_BY_TWO)
def test_nor_does_a_server_that_died_excuse_more(said: Sequence[Assigned | TaskEvent | TaskResult]) -> None:
    assert breaches(story(*said), retries=2, parks=True, server_died=True)


@pytest.mark.parametrize("said", LEGAL.values(), ids=LEGAL)
def test_whatever_is_legal_is_so_where_the_server_died(said: Sequence[Assigned | TaskEvent | TaskResult]) -> None:
    assert breaches(story(*said), retries=2, parks=True, server_died=True) == []


@pytest.mark.parametrize("said", ILLEGAL.values(), ids=ILLEGAL)
def test_whatever_is_illegal_is_so_where_the_server_died(said: Sequence[Assigned | TaskEvent | TaskResult]) -> None:
    assert breaches(story(*said), retries=2, parks=True, server_died=True)


def test_what_was_never_submitted_and_what_is_not_parked_by_its_route() -> None:
    assert breaches([Entry(7, done(1))], retries=0, parks=False)
    assert breaches(story(started(1), parked(1)), retries=0, parks=True) == []
    assert breaches(story(started(1), parked(1)), retries=0, parks=False)


def ran(*attempts: int, sequence: int = T) -> list[Execution]:
    return [Execution(attempt, sequence, "done") for attempt in attempts]


class TestExecutions:
    def test_what_the_events_account_for(self) -> None:
        failed = story(retrying(1), started(2), retrying(2), started(3), done(3))
        assert excesses(ran(1, 2, 3), failed, retries=2) == []
        assert excesses(ran(1, 1, 2, 3), failed, retries=2) == [], "the first worker may have died before it said so"
        handed_back = story(started(1), reassigned(1), started(1), retrying(1), started(2), reassigned(2), started(2))
        assert excesses(ran(1, 1, 2, 2), handed_back, retries=2) == []
        never_called = story(started(1), started(2), started(3), done(3))
        assert excesses(ran(1, 3), never_called, retries=2) == [], (
            "its worker may have died before it called the handler"
        )
        forgiven = story(started(1), parked(1), HANDED, msgspec.structs.replace(resumed(1, to="bob"), sequence=H))
        assert excesses([*ran(1), *ran(2, 2, sequence=H)], forgiven, retries=0) == []

    @pytest.mark.parametrize(
        "executions",
        [ran(1, 2, 2, 3), ran(1, 1, 1), ran(1, 2, 3, 4), ran(2, 1), ran(1, 3), ran(1, sequence=8)],
        ids=str,
    )
    def test_what_they_do_not(self, executions: list[Execution]) -> None:
        assert excesses(executions, story(retrying(1), done(2)), retries=2)
