"""`sanctuary schema`: the messages for other languages."""

from pathlib import Path
from typing import Any

import click

from ops.cli.options import fail


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def schema() -> None:
    """Export what goes over the wire."""


@schema.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--realm", default="sanctuary", envvar="SANCTUARY_REALM", show_default=True, help="First token of all subjects."
)
def export(directory: Path, realm: str) -> None:
    """Write JSON Schema (2020-12) of every message and of workflow definitions, and an AsyncAPI 3.0 document, into DIRECTORY."""
    from importlib.metadata import version

    from bus.subjects import Subjects
    from schemas.export import asyncapi, json_schemas

    try:
        document = asyncapi(Subjects(realm).realm, version("sanctuary-bus"))
        directory.mkdir(parents=True, exist_ok=True)
        for name, body in json_schemas().items():
            _write(directory / f"{name}.schema.json", body)
        _write(directory / "asyncapi.json", document)
    except (ValueError, OSError) as error:
        fail(str(error))


def _write(path: Path, document: dict[str, Any]) -> None:
    import msgspec

    path.write_bytes(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
    click.echo(path)
