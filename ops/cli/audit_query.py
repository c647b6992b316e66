"""`sanctuary audit query`: the entries that a filter lets through."""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import click
import msgspec

from ops.cli.counting import counting
from ops.cli.filter_options import filter_options, resolved
from ops.cli.lines import describe, line, plain
from ops.cli.options import archive_option, json_option, run, where_options
from ops.cli.sources import open_ledger
from ops.cli.text import duration, moment, show, table
from ops.connect import Where
from ops.entries import Entry
from ops.filters import Filter

PAGE = 500
"""So many finds are held in memory, and stand in one table on a terminal."""
PAGE_S = 0.5
"""Elsewhere what was found is not held for longer."""
COLUMNS = ("entry", "stored", "kind", "type", "id", "what it says")
LEAST = ("type", "stored", "what it says")
"""What gives way first on a narrow terminal."""


@click.command()
@where_options
@archive_option
@json_option
@filter_options
@click.option("--oldest", is_flag=True, help="Oldest first; default: newest first.")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(0),
    default=100,
    show_default=True,
    metavar="N",
    help="How many entries at most; 0: all.",
)
def query(where: Where, *, archive: Path | None, as_json: bool, wanted: Filter, oldest: bool, limit: int) -> None:
    """Search the ledger, archived entries included; with --json one object a line.

    Options of one kind add up, those of different kinds must all hold, and so must all labels. How many entries were looked at
    is said on standard error.
    """
    run(_query(where, archive, wanted, as_json=as_json, oldest=oldest, limit=limit))


async def _query(
    where: Where, archive: Path | None, wanted: Filter, *, as_json: bool, oldest: bool, limit: int
) -> None:
    from ops.searching import newest_first, oldest_first, stretch

    looked_at = found = 0
    async with open_ledger(where, archive, "audit query") as source:
        wanted = await resolved(source, wanted)
        place = await stretch(source, wanted)

        def looked(count: int) -> None:
            nonlocal looked_at
            looked_at = count
            progress(count, place.length)

        search = (oldest_first if oldest else newest_first)(source, wanted, place, looked)
        begun = time.monotonic()
        async with aclosing(search) as entries:
            goes_on = True
            while goes_on:
                # The bar is gone while something is printed.
                with counting("looking through") as progress:
                    most = PAGE if not limit else min(PAGE, limit - found)
                    page, goes_on = await _page(entries, most, at_once=as_json or not sys.stdout.isatty())
                found += len(page)
                goes_on = goes_on and found != limit
                _print(page, as_json=as_json)
    took = duration(time.monotonic() - begun)
    click.echo(f"{found:,} found; looked at {looked_at:,} of {place.length:,} entries in {took}", err=True)


async def _page(entries: AsyncIterator[Entry], most: int, *, at_once: bool) -> tuple[list[Entry], bool]:
    """Return the next entries, with `at_once` not many seconds' finds, and whether there may be more."""
    page: list[Entry] = []
    begun = time.monotonic()
    async for entry in entries:
        page.append(entry)
        if len(page) == most or (at_once and time.monotonic() - begun > PAGE_S):
            return page, True
    return page, False


def _print(page: list[Entry], *, as_json: bool) -> None:
    if as_json:
        for entry in page:
            click.echo(msgspec.json.encode(plain(entry)))
    elif sys.stdout.isatty():
        if page:
            show(table(COLUMNS, map(_row, page), right=("entry",), cut="what it says", least=LEAST))
    else:
        for entry in page:
            click.echo(line(entry))


def _row(entry: Entry) -> tuple[str, ...]:
    return (
        "-" if entry.sequence is None else f"#{entry.sequence}",
        moment(entry.stored_at),
        entry.kind,
        entry.task_type or "-",
        entry.task_id or "-",
        describe(entry),
    )
