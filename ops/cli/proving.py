"""What the commands that verify and prove share: their options, their exit status, and their words."""

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ops.cli.text import clean
from ops.proofs.problems import Problem

REFUTED = 3
"""Exit status: what was looked at is not what was signed, or proves nothing. That it could not be looked at is another one."""

MOST_PROBLEMS = 20
"""So many problems are shown to people, the first ones."""

_F = TypeVar("_F", bound=Callable[..., Any])


def keys_option(command: _F) -> _F:
    """Add the option that says whose signatures count."""
    return click.option(
        "--key",
        "keys",
        multiple=True,
        metavar="KEY",
        help="Verifier key, or the file that holds it: the log's, and those of witnesses who must have signed too. Default: the "
        "log's key in the store of the local network.",
    )(command)


def log_key_option(command: _F) -> _F:
    """Add the option that says whose signatures count, where no network is near."""
    return click.option(
        "--key",
        "keys",
        multiple=True,
        required=True,
        metavar="KEY",
        help="The log's verifier key, or the file that holds it, from those who run the log and not from where FILE is from; and "
        "those of witnesses who must have signed too.",
    )(command)


def leaves_option(command: _F) -> _F:
    """Add the option that says where the notary's leaves are."""
    return click.option(
        "--leaves",
        metavar="FILE",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="The notary's leaves; default: those of the local network.",
    )(command)


def output_option(command: _F) -> _F:
    """Add the option that says where a file is written."""
    return click.option(
        "-o",
        "--output",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Write it into this file; default: standard output.",
    )(command)


def write(data: bytes, output: Path | None) -> None:
    """Write a file, or to standard output."""
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        output.write_bytes(data)


def read(path: Path, most_bytes: int) -> bytes:
    """Return what is in a file; of one that is larger than it may be, a byte more than that."""
    with path.open("rb") as file:
        return file.read(most_bytes + 1)


def refuted(message: str, *, as_json: bool) -> int:
    """Say that something proves nothing; returns the exit status."""
    if as_json:
        click.echo(json.dumps({"holds": False, "message": message}))
    else:
        click.echo(click.style("✗ ", fg="red", bold=True) + clean(message))
    return REFUTED


def unlike(message: str) -> str:
    """Return what is said where a proof cannot be made, because the ledger is not what was signed."""
    return f"{message}: the ledger is not what was signed. `sanctuary audit verify` says more"


def tell(problems: tuple[Problem, ...]) -> None:
    """Print what is wrong, the first entry first."""
    for problem in problems[:MOST_PROBLEMS]:
        click.echo(click.style(f"✗ {problem.kind.replace('_', ' ')}: ", fg="red", bold=True) + clean(problem.message))
    if len(problems) > MOST_PROBLEMS:
        click.echo(f"and {len(problems) - MOST_PROBLEMS} more; --json has the first hundred of each kind")


def peak_bytes() -> int:
    """Return the most memory that this process had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
