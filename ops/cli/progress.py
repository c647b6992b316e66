"""How work goes, live: a table that renews itself on a terminal, a line for each change elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

import click
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ops.cli.text import clean
from ops.review import StepNews

STYLES = {"waiting": "dim", "running": "cyan", "retrying": "yellow", "completed": "green", "failed": "bold red"}
SIGNS = {"waiting": "·", "retrying": "↻", "completed": "✓", "failed": "✗"}
FLAWED_STYLE, FLAWED_SIGN = "yellow", "!"
"""Of a step that is completed, and found that not all is well."""
LINE_EVERY_S = 5.0
"""Elsewhere than on a terminal, progress within one state is told this often."""


class Board:
    """Shows the steps of a review; use as a context manager."""

    def __init__(self) -> None:
        self._steps: dict[str, StepNews] = {}
        self._since: dict[str, float] = {}
        self._took: dict[str, float] = {}
        self._said: dict[str, tuple[str, float]] = {}
        # One for all, kept: a new one each time would show its first picture for ever.
        self._spinner = Spinner("dots", style=STYLES["running"])
        self._live: Live | None = None
        if sys.stderr.isatty():
            self._live = Live(get_renderable=self._table, console=Console(stderr=True), refresh_per_second=8)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, news: StepNews) -> None:
        """Take in how a step fares; what comes after its end is late and shown no more."""
        old = self._steps.get(news.task_type)
        if old is not None and old.state in ("completed", "failed"):
            return
        now = time.monotonic()
        if old is None or old.state == "waiting":
            self._since[news.task_type] = now
        if news.state in ("completed", "failed"):
            self._took[news.task_type] = now - self._since[news.task_type]
        self._steps[news.task_type] = news
        if self._live is None:
            self._line(news, now)

    def _line(self, news: StepNews, now: float) -> None:
        state, at = self._said.get(news.task_type, ("", 0.0))
        if state != news.state or now - at >= LINE_EVERY_S:
            self._said[news.task_type] = (news.state, now)
            click.echo(f"{news.clone:<6} {news.task_type:<14} {news.state:<10} {clean(news.text)}".rstrip(), err=True)

    def _table(self) -> Group:
        table = Table.grid(padding=(0, 1), expand=True)
        for width in (2, 6, 14, 22, 6):
            table.add_column(width=width, no_wrap=True)
        table.add_column(ratio=1, overflow="ellipsis", no_wrap=True)
        for news in self._steps.values():
            style = FLAWED_STYLE if news.flawed else STYLES[news.state]
            mark = FLAWED_SIGN if news.flawed else SIGNS.get(news.state, "")
            sign = self._spinner if news.state == "running" else Text(mark, style)
            elapsed = self._took.get(news.task_type, time.monotonic() - self._since[news.task_type])
            bar = ProgressBar(total=1.0, completed=news.fraction, width=22) if news.state != "waiting" else ""
            table.add_row(
                sign,
                Text(news.clone, "bold"),
                news.task_type,
                bar,
                f"{elapsed:.0f} s" if news.state != "waiting" else "",
                Text(clean(news.text), "" if style == "dim" else style),
            )
        return Group(table)
