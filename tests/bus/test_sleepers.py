"""Records of runs that wait: the latest driver's stands, and nobody takes away what he has not seen."""

import itertools
import json
from datetime import UTC, datetime

from msgspec.structs import replace

from bus import buckets
from bus.jetstream import publish
from bus.server import EmbeddedServer
from bus.sleepers import Sleeper, Sleepers, Standing, sleeper
from schemas import WorkflowStart, encode
from tests.bus.rig import Rig, open_rig

_serial = itertools.count()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def record(activation: int = 7, workflow_id: str = "w") -> Sleeper:
    start = WorkflowStart(input={"large": "x" * 1000}, labels={"team": "a"}, reply_to="_INBOX.a")
    waits_for = {"security": ("t1", "t2"), "workflow": ("child",)}
    return sleeper(
        "flow",
        workflow_id,
        start,
        activation=activation,
        since=NOON,
        waits_for=waits_for,
        until=NOON,
        nonce=f"n{next(_serial)}",
    )


async def bucket(rig: Rig) -> Sleepers:
    await buckets.ensure_bucket(rig.network.requester, rig.subjects.sleepers)
    return Sleepers(rig.network)


async def test_a_record_is_whole_but_for_the_input(server: EmbeddedServer) -> None:
    async with open_rig(server) as rig:
        sleepers, wanted = await bucket(rig), record()
        assert await sleepers.lie_down(wanted)
        assert (await sleepers.read("w")).sleeper == wanted
        assert wanted.start == WorkflowStart(id="w", labels={"team": "a"}, reply_to="_INBOX.a")
        assert await sleepers.get_up("w", activation=8)
        assert (await sleepers.read("w")).sleeper is None
        assert (await sleepers.read("v")) == Standing(0, None)


async def test_the_latest_driver_has_the_run(server: EmbeddedServer) -> None:
    async with open_rig(server) as rig:
        sleepers = await bucket(rig)
        later = record(8)
        assert await sleepers.lie_down(record(7))
        assert await sleepers.lie_down(later)
        assert not await sleepers.lie_down(record(7))
        assert not await sleepers.get_up("w", activation=7)
        assert (await sleepers.read("w")).sleeper == later
        # Somebody else's who has the same message.
        assert await sleepers.get_up("w", activation=8)
        assert (await sleepers.read("w")).sleeper == later
        assert await sleepers.get_up("w", activation=9)
        assert (await sleepers.read("w")).sleeper is None
        assert await sleepers.get_up("w", activation=9)


async def test_one_takes_away_what_he_has_seen_and_nothing_else(server: EmbeddedServer) -> None:
    async with open_rig(server) as rig:
        sleepers, seen, other = await bucket(rig), record(7), record(9)
        await sleepers.lie_down(seen)
        await sleepers.lie_down(other)
        await sleepers.remove(seen)
        assert (await sleepers.read("w")).sleeper == other
        # To be woken, it is the same record still.
        standing = await sleepers.read("w")
        assert await sleepers.replace(replace(other, woken_behind=3), standing.revision)
        assert not await sleepers.replace(replace(other, woken_behind=4), standing.revision)
        await sleepers.remove(other)
        assert (await sleepers.read("w")).sleeper is None


async def test_what_a_later_version_has_written_stays_when_the_run_is_woken(server: EmbeddedServer) -> None:
    async with open_rig(server) as rig:
        sleepers, wanted = await bucket(rig), record()
        grown = json.loads(encode(wanted))
        grown["new"], grown["start"]["new"] = 1, {"x": 2}
        subject = buckets.subject_of(rig.subjects.sleepers, "w")
        await publish(rig.network.requester, subject, json.dumps(grown).encode())
        standing = await sleepers.read("w")
        assert standing.sleeper == wanted
        claimed = replace(wanted, woken_behind=3)
        assert await sleepers.replace(claimed, standing.revision, grown=standing.grown)
        again = await sleepers.read("w")
        assert again.sleeper == claimed
        assert json.loads(again.grown) == {**grown, "woken_behind": 3}


async def test_a_record_that_cannot_be_read_is_replaced(server: EmbeddedServer) -> None:
    async with open_rig(server) as rig:
        sleepers, wanted = await bucket(rig), record()
        await publish(rig.network.requester, buckets.subject_of(rig.subjects.sleepers, "w"), b"{}")
        assert (await sleepers.read("w")).sleeper is None
        assert await sleepers.lie_down(wanted)
        assert (await sleepers.read("w")).sleeper == wanted
