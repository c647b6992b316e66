"""A daemon whose worker is broken ends, so that its supervisor starts one that works."""

import asyncio
from typing import Any

import pytest

from bus.identity import Identity
from bus.lease import LeaseKeeper
from bus.pull import PullLoop
from bus.server import EmbeddedServer
from bus.task import Done, Task
from clones.daemon import Daemon
from schemas import ErrorEscalation, decode
from tests.bus.eventually import WITHIN_S, eventually
from tests.bus.rig import Rig, open_rig


@pytest.mark.parametrize(
    ("owner", "method"), [(PullLoop, "_pull"), (LeaseKeeper, "_tend")], ids=["cannot pull", "cannot renew"]
)
@pytest.mark.parametrize("capacity", [3, 32])
async def test_a_daemon_that_is_deaf_or_loses_its_leases_ends(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, owner: type, method: str, capacity: int
) -> None:
    async def wait(_: Task) -> Done:
        await asyncio.sleep(60)
        return Done()

    async def defect(*_: Any, **__: Any) -> None:
        raise RuntimeError("a defect")

    async with open_rig(server) as rig:
        daemon = Daemon(rig.network, Identity("echo"), [rig.service(wait)], capacity=capacity, drain_s=0.0)
        running = asyncio.create_task(daemon.run(asyncio.Event()))
        await rig.submit("one")
        await eventually(lambda: daemon.worker.in_flight == 1)
        monkeypatch.setattr(owner, method, defect)
        await rig.submit("two")
        with pytest.raises(RuntimeError, match="a defect"):
            async with asyncio.timeout(WITHIN_S):
                await running
        assert await escalations(rig) == [("critical", "RuntimeError: a defect")]


async def escalations(rig: Rig) -> list[tuple[str, str]]:
    stored = await rig.in_stream(rig.subjects.ledger, rig.subjects.every("escalation"))
    told: list[ErrorEscalation] = [decode(ErrorEscalation, message.data) for message in stored]
    return [(each.severity, each.message) for each in told]
