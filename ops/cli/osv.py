"""`sanctuary osv`: the advisories that dependencies are held against."""

from pathlib import Path

import click

from ops.cli.options import fail, json_option, print_json
from ops.cli.text import clean


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def osv() -> None:
    """Keep the advisories that Beta holds dependencies against, on the machine where it runs."""


@osv.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True), metavar="FILE|DIRECTORY")
@json_option
def update(source: Path, *, as_json: bool) -> None:
    """Take in a dump of osv.dev that you have downloaded; nothing is fetched.

    FILE is an ecosystem's all.zip (PyPI, npm or Go) or one record as JSON, DIRECTORY holds such files. A record replaces an
    older one of its id, and a withdrawn one removes it.
    """
    from datetime import UTC, datetime

    from clones.engines.security.osv import database, importing

    place = database.path()
    try:
        imported = importing.update(source, place, datetime.now(UTC))
    except importing.DumpError as error:
        fail(str(error))
    if as_json:
        print_json({"database": str(place), "imported": imported})
        return
    for refused in imported.refused:
        click.echo(f"not taken: {clean(refused)}", err=True)
    taken = ", ".join(f"{ecosystem} {count}" for ecosystem, count in imported.by_ecosystem.items()) or "nothing new"
    records = f"{imported.records} record{'' if imported.records == 1 else 's'}"
    click.echo(
        f"{records}: {taken}; withdrawn {imported.withdrawn}, of other ecosystems {imported.others}, "
        f"known already {imported.older}, not understood {imported.refused_total}"
    )
    click.echo(place)
