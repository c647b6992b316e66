"""One export from its beginning, or from where it was interrupted, to its end. Memory is bounded whatever the ledger's length."""

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from bus.errors import SanctuaryError
from ops.archive.source import Source
from ops.exports.marks import Mark, clear, mark_file, partial_file, read_mark, write_mark
from ops.exports.outputs import Output
from ops.filters import Filter
from ops.searching import found_in, stretch

COMMIT_S = 1.0
"""So much work is done again at most after an interruption."""

Progress = Callable[[int, int], None]
"""Hears how many entries of the ledger were looked at, and how many there are."""


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What an export did."""

    file: str
    entries: int
    """That are in it."""
    looked_at: int
    """Sequences of the ledger that it is about."""
    size_bytes: int
    sha256: str
    took_s: float
    """Of this run."""
    resumed_at: int | None
    """The entry from which this run went on; None: it was the first."""
    peak_memory_bytes: int
    """Of this process."""


async def export(
    source: Source,
    wanted: Filter,
    *,
    form: str,
    output: Output,
    file: Path,
    progress: Progress = lambda done, total: None,
) -> Exported:
    """Write the entries that are wanted into `file`, and their SHA-256 beside it as `sha256sum` writes it.

    What is written is the same, whether or not it was interrupted.

    Raises:
        SanctuaryError: the file is there, another export into it is under way, or the ledger cannot be read.
        OSError: it cannot be written.
    """
    begun = time.monotonic()
    what = {"format": form, "realm": source.subjects.realm, "filter": _plain(wanted)}
    mark, resumed_at = await _begun(source, wanted, what, file)
    wanted = replace(wanted, since=mark.since, until=mark.until)
    start = output.begin(mark)
    try:
        await _write(source, wanted, output, mark, start, file=file, progress=progress)
        digest = await asyncio.to_thread(output.finish)
    finally:
        output.close()
    await asyncio.to_thread(_seal, file, digest)
    return Exported(
        file=str(file),
        entries=output.entries,
        looked_at=max(0, mark.last - mark.first + 1),
        size_bytes=output.size_bytes,
        sha256=digest,
        took_s=time.monotonic() - begun,
        resumed_at=resumed_at,
        peak_memory_bytes=peak_memory_bytes(),
    )


async def _write(
    source: Source, wanted: Filter, output: Output, mark: Mark, start: int, *, file: Path, progress: Progress
) -> None:
    """Have `output` take in what is wanted from the entry `start` on, and mark how far that is."""
    if mark.last < start:
        return
    committed = time.monotonic()
    async with aclosing(source.records(start, mark.last)) as batches:
        async for batch in batches:
            for record in batch:
                if (entry := found_in(source, wanted, record)) is not None:
                    output.take(entry)
            following = batch[-1].sequence + 1
            progress(following - mark.first, mark.last - mark.first + 1)
            if time.monotonic() - committed >= COMMIT_S:
                again_from = output.commit(following)
                if again_from is not None:
                    mark = msgspec.structs.replace(
                        mark,
                        next=again_from,
                        entries=output.entries,
                        pieces=output.pieces,
                        size_bytes=output.size_bytes,
                    )
                    write_mark(file, mark)
                committed = time.monotonic()
            await asyncio.sleep(0)


async def _begun(source: Source, wanted: Filter, what: dict[str, Any], file: Path) -> tuple[Mark, int | None]:
    """Return the mark to go on from, and from which entry; None: from the beginning."""
    mark = _standing(file)
    if mark is None:
        place = await stretch(source, wanted)
        mark = Mark(
            what=what, since=wanted.since, until=wanted.until, first=place.first, last=place.last, next=place.first
        )
        write_mark(file, mark)
        return mark, None
    if mark.what != what:
        raise SanctuaryError(
            f"another export into {file} was begun and not ended: go on with its format and its filter, or remove "
            f"{mark_file(file).name} and {partial_file(file).name} to begin anew"
        )
    return mark, mark.next


def _standing(file: Path) -> Mark | None:
    """Return the mark of an export that was interrupted."""
    if file.exists():
        if mark_file(file).exists():
            # It was interrupted when all was done.
            clear(file)
        raise SanctuaryError(f"{file} is there already: remove it, or name another file")
    return read_mark(file)


def _plain(wanted: Filter) -> Any:
    """Return a filter, times aside, as it can be read back from a file."""
    return msgspec.json.decode(msgspec.json.encode(replace(wanted, since=None, until=None)))


def _seal(file: Path, digest: str) -> None:
    file.with_name(f"{file.name}.sha256").write_text(f"{digest}  {file.name}\n", encoding="utf-8")
    partial_file(file).rename(file)
    clear(file)


def peak_memory_bytes() -> int:
    """Return the most memory that this process has had at once."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
