"""`sanctuary workflow graph`: a run or a workflow as a drawing."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli.ids import check_id
from ops.cli.options import run, where_options
from ops.connect import Where

if TYPE_CHECKING:
    from schemas import StepLine, WorkflowDefinition


@click.command()
@click.argument("what", metavar="ID|NAME|FILE")
@where_options
@click.option("--format", "form", type=click.Choice(("text", "mermaid", "svg")), default="text", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it into this file.")
def graph(what: str, where: Where, *, form: str, output: Path | None) -> None:
    """Draw a run with its steps' states, or a workflow: one that is stored, by NAME, or the one in FILE."""
    run(_graph(what, where, form=form, output=output))


async def _graph(what: str, where: Where, *, form: str, output: Path | None) -> None:
    from clones.workflows.graph import mermaid, svg
    from ops.cli.steps import tree

    definition, lines = await _drawn(what, where)
    drawn = {"mermaid": mermaid, "svg": svg, "text": tree}[form](definition, lines)
    if output is None:
        click.echo(drawn.rstrip("\n"))
    else:
        await asyncio.to_thread(output.write_text, drawn)
        click.echo(f"wrote {output}")


async def _drawn(what: str, where: Where) -> "tuple[WorkflowDefinition, tuple[StepLine, ...]]":
    """Return the definition that is meant, and how its steps fare where a run is.

    Raises:
        SanctuaryError: there is no such run or workflow.
        ValueError: the file holds no definition.
    """
    from bus.definitions import Definitions
    from bus.errors import SanctuaryError
    from clones.workflows.views import lines
    from ops.workflow_input import is_file, read_definition
    from ops.workflows import find_run

    if is_file(what):
        definition = read_definition(Path(what))
        return definition, lines(definition, None)
    check_id(what)
    async with where.open("workflow graph") as network:
        definitions = Definitions(network)
        if (named := await definitions.newest(what)) is not None:
            return named.definition, lines(named.definition, None)
        found = await find_run(network, definitions, what)
        definition_ = found.definition
        if definition_ is None and not found.history and (named := await definitions.newest(found.name)) is not None:
            definition_ = named.definition
    if definition_ is None:
        raise SanctuaryError(f"the definition of {what} ({found.name} v{found.version}) is not to be found")
    return definition_, found.lines or lines(definition_, None)
