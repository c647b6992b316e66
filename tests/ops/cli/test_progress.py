"""How a run's steps are shown, on a terminal and elsewhere."""

import json
import sys
from io import StringIO

import pytest
from rich.console import Console

from ops.cli import progress
from ops.cli.progress import Board, JsonLines
from ops.following import StepNews


def news(
    state: str, text: str = "", fraction: float = 0.0, step: str = "security", *, flawed: bool = False
) -> StepNews:
    return StepNews(step=step, kind="security", clone="beta", state=state, text=text, fraction=fraction, flawed=flawed)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in its only element."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)


def test_elsewhere_each_change_is_a_line(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Board() as board:
        board.show(news("pending"))
        board.show(news("running"))
        for second in range(11):
            clock[0] = 100.0 + second
            board.show(news("running", f"file {second}"))
        board.show(news("completed", "1 finding"))
        board.show(news("running", "a late word"))
        board.show(news("completed", "1 finding, undone"))
        board.note("go waits for a decision")
    assert capsys.readouterr().err.splitlines() == [
        "beta   security       running",
        "beta   security       running    file 5",
        "beta   security       running    file 10",
        "beta   security       completed  1 finding",
        "beta   security       completed  1 finding, undone",
        "go waits for a decision",
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


def test_on_a_terminal_a_table_moves(clock: list[float], terminal: None) -> None:
    board = Board()
    board.show(news("pending"))
    board.show(news("pending", step="testing"))
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


def test_what_was_done_with_a_flaw_gets_no_tick(terminal: None) -> None:
    board = Board()
    board.show(news("completed", "4 tests", flawed=True))
    assert picture(board, 0.0).startswith("! ")


def test_of_more_steps_than_the_terminal_has_lines_those_under_way_are_shown(
    terminal: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = Board()
    monkeypatch.setattr(type(board._console), "height", 8)
    for number in range(50):
        board.show(news("pending", step=f"step{number}"))
    for number in range(10):
        board.show(news("completed", step=f"step{number}"))
    board.show(news("failed", step="step20"))
    board.show(news("running", step="step30"))
    shown = picture(board, 0.0).splitlines()
    assert len(shown) == 7
    assert [line for line in shown if "step30" in line or "step20" in line]
    assert shown[-1].startswith("and ")
    assert sum(map(int, [word for word in shown[-1].split() if word.isdigit()])) == 44


def test_as_json_each_change_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    with JsonLines() as lines:
        lines.show(news("running", "file 1", 0.5))
        lines.note("for people")
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {
            "event": "step",
            "step": "security",
            "kind": "security",
            "state": "running",
            "clone": "beta",
            "fraction": 0.5,
            "text": "file 1",
            "flawed": False,
        }
    ]
