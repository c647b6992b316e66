"""`sanctuary audit archive`: the ledger into files, and out of the server what it needs no more."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bus.network import Network
from ops.archive.archiving import Archived, archive_ledger
from ops.archive.directory import Archive, open_archive
from ops.archive.holding import LEAST_KEEP_S
from ops.archive.purging import plan, purge
from ops.archive.retention import Plan
from ops.archive.segment import Segment
from ops.archive.source import archive_directory, open_source
from ops.cli.counting import counting
from ops.cli.options import UNUSABLE, archive_option, check_parent, fail, json_option, print_json, run, where_options
from ops.cli.text import moment, show, size, table
from ops.cli.times import length_s
from ops.connect import Where

KEEP = "7d"


@click.command()
@where_options
@archive_option
@json_option
@click.option("--list", "listing", is_flag=True, help="Only show the segments that there are.")
@click.option("--purge", "purging", is_flag=True, help="Say what can go from the server then, and what keeps the rest.")
@click.option("--yes", "sure", is_flag=True, help="With --purge: have it go.")
@click.option("--keep", metavar="TIME", help=f"With --purge: what is younger stays; default: {KEEP}.")
def archive(
    where: Where, *, archive: Path | None, as_json: bool, listing: bool, purging: bool, sure: bool, keep: str | None
) -> None:
    """Write what is new in the ledger into sealed files; run again, it goes on where it was."""
    if listing and purging:
        fail("--list only looks: it goes without --purge", status=UNUSABLE)
    for option in ("--yes" if sure else None, "--keep" if keep else None):
        if option is not None and not purging:
            fail(f"{option} goes with --purge", status=UNUSABLE)
    if listing:
        run(_list(where, archive, as_json=as_json))
    run(_archive(where, archive, as_json=as_json, keep=(keep or KEEP) if purging else None, sure=sure))


async def _list(where: Where, named: Path | None, *, as_json: bool) -> None:
    directory = archive_directory(where, named)
    found = open_archive(directory, where.realm) if directory else Archive(None, where.realm, (), ())
    if as_json:
        print_json({"directory": str(directory), "segments": [_plain(segment) for segment in found.segments]})
        return
    if not found.segments:
        click.echo(f"{directory} has no segments; `sanctuary audit archive` writes them")
        return
    rows = [
        (
            str(segment.start),
            str(segment.end),
            f"{segment.count:,}",
            moment(_time(segment.earliest_ns)),
            moment(_time(segment.latest_ns)),
            size(segment.stored_bytes),
            segment.digest.hex(),
        )
        for segment in found.segments
    ]
    columns = ("from", "to", "entries", "earliest", "latest", "size", "sha-256")
    show(table(columns, rows, right=columns[:3], cut="sha-256"))


def _plain(segment: Segment) -> dict[str, Any]:
    return {
        "file": segment.path.name,
        "start": segment.start,
        "end": segment.end,
        "entries": segment.count,
        "earliest": _time(segment.earliest_ns),
        "latest": _time(segment.latest_ns),
        "bytes": segment.stored_bytes,
        "sha256": segment.digest.hex(),
        "root": segment.root.hex(),
        "full": segment.is_full,
    }


def _time(at_ns: int) -> datetime:
    return datetime.fromtimestamp(at_ns // 1000 / 1_000_000, UTC)


async def _archive(where: Where, named: Path | None, *, as_json: bool, keep: str | None, sure: bool) -> None:
    keep_s = None if keep is None else _kept_s(keep)
    if named is not None:
        check_parent(named, "--archive")
    directory = named or archive_directory(where, None)
    if directory is None:
        raise ValueError(
            "the server is not the local network's: say where its ledger is to be archived with --archive DIR"
        )
    is_new = not directory.is_dir()
    async with where.open("audit archive") as network:
        with counting("archiving") as progress:
            done = await archive_ledger(network, directory, progress)
        told: dict[str, Any] = {"directory": str(directory), "archived": done}
        if not as_json:
            if is_new:
                click.echo(f"{directory} is a new archive")
            click.echo(_words(done, directory))
        if done.lost is not None:
            click.echo(_lost(done.lost), err=True)
        if keep_s is not None:
            told |= await _purge(network, directory, keep_s=keep_s, sure=sure, as_json=as_json)
    if as_json:
        print_json(told)


def _kept_s(keep: str) -> float:
    """Return how old what can go must be."""
    keep_s = length_s(keep, "--keep")
    if keep_s < LEAST_KEEP_S:
        raise ValueError(
            f"--keep {keep} is less than {LEAST_KEEP_S / 60:g}m: the server needs what it has stored lately"
        )
    return keep_s


def _words(done: Archived, directory: Path) -> str:
    if not done.records:
        return f"{directory} has the ledger up to the entry {done.end}; nothing is new"
    segments = "segment" if done.sealed == 1 else "segments"
    return f"{done.records:,} entries archived, {done.sealed} {segments} written; {directory} has the ledger up to the entry {done.end}"


def _lost(lost: tuple[int, int]) -> str:
    return f"The entries {lost[0]} to {lost[1]} were removed from the ledger before they were archived; the archive has a gap there"


async def _purge(network: Network, directory: Path, *, keep_s: float, sure: bool, as_json: bool) -> dict[str, Any]:
    source = await open_source(network, directory, network.subjects.realm)
    with counting("comparing") as progress:
        decided = await plan(source, network, keep_s=keep_s, progress=progress)
    purged = await purge(network, decided) if sure else 0
    if not as_json:
        click.echo(_what(decided, purged, sure=sure))
        for hold in decided.holds:
            click.echo(f"  the entry {hold.sequence} {hold.why}")
    return {"purge": {"from": decided.first, "until": decided.until, "purged": purged, "holds": _holds(decided)}}


def _what(decided: Plan, purged: int, *, sure: bool) -> str:
    if not decided.count:
        return f"Nothing can go from the server, which has the entries {decided.first} to {decided.last}:"
    span = f"the entries {decided.first} to {decided.until - 1}"
    if sure:
        return f"{purged:,} entries are gone from the server, {span}; the rest stays:"
    return f"Can go from the server: {span}. Nothing was removed; --yes does it. The rest stays:"


def _holds(decided: Plan) -> list[dict[str, Any]]:
    return [{"entry": hold.sequence, "why": f"the entry {hold.sequence} {hold.why}"} for hold in decided.holds]
