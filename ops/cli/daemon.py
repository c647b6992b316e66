"""`sanctuary omega` and `sanctuary clone NAME`: one daemon in this process."""

from pathlib import Path
from typing import Any

import click

from clones.routing import types_by_clone
from ops.cli.options import daemon_options, run, where_options
from ops.connect import Where


def _options(
    where: Where,
    *,
    workspace: Path,
    roots: tuple[Path, ...],
    concurrency: int | None,
    metrics_port: int | None,
    drain_s: float,
    ledger_max_bytes: int | None = None,
) -> Any:
    from ops.daemon import DaemonOptions, default_capacity

    return DaemonOptions(
        where=where,
        workspace=workspace.resolve(),
        roots=tuple(root.resolve() for root in roots),
        capacity=concurrency or default_capacity(),
        metrics_port=metrics_port,
        drain_s=drain_s,
        ledger_max_bytes=ledger_max_bytes,
    )


@click.command()
@where_options
@daemon_options
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    help="Serve Prometheus metrics on this port of the loopback interface; 0: a free one; default: none.",
)
@click.option(
    "--ledger-max-bytes",
    type=click.IntRange(-1),
    help="Refuse new tasks when the ledger has this size; -1: never; default: as it is.",
)
def omega(where: Where, *, verbose: bool, ledger_max_bytes: int | None, **rest: Any) -> None:
    """Run Omega: makes the streams, answers calls, runs workflows. Several may run."""
    from ops.daemon import run_omega
    from ops.logs import configure

    configure("omega", verbose=verbose)
    run(run_omega(_options(where, ledger_max_bytes=ledger_max_bytes, **rest)))


@click.command()
@click.argument("name", type=click.Choice(sorted(types_by_clone())))
@where_options
@daemon_options
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    help="Serve Prometheus metrics on this port of the loopback interface; 0: a free one; default: none.",
)
def clone(name: str, where: Where, *, verbose: bool, **rest: Any) -> None:
    """Run one clone. Several of one name share its tasks."""
    from ops.daemon import run_clone
    from ops.logs import configure

    configure(name, verbose=verbose)
    run(run_clone(name, _options(where, **rest)))
