"""`sanctuary audit tail`: the ledger as it grows."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from ops.cli.filter_options import filter_options, resolved
from ops.cli.lines import line, plain
from ops.cli.options import archive_option, json_option, run, where_options
from ops.connect import Where
from ops.entries import Entry
from ops.filters import Filter

LAST = 20


@click.command()
@where_options
@archive_option
@json_option
@click.option("--from", "start", type=click.IntRange(1), metavar="SEQ", help="Begin with this entry.")
@click.option(
    "-n", "--last", type=click.IntRange(0), metavar="N", help=f"Begin with the last N entries; default: {LAST}."
)
@click.option(
    "-f/ ", "--follow/--no-follow", "following", default=True, show_default=True, help="Go on with what comes."
)
@filter_options
def tail(
    where: Where,
    *,
    archive: Path | None,
    as_json: bool,
    start: int | None,
    last: int | None,
    following: bool,
    wanted: Filter,
) -> None:
    """Print entries as they come; with --json one object a line.

    Begins with the last entries that are wanted, with --from or --since with all from there on, and ends at --until.
    """
    run(_tail(where, archive, wanted, as_json=as_json, start=start, last=last, following=following))


async def _tail(
    where: Where,
    archive: Path | None,
    wanted: Filter,
    *,
    as_json: bool,
    start: int | None,
    last: int | None,
    following: bool,
) -> None:
    from ops.audit import follow
    from ops.cli.sources import open_ledger
    from ops.searching import newest_first, oldest_first, stretch

    if start is not None and last is not None:
        raise ValueError("begin with --from or with --last, not with both")

    def show(entry: Entry) -> None:
        click.echo(msgspec.json.encode(plain(entry)) if as_json else line(entry))

    async with open_ledger(where, archive, "audit tail") as source:
        wanted = await resolved(source, wanted)
        last_stored = await source.last_sequence()
        place = await stretch(source, wanted, start or 1)
        # What was stored meanwhile is what follows.
        place = place._replace(last=min(place.last, last_stored))
        if last is None and (start is not None or wanted.since is not None):
            async with aclosing(oldest_first(source, wanted, place)) as entries:
                async for entry in entries:
                    show(entry)
        else:
            async with aclosing(newest_first(source, wanted, place)) as entries:
                for entry in reversed(await _first(entries, LAST if last is None else last)):
                    show(entry)
        if following and source.network is not None:
            left_s = None if wanted.until is None else (wanted.until - datetime.now(UTC)).total_seconds()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    async for entry in follow(source.network, max(start or 1, last_stored + 1), wanted):
                        show(entry)


async def _first(entries: AsyncIterator[Entry], count: int) -> list[Entry]:
    """Return as many entries, or all where there are fewer."""
    found: list[Entry] = []
    if count:
        async for entry in entries:
            found.append(entry)
            if len(found) == count:
                break
    return found
