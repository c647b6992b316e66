"""A pull that waits at the server: how long it is believed to be there."""

import asyncio

import pytest
from nats.aio.msg import Msg

from bus import pull_request
from bus.pull_request import PullRequest
from tests.bus.clock import Clock

INBOXES = ("inbox.a", "inbox.b")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pull_request, "time", made)
    monkeypatch.setattr(pull_request, "SILENCE_S", 0.02)
    return made


async def looks_again() -> None:
    """Let so much real time pass as a pull waits for at a time; that the clock stands still meanwhile is all that counts."""
    await asyncio.sleep(0.05)


def status(inbox: str, code: str) -> Msg:
    return Msg(_client=None, subject=inbox, headers={"Status": code})  # type: ignore[arg-type]  # nobody answers it


async def test_it_is_kept_while_the_server_speaks_of_it_on_each_inbox_and_lost_after_its_silence(clock: Clock) -> None:
    pull = PullRequest(1)
    waiting = asyncio.create_task(pull.wait(INBOXES, expires_s=30.0))
    await asyncio.sleep(0)
    for _ in range(4):
        clock.now += 0.015
        for inbox in INBOXES:
            pull.on_status(status(inbox, "100"))
        await looks_again()
        assert not waiting.done()
    clock.now += 0.015
    pull.on_status(status("inbox.a", "100"))
    await looks_again()
    assert not waiting.done()
    clock.now += 0.015
    pull.on_status(status("inbox.a", "100"))
    await waiting
    assert pull.lost


async def test_it_is_lost_where_it_should_have_expired_whatever_is_heard(clock: Clock) -> None:
    pull = PullRequest(1)
    waiting = asyncio.create_task(pull.wait(INBOXES, expires_s=30.0))
    await asyncio.sleep(0)
    clock.now += 30.0 + pull_request.GRACE_S
    for inbox in INBOXES:
        pull.on_status(status(inbox, "100"))
    await waiting
    assert pull.lost


async def test_what_the_server_ends_is_not_lost(clock: Clock) -> None:
    pull = PullRequest(1)
    waiting = asyncio.create_task(pull.wait(INBOXES, expires_s=30.0))
    await asyncio.sleep(0)
    pull.on_status(status("inbox.a", "408"))
    await waiting
    assert not pull.lost
