"""`sanctuary audit export`: the ledger in other forms."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli.counting import counting
from ops.cli.filter_options import filter_options, resolved
from ops.cli.lines import plain
from ops.cli.options import archive_option, check_parent, json_option, print_json, run, where_options
from ops.cli.sources import open_ledger
from ops.cli.text import duration, size
from ops.connect import Where
from ops.filters import Filter

if TYPE_CHECKING:
    from ops.exports.exporting import Exported
    from ops.exports.outputs import Output

FORMATS = ("jsonl", "cloudevents", "otel", "parquet")


@click.command()
@where_options
@archive_option
@json_option
@filter_options
@click.option("--format", "form", type=click.Choice(FORMATS), default="jsonl", show_default=True, help="As what.")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; its SHA-256 goes into FILE.sha256.",
)
def export(where: Where, *, archive: Path | None, as_json: bool, wanted: Filter, form: str, output: Path) -> None:
    """Write the ledger into a file, archived entries included; interrupted and run again, it goes on where it was."""
    run(_export(where, archive, wanted, as_json=as_json, form=form, file=output))


async def _export(where: Where, archive: Path | None, wanted: Filter, *, as_json: bool, form: str, file: Path) -> None:
    from ops.exports.exporting import export as exported

    check_parent(file, "--output")
    output = _output(form, file, where.realm)
    async with open_ledger(where, archive, "audit export") as source:
        wanted = await resolved(source, wanted)
        with counting("exporting") as progress:
            done = await exported(source, wanted, form=form, output=output, file=file, progress=progress)
    if as_json:
        print_json(done)
    else:
        click.echo(_words(done))


def _output(form: str, file: Path, realm: str) -> "Output":
    from ops.exports.outputs import LinesOutput

    match form:
        case "parquet":
            from ops.exports.parquet import ParquetOutput

            return ParquetOutput(file)
        case "cloudevents":
            from ops.exports.cloud_events import CloudEvents

            return LinesOutput(file, CloudEvents(realm))
        case "otel":
            from ops.exports.spans import Spans

            return LinesOutput(file, Spans(realm))
    from ops.exports.json_lines import JsonLines

    return LinesOutput(file, JsonLines(plain))


def _words(done: "Exported") -> str:
    went_on = "" if done.resumed_at is None else f", this run from the entry {done.resumed_at} on"
    return (
        f"{done.file}: {done.entries:,} of {done.looked_at:,} entries, {size(done.size_bytes)}, in {duration(done.took_s)}{went_on}; "
        f"at most {size(done.peak_memory_bytes)} of memory\nsha256 {done.sha256}"
    )
