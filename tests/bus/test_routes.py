"""Following the routing table in force, on a real server."""

from datetime import UTC, datetime

import msgspec

from bus.routes import Revision, RouteWatch, ensure_bucket, put
from schemas import RoutesInForce, RoutingTable
from tests.bus.eventually import eventually
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
            await rig.network.client.jetstream().delete_key_value(rig.subjects.routes)
    assert len(seen) == 2
