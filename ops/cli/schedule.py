"""`sanctuary schedule`: when workflows are started by themselves."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops.cli.options import json_option, print_json, run, where_options
from ops.cli.schedule_fields import check_name, checked, described
from ops.connect import Where
from ops.hints import command_line

if TYPE_CHECKING:
    from ops.schedules import Known

OVERLAPS = ("skip", "buffer_one", "cancel_other", "allow_all")
SHOWN_TIMES = 5


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def schedule() -> None:
    """Start workflows at certain times: show, add, pause and remove schedules."""


def _change_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what all changes of a schedule take."""
    for option in (
        click.option("--reason", default="", metavar="TEXT", help="Why; stands in the ledger."),
        click.option("--no-wait", "storing", is_flag=True, help="Store the command, for whichever Omega runs next."),
        json_option,
        where_options,
    ):
        command = option(command)
    return click.argument("name", metavar="NAME")(command)


@schedule.command()
@_change_options
@click.argument("workflow", metavar="WORKFLOW")
@click.option("--cron", metavar="EXPRESSION", help="Five fields, as in crontab: '30 2 * * MON-FRI'.")
@click.option("--timezone", default="UTC", show_default=True, metavar="ZONE", help="Of --cron: Europe/Berlin.")
@click.option("--every", metavar="LENGTH", help="An interval, from now on: 90s, 15m, 2h or 1d.")
@click.option("--at", metavar="TIME", help="Once: in 15m, 2h or 1d, or at 2026-11-20T10:00Z.")
@click.option(
    "-i", "--input", "pairs", multiple=True, metavar="KEY=VALUE", help="A field of the input; what is no text as JSON."
)
@click.option(
    "--input-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
    help="The input as a JSON object.",
)
@click.option(
    "-t", "--target", metavar="TARGET", help="The input's `target`: a directory here, a git URL, or artifact:NAME."
)
@click.option("-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="Something to find the runs by.")
@click.option(
    "--overlap",
    type=click.Choice(OVERLAPS),
    default="skip",
    show_default=True,
    help="Where the run before is not over: leave the start out, make one when it is, cancel it, or start all the same.",
)
@click.option(
    "--catch-up",
    default="60s",
    show_default=True,
    metavar="LENGTH",
    help="How late a start may be that nobody was there for.",
)
@click.option("--paused", is_flag=True, help="Begin when it is resumed.")
@click.option("--replace", is_flag=True, help="Replace the schedule of this name.")
def add(name: str, workflow: str, **options: Any) -> None:
    """Start WORKFLOW by --cron, --every or --at, under the schedule NAME.

    \b
    sanctuary schedule add nightly review -t https://example.org/app.git --cron '30 2 * * *' --timezone Europe/Berlin
    sanctuary schedule add tonight release-check -t . --at 2026-11-20T22:00
    """  # noqa: D301  click reads the backspace as "keep these lines"
    run(_add(name, workflow, **options))


async def _add(
    name: str,
    workflow: str,
    *,
    where: Where,
    pairs: tuple[str, ...],
    input_file: Path | None,
    target: str | None,
    replace: bool,
    reason: str,
    storing: bool,
    as_json: bool,
    **times: Any,
) -> int:
    from bus.definitions import Definitions
    from bus.errors import SanctuaryError
    from bus.schedules import standing
    from ops.cli.steering import send
    from ops.commanding import person
    from ops.workflow_input import read_input
    from ops.workflows import known
    from schemas import ScheduleChange

    check_name(name)
    wanted = described(workflow, **times)
    async with where.open("schedule add") as network:
        in_force = await known(Definitions(network), workflow)
        wanted["input"] = read_input(in_force.definition, pairs, input_file, target)
        found = await standing(network, name)
        if found is not None and found.record is not None and not replace:
            raise SanctuaryError(f"there is a schedule {name} already: --replace puts this one in its place")
        command = ScheduleChange(name=name, schedule=checked(wanted, is_new=found is None), by=person(), reason=reason)
        shown_by = command_line("schedule show", name)
        return await send(network, command, shown_by, as_json=as_json, storing=storing)


@schedule.command()
@_change_options
def pause(name: str, **options: Any) -> None:
    """Have the schedule NAME start nothing until it is resumed. A run that has begun goes on."""
    run(_change(name, paused=True, **options))


@schedule.command()
@_change_options
def resume(name: str, **options: Any) -> None:
    """Have the paused schedule NAME start runs again; what was due meanwhile is not made up for."""
    run(_change(name, paused=False, **options))


@schedule.command()
@_change_options
def remove(name: str, **options: Any) -> None:
    """Remove the schedule NAME. A run that has begun goes on."""
    run(_change(name, paused=None, **options))


async def _change(name: str, *, paused: bool | None, where: Where, reason: str, storing: bool, as_json: bool) -> int:
    """Pause a schedule or let it go on; None: remove it."""
    from msgspec.structs import replace

    from bus.errors import SanctuaryError
    from ops.cli.steering import send
    from ops.commanding import person
    from ops.schedules import known
    from schemas import ScheduleChange

    check_name(name)
    async with where.open("schedule") as network:
        found = await known(network, name)
        wanted = None
        if paused is not None:
            if found.record is None:
                raise SanctuaryError(f"the schedule {name} cannot be read here: {found.problem}")
            if found.record.schedule.paused == paused:
                raise SanctuaryError(f"the schedule {name} is {'paused already' if paused else 'not paused'}")
            wanted = replace(found.record.schedule, paused=paused)
        command = ScheduleChange(name=name, schedule=wanted, by=person(), reason=reason)
        shown_by = command_line("schedule list")
        return await send(network, command, shown_by, as_json=as_json, storing=storing)


@schedule.command(name="list")
@where_options
@json_option
def list_(where: Where, *, as_json: bool) -> None:
    """List the schedules: when they are due, and how their newest runs fare."""
    run(_list(where, as_json=as_json))


async def _list(where: Where, *, as_json: bool) -> None:
    from ops.cli.text import show, table
    from ops.schedules import all_known

    async with where.open("schedule list") as network:
        found = await all_known(network)
    if as_json:
        print_json({"schedules": [_plain(each) for each in found]})
    elif found:
        columns = ("name", "state", "workflow", "when", "next", "last run", "")
        show(table(columns, map(_row, found), cut="when", least=("last run", "")))
    else:
        made_by = command_line("schedule add", "NAME", "WORKFLOW", options="--cron '30 2 * * *'")
        click.echo(f"There are no schedules. {made_by} makes one.")


def _row(each: "Known") -> tuple[str, ...]:
    from clones.schedule_times import in_words

    record = each.record
    if record is None:
        return each.name, each.state, "-", each.problem, "-", "-", "-"
    coming = "-" if record.schedule.paused or not each.upcoming else _moment(each.upcoming[0])
    last = "-" if record.last_due is None else _moment(record.last_due)
    return (
        each.name,
        each.state,
        record.schedule.workflow,
        in_words(record.schedule),
        coming,
        last,
        each.last_state or "",
    )


def _moment(at: datetime) -> str:
    """Return a time here, with its zone: that of the schedule may be another one."""
    from ops.cli.text import moment

    return f"{moment(at).partition('.')[0]} {at.astimezone():%Z}"


def _plain(each: "Known") -> dict[str, Any]:
    """Return a schedule as JSON shows it: with all settings, those too that have their defaults."""
    import msgspec

    told: dict[str, Any] = {"name": each.name, "state": each.state, "revision": each.revision}
    if each.problem:
        told["problem"] = each.problem
    if (record := each.record) is None:
        return told
    last = record.last_id and {"id": record.last_id, "due": record.last_due, "state": each.last_state}
    return {
        **told,
        "schedule": msgspec.structs.asdict(record.schedule),
        "since": record.at,
        "command": record.command,
        "by": record.by,
        "reason": record.reason,
        "next": each.upcoming,
        "last": last,
        "buffered": record.buffered,
    }


@schedule.command(name="show")
@click.argument("name", metavar="NAME")
@where_options
@json_option
def show_(name: str, where: Where, *, as_json: bool) -> None:
    """Show the schedule NAME, its next times and its newest run."""
    run(_show(name, where, as_json=as_json))


async def _show(name: str, where: Where, *, as_json: bool) -> None:
    from ops.schedules import known

    check_name(name)
    async with where.open("schedule show") as network:
        found = await known(network, name, count=SHOWN_TIMES)
    if as_json:
        print_json(_plain(found))
    else:
        _print(found)


def _print(found: "Known") -> None:
    from clones.schedule_times import in_words
    from ops.cli.text import STYLES, clean, duration
    from ops.cli.waiting import show_run

    click.secho(found.name, bold=True, nl=False)
    click.echo(f" {click.style(found.state, fg=STYLES.get(found.state))}")
    if (record := found.record) is None:
        click.echo(clean(found.problem))
        return
    wanted = record.schedule
    by = f" by {clean(record.by)}" if record.by else ""
    why = f": {clean(record.reason)}" if record.reason else ""
    lines = [
        ("starts", f"{wanted.workflow} {_json(wanted.input)}"),
        ("when", in_words(wanted)),
        ("overlap", wanted.overlap),
        ("catches up", duration(wanted.catch_up_s)),
        ("labels", ", ".join(f"{key}={value}" for key, value in wanted.labels.items()) or "-"),
        ("since", f"{_moment(record.at)}{by}{why} (#{record.command})"),
        *(
            (("when resumed" if wanted.paused else "next") if not index else "", _moment(due))
            for index, due in enumerate(found.upcoming)
        ),
    ]
    if record.buffered is not None:
        lines.append(("waiting", f"for the run before to be over, since {_moment(record.buffered)}"))
    if record.last_id is not None and record.last_due is not None:
        lines.append(("last run", f"{record.last_id} {found.last_state}, due {_moment(record.last_due)}"))
    for label, text in lines:
        click.echo(f"  {label:<12} {clean(text)}")
    if record.last_id is not None:
        click.echo(show_run(record.last_id), err=True)


def _json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
