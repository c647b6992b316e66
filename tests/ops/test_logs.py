"""Logs: one JSON object a line for machines, plain lines for people."""

import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import click
import pytest

from ops import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The logging of the tests themselves, afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    logging.getLogger("nats").setLevel(logging.NOTSET)


def test_a_line_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("gamma")
    logging.getLogger("some.module").warning("something\nof %d lines: ü", 2)
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert (told["level"], told["logger"], told["process"]) == ("warning", "some.module", "gamma")
    assert told["message"] == "something\nof 2 lines: ü"
    assert abs((datetime.fromisoformat(told["time"]) - datetime.now(UTC)).total_seconds()) < 60
    assert "exception" not in told


def test_an_exception_is_told_whole(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("gamma")
    try:
        raise LookupError("gone")
    except LookupError:
        logging.getLogger("x").exception("it failed")
    told = json.loads(capsys.readouterr().err)
    assert told["exception"].startswith("Traceback (most recent call last):\n")
    assert told["exception"].endswith("LookupError: gone\n")


def test_more_is_logged_on_demand_and_the_client_library_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for verbose in (False, True):
        logs.configure("gamma", verbose=verbose)
        logging.getLogger("x").debug("details")
        logging.getLogger("nats.aio.client").error("nats: encountered error")
        said = capsys.readouterr().err
        assert ("details" in said, "encountered" in said) == (verbose, False)


def test_on_a_terminal_lines_are_for_people(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    logs.configure("gamma")
    logging.getLogger("x").error("no disk")
    assert click.unstyle(capsys.readouterr().err).split()[1:] == ["gamma", "ERROR", "no", "disk"]
    warned = logging.makeLogRecord({"levelname": "WARNING", "levelno": logging.WARNING, "msg": "full"})
    assert "\x1b[33mWARNING\x1b[0m full" in logs.TextLines("gamma", colour=True).format(warned)
    assert logs.TextLines("gamma", colour=False).format(warned).endswith("gamma    WARNING full")


def test_a_format_that_is_named_is_taken_wherever_logs_go(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.configure("gamma", log_format="text")
    logging.getLogger("x").error("no disk")
    assert capsys.readouterr().err.endswith(" gamma    ERROR   no disk\n")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    logs.configure("gamma", log_format="json")
    logging.getLogger("x").error("no disk")
    assert json.loads(capsys.readouterr().err)["message"] == "no disk"
