"""Logs on standard error: lines for people on a terminal, JSON objects elsewhere, unless a format is named."""

import json
import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from typing import Literal

import click

LogFormat = Literal["text", "json"]
COLOURS = {"DEBUG": "bright_black", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "bright_red"}
"""Of levels, on a terminal; where the variable NO_COLOR is set there are none."""


class JsonLines(logging.Formatter):
    """One JSON object a record: `{"time", "level", "logger", "process", "message", "exception"?}`."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return `record` as one line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": self._process,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(line, ensure_ascii=False)


class TextLines(logging.Formatter):
    """A line a record: time of day, process, level and message, and below it an exception's traceback."""

    def __init__(self, process: str, *, colour: bool) -> None:
        super().__init__(f"%(asctime)s {process:<8} %(level)s %(message)s", "%H:%M:%S")
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Return `record` as text; its level has a colour where there are any."""
        level, style = f"{record.levelname:<7}", COLOURS.get(record.levelname)
        record.level = click.style(level, fg=style) if self._colour and style else level
        return super().format(record)


def configure(process: str, *, verbose: bool = False, log_format: LogFormat | None = None) -> None:
    """Send this process's logs to standard error; `process` is its name in them. No format: text on a terminal, JSON elsewhere."""
    handler = logging.StreamHandler()
    terminal = sys.stderr.isatty()
    if log_format == "text" or (log_format is None and terminal):
        handler.setFormatter(TextLines(process, colour=terminal and not os.environ.get("NO_COLOR")))
    else:
        handler.setFormatter(JsonLines(process))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    # nats-py logs each broken read as an error with a traceback; the connection says it in one line.
    logging.getLogger("nats").setLevel(logging.CRITICAL)
    # What these log of each request to a language model holds the whole prompt.
    for name in ("autogen_core.events", "openai", "anthropic", "httpx", "httpx2", "httpcore", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
