"""`sanctuary omega` and `sanctuary clone`: one daemon in this process."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli.options import UNUSABLE, clone_options, fail, loaded_model, log_option, run, verbose_option, where_options
from ops.connect import Where

if TYPE_CHECKING:
    from ops.logs import LogFormat

_metrics_option = click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    help="Serve Prometheus metrics on this port of the loopback interface; 0: a free one; default: none.",
)


@click.command()
@where_options
@_metrics_option
@click.option(
    "--ledger-max-bytes",
    type=click.IntRange(-1),
    help="Refuse new tasks when the ledger has this size; -1: never; default: as it is.",
)
@verbose_option
@log_option
def omega(
    where: Where,
    *,
    verbose: bool,
    log_format: "LogFormat | None",
    metrics_port: int | None,
    ledger_max_bytes: int | None,
) -> None:
    """Run Omega: makes the streams, answers calls, runs workflows. Several may run."""
    from ops.daemon import run_omega
    from ops.logs import configure

    configure("omega", verbose=verbose, log_format=log_format)
    run(run_omega(where, metrics_port=metrics_port, ledger_max_bytes=ledger_max_bytes))


@click.command()
@click.argument("name", metavar="NAME|MODULE:CLASS")
@where_options
@clone_options
@_metrics_option
@click.option(
    "--canary",
    "share",
    metavar="SHARE",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    help="Make this an instance of a new version that takes at most this share of the tasks, such as 0.1.",
)
@verbose_option
@log_option
def clone(
    name: str,
    where: Where,
    *,
    verbose: bool,
    log_format: "LogFormat | None",
    metrics_port: int | None,
    workspace: Path,
    roots: tuple[Path, ...],
    concurrency: int | None,
    drain_s: float,
    model: Path | None,
    share: float,
) -> None:
    """Run one clone: beta, gamma, delta, sigma, or one of your own. Several of one name share its tasks.

    MODULE:CLASS names a class that derives from clones.base.Clone, looked for in the current directory first. Task types
    that the network does not know yet are added to its routing table. See docs/clones.md.
    """
    from clones.base import InvalidClone, load
    from ops.daemon import CloneOptions, default_capacity, run_clone
    from ops.logs import configure

    try:
        definition = load(name)
    except InvalidClone as error:
        fail(error.message, status=UNUSABLE)
    configure(definition.name, verbose=verbose, log_format=log_format)
    options = CloneOptions(
        workspace=workspace.resolve(),
        roots=tuple(root.resolve() for root in roots),
        capacity=concurrency or default_capacity(),
        drain_s=drain_s,
        share=share if share < 1 else None,
        model=loaded_model(model),
    )
    run(run_clone(definition, where, options, metrics_port=metrics_port))
