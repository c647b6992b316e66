"""Escalations are stored once, and whoever waits for the task hears of them."""

import asyncio
from datetime import UTC, datetime

import pytest

from bus.errors import SanctuaryError
from bus.escalations import escalate
from schemas import ErrorCode, ErrorEscalation, decode
from tests.bus.eventually import WITHIN_S
from tests.bus.rig import Rig


def told(**fields: str) -> ErrorEscalation:
    return ErrorEscalation(
        severity="high",
        clone="beta",
        instance="beta-1",
        code=ErrorCode.ATTEMPTS_EXHAUSTED,
        message=fields.get("message", "none left"),
        at=datetime.now(UTC),
        task_id="it",
        task_type="security",
        attempt=3,
        awaits_decision=True,
    )


async def test_it_is_stored_and_told_to_the_tasks_inbox(rig: Rig) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    inbox = "_INBOX.somebody.1"
    await rig.network.client.listen(inbox, lambda message: heard.put_nowait(message.data))
    sent = told()
    await escalate(rig.network, sent, reply_to=inbox)
    copy: ErrorEscalation = decode(ErrorEscalation, await asyncio.wait_for(heard.get(), WITHIN_S))
    assert copy == sent
    (stored,) = await rig.in_stream(rig.subjects.ledger, rig.subjects.every("escalation"))
    assert stored.subject == rig.subjects.escalation("high", "beta")
    assert decode(ErrorEscalation, stored.data) == sent


async def test_sent_again_it_is_stored_once(rig: Rig) -> None:
    sent = told()
    await escalate(rig.network, sent, reply_to=None)
    await escalate(rig.network, sent, reply_to=None)
    await escalate(rig.network, told(message="another one"), reply_to=None)
    stored = await rig.in_stream(rig.subjects.ledger, rig.subjects.every("escalation"))
    assert [decode(ErrorEscalation, message.data).message for message in stored] == ["none left", "another one"]


async def test_nothing_but_an_inbox_is_told(rig: Rig) -> None:
    await escalate(rig.network, told(), reply_to=rig.subjects.task("echo"))
    await rig.network.client.flush()
    assert await rig.in_stream(rig.subjects.ledger, rig.subjects.every("task")) == []


async def test_what_cannot_be_stored_is_an_error(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig.subjects, "realm", "nowhere")
    with pytest.raises(SanctuaryError):
        await escalate(rig.network, told(), reply_to=None)
