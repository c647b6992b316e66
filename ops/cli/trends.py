"""`sanctuary trends`: how a target's tests went over its past tasks."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops.cli.options import FAILED, json_option, print_json, run, where_options
from ops.connect import Where

if TYPE_CHECKING:
    from ops.trends import Change, Trend

MAX_REVISION = 12


@click.command()
@click.argument("target", default=".")
@click.option("-n", "--limit", type=click.IntRange(2, 500), default=20, show_default=True, help="Runs at most.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Draw them as well.")
@json_option
@where_options
def trends(target: str, limit: int, *, svg: Path | None, as_json: bool, where: Where) -> None:
    """Show how the tests of TARGET went: past results of `testing` and `mutation`, the oldest first.

    TARGET is a directory or what tasks name it by; default: here. Exits with 1 where there is no result of it.
    """
    run(_trends(target, limit, svg, as_json=as_json, where=where))


async def _trends(target: str, limit: int, svg: Path | None, *, as_json: bool, where: Where) -> int:
    import asyncio

    from ops.trend_picture import draw
    from ops.trends import trends as read

    async with where.open("trends") as network:
        found = await read(network, target, limit=limit)
    if svg is not None and found:
        await asyncio.to_thread(svg.write_text, draw(found, target), encoding="utf-8")
    if as_json:
        print_json({"target": target, "trends": [_plain(each) for each in found]})
    else:
        for number, each in enumerate(found):
            if number:
                click.echo()
            _print(each)
        if not found:
            click.echo(
                f"No task of the types testing and mutation has a result of {target}: "
                "sanctuary call testing -t DIRECTORY makes one, and a trend needs two.",
                err=True,
            )
    return 0 if found else FAILED


def _plain(trend: "Trend") -> dict[str, Any]:
    import msgspec

    return {
        "type": trend.task_type,
        "runs": [msgspec.to_builtins(each) for each in trend.runs],
        "changes": [msgspec.to_builtins(each) for each in trend.changes],
        "others": trend.others,
    }


def _print(trend: "Trend") -> None:
    from ops.cli.text import clean, show, table
    from ops.trends import MEASURES

    measures = [
        each for each in MEASURES[trend.task_type] if any(one.values.get(each.name) is not None for one in trend.runs)
    ]
    titles = [each.title for each in measures]
    rows = [
        [
            f"{one.at:%Y-%m-%d %H:%M}",
            (one.revision or "")[:MAX_REVISION],
            *(_figure(one.values.get(each.name)) for each in measures),
            one.task_id,
        ]
        for one in trend.runs
    ]
    runs = "1 run" if len(trend.runs) == 1 else f"{len(trend.runs)} runs"
    left_out = f"; {trend.others} that looked at something else are left out" if trend.others else ""
    click.echo(f"{clean(trend.task_type)}: {runs}{left_out}")
    show(table(["when (UTC)", "revision", *titles, "task"], rows, right=titles))
    names = {each.name: each.title for each in measures}
    for change in trend.changes:
        if change.last != change.first or change.last != change.before:
            click.echo(f"  {_in_words(names[change.measure], change)}")


def _in_words(title: str, change: "Change") -> str:
    verdict = f" ({change.verdict})" if change.verdict in {"better", "worse"} else ""
    return (
        f"{title}: {_figure(change.last)}, {_signed(change.last - change.before)} since the run before{verdict}, "
        f"{_signed(change.last - change.first)} since the first"
    )


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}" if value == int(value) else f"{value:.2f}"


def _signed(value: float) -> str:
    return f"{value:+.0f}" if value == int(value) else f"{value:+.2f}"
