"""A notary dies at each call that it makes, its server dies under it, and its store is rolled back: no fork is ever signed."""

import asyncio
import itertools
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bus.jetstream import publish
from bus.ledger import entries, last_sequence
from bus.merkle import root_of
from bus.network import Network, open_network
from bus.record_reader import records
from bus.records import encode_record, gap_leaf, leaf_hash
from bus.server import EmbeddedServer, ServerOptions
from bus.server_config import NOTARY
from bus.subjects import Subjects
from bus.topology import ensure
from ops.proofs.checkpoint import Checkpoint, SignedCheckpoint, parse_checkpoint, verify
from ops.proofs.notary import CANNOT_SIGN
from ops.proofs.notes import PublicKey, parse_key
from schemas import ErrorEscalation, decode
from tests.bus.eventually import eventually
from tests.bus.rig import open_rig
from tests.faults.forking import gone
from tests.faults.notary_processes import POINTS, TORN, Death, sign_once

SIDES = ("before", "after")


async def store(network: Network, count: int) -> None:
    for number in range(count):
        await publish(network.requester, network.subjects.task("echo"), b"%d" % number)


async def checkpoints(network: Network) -> list[SignedCheckpoint]:
    """Those in the ledger."""
    found = [entry async for entry in entries(network, network.subjects.every("checkpoint"))]
    return [parse_checkpoint(entry.data) for entry in found]


async def assert_signed(network: Network, public: PublicKey, signed: list[SignedCheckpoint]) -> None:
    """Every checkpoint is of the ledger as it is."""
    last = await last_sequence(network)
    held = {each.sequence: each async for batch in records(network, 1, last) for each in batch}
    leaves = [
        leaf_hash(encode_record(held[sequence])) if sequence in held else gap_leaf(sequence)
        for sequence in range(1, last + 1)
    ]
    for each in signed:
        verify(each, public)
        size = each.checkpoint.size
        assert each.checkpoint == Checkpoint(public.name, size, root_of(leaves[:size]))


async def test_a_notary_that_dies_at_any_call_leaves_what_the_next_one_goes_on_with(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    """Each finds what the one before left, and signs the same ledger on."""
    deaths = 0
    async with open_rig(server, types=()) as rig:

        async def signs(death: Death | None) -> bool:
            """Run a notary on a ledger that has grown; tell whether it came to its end."""
            await store(rig.network, 2)
            last = await last_sequence(rig.network)
            process = sign_once(rig.settings, rig.subjects, tmp_path, last, death)
            await gone(process, within_s=60)
            assert process.exitcode in (0, -signal.SIGKILL)
            return process.exitcode == 0

        assert await signs(None)
        for point, (_, name) in enumerate(POINTS):
            for side in (*SIDES, TORN) if name == "_write_all" else SIDES:
                for number in itertools.count(1):
                    if await signs(Death(point, number, side)):
                        break
                    deaths += 1
        assert deaths > 2 * len(POINTS)
        assert await signs(None)
        public = parse_key((tmp_path / "notary" / "key.pub").read_text())
        signed = await checkpoints(rig.network)
        await assert_signed(rig.network, public, signed)
        kept = [parse_checkpoint(path.read_bytes()) for path in (tmp_path / "notary" / "checkpoints").iterdir()]
        await assert_signed(rig.network, public, kept)
        sizes = [each.checkpoint.size for each in signed]
        assert sizes == sorted(set(sizes))
        # What was signed and did not reach the ledger before the death did so in the next process.
        assert {each.checkpoint.size for each in kept} <= set(sizes)


@asynccontextmanager
async def notary(directory: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`sanctuary notary` on the store of a server."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops.cli", "notary", "--store", directory / "store", "--every", "1"),
        stderr=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith(("NATS_", "SANCTUARY_"))},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@asynccontextmanager
async def ledger(server: EmbeddedServer) -> AsyncIterator[Network]:
    async with open_network(server.settings_for("operator"), Subjects(), name="test") as network:
        await ensure(network.requester, network.subjects, task_types={})
        yield network


async def signed_up_to(network: Network, size: int) -> None:
    async def signed() -> bool:
        return any(each.checkpoint.size >= size for each in await checkpoints(network))

    await eventually(signed, within_s=60)


async def test_kills_of_notary_and_server_leave_one_history(tmp_path: Path) -> None:
    async with EmbeddedServer(ServerOptions(store=tmp_path / "store", port=-1)) as server:
        async with ledger(server) as network:
            await store(network, 50)
            async with notary(tmp_path):
                await signed_up_to(network, 50)
            await store(network, 50)
        async with notary(tmp_path) as process:
            await server.kill()
            await server.restart()
            async with ledger(server) as network:
                await store(network, 50)
                await signed_up_to(network, 150)
                process.terminate()
                assert await process.wait() == 0
                public = parse_key((tmp_path / "store" / "notary" / "key.pub").read_text())
                await assert_signed(network, public, await checkpoints(network))


async def test_a_store_that_was_rolled_back_stops_the_notary_for_good(tmp_path: Path) -> None:
    streams, backup = tmp_path / "store" / "jetstream", tmp_path / "backup"
    async with EmbeddedServer(ServerOptions(store=tmp_path / "store", port=-1)) as server:
        async with ledger(server) as network:
            await store(network, 10)
        await server.kill()
        shutil.copytree(streams, backup)
        await server.restart()
        async with ledger(server) as network:
            await store(network, 10)
            async with notary(tmp_path):
                await signed_up_to(network, 20)
        await server.kill()
        shutil.rmtree(streams)
        shutil.copytree(backup, streams)
        await server.restart()
        async with ledger(server) as network:
            await store(network, 15)
            async with notary(tmp_path) as process:
                _, said = await asyncio.wait_for(process.communicate(), 60)
            assert process.returncode == CANNOT_SIGN
            assert "is not the one that was signed" in said.decode()
            assert "Traceback" not in said.decode()
            assert await checkpoints(network) == []
            subject = network.subjects.escalation("critical", NOTARY)
            told: list[ErrorEscalation] = [
                decode(ErrorEscalation, entry.data) async for entry in entries(network, subject)
            ]
            assert ["was rolled back" in each.message for each in told] == [True]
            async with notary(tmp_path) as process:
                assert await asyncio.wait_for(process.wait(), 60) == CANNOT_SIGN


@pytest.mark.parametrize("said", ["another notary", "cannot be used"])
async def test_what_keeps_a_notary_from_starting_is_told_in_a_line(tmp_path: Path, said: str) -> None:
    async with EmbeddedServer(ServerOptions(store=tmp_path / "store", port=-1)) as server, ledger(server):
        if said == "cannot be used":
            (tmp_path / "store" / "keys" / "notary.key").write_text("no key")
        async with notary(tmp_path) as first:
            if said == "another notary":
                await eventually((tmp_path / "store" / "notary" / "leaves").exists)
                async with notary(tmp_path) as second:
                    _, told = await asyncio.wait_for(second.communicate(), 60)
                    status = second.returncode
            else:
                _, told = await asyncio.wait_for(first.communicate(), 60)
                status = first.returncode
        assert (status, said in told.decode()) == (1, True)
        assert len(told.decode().splitlines()) == 1
