"""How a review's steps are shown, on a terminal and elsewhere."""

import sys
from datetime import UTC, datetime
from io import StringIO

import pytest
from msgspec import structs
from rich.console import Console

from ops.cli import progress
from ops.cli.progress import Board
from ops.cli.review import summarise
from ops.review import Reviewed, StepNews, is_flawed
from schemas import TaskCompletion

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def news(state: str, text: str = "", fraction: float = 0.0, task_type: str = "security") -> StepNews:
    return StepNews(clone="beta", task_type=task_type, state=state, text=text, fraction=fraction)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in its only element."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_elsewhere_each_change_is_a_line(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Board() as board:
        board.show(news("waiting"))
        board.show(news("running"))
        for second in range(11):
            clock[0] = 100.0 + second
            board.show(news("running", f"file {second}"))
        board.show(news("completed", "1 finding"))
        board.show(news("running", "a late word"))
    assert capsys.readouterr().err.splitlines() == [
        "beta   security       waiting",
        "beta   security       running",
        "beta   security       running    file 5",
        "beta   security       running    file 10",
        "beta   security       completed  1 finding",
    ]


def test_names_of_the_target_do_not_drive_the_terminal(
    clock: list[float], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Board() as board:
        board.show(news("running", "reading \x1b[2Jevil\r\nname.py"))
    assert "\x1b" not in (said := capsys.readouterr().err)
    assert said.count("\n") == 1
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    shown = Board()
    shown.show(news("running", "reading \x1b[2Jevil\r\nname.py"))
    assert "\x1b[2J" not in picture(shown, 0.0)


def picture(board: Board, at: float) -> str:
    """What the terminal shows at a time."""
    out = StringIO()
    Console(file=out, width=100, force_terminal=True, color_system=None, get_time=lambda: at).print(board._table())
    return out.getvalue()


def test_on_a_terminal_a_table_moves(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    board = Board()
    board.show(news("waiting"))
    board.show(news("waiting", task_type="testing"))
    board.show(news("running", "bandit reads the code", 0.5))
    clock[0] += 7
    first, later = picture(board, 0.0), picture(board, 0.2)
    assert first != later
    assert "7 s" in first
    assert "bandit reads the code" in first
    assert first.splitlines()[1].split() == ["·", "beta", "testing"]
    board.show(news("completed", "1 finding", 1.0))
    clock[0] += 60
    done = picture(board, 0.0)
    assert done == picture(board, 0.2)
    assert done.startswith("✓ ")
    assert "7 s" in done
    assert "1 finding" in done


@pytest.mark.parametrize(
    ("data", "left_out", "sign"),
    [
        ({"failed": 0, "errors": 0}, [], "✓"),
        ({"failed": 6, "errors": 0}, [], "!"),
        ({"failed": 0, "errors": 1}, [], "!"),
        ({"failed": 0, "errors": 0}, [{"subject": "tests", "reason": "the budget was used up"}], "!"),
        ({"failed": 0, "errors": 0}, [{"subject": "coverage", "reason": "none was measured"}], "✓"),
    ],
)
def test_tests_that_failed_or_did_not_all_run_get_no_tick(
    data: dict[str, int],
    left_out: list[dict[str, str]],
    sign: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = TaskCompletion(
        task_id="1",
        task_type="testing",
        clone="delta",
        instance="delta-1",
        attempt=1,
        writer="delta-1.1",
        started_at=NOW,
        finished_at=NOW,
        summary="4 tests",
        output={"data": {"counts": data}, "not_analysed": left_out},
    )
    summarise(Reviewed("w", result, (result,), (), (), 1.0))
    assert capsys.readouterr().out.startswith(f"{sign} testing (0.0 s): 4 tests")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    board = Board()
    board.show(structs.replace(news("completed", "4 tests"), flawed=is_flawed(result)))
    assert picture(board, 0.0).startswith(f"{sign} ")
