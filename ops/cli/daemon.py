"""`sanctuary omega` and `sanctuary clone NAME`: one daemon in this process."""

from pathlib import Path
from typing import Any

import click

from clones.routing import types_by_clone
from ops.cli.options import run, where_options
from ops.connect import Where


def daemon_options(command: Any) -> Any:
    """Add what every daemon takes."""
    for option in (
        click.option(
            "--workspace",
            type=click.Path(path_type=Path, exists=True, file_okay=False),
            default=".",
            help="What relative targets are relative to; default: here.",
        ),
        click.option(
            "--root",
            "roots",
            type=click.Path(path_type=Path, exists=True, file_okay=False),
            multiple=True,
            help="A further directory below which targets may lie.",
        ),
        click.option("--concurrency", type=click.IntRange(1, 10_000), help="Tasks at once; default: one a processor."),
        click.option(
            "--metrics-port",
            type=click.IntRange(0, 65535),
            default=None,
            help="Serve Prometheus metrics on this port of the loopback interface; 0: a free one.",
        ),
        click.option(
            "--drain",
            "drain_s",
            type=click.FloatRange(0, 3600),
            default=10.0,
            show_default=True,
            help="Seconds that running tasks get to finish at SIGTERM.",
        ),
        click.option("-v", "--verbose", is_flag=True),
    ):
        command = option(command)
    return command


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
def clone(name: str, where: Where, *, verbose: bool, **rest: Any) -> None:
    """Run one clone. Several of one name share its tasks."""
    from ops.daemon import run_clone
    from ops.logs import configure

    configure(name, verbose=verbose)
    run(run_clone(name, _options(where, **rest)))
