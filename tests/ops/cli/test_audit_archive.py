"""`sanctuary audit archive` and `export` on a real server."""

import asyncio
import json
from pathlib import Path

from bus.jetstream import publish
from schemas import TaskAssignment
from tests.bus.eventually import eventually
from tests.ops.rig import Ended, OpsRig

FORGED = (
    b'{"type":"TaskStarted","task_id":"never","task_type":"security","clone":"c","instance":"i","attempt":1,'
    b'"at":"2026-01-01T00:00:00Z","sequence":999}'
)


async def stored(ops_rig: OpsRig, count: int) -> None:
    for number in range(count):
        await ops_rig.bus.submitter.submit("security", TaskAssignment(id=f"t{number}", params={"target": "."}))


async def archived(ops_rig: OpsRig, directory: Path, end: int) -> Ended:
    """Archive until the entries are old enough."""
    ended = Ended(1, "", "")

    async def done() -> bool:
        nonlocal ended
        ended = await ops_rig.cli("audit", "archive", "--archive", directory, "--json")
        assert ended.status == 0, ended.err
        return bool(ended.json["archived"]["end"] == end)

    await eventually(done)
    return ended


async def test_archived_and_listed_and_what_could_go(ops_rig: OpsRig, tmp_path: Path) -> None:
    await stored(ops_rig, 5)
    directory = tmp_path / "a"
    first = (await archived(ops_rig, directory, 5)).json
    assert first["archived"]["last"] == 5
    assert first["archived"]["lost"] is None
    other = await ops_rig.cli("audit", "archive", "--archive", tmp_path / "other")
    assert other.out.startswith(f"{tmp_path / 'other'} is a new archive\n")
    planned = await ops_rig.cli("audit", "archive", "--archive", directory, "--purge")
    said = planned.out.splitlines()
    assert said[0] == f"{directory} has the ledger up to the entry 5; nothing is new"
    assert said[1] == "Nothing can go from the server, which has the entries 1 to 5:"
    assert "  the entry 1 is not older than 7 days" in said
    listed = await ops_rig.cli("audit", "archive", "--archive", directory, "--list")
    columns, row = listed.out.splitlines()
    assert columns.split("\t")[:3] == ["from", "to", "entries"]
    assert row.split("\t")[:3] == ["1", "5", "5"]


async def test_what_cannot_be_done_is_told_in_a_line(ops_rig: OpsRig, tmp_path: Path) -> None:
    nowhere = await ops_rig.cli("audit", "archive")
    assert (nowhere.status, nowhere.err.count("\n")) == (2, 1)
    assert "--archive DIR" in nowhere.err
    early = await ops_rig.cli("audit", "archive", "--archive", tmp_path, "--purge", "--keep", "1m")
    assert (early.status, early.err.count("\n")) == (2, 1)
    for command in (["archive", "--archive"], ["export", "-o"]):
        mistyped = await ops_rig.cli("audit", *command, tmp_path / "mistyped" / "file")
        assert (mistyped.status, mistyped.err.count("\n")) == (2, 1)
        assert f"there is no directory {tmp_path / 'mistyped'}" in mistyped.err
    for options in (["--yes"], ["--keep", "30d"], ["--purge", "--list"]):
        mixed = await ops_rig.cli("audit", "archive", "--archive", tmp_path, *options)
        assert (mixed.status, mixed.err.count("\n")) == (2, 1)
        assert " goes with" in mixed.err
    await asyncio.to_thread((tmp_path / f"{1:020}-{9:020}.segment").write_bytes, b"nothing of the kind")
    damaged = await ops_rig.cli("audit", "archive", "--archive", tmp_path, "--list")
    assert (damaged.status, damaged.err.count("\n")) == (1, 1)
    assert "is damaged" in damaged.err


async def test_exported_from_the_archive_and_the_server(ops_rig: OpsRig, tmp_path: Path) -> None:
    await stored(ops_rig, 4)
    directory, file = tmp_path / "a", tmp_path / "ledger.jsonl"
    await archived(ops_rig, directory, 4)
    await stored(ops_rig, 6)
    done = await ops_rig.cli("audit", "export", "--archive", directory, "-o", file)
    assert (done.status, done.out.split(",")[0]) == (0, f"{file}: 6 of 6 entries"), done.err
    assert "of memory" in done.out
    lines = await asyncio.to_thread(file.read_text)
    assert [json.loads(line)["sequence"] for line in lines.splitlines()] == [1, 2, 3, 4, 5, 6]
    some = await ops_rig.cli(
        "audit", "export", "--type", "testing", "-o", tmp_path / "none", "--format", "otel", "--json"
    )
    assert (some.json["entries"], some.json["size_bytes"]) == (0, 0)


async def test_an_archive_is_checked_without_its_server(ops_rig: OpsRig, tmp_path: Path) -> None:
    await stored(ops_rig, 3)
    await publish(ops_rig.bus.network.requester, ops_rig.bus.subjects.event("security", "never"), FORGED)
    directory, empty = tmp_path / "a", tmp_path / "empty"
    await archived(ops_rig, directory, 4)
    await asyncio.to_thread(empty.mkdir)
    # Nobody listens on that port.
    nowhere = ("-s", "nats://127.0.0.1:1")
    told = await ops_rig.cli("audit", "check", *nowhere, "--archive", directory)
    nothing = await ops_rig.cli("audit", "check", *nowhere, "--archive", empty)

    assert told.status == 3
    assert "#4 no_task security never: TaskStarted of a task that was never submitted" in told.out
    assert "is read alone" in told.err
    assert "Without the server, runs of workflows were not judged" in told.out
    assert "4 entries up to #4: 1 thing does not fit; 3 tasks, runs" in told.out
    assert (nothing.status, nothing.out) == (1, "")
    assert f"nothing is archived in {empty}" in nothing.err
