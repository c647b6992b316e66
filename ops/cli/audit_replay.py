"""`sanctuary audit replay`: recorded traffic once more, in another realm."""

import math
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from ops.cli.options import FAILED, archive_option, json_option, print_json, run, where_options
from ops.cli.times import point_in_time
from ops.connect import Where, default_store

if TYPE_CHECKING:
    from bus.network import Network
    from ops.replaying.report import Replay

DIFFERENT = 3
"""The exit status where the outcomes differ."""


class Speed(click.ParamType[float]):
    """How many times as fast as recorded, or `max`."""

    name = "speed"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As of click."""
        try:
            speed = math.inf if value == "max" else float(str(value))
        except ValueError:
            speed = math.nan
        if not speed > 0 or (math.isinf(speed) and value != "max"):
            self.fail(
                f"{value!r} is no speed: 1 is as it was recorded, 10 ten times as fast, max without pauses", param, ctx
            )
        return speed


@click.command()
@where_options
@json_option
@click.option(
    "--into", required=True, metavar="REALM", help="The realm that it is driven into; never the one that was recorded."
)
@click.option("--into-server", metavar="URL", help="That realm's NATS server; default: the one that was recorded.")
@click.option("--into-context", metavar="NAME", help="That realm's nats context.")
@click.option(
    "--into-store", type=click.Path(path_type=Path), help="The store of the `sanctuary up` that serves that realm."
)
@click.option(
    "--since",
    "start",
    metavar="TIME",
    help="What was submitted then or later: 2026-11-20T10:00Z, or 2h for two hours ago.",
)
@click.option("--until", "end", metavar="TIME", help="What was submitted before that; default: up to now.")
@click.option("--task", "tasks", multiple=True, metavar="ID", help="This task; may be given several times.")
@click.option("--workflow", "workflows", multiple=True, metavar="ID", help="This run of a workflow.")
@click.option(
    "--speed", type=Speed(), default="1", show_default=True, help="How many times as fast as recorded, or max."
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0.1),
    default=1800.0,
    show_default=True,
    help="Seconds within which something must end; otherwise what is left counts as pending.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the report is written to: replay.md, .html, .json.",
)
@archive_option
def replay(
    where: Where,
    *,
    as_json: bool,
    into: str,
    into_server: str | None,
    into_context: str | None,
    into_store: Path | None,
    start: str | None,
    end: str | None,
    tasks: tuple[str, ...],
    workflows: tuple[str, ...],
    speed: float,
    wait_s: float,
    output: Path | None,
    archive: Path | None,
) -> None:
    """Drive what was recorded into another realm, and hold what comes of it against what came of it then.

    Tasks and workflow starts are submitted again, with the same ids, in the same order and with the same gaps; what they ask
    for is made anew by the target's Omega. Nothing is written to the realm that was recorded. Broken off, the same command goes
    on. Exits with 0 where the outcomes are equal, with 3 where they differ, and with 1 where nothing could be compared.
    """
    from ops.archive.source import archive_directory, open_source
    from ops.replaying.plan import Selection
    from ops.replaying.run import replay as replay_into

    named = into_server is not None or into_context is not None or into_store is not None
    target = Where(into_server, into_context, into_store or default_store(), into, store_named=into_store is not None)
    now = datetime.now(UTC)

    async def work() -> int:
        if (start is None and end is None) == (not tasks and not workflows):
            raise ValueError(
                "say what is to be driven once more: --since TIME, --until TIME or both; or --task ID, --workflow ID"
            )
        selection = Selection(
            point_in_time(start, now, "--since"),
            point_in_time(end, now, "--until"),
            frozenset(tasks),
            frozenset(workflows),
        )
        async with where.open("audit replay") as recorded, _opened(where, target, named=named) as network:
            source = await open_source(recorded, archive_directory(where, archive), where.realm)
            try:
                told = await replay_into(
                    source, recorded, network, selection, speed=speed, wait_s=wait_s, progress=_progress
                )
            finally:
                if sys.stderr.isatty():
                    click.echo("\r\033[K", nl=False, err=True)
        if output is not None:
            _write(told, output)
        if as_json:
            print_json(told)
        else:
            _print(told, output)
        # Where nothing could be compared, nothing is known.
        return DIFFERENT if not told.equal else 0 if told.counts.get("equal") else FAILED

    run(work())


@asynccontextmanager
async def _opened(where: Where, target: Where, *, named: bool) -> AsyncIterator["Network"]:
    """Connect to the target: where it is said to be, or to another realm of the recorded one's server."""
    from bus.network import open_network
    from ops.connect import CONNECT_S

    if named:
        async with target.open("audit replay") as network:
            yield network
        return
    async with open_network(
        where.settings(), target.subjects, name="sanctuary audit replay", wait_s=CONNECT_S
    ) as network:
        yield network


def _progress(what: str, count: int, of: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{what} {count:,} of {of:,}", nl=False, err=True)


def _write(told: "Replay", output: Path) -> None:
    from ops.replaying.report import markdown, page

    output.mkdir(parents=True, exist_ok=True)
    (output / "replay.md").write_text(markdown(told), encoding="utf-8")
    (output / "replay.html").write_text(page(told), encoding="utf-8")
    (output / "replay.json").write_bytes(msgspec.json.format(msgspec.json.encode(told)))


def _colour(told: "Replay") -> str:
    if not told.equal:
        return "red"
    return "green" if told.counts.get("equal") else "yellow"


def _print(told: "Replay", output: Path | None) -> None:
    from ops.cli.text import clean, show, table
    from ops.replaying.report import DURATION_COLUMNS, ROW_COLUMNS, cells, duration_cells, facts, name_of, verdict

    if told.rows:
        show(table(ROW_COLUMNS, map(cells, told.rows)))
    for row in told.rows:
        for difference in row.differences:
            click.echo(clean(f"{name_of(row)}: {difference}"))
    if told.durations:
        show(table(DURATION_COLUMNS, map(duration_cells, told.durations), right=DURATION_COLUMNS[1:]))
    for line in facts(told):
        click.echo(clean(line))
    click.secho(clean(verdict(told)), bold=True, fg=_colour(told))
    if output is not None:
        click.echo(f"the report is in {output}")
