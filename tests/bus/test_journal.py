"""Storing a task's events, on a real server."""

from datetime import UTC, datetime
from typing import Any

import pytest

import bus.journal
from bus.errors import RequestTimeout
from bus.jetstream import PubAck, publish
from bus.journal import Journal
from schemas import TaskParked, TaskResumed
from tests.bus.rig import TYPE, Rig


async def test_an_event_is_stored_once_where_its_answer_was_lost(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever decides about a parked task may have done so before its parking is sent again."""
    told: dict[str, Any] = {"task_id": "x", "task_type": TYPE, "clone": "echo", "instance": "echo-1", "attempt": 1}
    parked = TaskParked(**told, at=datetime.now(UTC), code="handler_failed", message="")
    resumed = TaskResumed(**told, at=datetime.now(UTC), command=1)
    journal = Journal(rig.network.requester, rig.subjects)

    async def answer_lost(*args: Any, **fields: Any) -> PubAck:
        monkeypatch.setattr(bus.journal, "publish", publish)
        await publish(*args, **fields)
        await journal.store(resumed)
        raise RequestTimeout("no answer in time")

    monkeypatch.setattr(bus.journal, "publish", answer_lost)
    await journal.store(parked)
    assert await rig.events("x") == [parked, resumed]
