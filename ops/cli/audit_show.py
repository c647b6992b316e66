"""`sanctuary audit show`: all entries about one task."""

import click

from bus.errors import SanctuaryError
from ops.cli.ids import check_id, no_such_task
from ops.cli.lines import line, plain
from ops.cli.options import json_option, print_json, run, where_options
from ops.connect import Where
from ops.lookup import family


@click.command()
@click.argument("task_id", metavar="ID")
@where_options
@json_option
def show(task_id: str, where: Where, *, as_json: bool) -> None:
    """Print every entry about the task or workflow ID and about the tasks that it asked for."""
    run(_show(task_id, where, as_json=as_json))


async def _show(task_id: str, where: Where, *, as_json: bool) -> None:
    check_id(task_id)
    async with where.open("audit show") as network:
        entries = await family(network, task_id)
        if not entries:
            raise SanctuaryError(no_such_task(task_id))
    if as_json:
        print_json({"entries": [plain(entry) for entry in entries]})
    else:
        for entry in entries:
            click.echo(line(entry))
