"""Many deadlines at once, and several Omegas."""

import asyncio
import time
from datetime import datetime

import pytest

from bus.identity import Identity
from bus.jetstream import api
from clones.omega.deadlines import Deadlines
from schemas import (
    RoutingTable,
    TaskAssignment,
    decode,
)
from tests.bus.eventually import eventually
from tests.bus.rig import TYPE, Rig
from tests.bus.taking import store
from tests.clones.omega.deadlines.overseer import ROUTES, omega


@pytest.mark.usefixtures("quick")
async def test_two_omegas(rig: Rig) -> None:
    async with omega(rig), omega(rig):
        for number in range(200):
            await rig.submit(f"t{number}", schedule_to_close_s=1.0)
        for number in range(200):
            await rig.result(f"t{number}")
    results = await rig.results()
    assert len(results) == len({message.subject for message in results}) == 200


async def test_ten_thousand_queued_tasks(rig: Rig) -> None:
    """Stored in a moment and all due at once: the most that there is to do."""
    count, limit_s = 10_000, 3.0
    numbers = range(count)
    storing_cpu_s = time.process_time()
    for first in numbers[::500]:
        bodies = (b'{"id":"t%d","schedule_to_close_s":3}' % number for number in numbers[first : first + 500])
        await asyncio.gather(*(store(rig.network, body) for body in bodies))
    storing_cpu_s = time.process_time() - storing_cpu_s
    idle = Deadlines(rig.network, Identity("omega"), lambda: RoutingTable(routes=ROUTES))
    looks_s = []
    for _ in range(4):
        began = time.monotonic()
        await idle.look()
        looks_s.append(time.monotonic() - began)
    cpu_s = time.process_time()
    async with omega(rig):

        async def all_ended() -> bool:
            await asyncio.sleep(0.5)  # to ask costs processor time too
            info = await api(rig.network.requester, f"STREAM.INFO.{rig.subjects.results}")
            return bool(info["state"]["messages"] == count)

        await eventually(all_ended, within_s=90)
    cpu_s = time.process_time() - cpu_s
    tasks = await rig.in_stream(rig.subjects.ledger, rig.subjects.task(TYPE))
    stored_at: dict[str | None, datetime] = {decode(TaskAssignment, task.data).id: task.stored_at for task in tasks}
    ended_at = {message.subject.rsplit(".", 1)[1]: message.stored_at for message in await rig.results()}
    late_s = [(ended_at[f"t{number}"] - stored_at[f"t{number}"]).total_seconds() - limit_s for number in numbers]
    print(  # noqa: T201  the figures that this test is for
        f"{count} queued tasks: the first look took {looks_s[0]:.2f} s, the last one {looks_s[-1] * 1000:.1f} ms; "
        f"they ended {min(late_s):.1f} to {max(late_s):.1f} s after their time, with {cpu_s:.1f} s of processor time, "
        f"after {storing_cpu_s:.1f} s for storing them"
    )
    assert min(late_s) > 0
    # What it costs is told as a ratio: how long it takes on a busy machine, or under a tracer, tells nothing.
    assert cpu_s < 15 * storing_cpu_s
