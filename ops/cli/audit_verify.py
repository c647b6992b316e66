"""`sanctuary audit verify`: whether the ledger is what was signed."""

import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from bus.errors import ConfigurationError, ConnectionFailed
from ops.cli.counting import counting
from ops.cli.options import FAILED, archive_option, json_option, print_json, run, where_options
from ops.cli.proving import REFUTED, keys_option, leaves_option, peak_bytes, tell
from ops.cli.sources import without_server
from ops.cli.text import clean, duration, size
from ops.connect import Where

if TYPE_CHECKING:
    from ops.proofs.evidence import Evidence, Named
    from ops.proofs.ledger import Outcome


class Took(NamedTuple):
    """How long it took, in seconds."""

    wall_s: float
    cpu_s: float


@click.command()
@where_options
@archive_option
@json_option
@keys_option
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    metavar="PATH",
    type=click.Path(path_type=Path, exists=True),
    help="A checkpoint's file, such as a witness's, or a directory of them. Those of the local network's notary and those in the ledger "
    "count always.",
)
@leaves_option
@click.option(
    "--users",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Names of those who sign results: lines of a public nkey and a name; default: the local network's users.",
)
def verify(
    where: Where,
    *,
    archive: Path | None,
    as_json: bool,
    keys: tuple[str, ...],
    checkpoints: tuple[Path, ...],
    leaves: Path | None,
    users: Path | None,
) -> None:
    """Hold the whole ledger, archive and stream, against what was signed of it.

    Names the first entry that was altered, deleted, inserted or moved, and tells a forked history and a rolled-back store. With
    --archive and without a server the archive is verified alone. Exits with 0 where all is as it was signed, with 3 where
    something is not, with 1 where that could not be found out.
    """
    from ops.proofs.evidence import Named

    run(_verify(where, archive, Named(keys, checkpoints, leaves, users), as_json=as_json))


async def _verify(where: Where, archived: Path | None, named: "Named", *, as_json: bool) -> int:
    from ops.archive.directory import Archive, ArchiveWrong, open_archive
    from ops.archive.segment import SegmentDamaged
    from ops.archive.source import archive_directory
    from ops.proofs.evidence import gather
    from ops.proofs.leaves import Leaves
    from ops.proofs.ledger import verify_ledger
    from ops.proofs.problems import Problem
    from ops.proofs.signers import Signers
    from ops.proofs.verification import Verifier

    evidence = gather(where, named)
    directory = archive_directory(where, archived)
    try:
        archive = Archive(None, where.realm, (), ()) if directory is None else open_archive(directory, where.realm)
    except (ArchiveWrong, SegmentDamaged) as error:
        problems = (Problem(kind="archive", message=error.message),)
        if as_json:
            print_json({"holds": False, "problems": problems})
        else:
            tell(problems)
        return REFUTED
    async with AsyncExitStack() as stack:
        network = None
        try:
            network = await stack.enter_async_context(where.open("audit verify"))
        except (ConnectionFailed, ConfigurationError) as error:
            if archived is None:
                raise without_server(error, directory) from None
            click.echo(f"{error.message}; the archive {archived} is verified alone", err=True)
        signed = stack.enter_context(Leaves(evidence.leaves)) if evidence.leaves is not None else None
        claims = (*evidence.claims, *evidence.beside)
        verifier = Verifier(where.realm, evidence.keys, claims, signed, evidence.others)
        signers = Signers(where.realm, evidence.users)
        began, cpu_began = time.monotonic(), time.process_time()
        with counting("verifying") as progress:
            outcome = await verify_ledger(network, archive, verifier, signers, progress)
        took = Took(time.monotonic() - began, time.process_time() - cpu_began)
    if as_json:
        print_json(_plain(outcome, took))
    else:
        _print(outcome, evidence, took)
    if outcome.problems:
        return REFUTED
    return 0 if outcome.holds else FAILED


