"""What several commands share: where the network is, how to print, and how errors end a command."""

import asyncio
import errno
import functools
import json
import logging
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
import msgspec

from bus.errors import SanctuaryError
from ops.connect import Where, default_store

if TYPE_CHECKING:
    from clones.models.asking import Model

FAILED, UNUSABLE = 1, 2
"""Exit statuses: the task or the network failed; the command was used wrongly (click's own)."""

log = logging.getLogger(__name__)

_F = TypeVar("_F", bound=Callable[..., Any])


def where_options(command: _F) -> _F:
    """Add the options that say which network is meant; the command gets them as `where`."""

    @click.option(
        "-s",
        "--server",
        metavar="URL",
        help="NATS server; default: NATS_URL, the nats context, or what `sanctuary up` started.",
    )
    @click.option("--context", metavar="NAME", help="nats context.")
    @click.option(
        "--store",
        type=click.Path(path_type=Path),
        envvar="SANCTUARY_STORE",
        show_envvar=True,
        help="Directory of the server that `sanctuary up` starts, by which its network is found.",
    )
    @click.option(
        "--realm",
        default="sanctuary",
        envvar="SANCTUARY_REALM",
        show_envvar=True,
        show_default=True,
        help="First token of all subjects.",
    )
    @functools.wraps(command)
    def with_where(
        *args: Any, server: str | None, context: str | None, store: Path | None, realm: str, **kwargs: Any
    ) -> Any:
        return command(
            *args,
            where=Where(server, context, store or default_store(), realm, store_named=store is not None),
            **kwargs,
        )

    return with_where  # type: ignore[return-value]  # click turns it into a command, whatever its type


def clone_options(command: _F) -> _F:
    """Add what every clone takes, started alone or with all others."""
    directory = click.Path(path_type=Path, exists=True, file_okay=False)
    for option in (
        click.option(
            "--workspace", type=directory, default=".", help="What relative targets are relative to; default: here."
        ),
        click.option(
            "--root", "roots", type=directory, multiple=True, help="A further directory below which targets may lie."
        ),
        click.option(
            "--concurrency",
            type=click.IntRange(1, 10_000),
            help="Tasks that each clone runs at once; default: one a processor.",
        ),
        click.option(
            "--drain",
            "drain_s",
            type=click.FloatRange(0, 3600),
            default=10.0,
            show_default=True,
            help="Seconds that running tasks get to finish at SIGTERM.",
        ),
        click.option(
            "--model",
            metavar="FILE",
            type=click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True),
            help="A language model that advises on what is found, as docs/models.md describes; default: none.",
        ),
    ):
        command = option(command)
    return command


verbose_option = click.option("-v", "--verbose", is_flag=True, help="Log more.")
log_option = click.option(
    "--log",
    "log_format",
    type=click.Choice(["text", "json"]),
    help="How logs are written: for people, or an object a line; default: text on a terminal, json elsewhere.",
)
archive_option = click.option(
    "--archive",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="SANCTUARY_ARCHIVE",
    show_envvar=True,
    help="Where the ledger is archived; default: `archive` in the store of the local network.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def check_parent(path: Path, option: str) -> None:
    """Refuse a path whose directory is not there: it is mistyped, or something is not mounted.

    Raises:
        ValueError: it is not.
    """
    if not path.parent.is_dir():
        raise ValueError(
            f"{option} {path}: there is no directory {path.parent}; mend the path, or make that directory first"
        )


def loaded_model(path: Path | None, *, look: bool = True) -> "Model | None":
    """Return the model that a file configures, None for no file; one that cannot be used ends the command.

    With `look`, a server of the model's that is not there is warned of.
    """
    if path is None:
        return None
    from clones.models.asking import Model
    from clones.models.reaching import unreachable
    from clones.models.settings import ModelUnusable

    try:
        model = Model.load(path)
    except ModelUnusable as error:
        fail(error.message, status=UNUSABLE)
    endpoint = model.client.endpoint
    if look and endpoint and (why := unreachable(endpoint)):
        log.warning(
            "%s: %s cannot be reached now (%s); without it, results hold no words of the model's", path, endpoint, why
        )
    return model


def run(work: Coroutine[Any, Any, int | None]) -> None:
    """Run a command's coroutine and exit with its status; the bus's errors become one line."""
    try:
        sys.exit(asyncio.run(work) or 0)
    except SanctuaryError as error:
        fail(error.message)
    except ValueError as error:
        fail(str(error), status=UNUSABLE)
    except OSError as error:
        if error.filename is not None:
            fail(f"{error.filename}: {error.strerror}")
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        fail(f"a file could not be written: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit(130)


def fail(message: str, status: int = FAILED) -> NoReturn:
    """Print one line on standard error and exit."""
    click.secho("sanctuary: ", fg="red", bold=True, nl=False, err=True)
    click.echo(message, err=True)
    sys.exit(status)


def print_json(value: Any) -> None:
    """Print structs and plain values as indented JSON."""
    click.echo(json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False))
