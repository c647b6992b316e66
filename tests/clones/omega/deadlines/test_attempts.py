"""Attempts that ran longer than they might, and whose instance says nothing more."""

from typing import Any

import pytest

import clones.omega.agenda
import clones.omega.deadlines
import clones.omega.overdue
from bus.topology import ACK_WAIT_S
from schemas import (
    TaskFailure,
)
from tests.bus.rig import TYPE, Rig
from tests.clones.omega.deadlines.overseer import PARKING, begin, ended, omega


async def test_the_last_attempt_of_an_instance_that_is_gone(rig: Rig) -> None:
    async with omega(rig):
        await rig.submit("mine", timeout_s=1.0, retries=1)
        await begin(rig, "mine", attempt=2)
        result = await ended(rig, "mine", 1.0)
    assert (result.code, result.attempt) == ("start_to_close_timeout", 2)
    assert "ran longer than 1 s and its instance echo-1 did not end it" in result.message


@pytest.mark.usefixtures("quick")
async def test_attempts_that_omega_leaves_to_the_next_worker(rig: Rig) -> None:
    """Not the last one, forgiven, of another assignment, of none; and one whose route parks what has used up its attempts."""
    told: list[dict[str, Any]] = [
        {"attempt": 1},
        {"attempt": 2, "forgiven": 1},
        {"attempt": 2, "sequence": 1},
        {"attempt": 2, "sequence": -1},
    ]
    for number, fields in enumerate(told):
        await rig.submit(f"t{number}", timeout_s=0.2, retries=1)
        await begin(rig, f"t{number}", **fields)
    await rig.publish(b'{"id":"parked","timeout_s":0.2,"retries":0}', PARKING)
    await begin(rig, "parked", task_type=PARKING)
    await rig.submit("mine", timeout_s=0.2, retries=1)
    await begin(rig, "mine", attempt=2)
    async with omega(rig):
        await rig.result("mine")
        await rig.submit("later", schedule_to_close_s=0.5)
        await rig.result("later")
    assert len(await rig.results()) == 2


@pytest.mark.usefixtures("quick")
async def test_an_instance_that_is_there_and_does_not_answer(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be stopped, and may go on: Omega waits until its lease is over for certain."""
    assert clones.omega.overdue.LEASE_OVER_S > ACK_WAIT_S
    monkeypatch.setattr(clones.omega.overdue, "LEASE_OVER_S", 1.5)
    asked = await rig.network.client.subscribe(rig.subjects.status("echo", "echo-1"))
    async with omega(rig):
        await rig.submit("mine", timeout_s=0.2, retries=0)
        await begin(rig, "mine")
        result = await rig.result("mine")
    assert isinstance(result, TaskFailure)
    assert result.code == "start_to_close_timeout"
    [began] = await rig.in_stream(rig.subjects.ledger, rig.subjects.event(TYPE, "mine"))
    [ended_] = await rig.results()
    assert (ended_.stored_at - began.stored_at).total_seconds() >= 1.5 + 0.2
    assert asked.pending_msgs > 0
