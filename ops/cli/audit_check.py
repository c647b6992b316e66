"""`sanctuary audit check`: whether the ledger is whole."""

import sys
from pathlib import Path

import click
import msgspec

from ops.checking import CheckedLedger
from ops.checking import check as check_ledger
from ops.cli.options import archive_option, json_option, print_json, run, where_options
from ops.cli.text import clean
from ops.connect import Where

NOT_WHOLE = 3
"""The exit status where something does not fit."""


@click.command()
@where_options
@json_option
@archive_option
def check(where: Where, *, as_json: bool, archive: Path | None) -> None:
    """Hold the whole ledger against what it must hold: every result has its task, every task its legal story, and so on.

    Prints what does not fit, with the entry that shows it. Exits with 0 when the ledger is whole, with 3 when it is not. What
    has not ended yet is not counted as missing. Whether somebody has altered entries is for `sanctuary audit verify` to say.
    """
    run(_check(where, archive, as_json=as_json))


async def _check(where: Where, archive: Path | None, *, as_json: bool) -> int:
    from ops.archive.source import archive_directory, open_source

    async with where.open("audit check") as network:
        source = await open_source(network, archive_directory(where, archive), where.realm)
        checked = await check_ledger(network, source, _told)
    if sys.stderr.isatty():
        click.echo("\r\033[K", nl=False, err=True)
    if as_json:
        print_json(
            {
                "whole": not checked.findings,
                "first": checked.first,
                "last": checked.last,
                "entries": checked.entries,
                "open": checked.open,
                "removed": None if checked.missing is None else list(checked.missing),
                "findings": [
                    {**msgspec.to_builtins(finding), "meaning": finding.meaning} for finding in checked.findings
                ],
            }
        )
    else:
        _print(checked)
    return NOT_WHOLE if checked.findings else 0


def _told(read: int, last: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{read:,} of {last:,} entries", nl=False, err=True)


def _print(checked: CheckedLedger) -> None:
    if checked.missing is not None:
        first, last = checked.missing
        click.echo(
            f"the entries {first:,} to {last:,} are not in the stream any more; name their archive with --archive"
        )
    for finding in checked.findings:
        about = f" {finding.task_type} {finding.task_id}" if finding.task_id else ""
        click.echo(clean(f"#{finding.sequence} {finding.rule}{about}: {finding.message}: {finding.meaning}"))
    open_ = (
        f"{checked.open:,} tasks, runs, commands and escalations have not ended" if checked.open else "all has ended"
    )
    verdict = f"{len(checked.findings):,} things do not fit" if checked.findings else "the ledger is whole"
    click.echo(f"{checked.entries:,} entries up to #{checked.last:,}: {verdict}; {open_}")
