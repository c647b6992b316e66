"""How a run goes, live: a table that renews itself on a terminal, elsewhere a line for each change, or a JSON object a line."""

import sys
import time
from collections import Counter
from types import TracebackType
from typing import Protocol, Self

import click
import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ops.cli.steps import SIGNS as STEP_SIGNS
from ops.cli.text import clean, duration, shortened
from ops.following import OVER, StepNews

STYLES = {
    "pending": "dim",
    "running": "cyan",
    "waiting": "yellow",
    "retrying": "yellow",
    "parked": "magenta",
    "completed": "green",
    "failed": "bold red",
    "skipped": "dim",
    "cancelled": "yellow",
}
SIGNS = {**STEP_SIGNS, "retrying": "↻", "parked": "‖"}
FLAWED_STYLE, FLAWED_SIGN = "yellow", "!"
"""Of a step that is completed, and found that not all is well."""
LINE_EVERY_S = 5.0
"""Elsewhere than on a terminal, progress within one state is told this often."""
WIDEST_STEP = 24


class Shown(Protocol):
    """Shows how the steps of a run fare; use as a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, news: StepNews) -> None:
        """Take in how a step fares."""
        ...

    def note(self, words: str) -> None:
        """Tell a person something beside the steps."""
        ...


class JsonLines:
    """Prints each change as a JSON object on a line of its own, on standard output."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, news: StepNews) -> None:
        """Print it: `{"event": "step", "step", "kind", "state", "clone", "fraction", "text", "flawed"}`."""
        print_line("step", msgspec.structs.asdict(news))

    def note(self, words: str) -> None:
        """Leave it out: whoever reads JSON has it in the steps."""


def print_line(event: str, fields: dict[str, object]) -> None:
    """Print one object of the JSON lines; `event` says what it tells of: `started`, `step` or `result`."""
    click.echo(msgspec.json.encode({"event": event, **fields}))


class Board:
    """Shows the steps for people, on standard error."""

    def __init__(self) -> None:
        self._steps: dict[str, StepNews] = {}
        self._since: dict[str, float] = {}
        self._took: dict[str, float] = {}
        self._said: dict[str, tuple[str, str, float]] = {}
        # One for all, kept: a new one each time would show its first picture for ever.
        self._spinner = Spinner("dots", style=STYLES["running"])
        self._console = Console(stderr=True)
        self._live: Live | None = None
        if sys.stderr.isatty():
            self._live = Live(get_renderable=self._table, console=self._console, refresh_per_second=8)

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
        """Take in how a step fares; what a task says after its step's end is late and shown no more."""
        old = self._steps.get(news.step)
        if old is not None and old.state in OVER and news.state not in OVER:
            return
        now = time.monotonic()
        if old is None or old.state == "pending":
            self._since[news.step] = now
        if news.state in OVER and (old is None or old.state not in OVER):
            self._took[news.step] = now - self._since[news.step]
        if not news.clone and old is not None:
            news = msgspec.structs.replace(news, clone=old.clone)
        self._steps[news.step] = news
        if self._live is None and news.state != "pending":
            self._line(news, now)

    def note(self, words: str) -> None:
        """Print it above the table, or as lines of its own."""
        if self._live is not None:
            self._console.print(Text(words))
        else:
            click.echo(words, err=True)

    def _line(self, news: StepNews, now: float) -> None:
        state, text, at = self._said.get(news.step, ("", "", 0.0))
        if state != news.state or (text != news.text and (news.state in OVER or now - at >= LINE_EVERY_S)):
            self._said[news.step] = (news.state, news.text, now)
            click.echo(f"{clean(news.clone):<6} {news.step:<14} {news.state:<10} {clean(news.text)}".rstrip(), err=True)

    def _table(self) -> Group:
        shown, rest = self._fitting()
        width = min(WIDEST_STEP, max((len(news.step) for news in shown), default=0))
        table = Table.grid(padding=(0, 1), expand=True)
        for column in (2, 6, max(14, width), 22, 6):
            table.add_column(width=column, no_wrap=True)
        table.add_column(ratio=1, overflow="ellipsis", no_wrap=True)
        for news in shown:
            style = FLAWED_STYLE if news.flawed else STYLES[news.state]
            mark = FLAWED_SIGN if news.flawed else SIGNS.get(news.state, "")
            idle = news.state in ("pending", "skipped")
            elapsed = self._took.get(news.step, time.monotonic() - self._since[news.step])
            table.add_row(
                self._spinner if news.state == "running" else Text(mark, style),
                Text(clean(news.clone), "bold"),
                shortened(news.step, WIDEST_STEP),
                "" if idle else ProgressBar(total=1.0, completed=news.fraction, width=22),
                "" if idle else (f"{elapsed:.0f} s" if elapsed < 100 else duration(elapsed)),
                Text(clean(news.text), "" if style == "dim" else style),
            )
        return Group(table, Text(rest, "dim")) if rest else Group(table)

    def _fitting(self) -> tuple[list[StepNews], str]:
        """Return the steps that the terminal has lines for, and in words how many there are beside them."""
        room = max(1, self._console.height - 2)
        known = list(self._steps.values())
        if len(known) <= room:
            return known, ""
        # What one looks for: what is under way, then what went wrong, then what ended last.
        by_interest = sorted(
            known, key=lambda news: (news.state in OVER or news.state == "pending", news.state != "failed")
        )
        chosen = {news.step for news in by_interest[:room]}
        counts = Counter(news.state for news in known if news.step not in chosen)
        rest = ", ".join(f"{count} {state}" for state, count in counts.items())
        return [news for news in known if news.step in chosen], f"and {rest}"
