"""`sanctuary notary`: the process that signs the ledger."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli.options import archive_option, fail, log_option, run, verbose_option, where_options
from ops.connect import Where

if TYPE_CHECKING:
    from ops.logs import LogFormat


@click.command()
@where_options
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the leaves and the newest checkpoints are kept; default: notary in --store.",
)
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(1, 3600),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How often a checkpoint is signed where there is something new.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    help="Serve Prometheus metrics on this port of the loopback interface; 0: a free one; default: none.",
)
@archive_option
@verbose_option
@log_option
def notary(
    where: Where,
    *,
    directory: Path | None,
    every_s: float,
    metrics_port: int | None,
    archive: Path | None,
    verbose: bool,
    log_format: "LogFormat | None",
) -> None:
    """Run the notary, which signs what the ledger holds: checkpoints in the ledger and in files.

    Its key is made on the first start, in keys/notary.key of --store; the public half, for whoever verifies, is key.pub in
    its directory. What was purged before it was signed is read from the archive. `sanctuary up` runs one. See docs/audit.md.
    """
    from ops.archive.source import archive_directory
    from ops.logs import configure
    from ops.proofs.notary import CANNOT_SIGN
    from ops.proofs.notary_process import run_notary
    from ops.proofs.reading import CannotSign

    configure("notary", verbose=verbose, log_format=log_format)

    async def work() -> None:
        try:
            # One that is named may be made later: it is needed only where something was purged.
            archived = archive or archive_directory(where, None)
            files = directory or where.store / "notary"
            await run_notary(where, files, archived, every_s=every_s, metrics_port=metrics_port)
        except CannotSign as error:
            fail(error.message, status=CANNOT_SIGN)

    run(work())
