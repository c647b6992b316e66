"""What fits into the ledger's books, and what does not, with the entry that shows it."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from clones.completeness import books
from clones.completeness.books import Books
from clones.completeness.looking import PURGED_S, Looking
from clones.completeness.reading import tree_size
from schemas import (
    ErrorCode,
    RouteChange,
    TaskAssignment,
    TaskCancel,
    TaskParked,
    TaskProgress,
    TaskReassigned,
    TaskResumed,
    TaskRetrying,
    TaskStarted,
    encode,
)
from tests.clones.completeness.ledger import AT, TABLE, Ledger

progress = partial(TaskProgress, fraction=0.5)
retrying = partial(TaskRetrying, code="x", message="", delay_s=0)
Told = Callable[[Ledger], object]


def short(ledger: Ledger) -> None:
    ledger.ask("a")
    ledger.ask("b")
    ledger.done("b")
    ledger.done("a")


def retried(ledger: Ledger) -> None:
    number = ledger.ask("a")
    ledger.tell(TaskStarted, "a", 1, number)
    ledger.tell(progress, "a", 1, number)
    ledger.tell(progress, "a", 1, number)
    ledger.tell(retrying, "a", 1, number)
    ledger.tell(TaskStarted, "a", 2, number)
    ledger.done("a", 2)


def late(ledger: Ledger) -> None:
    """A zombie's words behind the result, and behind the next attempt's."""
    number = ledger.ask("a")
    ledger.tell(TaskStarted, "a", 1, number)
    ledger.tell(TaskStarted, "a", 2, number)
    ledger.tell(progress, "a", 1, number)
    ledger.tell(retrying, "a", 1, number)
    ledger.done("a", 2)
    ledger.tell(TaskStarted, "a", 7, number)


def begun_twice(ledger: Ledger) -> None:
    """A server that was killed brings a task as new."""
    number = ledger.ask("a")
    ledger.tell(TaskStarted, "a", 1, number)
    ledger.tell(TaskStarted, "a", 1, number)
    ledger.done("a")


def begun_by_three(ledger: Ledger) -> None:
    """A server that was killed again and again; one of the three lives on when the others have failed."""
    number = ledger.ask("a")
    for _ in range(3):
        ledger.tell(TaskStarted, "a", 1, number)
    ledger.tell(retrying, "a", 1, number)
    ledger.tell(progress, "a", 1, number)
    ledger.tell(TaskStarted, "a", 2, number)
    ledger.done("a", 2)


def handed_back(ledger: Ledger) -> None:
    number = ledger.ask("a")
    ledger.tell(TaskStarted, "a", 1, number)
    ledger.tell(partial(TaskReassigned, reason=""), "a", 1, number)
    ledger.tell(TaskStarted, "a", 1, number)
    ledger.done("a")


def one_id_twice(ledger: Ledger) -> None:
    ledger.ask("a")
    ledger.ask("a")
    ledger.done("a")
    ledger.ask("a")


def one_id_twice_at_once(ledger: Ledger) -> None:
    first, other = ledger.ask("a"), ledger.ask("a")
    ledger.tell(TaskStarted, "a", 1, first)
    ledger.tell(TaskStarted, "a", 1, other)
    ledger.tell(retrying, "a", 1, first)
    ledger.done("a", 1)


def nameless_and_broken(ledger: Ledger) -> None:
    number = ledger.ask(None)
    broken = ledger.store("task.plain", b"{")
    stray = ledger.store("task.nobody.serves.this", b"{}")
    unnameable = ledger.store("task.A*", b"{}")
    ledger.done(f"seq-{number}")
    ledger.failed(f"seq-{broken}", ErrorCode.INVALID_ASSIGNMENT)
    ledger.failed(f"seq-{stray}", ErrorCode.UNKNOWN_TASK_TYPE, task_type="nobody")
    ledger.failed(f"seq-{unnameable}", ErrorCode.UNKNOWN_TASK_TYPE, task_type="unknown")


def commanded(ledger: Ledger) -> None:
    ledger.ask("a")
    number = ledger.store("command.plain", encode(TaskCancel(task_id="a", task_type="plain")))
    ledger.failed("a", ErrorCode.CANCELLED, 0, writer=f"command-{number}")
    ledger.done(f"seq-{number}", task_type="command")


def parked(ledger: Ledger) -> None:
    number = ledger.ask("a", "parked")
    ledger.tell(TaskStarted, "a", 1, number, "parked")
    ledger.tell(partial(TaskParked, code="x", message=""), "a", 1, number, "parked")
    command = ledger.store("command.parked", encode(TaskCancel(task_id="a", task_type="parked")))
    ledger.tell(partial(TaskResumed, command=command, forgiven=1), "a", 1, number, "parked")
    ledger.tell(partial(TaskStarted, forgiven=1), "a", 2, number, "parked")
    ledger.done("a", 2, "parked")
    ledger.done(f"seq-{command}", task_type="command")


def other_routes(ledger: Ledger) -> None:
    """Just after a change, some worker may go by the routes before, or by those after."""
    table = encode(RouteChange(table=TABLE, base_revision=1)).replace(b'"retries":1', b'"retries":3')
    change = ledger.store("command.routes", table)
    first = ledger.ask("a")
    ledger.tell(TaskStarted, "a", 1, first)
    ledger.done(f"seq-{change}", task_type="command")
    for attempt in (2, 3, 4):
        ledger.tell(TaskStarted, "a", attempt, first)
    ledger.done("a", 4)


def of_a_later_version(ledger: Ledger) -> None:
    number = ledger.ask("a")
    ledger.store("event.plain.a", b'{"type":"TaskImproved","attempt":1}')
    ledger.tell(TaskStarted, "a", 5, number)
    ledger.store("result.plain.a", b'{"type":"TaskBetter"}')
    ledger.store("something.else", b"")


def forgotten(ledger: Ledger) -> None:
    """The stream of results keeps them for 30 days; then an id may be had again."""
    ledger.ask("a")
    ledger.done("a")
    ledger.done("a", at=AT + timedelta(days=31))


def removed(ledger: Ledger) -> None:
    """The oldest entries are archived."""
    number = ledger.ask("a")
    ledger.ask("b")
    ledger.first = 3
    ledger.tell(TaskStarted, "a", 1, number)
    ledger.done("b")


def handed_over(ledger: Ledger) -> None:
    number = ledger.ask("a", "parked")
    ledger.tell(TaskStarted, "a", 1, number, "parked")
    ledger.tell(partial(TaskParked, code="x", message=""), "a", 1, number, "parked")
    command = ledger.store("command.parked", encode(TaskCancel(task_id="a", task_type="parked")))
    handed = ledger.store("handover.parked.bob", encode(TaskAssignment(id="a")))
    ledger.tell(partial(TaskResumed, command=command, forgiven=1, to="bob"), "a", 1, handed, "parked")
    ledger.tell(partial(TaskStarted, forgiven=1), "a", 2, handed, "parked")
    ledger.done("a", 2, "parked")
    ledger.done(f"seq-{command}", task_type="command")


LEGAL: list[Told] = [
    *(
        short,
        retried,
        late,
        begun_twice,
        handed_back,
        one_id_twice,
        one_id_twice_at_once,
        nameless_and_broken,
        commanded,
        parked,
    ),
    *(other_routes, of_a_later_version, forgotten, removed, handed_over),
]


def never_asked(ledger: Ledger) -> int:
    return ledger.done("a")


def told_and_never_asked(ledger: Ledger) -> int:
    return ledger.tell(TaskStarted, "a", 1, 1)


def told_of_somebody_elses(ledger: Ledger) -> int:
    number = ledger.ask("b")
    return ledger.tell(TaskStarted, "a", 1, number)


def second(ledger: Ledger) -> int:
    ledger.ask("a")
    ledger.done("a")
    return ledger.done("a")


def left_out(ledger: Ledger) -> int:
    number = ledger.ask("a")
    found = ledger.tell(TaskStarted, "a", 3, number)
    ledger.done("a", 2)
    return found


def beyond_all_attempts(ledger: Ledger) -> int:
    ledger.ask("a", retries=0)
    return ledger.done("a", 2)


def by_nobodys_command(ledger: Ledger) -> int:
    ledger.ask("a")
    return ledger.done("a", writer="command-1")


def resumed_by_nobody(ledger: Ledger) -> int:
    number = ledger.ask("a", "parked")
    ledger.tell(TaskStarted, "a", 1, number, "parked")
    ledger.tell(partial(TaskParked, code="x", message=""), "a", 1, number, "parked")
    return ledger.tell(partial(TaskResumed, command=99, forgiven=1), "a", 1, number, "parked")


def resumed_and_not_parked(ledger: Ledger) -> int:
    number = ledger.ask("a")
    command = ledger.store("command.plain", b"{}")
    ledger.tell(TaskStarted, "a", 1, number)
    found = ledger.tell(partial(TaskResumed, command=command, forgiven=1), "a", 1, number)
    ledger.failed(f"seq-{command}", ErrorCode.INVALID_ASSIGNMENT, task_type="command")
    return found


def hole(ledger: Ledger) -> int:
    ledger.ask("a")
    ledger.skip(2)
    ledger.done("a")
    return 2


def removed_and_never_signed(ledger: Ledger) -> int:
    short(ledger)
    ledger.first, ledger.checkpoint = 3, 1
    return 1


def history_of_nothing(ledger: Ledger) -> int:
    return ledger.store("history.w", b"{}")


def cancelled_and_of_no_run(ledger: Ledger) -> int:
    return ledger.failed("a", ErrorCode.CANCELLED, 0)


ILLEGAL: dict[Callable[[Ledger], int], str] = {
    never_asked: "no_task",
    told_and_never_asked: "no_task",
    told_of_somebody_elses: "no_task",
    history_of_nothing: "no_task",
    cancelled_and_of_no_run: "no_task",
    second: "second_result",
    left_out: "story",
    beyond_all_attempts: "story",
    resumed_and_not_parked: "story",
    by_nobodys_command: "no_command",
    resumed_by_nobody: "no_command",
    hole: "gap",
    removed_and_never_signed: "gap",
}


@pytest.mark.parametrize("told", LEGAL)
async def test_what_is_legal_is_found_nowhere_wherever_the_check_begins_anew(told: Told) -> None:
    ledger = Ledger()
    told(ledger)
    for cut in range(len(ledger.messages)):
        assert await ledger.findings(cut=cut) == [], cut


@pytest.mark.parametrize("told", LEGAL)
async def test_what_is_legal_is_so_wherever_a_purge_has_cut_it(told: Told) -> None:
    ledger = Ledger()
    told(ledger)
    for first in range(1, len(ledger.messages) + 1):
        ledger.first = first
        assert await ledger.findings() == [], first


@pytest.mark.parametrize("told", LEGAL)
async def test_a_check_that_was_behind_a_purge_goes_on_and_holds_nothing_open(told: Told) -> None:
    ledger = Ledger()
    told(ledger)
    for behind in range(len(ledger.messages)):
        for first in range(behind + 2, len(ledger.messages) + 1):
            taken, looking = Books(ledger.subjects, TABLE), Looking(ledger.subjects, ledger)
            for message in ledger.messages:
                if message.sequence <= behind or message.sequence >= first:
                    taken.take(message)
            ledger.first = first
            assert await looking.clear(taken) == [], (behind, first)
            assert [each for each in taken.open.values() if max(each.assigned) < first] == []


async def read(books: Books, looking: Looking, ledger: Ledger) -> list[tuple[str, int]]:
    """What is found in what the books do not have yet."""
    for message in ledger.messages:
        if message.sequence > books.last and message.sequence >= ledger.first:
            books.take(message)
    return [(each.rule, each.sequence) for each in await looking.clear(books)]


async def test_who_has_read_all_knows_after_a_purge_too_what_was_never_submitted() -> None:
    ledger = Ledger()
    taken, looking = Books(ledger.subjects, TABLE), Looking(ledger.subjects, ledger)
    short(ledger)
    assert await read(taken, looking, ledger) == []
    ledger.first = 5
    first, other = ledger.ask("c"), ledger.ask("d")
    ledger.done("c")
    ledger.done("d")
    never = ledger.done("never")
    assert await read(taken, looking, ledger) == [("no_task", never)]
    assert first == ledger.first < other


async def test_who_has_not_takes_results_just_after_a_purge_for_those_of_what_went() -> None:
    ledger = Ledger()
    taken, looking = Books(ledger.subjects, TABLE), Looking(ledger.subjects, ledger)
    short(ledger)
    ledger.first = 4
    ledger.done("late")
    assert await read(taken, looking, ledger) == []
    assert looking.unsure_until == ledger.messages[-1].stored_at + timedelta(seconds=PURGED_S)
    ledger.done("later", at=looking.unsure_until)
    assert await read(taken, looking, ledger) == []
    never = ledger.done("never", at=looking.unsure_until + timedelta(seconds=1))
    assert await read(taken, looking, ledger) == [("no_task", never)]


async def test_what_names_an_entry_that_is_there_is_held_against_it_after_a_purge_too() -> None:
    ledger = Ledger()
    short(ledger)
    ledger.first = 4
    number = ledger.ask("c")
    somebody_elses = ledger.tell(TaskStarted, "never", 1, number)
    of_no_task = ledger.done(f"seq-{somebody_elses}")
    ledger.tell(TaskStarted, "purged", 1, 2)
    ledger.done("seq-1")
    assert [(each.rule, each.sequence) for each in await ledger.findings()] == [
        ("no_task", somebody_elses),
        ("no_task", of_no_task),
    ]


@pytest.mark.parametrize("told", ILLEGAL)
async def test_what_does_not_fit_is_found_with_its_entry(told: Callable[[Ledger], int]) -> None:
    ledger = Ledger()
    number = told(ledger)
    for cut in range(len(ledger.messages)):
        assert [(each.rule, each.sequence) for each in await ledger.findings(cut=cut)] == [(ILLEGAL[told], number)], cut


@pytest.mark.parametrize("told", LEGAL)
async def test_what_has_been_forgotten_is_looked_up(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "ENDED", 0)
    ledger = Ledger()
    told(ledger)
    assert await ledger.findings() == []
    second_time = Ledger()
    assert second(second_time) == 3
    assert [each.rule for each in await second_time.findings()] == ["second_result"]


async def test_too_much_at_once_is_not_followed_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "MOST_OPEN", 1)
    ledger = Ledger()
    retried(ledger)
    number = ledger.ask("b")
    other = ledger.ask("c")
    ledger.tell(TaskStarted, "c", 4, other)
    ledger.done("c", 4)
    ledger.tell(TaskStarted, "b", 1, number)
    ledger.done("b")
    assert await ledger.findings() == []


async def test_only_what_is_open_is_kept() -> None:
    ledger = Ledger()
    for number in range(200):
        ledger.ask(f"t{number}")
        ledger.done(f"t{number}")
    assigned = ledger.ask("open")
    started = ledger.tell(TaskStarted, "open", 1, assigned)
    for _ in range(50):
        ledger.tell(progress, "open", 1, assigned)
    taken = Books(ledger.subjects, TABLE)
    for message in ledger.messages:
        taken.take(message)
    assert taken.kept() == [assigned, started, len(ledger.messages)]
    assert list(taken.open) == [("plain", "open")]


@pytest.mark.parametrize(
    ("checkpoint", "size"),
    [(b"realm/ledger\n17\nhash=\n\n- signature\n", 17), (b"", 0), (b"a\nb\n", 0), (b"a\n" + b"9" * 30, 0)],
)
def test_a_checkpoint_tells_its_size(checkpoint: bytes, size: int) -> None:
    assert tree_size(checkpoint) == size
