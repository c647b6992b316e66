"""`sanctuary omega` and `sanctuary clone NAME`: one daemon in this process."""

from pathlib import Path

import click

from clones.routing import DEFAULT_TABLE, types_by_clone
from ops.cli.options import clone_options, run, verbose_option, where_options
from ops.connect import Where

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
def omega(where: Where, *, verbose: bool, metrics_port: int | None, ledger_max_bytes: int | None) -> None:
    """Run Omega: makes the streams, answers calls, runs workflows. Several may run."""
    from ops.daemon import run_omega
    from ops.logs import configure

    configure("omega", verbose=verbose)
    run(run_omega(where, metrics_port=metrics_port, ledger_max_bytes=ledger_max_bytes))


@click.command()
@click.argument("name", type=click.Choice(sorted(types_by_clone(DEFAULT_TABLE))))
@where_options
@clone_options
@_metrics_option
@verbose_option
def clone(
    name: str,
    where: Where,
    *,
    verbose: bool,
    metrics_port: int | None,
    workspace: Path,
    roots: tuple[Path, ...],
    concurrency: int | None,
    drain_s: float,
) -> None:
    """Run one clone. Several of one name share its tasks."""
    from ops.daemon import CloneOptions, default_capacity, run_clone
    from ops.logs import configure

    configure(name, verbose=verbose)
    options = CloneOptions(
        workspace=workspace.resolve(),
        roots=tuple(root.resolve() for root in roots),
        capacity=concurrency or default_capacity(),
        drain_s=drain_s,
    )
    run(run_clone(name, where, options, metrics_port=metrics_port))
