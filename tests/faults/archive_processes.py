"""Processes that archive and export, and are killed at the n-th thing that they do to the disk."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bus.record_reader
import ops.archive.archiving
import ops.archive.index
import ops.archive.segment
import ops.archive.writing
import ops.exports.exporting
import ops.exports.parquet
from bus.network import Network, open_network
from bus.settings import ConnectionSettings
from bus.subjects import Subjects
from ops.archive.archiving import archive_ledger
from ops.archive.source import open_source
from ops.archive.writing import SegmentWriter
from ops.cli.audit_export import _output
from ops.exports.exporting import export
from ops.filters import Filter


def make_small() -> None:
    """Have segments of 16 entries in blocks of a few, and exports that are committed with each batch of ten."""
    ops.archive.segment.WINDOW = 16
    ops.archive.writing.BLOCK_BYTES = 500  # type: ignore[attr-defined]  # imported there
    ops.archive.archiving.SETTLED_S = -60.0
    ops.exports.exporting.COMMIT_S = 0.0
    ops.exports.parquet.PART_ROWS = 7
    bus.record_reader.BATCH = 10


def arm(kill_at: int) -> None:
    """Have this process killed at the n-th call that changes something on the disk: before an odd one, after an even one."""
    done = 0

    def armed(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal done
            done += 2
            if done - 1 == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            returned = call(*arguments, **options)
            if done == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return returned

        return counted

    for owner, name in (
        (os, "fsync"),
        (Path, "rename"),
        (Path, "unlink"),
        (Path, "write_text"),
        (SegmentWriter, "_close_block"),
        (ops.archive.index, "_add"),
    ):
        setattr(owner, name, armed(getattr(owner, name)))


def archive(settings: ConnectionSettings, realm: str, directory: Path, kill_at: int) -> None:
    """Archive a realm's ledger."""
    make_small()
    arm(kill_at)
    asyncio.run(_with(settings, realm, lambda network: archive_ledger(network, directory)))


def write(settings: ConnectionSettings, realm: str, file: Path, form: str, kill_at: int) -> None:
    """Export a realm's ledger."""
    make_small()
    arm(kill_at)
    asyncio.run(_with(settings, realm, lambda network: exported(network, file, form)))


async def exported(network: Network, file: Path, form: str) -> Any:
    """Export all that a network's ledger holds, as the command does."""
    source = await open_source(network, None, network.subjects.realm)
    return await export(source, Filter(), form=form, output=_output(form, file, source.subjects.realm), file=file)


async def _with(settings: ConnectionSettings, realm: str, work: Callable[[Network], Any]) -> None:
    async with open_network(settings, Subjects(realm), name="killed", wait_s=20) as network:
        await work(network)
