"""Following the routing table in force, on a real server."""

import asyncio
from datetime import UTC, datetime

import msgspec
import pytest

import bus.routes
from bus.network import Network
from bus.routes import Revision, RouteWatch, ensure_bucket, put
from schemas import RoutesInForce, RoutingTable
from tests.bus.eventually import WITHIN_S, eventually
from tests.bus.rig import Rig


async def test_a_table_is_noticed_that_has_the_number_of_another_one(rig: Rig) -> None:
    """The bucket was removed and made anew, or the server's store is an older copy."""
    seen: list[Revision] = []
    first = RoutesInForce(table=RoutingTable(routes={}), at=datetime.now(UTC), command=1)
    second = msgspec.structs.replace(first, reason="made anew")
    async with RouteWatch(rig.network, seen.append):
        for routes in (first, second):
            await ensure_bucket(rig.network)
            assert await put(rig.network, routes, base_revision=0) == 1
            await eventually(lambda: bool(seen) and seen[-1].routes == routes)  # noqa: B023  waited for here and now
            await rig.network.client.jetstream(timeout=WITHIN_S).delete_key_value(rig.subjects.routes)
    assert len(seen) == 2


@pytest.mark.parametrize("where", ["reading", "telling"])
async def test_a_defect_does_not_end_the_watch(rig: Rig, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    heard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context["exception"]))
    read, seen = bus.routes.in_force, []

    async def once_broken(network: Network) -> Revision | None:
        if where == "reading" and not heard:
            raise RuntimeError("unlike any other")
        return await read(network)

    def on_change(revision: Revision) -> None:
        seen.append(revision.number)
        if where == "telling" and not heard:
            raise RuntimeError("unlike any other")

    monkeypatch.setattr(bus.routes, "in_force", once_broken)
    monkeypatch.setattr(bus.routes, "LOOK_EVERY_S", 0.05)
    routes = RoutesInForce(table=RoutingTable(routes={}), at=datetime.now(UTC), command=1)
    await ensure_bucket(rig.network)
    async with RouteWatch(rig.network, on_change):
        await put(rig.network, routes, base_revision=0)
        await eventually(lambda: bool(heard))
        await put(rig.network, msgspec.structs.replace(routes, reason="later"), base_revision=1)
        await eventually(lambda: seen[-1:] == [2])
    assert [str(error) for error in heard] == ["unlike any other"]
