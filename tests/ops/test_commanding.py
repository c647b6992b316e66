"""Commands to an Omega that is not there just now."""

import asyncio

import pytest

from bus.errors import NoResponders
from ops import commanding
from ops.commanding import verdict_on
from schemas import TaskCancel, TaskFailure
from tests.ops.cli.test_steering import omega
from tests.ops.rig import OpsRig

CANCEL = TaskCancel(task_id="nothing", task_type="security")


async def test_an_omega_that_starts_anew_is_waited_for(ops_rig: OpsRig, monkeypatch: pytest.MonkeyPatch) -> None:
    # This one starts in the process that waits for it, which may have much else to do.
    monkeypatch.setattr(commanding, "ABSENT_S", 60.0)
    told: list[str] = []
    waited = asyncio.Event()

    def waiting(words: str) -> None:
        told.append(words)
        waited.set()

    asking = asyncio.create_task(verdict_on(ops_rig.bus.network, CANCEL, within_s=60, waiting=waiting))
    await asyncio.wait_for(waited.wait(), 30)
    async with omega(ops_rig):
        verdict = await asyncio.wait_for(asking, 60)
    assert isinstance(verdict, TaskFailure)
    assert verdict.task_id.startswith("seq-")
    assert told == ["No Omega answers; waiting up to 60 s for one."]


async def test_an_omega_that_does_not_come_is_given_up(ops_rig: OpsRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commanding, "ABSENT_S", 1.0)
    told: list[str] = []
    with pytest.raises(NoResponders, match="no Omega runs here"):
        await verdict_on(ops_rig.bus.network, CANCEL, within_s=20, waiting=told.append)
    assert len(told) == 1


async def test_where_nobody_watches_it_is_told_at_once(ops_rig: OpsRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commanding, "ABSENT_S", float("inf"))
    with pytest.raises(NoResponders):
        await asyncio.wait_for(verdict_on(ops_rig.bus.network, CANCEL, within_s=20), 30)
