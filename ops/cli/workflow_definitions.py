"""`sanctuary workflow put`, `check` and `definitions`: what workflows there are."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ops.cli.options import json_option, print_json, run, where_options
from ops.connect import Where

if TYPE_CHECKING:
    from bus.network import Network
    from schemas import InputField, Step, WorkflowDefinition, WorkflowInForce

VERDICT_WITHIN_S = 30.0

file_argument = click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))


@click.command(name="put")
@file_argument
@click.option("--reason", default="", metavar="TEXT", help="Why; stands in the ledger.")
@where_options
@json_option
def put_(file: Path, where: Where, *, as_json: bool, reason: str) -> None:
    """Store the definition in FILE (TOML or JSON) as the next version of its name; runs keep the version that they began with."""
    run(_put(file, where, as_json=as_json, reason=reason))


async def _put(file: Path, where: Where, *, as_json: bool, reason: str) -> None:
    from ops.workflow_input import read_definition

    definition = read_definition(file)
    async with where.open("workflow put") as network:
        version = await put(network, definition, reason=reason, told=not as_json)
    if as_json:
        print_json({"name": definition.name, "version": version})


async def put(network: "Network", definition: "WorkflowDefinition", *, reason: str, told: bool) -> int:
    """Have a definition stored and return its version; `told`: say so on standard error.

    Raises:
        SanctuaryError: it was not; the message is Omega's.
    """
    from ops.cli.waiting import say
    from ops.workflows import store_definition

    version, summary = await store_definition(
        network, definition, reason=reason, within_s=VERDICT_WITHIN_S, waiting=say
    )
    if told:
        click.echo(summary, err=True)
    return version


@click.command()
@file_argument
@where_options
@json_option
def check(file: Path, where: Where, *, as_json: bool) -> None:
    """Tell what is wrong with the definition in FILE, with its lines. Exits with 2 where something is.

    Its task types and sub-workflows are looked up in the network, where one answers.
    """
    run(_check(file, file.read_bytes(), where, as_json=as_json))


async def _check(file: Path, data: bytes, where: Where, *, as_json: bool) -> int:
    from bus.errors import SanctuaryError
    from clones.workflows.problems import dotted
    from clones.workflows.reading import examined
    from ops.cli.options import UNUSABLE
    from ops.workflow_input import told
    from ops.workflows import known_to

    unchecked = ""
    definition, found = examined(data, str(file))
    if definition is not None:
        try:
            async with where.open("workflow check") as network:
                types, workflows = await known_to(network)
            definition, found = examined(data, str(file), task_types=types, workflows=workflows)
        except SanctuaryError as error:
            unchecked = error.message
    if as_json:
        plain = [{"line": each.line, "path": dotted(each.path), "message": each.message} for each in found]
        print_json({"problems": plain, "not_checked_against_the_network": unchecked or None})
    else:
        for each in found:
            click.echo(told(file, each))
        if definition is not None and not found:
            click.echo(f"{file}: {definition.name}, {len(definition.steps)} steps: nothing is wrong")
        if unchecked:
            click.echo(f"task types and sub-workflows were not looked up: {unchecked}", err=True)
    return UNUSABLE if found else 0


@click.command()
@click.argument("name", required=False)
@where_options
@json_option
def definitions(name: str | None, where: Where, *, as_json: bool) -> None:
    """List the workflows that can be run, or show NAME: its input, its steps and its versions."""
    run(_definitions(name, where, as_json=as_json))


async def _definitions(name: str | None, where: Where, *, as_json: bool) -> None:
    from bus.definitions import Definitions
    from ops.workflows import known

    async with where.open("workflow definitions") as network:
        stored = Definitions(network)
        newest = list((await stored.all_newest()).values()) if name is None else [await known(stored, name)]
        of_name = () if name is None else await stored.versions(name)
    if as_json:
        print_json({"definitions": of_name or newest})
    elif name is not None:
        _print(newest[0], of_name)
    elif newest:
        from ops.cli.text import moment, show, table

        rows = [
            (
                each.definition.name,
                str(each.version),
                str(len(each.definition.steps)),
                moment(each.at).partition(".")[0],
                each.by or "-",
                each.definition.description.partition("\n")[0],
            )
            for each in newest
        ]
        columns = ("name", "version", "steps", "stored", "by", "description")
        show(table(columns, rows, right=("version", "steps"), cut="description", least=("by", "stored", "description")))
    else:
        from ops.hints import command_line

        click.echo(
            f"No workflows are stored: Omega stores those that come with it when it starts ({command_line('omega')})."
        )


def _print(newest: "WorkflowInForce", of_name: "tuple[WorkflowInForce, ...]") -> None:
    from ops.cli.text import clean, moment, show, table

    definition = newest.definition
    click.secho(f"{definition.name} v{newest.version}", bold=True)
    if definition.description:
        click.echo("\n".join(map(clean, definition.description.splitlines())))
    if definition.input:
        click.echo()
        show(table(("input", "kind", "", "description"), [_field(*each) for each in definition.input.items()]))
    click.echo()
    rows = [
        (name, _kind_of(step), ", ".join(step.needs) or "-", _when(step), step.description)
        for name, step in definition.steps.items()
    ]
    show(table(("step", "kind", "needs", "when", "description"), rows, cut="description", least=("description",)))
    click.echo()
    for each in of_name:
        by = f" by {clean(each.by)}" if each.by else ""
        why = f": {clean(each.reason)}" if each.reason else ""
        click.echo(f"v{each.version} since {moment(each.at).partition('.')[0]}{by}{why}")


def _field(name: str, field: "InputField") -> tuple[str, str, str, str]:
    default = "" if field.default is None else f"default {_plain(field.default)}"
    choice = f"one of {', '.join(map(_plain, field.one_of))}" if field.one_of else ""
    rule = ", ".join(part for part in ("required" if field.required else default, choice) if part)
    return name, field.kind, rule, field.description


def _plain(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _kind_of(step: "Step") -> str:
    from clones.workflows.plan import kind_of

    if step.task is not None:
        return step.task
    return f"workflow {step.workflow}" if step.workflow is not None else kind_of(step)


def _when(step: "Step") -> str:
    each = f"for each of {step.foreach}" if step.foreach else ""
    return ", ".join(part for part in (step.when, each) if part) or "-"
