"""Ledger entries as an Apache Parquet file, by pyarrow (the extra `parquet`).

The file's footer is written last, so a file that was interrupted is none. What is taken in goes into parts, each a whole file
beside it, and the parts are put together at the end, one at a time in memory.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import msgspec

from bus.errors import SanctuaryError
from ops.entries import Entry, text
from ops.exports.marks import Mark, part_file, partial_file
from ops.exports.outputs import READ_BYTES

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise SanctuaryError(f"Parquet files need pyarrow ({error}): pip install 'sanctuary-bus[parquet]'") from None

PART_ROWS = 10_000
PART_BYTES = 32 * 1024 * 1024
"""Of messages: a part is closed with the first of the two that is reached."""

SCHEMA = pa.schema(
    [
        pa.field("sequence", pa.int64(), nullable=False),
        pa.field("stored_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("family", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("task_type", pa.string()),
        pa.field("task_id", pa.string()),
        pa.field("parent_id", pa.string()),
        pa.field("clone", pa.string()),
        pa.field("instance", pa.string()),
        pa.field("attempt", pa.int64()),
        pa.field("code", pa.string()),
        pa.field("signer", pa.string()),
        # As JSON, of a history without its secrets; null where the message is neither JSON nor MessagePack.
        pa.field("message", pa.string()),
        # Such a message's bytes.
        pa.field("data", pa.binary()),
    ]
)


class ParquetOutput:
    """As `ops.exports.outputs.Output`."""

    def __init__(self, file: Path) -> None:
        self.entries = 0
        self.pieces = 0
        self.size_bytes = 0
        self._file = file
        self._path = partial_file(file)
        self._rows: list[dict[str, Any]] = []
        self._waiting_bytes = 0

    def begin(self, mark: Mark) -> int:
        """As in Output."""
        self.entries, self.pieces = mark.entries, mark.pieces
        for number in range(1, mark.pieces + 1):
            if not self._part(number).exists():
                raise SanctuaryError(
                    f"{self._part(number)} is not there any more: remove {self._path.stem}.resume to begin anew"
                )
        return mark.next

    def take(self, entry: Entry) -> None:
        """As in Output."""
        self._rows.append(_row(entry))
        self._waiting_bytes += len(entry.data)
        # By the rows alone: whenever it was interrupted, the parts are the same.
        if len(self._rows) == PART_ROWS or self._waiting_bytes >= PART_BYTES:
            self._close_part()

    def commit(self, following: int) -> int | None:
        """As in Output."""
        if not self.pieces:
            return None
        return self._rows[0]["sequence"] if self._rows else following

    def finish(self) -> str:
        """As in Output."""
        if self._rows:
            self._close_part()
        parts = [self._part(number) for number in range(1, self.pieces + 1)]
        with self._path.open("wb") as file:
            with pq.ParquetWriter(file, SCHEMA, compression="zstd") as whole:
                for part in parts:
                    with pq.ParquetFile(part) as read:
                        for group in range(read.num_row_groups):
                            whole.write_table(read.read_row_group(group))
            file.flush()
            os.fsync(file.fileno())
        self.size_bytes = self._path.stat().st_size
        digest = hashlib.sha256()
        with self._path.open("rb") as written:
            while data := written.read(READ_BYTES):
                digest.update(data)
        return digest.hexdigest()

    def close(self) -> None:
        """As in Output."""

    def _part(self, number: int) -> Path:
        return part_file(self._file, number)

    def _close_part(self) -> None:
        with self._part(self.pieces + 1).open("wb") as part:
            pq.write_table(pa.Table.from_pylist(self._rows, schema=SCHEMA), part, compression="zstd")
            part.flush()
            os.fsync(part.fileno())
        self.entries += len(self._rows)
        self.pieces += 1
        self._rows, self._waiting_bytes = [], 0


def _row(entry: Entry) -> dict[str, Any]:
    attempt = entry.fields.get("attempt")
    row: dict[str, Any] = {
        "sequence": entry.sequence,
        "stored_at": entry.stored_at,
        "subject": entry.subject,
        "family": entry.family,
        "kind": entry.kind,
        "task_type": entry.task_type,
        "task_id": entry.task_id,
        "attempt": attempt if type(attempt) is int and abs(attempt) < 2**63 else None,
        "signer": entry.signer,
    }
    row |= {name: text(entry.fields.get(name)) for name in ("parent_id", "clone", "instance", "code")}
    try:
        row["message"] = None if entry.body is None else msgspec.json.encode(entry.body).decode()
    except (TypeError, ValueError, RecursionError):  # MessagePack has values that JSON has not
        row["message"] = None
    row["data"] = entry.data if row["message"] is None else None
    return row
