"""`sanctuary report`: what people are to be told of a task or run, from a template."""

import click

from ops.cli.options import json_option, print_json, run, where_options
from ops.connect import Where


@click.command()
@click.argument("template")
@click.argument("task_id", metavar="ID")
@json_option
@where_options
def report(template: str, task_id: str, *, as_json: bool, where: Where) -> None:
    """Print what people are told of the task or workflow ID, as Markdown.

    TEMPLATE is incident, release-note, escalation, handover, or a file of your own: a Jinja template that may use what --json
    prints.
    """
    run(_report(template, task_id, as_json=as_json, where=where))


async def _report(template: str, task_id: str, *, as_json: bool, where: Where) -> None:
    from bus.errors import SanctuaryError
    from ops.cli.ids import check_id, no_such_task
    from ops.communications.facts import gather
    from ops.communications.rendering import load, render

    check_id(task_id)
    name, text = load(template)
    async with where.open("report") as network:
        facts = await gather(network, task_id)
    if facts is None:
        raise SanctuaryError(no_such_task(task_id))
    if as_json:
        print_json(facts)
    else:
        click.echo(render(name, text, facts), nl=False)
