"""`sanctuary audit tail`: the ledger as it grows."""

import click
import msgspec

from bus.network import Network
from bus.subjects import WORKFLOW_TYPE
from clones.tables import table_of
from ops.assignments import known_type
from ops.audit import between, follow, last_sequence, newest_first
from ops.cli.lines import line, plain
from ops.cli.options import json_option, run, where_options
from ops.connect import Where
from ops.entries import Entry

LAST = 20


@click.command()
@where_options
@json_option
@click.option("--from", "start", type=click.IntRange(1), metavar="SEQ", help="Begin with this entry.")
@click.option(
    "-n", "--last", type=click.IntRange(0), metavar="N", help=f"Begin with the last N entries; default: {LAST}."
)
@click.option(
    "-f/ ", "--follow/--no-follow", "following", default=True, show_default=True, help="Go on with what comes."
)
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only entries about this task type.")
def tail(
    where: Where, *, as_json: bool, start: int | None, last: int | None, following: bool, types: tuple[str, ...]
) -> None:
    """Print entries as they come; with --json one object a line."""
    run(_tail(where, as_json=as_json, start=start, last=last, following=following, types=types))


async def _tail(
    where: Where, *, as_json: bool, start: int | None, last: int | None, following: bool, types: tuple[str, ...]
) -> None:
    if start is not None and last is not None:
        raise ValueError("begin with --from or with --last, not with both")
    async with where.open("audit tail") as network:
        table = await table_of(network)
        known = {name if name == WORKFLOW_TYPE else known_type(table, name) for name in types}

        def show(entry: Entry) -> None:
            if not known or entry.task_type in known:
                click.echo(msgspec.json.encode(plain(entry)) if as_json else line(entry))

        if start is None:
            begin = await last_sequence(network) + 1
            for entry in await _last(network, begin, LAST if last is None else last, known):
                show(entry)
            start = begin
        if following:
            async for entry in follow(network, start):
                show(entry)
        else:
            async for entry in between(network, ">", start):
                show(entry)


async def _last(network: Network, before: int, count: int, types: set[str]) -> list[Entry]:
    """Return the last `count` entries of these types, oldest first."""
    found: list[Entry] = []
    if count:
        async for entry in newest_first(network, (">",), before=before):
            if not types or entry.task_type in types:
                found.append(entry)
                if len(found) == count:
                    break
    return found[::-1]
