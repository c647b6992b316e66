"""When a task is looked at again, decided from its limits and its route's."""

from datetime import UTC, datetime

import pytest

from bus.unfinished import Source
from clones.omega.agenda import BEHIND_S, PRUNE_FROM, Agenda, Due, attempt_limit_s, is_last, schedule_due
from schemas import Route, TaskAssignment

STORED = datetime.fromtimestamp(1000, UTC)
ROUTE = Route(clone="echo", timeout_s=7, retries=2, schedule_to_start_s=30)
SOURCE = Source("task_echo", "sanctuary.task.echo", "echo")


@pytest.mark.parametrize(
    ("asked", "route", "begun", "after_s"),
    [
        (TaskAssignment(), None, False, None),
        (TaskAssignment(), Route(clone="echo"), False, None),
        (TaskAssignment(), ROUTE, False, 30),
        (TaskAssignment(), ROUTE, True, None),
        (TaskAssignment(schedule_to_start_s=5), ROUTE, False, 5),
        (TaskAssignment(schedule_to_start_s=60), ROUTE, False, 60),
        (TaskAssignment(schedule_to_close_s=40), ROUTE, False, 30),
        (TaskAssignment(schedule_to_close_s=40), ROUTE, True, 40),
        (TaskAssignment(schedule_to_close_s=4), ROUTE, False, 4),
    ],
)
def test_the_next_limit(asked: TaskAssignment, route: Route | None, begun: bool, after_s: float | None) -> None:
    due = schedule_due(asked, STORED, route, begun=begun)
    assert due == (None if after_s is None else 1000 + after_s + BEHIND_S)


def test_how_long_an_attempt_may_run() -> None:
    assert attempt_limit_s(TaskAssignment(), ROUTE) == 7
    assert attempt_limit_s(TaskAssignment(timeout_s=3), ROUTE) == 3
    assert attempt_limit_s(TaskAssignment(timeout_s=3), None) == 3
    assert attempt_limit_s(TaskAssignment(), None) is None


@pytest.mark.parametrize(
    ("attempt", "forgiven", "retries", "last"),
    [(2, 0, None, False), (3, 0, None, True), (3, 1, None, False), (1, 0, 0, True)],
)
def test_the_last_attempt(attempt: int, forgiven: int, retries: int | None, last: bool) -> None:
    asked = TaskAssignment(retries=retries)
    assert is_last(asked, ROUTE, attempt, forgiven) is last
    for elsewhere in (None, Route(clone="echo", retries=2, when_exhausted="park")):
        assert not is_last(asked, elsewhere, attempt, forgiven)


def due(at: float, sequence: int = 1) -> Due:
    return Due(at, sequence, 0, SOURCE)


def test_soonest_first_and_only_what_is_due() -> None:
    agenda = Agenda()
    agenda.add([due(3.0), due(1.0), due(2.0)])
    assert [each.at for each in agenda.take(2.5, 10)] == [1.0, 2.0]
    assert agenda.take(2.5, 10) == []
    assert [each.at for each in agenda.take(9, 10)] == [3.0]
    agenda.add(due(number) for number in range(5))
    assert [each.at for each in agenda.take(9, 2)] == [0, 1]


def test_what_has_ended_does_not_pile_up() -> None:
    """A task a second with a limit of a year, each ended before the next: the agenda stays small."""
    agenda, most = Agenda(), 0
    for sequence in range(1, 20 * PRUNE_FROM):
        agenda.add([due(1e9 + sequence, sequence)])
        agenda.prune({SOURCE.consumer: sequence})
        most = max(most, len(agenda))
    assert most <= PRUNE_FROM


def test_what_has_not_ended_is_kept() -> None:
    agenda = Agenda()
    agenda.add(due(sequence, sequence) for sequence in range(1, 2 * PRUNE_FROM))
    agenda.prune({})
    agenda.prune({SOURCE.consumer: PRUNE_FROM})
    assert len(agenda) == 2 * PRUNE_FROM - 1  # it has not grown since
    agenda.add(due(sequence, sequence) for sequence in range(2 * PRUNE_FROM, 4 * PRUNE_FROM))
    agenda.prune({SOURCE.consumer: PRUNE_FROM})
    assert [each.sequence for each in agenda.take(1e9, 10_000)] == list(range(PRUNE_FROM, 4 * PRUNE_FROM))


def test_what_is_read_again_is_there_once() -> None:
    agenda = Agenda()
    agenda.add([Due(3, 1, 0, SOURCE), Due(2, 2, 0, SOURCE._replace(consumer="other")), Due(1, 3, 0, SOURCE)])
    agenda.drop({SOURCE.consumer})
    assert [due.sequence for due in agenda.take(10, 10)] == [2]
