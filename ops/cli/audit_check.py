"""`sanctuary audit check`: whether the ledger is whole."""

from pathlib import Path

import click
import msgspec

from bus.errors import SanctuaryError
from ops.checking import CheckedLedger
from ops.checking import check as check_ledger
from ops.cli.counting import counting
from ops.cli.options import archive_option, json_option, print_json, run, where_options
from ops.cli.sources import open_ledger
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
    has not ended yet is not counted as missing. With --archive and without a server, the archive is checked alone. Whether
    somebody has altered entries is for `sanctuary audit verify` to say.
    """
    run(_check(where, archive, as_json=as_json))


async def _check(where: Where, archive: Path | None, *, as_json: bool) -> int:
    async with open_ledger(where, archive, "audit check") as source:
        is_alone = source.network is None
        with counting("checking") as progress:
            checked = await check_ledger(source, progress)
    if is_alone and not checked.entries:
        raise SanctuaryError(f"nothing is archived in {archive}, and without the server there is nothing to check")
    if as_json:
        print_json(
            {
                "whole": not checked.findings,
                "archive_alone": is_alone,
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
        _print(checked, is_alone=is_alone)
    return NOT_WHOLE if checked.findings else 0


def _print(checked: CheckedLedger, *, is_alone: bool) -> None:
    for finding in checked.findings:
        about = f" {finding.task_type} {finding.task_id}" if finding.task_id else ""
        click.echo(clean(f"#{finding.sequence} {finding.rule}{about}: {finding.message}: {finding.meaning}"))
    open_ = (
        f"{checked.open:,} tasks, runs, commands and escalations have not ended" if checked.open else "all has ended"
    )
    whole = "the archive is whole as far as it goes" if is_alone else "the ledger is whole"
    things = "thing does" if len(checked.findings) == 1 else "things do"
    verdict = f"{len(checked.findings):,} {things} not fit" if checked.findings else whole
    click.echo(f"{checked.entries:,} entries up to #{checked.last:,}: {verdict}; {open_}")
    if is_alone:
        click.echo(
            "Without the server, runs of workflows were not judged, nor what has left its queue and which routes are in force"
        )
