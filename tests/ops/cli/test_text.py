"""Values as people read them, and strangers' text made safe."""

import io
import sys
from datetime import UTC, datetime

import click
import pytest
from rich.console import Group
from rich.text import Text

from ops.cli.text import clean, duration, moment, shortened, show, size, table


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0, "0 ms"),
        (0.0124, "12 ms"),
        (1, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1m00s"),
        (61, "1m01s"),
        (3599.6, "1h00m"),
        (86399, "23h59m"),
        (90061, "1d01h"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 1024**4, "5.0 TiB")])
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


def test_nothing_drives_the_terminal() -> None:
    hostile = "\x1b[31mred\x07\r\n\u202ereversed\u2028\x9b2J\ttab \ud800"
    shown = clean(hostile)
    assert shown.isprintable()
    assert "red" in shown
    assert "tab" in shown


def test_long_text_is_cut() -> None:
    assert shortened("a" * 20, 10) == "a" * 9 + "…"
    assert shortened("a" * 10, 10) == "a" * 10


def test_days_that_are_not_today_are_named() -> None:
    assert moment(datetime(2020, 2, 3, 4, 5, 6, 789000, tzinfo=UTC)).startswith("2020-02-0")
    assert len(moment(datetime.now(UTC))) == len("12:34:56.789")


def test_a_pipe_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("a name\twith a tab", "1"), ("[bold]none[/bold]", ""), ("\x1b[31mred", "1,000")]
    show(Group(Text("Some words.", "bold red"), table(("name", "count"), rows, right=("count",))))
    assert capsys.readouterr().out.splitlines() == [
        "Some words.",
        "name\tcount",
        "a name with a tab\t1",
        "[bold]none[/bold]\t",
        "\ufffd[31mred\t1,000",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


ID = "b" * 22
ROW = ("12:34:56", "security", ID, "completed", "beta", "1", "12 ms", "1.2 s", "no findings in any of the 83 files")


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (
            130,
            "12:34:56 security bbbbbbbbbbbbbbbbbbbbbb completed beta        1  12 ms 1.2 s no findings in any of the 83 files",
        ),
        (80, "12:34:56 security bbbbbbbbbbbbbbbbbbbbbb completed beta  1.2 s no findings in a…"),
        (60, "security bbbbbbbbbbbbbbbbbbbbbb completed no findings in an…"),
        (40, "bbbbbbbbbbbbbbbbbbbbbb completed"),
        (20, "bbbbbbbbbbbbbbbbbbbbbb completed"),
    ],
)
def test_on_a_narrow_terminal_ids_stay_whole_and_a_row_is_one_line(
    monkeypatch: pytest.MonkeyPatch, width: int, shown: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    columns = ("stored", "type", "id", "state", "clone", "attempt", "waited", "took", "result")
    least = ("attempt", "waited", "clone", "took", "stored", "result", "type")
    show(table(columns, [ROW], right=("attempt", "waited", "took"), cut="result", least=least))
    lines = [line.rstrip() for line in click.unstyle(terminal.getvalue()).splitlines()]
    assert [line for line in lines if ID in line] == [shown]
    assert len(lines) == 3
