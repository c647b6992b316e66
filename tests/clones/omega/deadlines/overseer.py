"""Omega's eye on deadlines in a realm, tasks that nobody holds, and how late they end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from bus.identity import Identity
from bus.jetstream import publish
from bus.network import open_network
from clones.omega.deadlines import Deadlines
from schemas import Route, RoutingTable, TaskFailure, TaskStarted, encode
from tests.bus.rig import TYPE, Rig
from tests.bus.taking import Taken, take

PARKING = "parking"
ON_TIME_S = 20.0
"""Two seconds or four, as a rule; and what a busy machine takes."""
ROUTES = {
    TYPE: Route(clone="echo", timeout_s=20),
    PARKING: Route(clone="echo", timeout_s=20, when_exhausted="park"),
}


@asynccontextmanager
async def omega(rig: Rig) -> AsyncIterator[dict[str, Route]]:
    """Omega's eye on deadlines, on a connection of its own; the routes may be changed."""
    routes = dict(ROUTES)
    async with open_network(rig.settings, rig.subjects, name="omega") as network:
        running = asyncio.create_task(Deadlines(network, Identity("omega"), lambda: RoutingTable(routes=routes)).run())
        try:
            yield routes
            assert not running.done(), "the eye on deadlines is closed"
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def ended(rig: Rig, task_id: str, limit_s: float) -> TaskFailure:
    """Return a task's failure, and see that it came in time and that there is one."""
    result = await rig.result(task_id, within_s=limit_s + ON_TIME_S + 10)
    assert isinstance(result, TaskFailure)
    [stored] = await rig.in_stream(rig.subjects.results, rig.subjects.result(TYPE, task_id))
    [task] = [
        each
        for each in await rig.in_stream(rig.subjects.ledger, rig.subjects.task(TYPE))
        if task_id.encode() in each.data
    ]
    late_s = (stored.stored_at - task.stored_at).total_seconds() - limit_s
    assert 0 <= late_s <= ON_TIME_S
    print(f"{result.code} {late_s:.1f} s after its time")  # noqa: T201  the figure that this test is for
    return result


async def begin(
    rig: Rig, task_id: str, *, task_type: str = TYPE, attempt: int = 1, kind: Any = TaskStarted, **fields: Any
) -> Taken:
    """Take a task as a worker that says it has begun, and then nothing more."""
    [taken] = await take(rig.network, rig.subjects.consumer(task_type))
    event = kind(
        task_id=task_id,
        task_type=task_type,
        clone="echo",
        instance="echo-1",
        attempt=attempt,
        at=datetime.now(UTC),
        **{"sequence": taken.sequence, **fields},
    )
    await publish(rig.network.requester, rig.subjects.event(task_type, task_id), encode(event))
    return taken
