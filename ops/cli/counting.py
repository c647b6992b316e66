"""How far a long reading of the ledger is, on standard error: a bar on a terminal, elsewhere nothing."""

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield what is to be told which entry was reached, and which is the last one."""
    if not sys.stderr.isatty():
        yield lambda at, last: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(what, total=None)
        yield lambda at, last: progress.update(bar, completed=at, total=last)