def _plain(outcome: "Outcome", took: Took) -> dict[str, object]:
    report, signers = outcome.report, outcome.signers
    return {
        "holds": outcome.holds,
        "problems": outcome.problems,
        "entries": report.entries,
        "last": report.last,
        "checkpoints": report.checkpoints,
        "named": report.named,
        "signed": report.signed,
        "beyond": report.beyond,
        "witnessed": report.witnessed,
        "differing": report.differing,
        "passed_over": report.passed_over,
        "others": report.others,
        "results": {name: value for name, value in msgspec.structs.asdict(signers).items() if name != "problems"},
        "duration_s": round(took.wall_s, 3),
        "cpu_s": round(took.cpu_s, 3),
        "entries_per_s": round(report.entries / took.wall_s),
        "peak_memory_bytes": peak_bytes(),
    }


def _print(outcome: "Outcome", evidence: "Evidence", took: Took) -> None:
    report = outcome.report
    click.echo(
        f"{_count(report.entries, 'entry', 'entries')} up to #{report.last} read in {duration(took.wall_s)}, with "
        f"{duration(took.cpu_s)} of processor time: {report.entries / took.wall_s:,.0f} a second, with at most "
        f"{size(peak_bytes())} of memory"
    )
    unsigned = report.last - report.signed
    click.echo(
        f"{_count(report.checkpoints, 'checkpoint holds', 'checkpoints hold')}, the last is of #{report.signed}"
        + (f"; {unsigned:,} after it not signed yet" if unsigned > 0 and not outcome.problems else "")
    )
    if report.named:
        rest = (
            f"; those up to #{report.signed} are the ledger's own and the notary's"
            if report.named < report.signed
            else ""
        )
        click.echo(f"what was named (--checkpoint) holds up to #{report.named}{rest}")
    if report.beyond:
        click.echo(f"more was signed, up to #{report.beyond}; what is behind #{report.last} was not read")
    for name, sequence in sorted(report.witnessed.items()):
        click.echo(f"{clean(name)} witnessed it up to #{sequence}")
    if report.passed_over:
        click.echo(f"{report.passed_over:,} checkpoints in the ledger came too late to be compared")
    if report.others and (report.checkpoints or outcome.problems):
        click.echo(
            f"{_count(report.others, 'checkpoint is', 'checkpoints are')} of other logs, whose keys were not named (--key)"
        )
    click.echo(_signers(outcome))
    tell(outcome.problems)
    if outcome.problems:
        verdict = click.style("not all is as it was signed", fg="red", bold=True)
        more = f"; {report.differing:,} entries differ" if report.differing > 1 else ""
        click.echo(f"{verdict}: the first thing that is wrong stands first{more}")
    elif not report.checkpoints and report.others:
        logs = " or ".join(key.name for key in evidence.keys.logs)
        click.echo(
            f"{_count(report.others, 'checkpoint was', 'checkpoints were')} found, and none is of this log: the key is of {clean(logs)}. "
            "Name the key of the log that signed the ledger (--key)"
        )
    elif not report.checkpoints:
        click.echo("nothing of it was signed: there is no checkpoint. `sanctuary notary` makes them")
    else:
        click.echo(click.style(f"the ledger is what was signed, up to #{report.signed}", fg="green"))
    if evidence.own_key is not None:
        click.echo(
            f"The key is from the store itself, {evidence.own_key}: whoever could rewrite the store could change it too. Keep a copy "
            "elsewhere and name it with --key",
            err=True,
        )


def _signers(outcome: "Outcome") -> str:
    told = outcome.signers
    parts = [f"{clean(name)} signed {count:,}" for name, count in told.signed.items()]
    parts += [f"the unknown key {key} signed {count:,}" for key, count in told.unknown.items()]
    parts += [f"{told.unsigned:,} are unsigned"] if told.unsigned else []
    parts += [f"{told.wrong:,} signatures are wrong"] if told.wrong else []
    return _count(told.results, "result", "results") + (f": {', '.join(parts)}" if parts else "")


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
