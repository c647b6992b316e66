"""`sanctuary routes`: the routing table in force, changes to it, and what it was before."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bus.errors import SanctuaryError
from ops.cli.options import FAILED, UNUSABLE, fail, json_option, print_json, run, where_options
from ops.cli.text import clean, moment, shortened, show, table
from ops.connect import Where
from ops.hints import command_line

if TYPE_CHECKING:
    from bus.network import Network
    from bus.routes import Revision
    from clones.conflicts import Finding
    from schemas import RoutingTable

VERDICT_WITHIN_S = 30.0
FOLLOWED_WITHIN_S = 3.0
"""Each instance looks at the table every second."""
COLOURS = {"note": "yellow", "wrong": "red"}

reason_option = click.option("--reason", default="", metavar="TEXT", help="Why; stands in the ledger.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def routes() -> None:
    """Show and change the routing table: who serves which task type, and under which limits."""


@routes.command(name="show")
@where_options
@json_option
@click.option("--toml", "as_toml", is_flag=True, help="Print TOML, as `routes set` takes it; the default in a pipe.")
def show_(where: Where, *, as_json: bool, as_toml: bool) -> None:
    """Show the table in force.

    \b
    sanctuary routes show > routes.toml
    sanctuary routes set routes.toml --reason "longer scans"
    """  # noqa: D301  click reads the backspace as "keep these lines"
    if as_json and as_toml:
        raise click.UsageError("choose --json or --toml")
    run(_show(where, as_json=as_json, as_toml=as_toml))


async def _show(where: Where, *, as_json: bool, as_toml: bool) -> None:
    from ops.table_text import heading, write_table

    async with where.open("routes show") as network:
        revision = await _in_force(network)
    if as_json:
        print_json({"revision": revision.number, **_plain(revision)})
    elif as_toml or not sys.stdout.isatty():
        click.echo(write_table(revision.routes.table, heading=heading(revision)), nl=False)
    else:
        _print(revision)


def _plain(revision: "Revision") -> dict[str, Any]:
    """Return a revision as JSON shows it: with all settings, those too that have their defaults."""
    import msgspec

    told = revision.routes
    table_ = {
        "weights": told.table.weights,
        "aliases": told.table.aliases,
        "routes": {name: msgspec.structs.asdict(route) for name, route in told.table.routes.items()},
    }
    return {"at": told.at, "by": told.by, "reason": told.reason, "command": told.command, "table": table_}


def _print(revision: "Revision") -> None:
    from clones.table_changes import in_words

    told = revision.routes
    rows = [
        (
            task_type,
            route.clone,
            ", ".join(route.fallback) or "-",
            route.fallback_when if route.fallback else "-",
            route.default_priority,
            f"{route.timeout_s:g} s",
            str(route.retries),
            route.when_exhausted,
            "-" if route.concurrency is None else str(route.concurrency),
            "-" if route.rate_per_s is None else f"{route.rate_per_s:g}",
        )
        for task_type, route in told.table.routes.items()
    ]
    columns = ("type", "clone", "fallback", "when", "priority", "timeout", "retries", "exhausted", "at once", "per s")
    show(table(columns, rows, right=("timeout", "retries", "at once", "per s")))
    weights = told.table.weights
    click.echo(f"weights: high {weights.high}, medium {weights.medium}, low {weights.low}")
    if told.table.aliases:
        click.echo("aliases: " + ", ".join(f"{alias} = {name}" for alias, name in told.table.aliases.items()))
    for task_type, route in told.table.routes.items():
        if route.may_ask:
            click.echo(f"{task_type} may ask for {', '.join(route.may_ask)}")
    by = f" by {clean(told.by)}" if told.by else ""
    click.echo(f"revision {revision.number}, since {moment(told.at).partition('.')[0]}{by}: {in_words(told.reason)}")
    click.echo("--toml has all settings.", err=True)


@routes.command(name="set")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@where_options
@json_option
@reason_option
def set_(file: Path, where: Where, *, as_json: bool, reason: str) -> None:
    """Put the table in FILE (TOML; - reads standard input) into force everywhere, and print the verdict."""
    run(_set(_read(file), where, as_json=as_json, reason=reason))


async def _set(wanted: "RoutingTable", where: Where, *, as_json: bool, reason: str) -> int:
    async with where.open("routes set") as network:
        return await _change(network, await _in_force(network), wanted, as_json=as_json, reason=reason)


@routes.command()
@click.argument("number", metavar="REVISION", type=click.IntRange(1))
@where_options
@json_option
@reason_option
def rollback(number: int, where: Where, *, as_json: bool, reason: str) -> None:
    """Put the table of an earlier REVISION into force again, as a new revision; `routes history` lists them."""
    run(_rollback(number, where, as_json=as_json, reason=reason or f"back to revision {number}"))


async def _rollback(number: int, where: Where, *, as_json: bool, reason: str) -> int:
    from bus.routes import history

    async with where.open("routes rollback") as network:
        known = {revision.number: revision for revision in await history(network)}
        if number not in known:
            there = ", ".join(map(str, known)) or "none"
            raise SanctuaryError(f"there is no revision {number} (any more); there are {there}")
        wanted = known[number].routes.table
        return await _change(network, await _in_force(network), wanted, as_json=as_json, reason=reason)


async def _change(
    network: "Network", current: "Revision", wanted: "RoutingTable", *, as_json: bool, reason: str
) -> int:
    """Show the difference, ask for it, and print the verdict."""
    from clones.conflicts import doubts
    from clones.table_changes import changes
    from ops.cli.waiting import say
    from ops.commanding import person, verdict_on
    from ops.status import ask
    from schemas import RouteChange, TaskCompletion

    if not as_json:
        for line in changes(current.routes.table, wanted):
            click.echo(clean(line))
    for finding in doubts(current.routes.table, wanted, await ask(network)):
        word = "warning" if finding.verdict == "wrong" else "note"
        click.secho(clean(f"{word}: {finding.subject}: {finding.message}"), fg=COLOURS[finding.verdict], err=True)
    change = RouteChange(table=wanted, base_revision=current.number, by=person(), reason=reason)
    verdict = await verdict_on(network, change, within_s=VERDICT_WITHIN_S, waiting=say)
    if as_json:
        print_json(verdict)
    if not isinstance(verdict, TaskCompletion):
        if as_json:
            return FAILED
        raise SanctuaryError(f"refused: {clean(verdict.message)}")
    revision = verdict.output["revision"]
    if revision != current.number:
        if not as_json:
            click.echo(
                f"Revision {revision} is in force; {command_line('routes rollback', str(current.number))} takes it back."
            )
        await _follow(network, revision, as_json=as_json)
    elif not as_json:
        click.echo(f"Nothing to change: revision {revision} is the same, and stays in force.")
    return 0


async def _follow(network: "Network", revision: int, *, as_json: bool) -> None:
    """Wait for the instances that answer to go by a revision, and say who does not."""
    from ops.status import following

    follow, late = await following(network, revision, within_s=FOLLOWED_WITHIN_S)
    if late:
        names = ", ".join(f"{answer.instance} (by {answer.routes_revision or 'none'})" for answer in late)
        click.secho(clean(f"Not by it yet, after {FOLLOWED_WITHIN_S:g} s: {names}"), fg="yellow", err=True)
    if not as_json:
        click.echo(f"{len(follow)} of the {len(follow) + len(late)} instances that answer go by it.")


@routes.command()
@click.argument(
    "file", required=False, type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), metavar="[FILE]"
)
@where_options
@json_option
def check(file: Path | None, where: Where, *, as_json: bool) -> None:
    """Look for conflicts between the table and the clones that answer; exits with 1 where something is wrong.

    With FILE (- reads standard input) it is that table which is looked at, and whether its clones are there. Where no
    network runs, only the file itself is.
    """
    run(_check(None if file is None else _read(file), where, as_json=as_json))


async def _check(wanted: "RoutingTable | None", where: Where, *, as_json: bool) -> int:
    from bus.errors import ConfigurationError, ConnectionFailed
    from clones.conflicts import Finding

    try:
        async with where.open("routes check") as network:
            found = await _look(network, wanted)
    except (ConnectionFailed, ConfigurationError) as error:
        if wanted is None:
            raise
        found = (Finding("note", "network", f"only the file was looked at: {error.message}"),)
    if as_json:
        print_json({"findings": [finding._asdict() for finding in found], "ok": not _wrong(found)})
    elif found:
        for finding in found:
            verdict = click.style(f"{finding.verdict:<5}", fg=COLOURS[finding.verdict], bold=finding.verdict == "wrong")
            click.echo(f"{verdict} {clean(finding.subject):<15} {clean(finding.message)}")
    else:
        click.echo("The table and the clones agree.")
    return FAILED if _wrong(found) else 0


async def _look(network: "Network", wanted: "RoutingTable | None") -> tuple["Finding", ...]:
    from clones.conflicts import Finding, absences, conflicts, disagreements
    from ops.status import ask

    if wanted is not None:
        return absences(wanted, await ask(network))
    current = await _in_force(network)
    inside = [Finding("wrong", ".".join(each.path), each.message) for each in conflicts(current.routes.table)]
    return (*inside, *disagreements(current, await ask(network)))


def _wrong(found: tuple["Finding", ...]) -> bool:
    return any(finding.verdict == "wrong" for finding in found)


@routes.command()
@where_options
@json_option
def history(where: Where, *, as_json: bool) -> None:
    """List the revisions that can be gone back to, newest first, with what each changed."""
    run(_history(where, as_json=as_json))


async def _history(where: Where, *, as_json: bool) -> None:
    from bus.routes import history as read_history
    from clones.table_changes import changes

    async with where.open("routes history") as network:
        known = await read_history(network)
    told = [
        (revision, changes(known[index - 1].routes.table if index else None, revision.routes.table))
        for index, revision in enumerate(known)
    ][::-1]
    if as_json:
        print_json(
            {
                "revisions": [
                    {"revision": each.number, **_plain(each), "changes": said if each is not known[0] else []}
                    for each, said in told
                ]
            }
        )
    elif told:
        rows = []
        for each, said in told:
            routes_ = each.routes
            # What the oldest one changed is not known.
            what = "; ".join(said) if each is not known[0] else f"{len(routes_.table.routes)} task types"
            when = moment(routes_.at).partition(".")[0]
            rows.append((str(each.number), when, routes_.by or "-", routes_.reason or "-", shortened(what, 200)))
        show(table(("revision", "since", "by", "reason", "changes"), rows, right=("revision",)))
    else:
        click.echo("No routing table yet: the first Omega makes it.")


async def _in_force(network: "Network") -> "Revision":
    from bus.routes import in_force

    found = await in_force(network)
    if found is None:
        raise SanctuaryError(f"there is no routing table yet: the first Omega makes it ({command_line('omega')})")
    return found


def _read(file: Path) -> "RoutingTable":
    """Return the table in a file; ends the command where it holds none."""
    from ops.table_file import InvalidTable, read_table

    name = "standard input" if str(file) == "-" else str(file)
    try:
        with click.open_file(str(file), encoding="utf-8") as stream:
            return read_table(stream.read(), name)
    except InvalidTable as error:
        for problem in error.problems:
            click.echo(clean(problem), err=True)
        fail(f"{name} cannot be put into force", status=UNUSABLE)
    except UnicodeDecodeError:
        fail(f"{name} is no UTF-8 text", status=UNUSABLE)
    except OSError as error:
        fail(f"{name}: {error.strerror}", status=UNUSABLE)
