"""Exports from a real server's ledger and its archive: whole, the same whenever they are interrupted, and checked by others' tools."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ops.exports.exporting
import ops.exports.parquet
from bus.errors import SanctuaryError
from bus.server import EmbeddedServer
from ops.archive.archiving import archive_ledger
from ops.archive.source import Source, open_source
from ops.cli.audit_export import FORMATS, _output
from ops.entries import Entry
from ops.exports.exporting import export
from ops.filters import Filter
from tests.bus.rig import Rig, Runs, open_rig
from tests.ops.archive.ledgers import copied, ledger, purge, store


class Interrupted(Exception):
    pass


async def exported(
    source: Source, file: Path, form: str, *, dies_at: int | None = None, wanted: Filter | None = None
) -> Any:
    output = _output(form, file, source.subjects.realm)
    if dies_at is not None:
        take: Callable[[Entry], None] = output.take

        def die(entry: Entry) -> None:
            if (entry.sequence or 0) >= dies_at:
                raise Interrupted
            take(entry)

        output.take = die  # type: ignore[method-assign]
    return await export(source, wanted or Filter(), form=form, output=output, file=file)


@pytest.mark.parametrize("form", FORMATS)
async def test_an_export_is_the_same_however_often_it_is_interrupted(
    server: EmbeddedServer, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops.exports.exporting, "COMMIT_S", 0.0)
    monkeypatch.setattr(ops.exports.parquet, "PART_ROWS", 7)
    monkeypatch.setattr("bus.record_reader.BATCH", 10)
    async with open_rig(server) as rig:
        async with rig.worker(Runs()):
            for number in range(10):
                await rig.run(id=f"t{number}")
        await copied(rig, *(f"t{number}" for number in range(10)))
        # Of a task that takes longer than 0.1 s it is told too that it began.
        count = await store(rig, 60)
        source = await open_source(rig.network, tmp_path / "archive", rig.subjects.realm)
        whole = await exported(source, tmp_path / "whole", form)
        for dies_at in (5, 12, 33, 33, 70):
            with pytest.raises(Interrupted):
                await exported(source, tmp_path / "broken", form, dies_at=dies_at)
        # What comes later is no part of what was begun.
        await store(rig, 10)
        done = await exported(source, tmp_path / "broken", form)
    assert (done.entries, done.sha256, done.size_bytes) == (whole.entries, whole.sha256, whole.size_bytes)
    assert (whole.resumed_at, whole.entries, whole.looked_at) == (None, count, count)
    assert done.resumed_at > 30
    for name in ("whole", "broken"):
        data = (tmp_path / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == whole.sha256
        assert (tmp_path / f"{name}.sha256").read_text() == f"{whole.sha256}  {name}\n"
    assert files(tmp_path) == ["broken", "broken.sha256", "whole", "whole.sha256"]


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.is_file())


async def test_archived_entries_are_exported_as_if_still_in_the_stream(rig: Rig, tmp_path: Path) -> None:
    await store(rig, 40)
    source = await open_source(rig.network, tmp_path / "archive", rig.subjects.realm)
    before = await exported(source, tmp_path / "before", "jsonl")
    await archive_ledger(rig.network, tmp_path / "archive")
    await purge(rig, 30)
    after = await exported(source, tmp_path / "after", "jsonl")
    assert before.sha256 == after.sha256
    alone = await open_source(None, tmp_path / "archive", rig.subjects.realm)
    assert (await exported(alone, tmp_path / "alone", "jsonl")).sha256 == before.sha256


async def test_only_what_is_wanted(rig: Rig, tmp_path: Path) -> None:
    await store(rig, 40)
    source = await open_source(rig.network, None, rig.subjects.realm)
    times = [each.stored_at_ns for each in await ledger(rig)]
    assert times == sorted(times)
    done = await exported(source, tmp_path / "f", "jsonl", wanted=Filter(kinds=("TaskStarted",)))
    assert done.entries == 20
    lines = [json.loads(line) for line in (tmp_path / "f").read_text().splitlines()]
    assert [line["sequence"] for line in lines] == list(range(2, 41, 2))
    nothing = await exported(source, tmp_path / "none", "jsonl", wanted=Filter(types=("other",)))
    assert (nothing.entries, (tmp_path / "none").read_bytes()) == (0, b"")


async def test_parquet_is_read_by_others(rig: Rig, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    await store(rig, 20)
    await rig.publish(b'{"attempt":true}')
    await rig.publish(b"\xff\xfe")
    source = await open_source(rig.network, None, rig.subjects.realm)
    await exported(source, tmp_path / "f.parquet", "parquet")
    rows = pq.read_table(tmp_path / "f.parquet").to_pylist()
    assert [row["sequence"] for row in rows] == list(range(1, 23))
    assert rows[-2]["attempt"] is None
    assert (rows[0]["task_id"], rows[0]["kind"], json.loads(rows[0]["message"])["params"]["n"]) == (
        "t1",
        "TaskAssignment",
        1,
    )
    assert (rows[-1]["message"], rows[-1]["data"]) == (None, b"\xff\xfe")
    nothing = await exported(source, tmp_path / "none.parquet", "parquet", wanted=Filter(types=("other",)))
    assert (nothing.entries, pq.read_table(tmp_path / "none.parquet").num_rows) == (0, 0)


async def test_what_stands_in_the_way_is_told(rig: Rig, tmp_path: Path) -> None:
    await store(rig, 20)
    source = await open_source(rig.network, None, rig.subjects.realm)
    file = tmp_path / "f"
    with pytest.raises(Interrupted):
        await exported(source, file, "jsonl", dies_at=10)
    with pytest.raises(SanctuaryError, match="another export into"):
        await exported(source, file, "cloudevents")
    with pytest.raises(SanctuaryError, match="another export into"):
        await exported(source, file, "jsonl", wanted=Filter(types=("echo",)))
    (tmp_path / "f.resume").write_text("{")
    with pytest.raises(SanctuaryError, match="does not say how far"):
        await exported(source, file, "jsonl")
    (tmp_path / "f.resume").unlink()
    await exported(source, file, "jsonl")
    with pytest.raises(SanctuaryError, match="is there already"):
        await exported(source, file, "jsonl")
