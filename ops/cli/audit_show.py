"""`sanctuary audit show`: one task or workflow from its beginning to its end."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli.ids import check_id
from ops.cli.options import archive_option, json_option, print_json, run, where_options
from ops.cli.text import clean
from ops.connect import Where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ops.archive.source import Source
    from ops.case import Case
    from ops.entries import Entry


@click.command()
@click.argument("task_id", metavar="TASK|WORKFLOW")
@where_options
@archive_option
@json_option
@click.option("--entries", is_flag=True, help="Print its entries as they stand in the ledger instead.")
@click.option(
    "--svg", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Also draw it into this file."
)
def show(task_id: str, where: Where, *, archive: Path | None, as_json: bool, entries: bool, svg: Path | None) -> None:
    """Show what became of a task or a workflow's run, by its id: what its time went into, who had it, what it asked for."""
    run(_show(task_id, where, archive, as_json=as_json, raw=entries, svg=svg))


async def _show(
    task_id: str, where: Where, archive: Path | None, *, as_json: bool, raw: bool, svg: Path | None
) -> None:
    from bus.errors import SanctuaryError
    from ops.cli.case_shown import plain_case, print_case
    from ops.cli.ids import no_such_task
    from ops.cli.lines import line, plain
    from ops.cli.sources import open_ledger
    from ops.families import family, said
    from ops.gantt import gantt
    from ops.proofs.evidence import local_places, stored_users

    check_id(task_id)
    async with open_ledger(where, archive, "audit show") as source:
        orders = await said(source, task_id)
        found = orders or await family(source, task_id)
        if not found:
            raise SanctuaryError(no_such_task(task_id))
        told = () if orders else await _cases(source, found, task_id)
    now = datetime.now(UTC)
    users = stored_users(where.store) if local_places(where) is not None else {}
    if svg is not None:
        if not told:
            why = (
                f"it is no task, but {_named(orders[0])}" if orders else "only the handing over of it is in the ledger"
            )
            raise SanctuaryError(f"there is nothing to draw of {task_id}: {why}")
        await asyncio.to_thread(svg.write_text, gantt(told[0], now), encoding="utf-8")
    if orders and not as_json:
        click.echo(f"{task_id} is no task, but {_named(orders[0])}:")
    if as_json and (raw or orders):
        print_json({"entries": [plain(entry) for entry in found]})
    elif as_json:
        print_json({"tasks": [plain_case(case, now, users) for case in told]})
    elif raw or not told:
        for entry in found:
            click.echo(line(entry))
    else:
        for case in told:
            print_case(case, now, users)
    if svg is not None:
        click.echo(f"wrote {svg}", err=as_json)


def _named(entry: "Entry") -> str:
    """Return what a command or an escalation is, and what it is about."""
    about = f" about the {entry.task_type} task {entry.task_id}" if entry.task_type and entry.task_id else ""
    return clean(f"the {entry.family} {entry.kind}{about}")


async def _cases(source: "Source", found: "Sequence[Entry]", task_id: str) -> "tuple[Case, ...]":
    from bus.definitions import Definitions
    from clones.routing import DEFAULT_TABLE
    from clones.tables import table_of
    from ops.case import begun_versions, cases

    if source.network is None:
        return cases(found, task_id, DEFAULT_TABLE.aliases, {})
    stored = Definitions(source.network)
    versions = {key: await stored.version(*key) for key in sorted(begun_versions(found))}
    definitions = {key: each.definition for key, each in versions.items() if each is not None}
    return cases(found, task_id, (await table_of(source.network)).aliases, definitions)
